//! What a log and its writer share: the lines that wait, and how they are written.

use std::{
    io,
    os::fd::BorrowedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use underpass_core::{Fault, Severity};

use super::{
    complain::complain,
    opening::Readers,
    outlet::{Attempt, Identity, Outlet, Target, is_writable_within},
    pending::{Buffering, Pending},
    queue::Queue,
    syslog::{frame, framed},
};

/// How many writes a log has before others have their turn.
const TURN: usize = 64;

/// How many seconds whoever logs waits for a reader, as long as the writer isn't started.
const DIRECT_PATIENCE: u8 = 1;

/// A log that fails is told at most so often, as in nginx.
const BETWEEN_FAILURES: Duration = Duration::from_secs(60);

/// Losses of one log are told at most so often.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

/// How a log is opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) target: Target,
    pub(super) readers: Readers,
    pub(super) buffering: Buffering,
    /// What a file begins with, in whole lines: the first line in each that is opened has it in front.
    pub(super) preamble: Option<Arc<[u8]>>,
}

/// What a log and its writer share.
#[derive(Debug)]
pub(super) struct Shared {
    target: Target,
    readers: Readers,
    preamble: Option<Arc<[u8]>>,
    pending: Mutex<Pending>,
    /// Locked by whoever writes: the writer, or nobody else but in its absence.
    writing: Mutex<Writing>,
    queue: Arc<Queue<Self>>,
}

/// What is being written.
#[derive(Debug)]
pub(super) struct Writing {
    outlet: Outlet,
    /// So much of the preamble is written; absent: all of it.
    preamble: Option<usize>,
    bytes: Vec<u8>,
    /// So many of them are written, or lost.
    done: usize,
    is_stuck: bool,
    failure: Option<io::Error>,
    failure_told: Option<Instant>,
    /// Whether something could be written since the last time that nothing could.
    wrote: bool,
    reported: Option<Instant>,
}

/// What the writer has to do for a log next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, before it is told so.
    Nothing,
    /// More, after the others.
    More,
    /// To look again at this time.
    Wait(Instant),
    /// To look again when its outlet takes something.
    Stuck,
}

impl Shared {
    pub(super) fn open(opening: Opening, queue: Arc<Queue<Self>>) -> io::Result<Arc<Self>> {
        let Opening { target, readers, buffering, preamble } = opening;
        let preamble = preamble.filter(|preamble| !preamble.is_empty());
        let outlet = Outlet::open(&target, readers, queue.opener.as_deref())?;
        let pending = Pending::new(buffering, outlet.identity()).map_err(|error| {
            let size = buffering.size;
            let message = format!("no memory for a buffer of {size} bytes for the log {target}");
            io::Error::new(io::ErrorKind::OutOfMemory, format!("{message} ({error})"))
        })?;
        let writing = Writing {
            outlet,
            preamble: preamble.is_some().then_some(0),
            bytes: Vec::new(),
            done: 0,
            is_stuck: false,
            failure: None,
            failure_told: None,
            wrote: false,
            reported: None,
        };
        let (pending, writing) = (Mutex::new(pending), Mutex::new(writing));
        Ok(Arc::new(Self { target, readers, preamble, pending, writing, queue }))
    }

    pub(super) fn is_opened_as(&self, opening: &Opening) -> bool {
        (&self.target, self.readers, &self.preamble) == (&opening.target, opening.readers, &opening.preamble)
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line. One that finds no room is counted.
    pub(super) fn append(self: &Arc<Self>, severity: Option<Severity>, line: &[u8]) {
        let mut pending = self.pending();
        if !self.add(&mut pending, severity, line) {
            // Before the writer goes on: it may tell what was lost behind the last line, and not look again.
            pending.lose(memchr::memchr_iter(b'\n', line).count() as u64 + 1);
        }
        self.see_to(pending);
    }

    /// Adds a line, if there is room for it; whether there is.
    pub(super) fn offer(self: &Arc<Self>, severity: Option<Severity>, line: &[u8]) -> bool {
        let mut pending = self.pending();
        let accepted = self.add(&mut pending, severity, line);
        self.see_to(pending);
        accepted
    }

    fn add(&self, pending: &mut Pending, severity: Option<Severity>, line: &[u8]) -> bool {
        let room = &self.queue.room;
        match &self.target {
            Target::Syslog(_) => pending.add(framed(line.len()), room, |bytes| frame(severity, line, bytes)),
            Target::Stderr | Target::Path(_) => pending.add(line.len() + 1, room, |bytes| {
                bytes.extend_from_slice(line);
                bytes.push(b'\n');
            }),
        }
    }

    /// How many lines were lost since the log was opened.
    pub(super) fn lost(&self) -> u64 {
        self.pending().lost
    }

    pub(super) fn flush(self: &Arc<Self>) {
        let mut pending = self.pending();
        pending.flush(&self.queue.room);
        self.see_to(pending);
    }

    pub(super) fn reopen(self: &Arc<Self>) -> io::Result<()> {
        let outlet = Outlet::open(&self.target, self.readers, self.queue.opener.as_deref())?;
        let mut pending = self.pending();
        pending.switch(outlet, &self.queue.room);
        self.see_to(pending);
        Ok(())
    }

    /// Has what is due written.
    fn see_to(self: &Arc<Self>, mut pending: MutexGuard<'_, Pending>) {
        if !self.queue.has_writer() {
            drop(pending);
            return self.write_directly();
        }
        let is_due = pending.is_due();
        if (is_due || pending.flush_at().is_some()) && !pending.is_listed {
            pending.is_listed = true;
            drop(pending);
            self.queue.list(Arc::clone(self));
        } else if is_due {
            drop(pending);
            self.queue.ring();
        }
    }

    /// Without a writer: the caller writes, and waits a little for a reader.
    fn write_directly(&self) {
        while matches!(self.write(Instant::now()), Next::More | Next::Stuck) {
            let mut writing = self.writing();
            if writing.is_stuck
                && !writing
                    .outlet
                    .descriptor()
                    .is_some_and(|outlet| is_writable_within(outlet, DIRECT_PATIENCE))
            {
                self.lose(&mut writing, usize::MAX);
            }
        }
        if let Some(failure) = self.failure(Instant::now()) {
            complain(&failure);
        }
    }

    /// Writes what is due, as far as the outlet takes it.
    pub(super) fn write(&self, now: Instant) -> Next {
        let room = &self.queue.room;
        let mut writing = self.writing();
        let writing = &mut *writing;
        writing.is_stuck = false;
        for _ in 0..TURN {
            if writing.done == writing.bytes.len() {
                (writing.done, _) = (0, writing.bytes.clear());
                let mut pending = self.pending();
                if pending.flush_at().is_some_and(|at| at <= now) {
                    pending.flush(room);
                }
                pending.take(&mut writing.bytes);
                if writing.bytes.is_empty() {
                    let Some(outlet) = pending.next_outlet(false) else {
                        // Without a writer nobody looks again.
                        pending.is_listed = pending.flush_at().is_some() && self.queue.has_writer();
                        return pending.flush_at().map_or(Next::Nothing, Next::Wait);
                    };
                    drop(pending);
                    self.go_on_with(outlet, writing);
                    continue;
                }
            }
            let preamble = self.preamble.as_deref().zip(writing.preamble);
            let attempt = match preamble.and_then(|(preamble, done)| preamble.get(done..)) {
                Some(rest) => writing.outlet.write(rest),
                None => writing.outlet.write(writing.bytes.get(writing.done..).unwrap_or_default()),
            };
            match (attempt, preamble) {
                (Attempt::Written(count), Some((preamble, done))) => {
                    writing.preamble = Some(done + count).filter(|done| *done < preamble.len());
                }
                (Attempt::Written(count), None) => {
                    writing.done += count;
                    writing.wrote = true;
                    writing.failure = writing.outlet.refusal().or_else(|| writing.failure.take());
                    self.pending().settle(count, room);
                }
                (Attempt::Stuck, _) => {
                    let next = self.pending().next_outlet(true);
                    let Some(outlet) = next else {
                        writing.is_stuck = true;
                        return Next::Stuck;
                    };
                    let rest = writing.bytes.get(writing.done..).unwrap_or_default();
                    let rest = if preamble.is_some() { 0 } else { writing.outlet.rest_of_line(rest) };
                    self.lose(writing, rest);
                    self.go_on_with(outlet, writing);
                }
                (Attempt::Failed(count, error), _) => {
                    (writing.wrote, writing.failure) = (false, Some(error));
                    writing.preamble = preamble.map(|_| 0);
                    self.lose(writing, count);
                }
            }
        }
        Next::More
    }

    fn go_on_with(&self, outlet: Outlet, writing: &mut Writing) {
        writing.outlet = outlet;
        writing.preamble = self.preamble.is_some().then_some(0);
    }

    /// Counts as lost what is in so many of the bytes that are being written.
    fn lose(&self, writing: &mut Writing, count: usize) {
        let rest = writing.bytes.get(writing.done..).unwrap_or_default();
        let lost = rest.get(..count).unwrap_or(rest);
        let (lines, count) = (writing.outlet.lines(lost), lost.len());
        writing.done += count;
        let mut pending = self.pending();
        if count > 0 {
            pending.lose(lines);
        }
        pending.settle(count, &self.queue.room);
    }

    /// Whether it stands still, and what it is then, if others may be the same.
    pub(super) fn stuck_at(&self) -> Option<Option<Identity>> {
        let writing = self.writing();
        writing.is_stuck.then(|| writing.outlet.identity())
    }

    /// Whether it is written to one of these.
    pub(super) fn is_one_of(&self, stuck: &[Identity]) -> bool {
        !stuck.is_empty()
            && self.writing().outlet.identity().is_some_and(|identity| stuck.contains(&identity))
    }

    /// What has failed since the last call, if it is to be told.
    pub(super) fn failure(&self, now: Instant) -> Option<String> {
        let mut writing = self.writing();
        let error = writing.failure.take()?;
        if writing.failure_told.is_some_and(|told| now < told + BETWEEN_FAILURES) {
            return None;
        }
        writing.failure_told = Some(now);
        Some(self.failed(error))
    }

    fn failed(&self, error: io::Error) -> String {
        let fault = Fault::from(error);
        match &self.target {
            Target::Syslog(syslog) => {
                format!("send() to the syslog server \"{}\" failed ({fault})", syslog.written)
            }
            target => format!("write() to {target} failed ({fault})"),
        }
    }

    /// Tells what was lost once lines are written again. When to try again, where there was no room to tell it, or
    /// it is too early.
    pub(super) fn report(&self, now: Instant, tell: impl FnOnce(&str) -> bool) -> Option<Instant> {
        let lost = self.pending().untold;
        let mut writing = self.writing();
        // What is lost from here on is told once it goes on.
        let goes_on = !writing.is_stuck;
        if lost == 0 || !writing.wrote {
            writing.wrote &= goes_on;
            return None;
        }
        let earliest = writing.reported.map_or(now, |at| at + BETWEEN_REPORTS);
        if now < earliest {
            return Some(earliest);
        }
        (writing.reported, writing.wrote) = (Some(now), goes_on);
        drop(writing);
        if !tell(&self.lost_lines(lost)) {
            return Some(now + BETWEEN_REPORTS);
        }
        self.pending().untold -= lost;
        None
    }

    fn lost_lines(&self, lost: u64) -> String {
        let target = &self.target;
        match lost {
            1 => format!("1 line of the log {target} was lost"),
            _ => format!("{lost} lines of the log {target} were lost"),
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_settled(&self) -> bool {
        self.pending().is_empty()
    }

    /// Has the writer look again, although nothing is due.
    pub(super) fn keep_listed(&self) {
        self.pending().is_listed = true;
    }

    /// Tells what was lost so far, whether lines are written again or not.
    pub(super) fn report_last(&self, tell: impl FnOnce(&str) -> bool) {
        let lost = std::mem::take(&mut self.pending().untold);
        if lost > 0 && !tell(&self.lost_lines(lost)) {
            complain(&self.lost_lines(lost));
        }
    }

    /// What is lost when the process ends here; nothing when all is written.
    pub(super) fn left_behind(&self) -> Option<String> {
        let bytes = self.pending().unwritten();
        (bytes > 0).then(|| format!("{bytes} bytes of the log {} could not be written in time", self.target))
    }
}

impl Writing {
    /// What is writable once it can go on.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.outlet.descriptor()
    }
}
