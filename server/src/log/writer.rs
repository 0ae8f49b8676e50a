//! The thread that writes all logs of a process, and what it is told.

use std::{
    io::{self, PipeReader},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use underpass_core::Severity;

use super::{
    complain::complain,
    lines::Log,
    opening::Open,
    outlet::Identity,
    queue::Queue,
    shared::{Next, Shared},
};
use crate::{Clock, Moment};

/// The writer of the logs of a process, and where it tells what was lost.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) queue: Arc<Queue<Shared>>,
    /// Where losses are told.
    errors: Mutex<Option<Log>>,
    /// Whether somebody waits until everything is written; told when the writer has done what it can.
    awaited: Mutex<bool>,
    turn_over: Condvar,
}

impl Writer {
    /// Whatever is opened for its logs, `opener` opens.
    pub(super) fn opened_by(opener: Option<Arc<dyn Open>>) -> Self {
        Self { queue: Arc::new(Queue::opened_by(opener)), ..Self::default() }
    }

    /// Starts the thread; once, and not again.
    ///
    /// # Errors
    /// When the system refuses a thread or a pipe.
    pub(super) fn start(self: &Arc<Self>) -> io::Result<()> {
        let (reader, pipe) = io::pipe()?;
        let (start, started) = channel();
        let writer = Arc::clone(self);
        thread::Builder::new().name("log writer".into()).spawn(move || {
            if let Ok(reader) = started.recv() {
                writer.write(&reader);
            }
        })?;
        self.queue.attach_writer(pipe)?;
        start.send(reader).map_err(io::Error::other)
    }

    /// Where losses are told from now on.
    pub(super) fn tell_to(&self, log: Log) {
        // The log that it takes the place of is dropped without the lock: that may list it.
        let earlier = lock(&self.errors).replace(log);
        drop(earlier);
    }

    /// The thread ends.
    pub(super) fn end(&self) {
        self.queue.end();
        let earlier = lock(&self.errors).take();
        drop(earlier);
    }

    /// Waits until what is appended to `logs` so far is written; whether it is, within that time.
    pub(super) fn settle(&self, logs: &[Arc<Shared>], within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            let mut awaited = lock(&self.awaited);
            *awaited = true;
            logs.iter().for_each(Shared::flush);
            if logs.iter().all(|log| log.is_settled()) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.turn_over.wait_timeout_while(awaited, left, |awaited| *awaited);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Writes, until it is told to end.
    fn write(&self, bell: &PipeReader) {
        let clock = Clock::start();
        let mut busy: Vec<Arc<Shared>> = Vec::new();
        let mut stuck: Vec<Identity> = Vec::new();
        loop {
            self.queue.take_listed(&mut busy);
            let mut wake = None;
            stuck.clear();
            busy.retain(|log| self.visit(log, &clock, &mut stuck, &mut wake));
            if std::mem::take(&mut *lock(&self.awaited)) {
                self.turn_over.notify_all();
            }
            if wait(bell, &busy, wake) {
                self.queue.hear(bell);
            }
            if self.queue.has_ended() {
                return;
            }
        }
    }

    /// Writes what can be written of one log. Whether it has to be looked at again without being listed.
    ///
    /// Several logs may be written to one pipe. When one of them has written a part of a line there, or would come
    /// first, the others wait for it.
    fn visit(
        &self,
        log: &Arc<Shared>,
        clock: &Clock,
        stuck: &mut Vec<Identity>,
        wake: &mut Option<Instant>,
    ) -> bool {
        if log.is_one_of(stuck) {
            return true;
        }
        let now = Instant::now();
        let next = log.write(now);
        stuck.extend(log.stuck_at().flatten());
        if let Some(failure) = log.failure(now) {
            self.tell_failure(log, &failure, clock);
        }
        let retry = log.report(now, |loss| self.tell_loss(loss, clock.now()));
        let at = match next {
            Next::More => Some(now),
            Next::Wait(at) => Some(at),
            Next::Nothing | Next::Stuck => None,
        };
        let at = at.into_iter().chain(retry).min();
        *wake = wake.take().into_iter().chain(at).min();
        if next == Next::Nothing && retry.is_some() {
            log.keep_listed();
        }
        next != Next::Nothing || retry.is_some()
    }

    /// Whether there was room to tell it.
    pub(super) fn tell_loss(&self, loss: &str, at: Moment) -> bool {
        let errors = lock(&self.errors).clone();
        errors.is_some_and(|errors| errors.offer(Severity::Warn, loss, at))
    }

    /// A log that can't be written is told in the error log; when it is that itself, on the standard error stream.
    fn tell_failure(&self, log: &Arc<Shared>, failure: &str, clock: &Clock) {
        let errors = lock(&self.errors).clone();
        let Some(errors) =
            errors.filter(|errors| !errors.writes_events_to(|file| Arc::ptr_eq(file.shared(), log)))
        else {
            return complain(failure);
        };
        errors.event(Severity::Alert, failure, clock.now());
    }
}

/// Waits until the bell rings, something that stood still can go on, or the time has come. Whether the bell rings.
fn wait(bell: &PipeReader, busy: &[Arc<Shared>], wake: Option<Instant>) -> bool {
    let timeout = wake.map(|at| {
        let left = at.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            // Not a little too early, again and again.
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    let rings = PollFd::new(bell, PollFlags::IN);
    let is_stuck = |log: &&Arc<Shared>| log.stuck_at().is_some();
    let stuck: Vec<_> = busy.iter().filter(is_stuck).map(|log| log.writing()).collect();
    let is_rung = |asked: &mut [PollFd<'_>]| {
        // An interrupted wait is over; what there is to do is looked at again.
        let ready = poll(asked, timeout.as_ref());
        ready.is_ok() && asked.first().is_some_and(|bell| !bell.revents().is_empty())
    };
    if stuck.is_empty() {
        return is_rung(&mut [rings]);
    }
    let outlets = stuck.iter().filter_map(|writing| writing.descriptor());
    let outlets = outlets.map(|outlet| PollFd::from_borrowed_fd(outlet, PollFlags::OUT));
    is_rung(&mut std::iter::once(rings).chain(outlets).collect::<Vec<_>>())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
