//! Moves the bytes of one session between two streams.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    task::{Context, Poll},
};

use underpass_core::{Buffers, Fault, Now, Session, Side, Tick, Turn, Wait};

use crate::{Stream, clock::Alarm};

/// Rounds of reading and writing after which other tasks have their turn.
pub(crate) const ROUNDS: u32 = 16;

thread_local! {
    /// The memory that the sessions of a thread share: a quiet one holds none.
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// Lends a session the thread's memory, for one report.
pub(crate) fn lend<T>(now: Now, report: impl FnOnce(&mut Turn<'_>) -> T) -> T {
    // A stream whose methods poll another relay finds the store empty, which is no mistake.
    let mut buffers = BUFFERS.take();
    let result = report(&mut Turn { now, buffers: &mut buffers });
    BUFFERS.set(buffers);
    result
}

/// One connection, as far as its write direction has come.
#[derive(Debug)]
pub(crate) struct Leg<S> {
    stream: S,
    /// Bytes that the stream took and may still hold in a buffer of its own. They are reported once it doesn't.
    unflushed: usize,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The write direction is open.
    No,
    /// It is to be ended.
    Wanted,
    /// It has ended.
    Done,
}

impl<S: Stream> Leg<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, unflushed: 0, ending: Ending::No }
    }

    /// Has the write direction ended, behind what was written.
    pub(crate) fn shut_down(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Wanted;
        }
    }

    /// Ends the write direction where that is due. Ready when nothing is left to do.
    fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ending == Ending::Wanted {
            // A peer that has gone already can't be told anything: an error ends the direction, too.
            let _ = std::task::ready!(self.stream.poll_close(cx));
            self.ending = Ending::Done;
        }
        Poll::Ready(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Result<usize, Fault> {
        outcome(self.stream.poll_read(cx, space))
    }

    /// Writes, and sees to it that the stream keeps nothing back.
    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Result<usize, Fault> {
        if self.unflushed == 0 {
            self.unflushed = match outcome(self.stream.poll_write(cx, bytes))? {
                0 => return Err(ErrorKind::WriteZero.into()),
                written => written,
            };
        }
        outcome(self.stream.poll_flush(cx))?;
        Ok(std::mem::take(&mut self.unflushed))
    }
}

fn outcome<T>(polled: Poll<io::Result<T>>) -> Result<T, Fault> {
    match polled {
        Poll::Ready(result) => result.map_err(Fault::from),
        Poll::Pending => Err(Fault::WOULD_BLOCK),
    }
}

/// Closes a connection: in order, or at once.
pub(crate) fn close<S: Stream>(leg: &mut Option<Leg<S>>, ending: underpass_core::Ending) {
    match ending {
        underpass_core::Ending::Fin => leg.iter_mut().for_each(Leg::shut_down),
        // The traits have no way to reset a connection: what was not sent is lost with the stream.
        underpass_core::Ending::Reset => *leg = None,
    }
}

/// Ends the write direction of a connection that is there, where that is due.
pub(crate) fn poll_shut_down<S: Stream>(leg: &mut Option<Leg<S>>, cx: &mut Context<'_>) -> Poll<()> {
    leg.as_mut().map_or(Poll::Ready(()), |leg| leg.poll_shut_down(cx))
}

/// Ends the write directions that are still to be ended, and drops both streams. A peer that doesn't read must not
/// keep them, so this is over `until` then.
pub(crate) fn poll_goodbyes<A: Stream, B: Stream>(
    client: &mut Option<Leg<A>>,
    upstream: &mut Option<Leg<B>>,
    (alarm, until): (&mut Alarm, Tick),
    cx: &mut Context<'_>,
) -> Poll<()> {
    let waits = poll_shut_down(client, cx).is_pending() | poll_shut_down(upstream, cx).is_pending();
    while waits && alarm.now().tick < until {
        if !alarm.wake_at(Some(until), cx) {
            return Poll::Pending;
        }
    }
    (*client, *upstream) = (None, None);
    Poll::Ready(())
}

/// What would block, until the task is woken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Blocked {
    reads: [bool; 2],
    writes: [bool; 2],
}

impl Blocked {
    /// Nothing is known of this side's connection.
    pub(crate) fn clear(&mut self, side: Side) {
        (self.reads[side as usize], self.writes[side as usize]) = (false, false);
    }
}

/// Reads from and writes to one side what the session wants; says whether anything moved.
pub(crate) fn advance<S: Stream>(
    session: &mut Session,
    side: Side,
    leg: Option<&mut Leg<S>>,
    (wait, blocked, now): (Wait, &mut Blocked, Now),
    cx: &mut Context<'_>,
) -> bool {
    let Some(leg) = leg else { return false };
    let mut moved = false;
    if wait.writes(side) && !blocked.writes[side as usize] {
        let result = leg.poll_send(cx, &session.transmit(side));
        blocked.writes[side as usize] = is_pending(result);
        moved |= !is_pending(result);
        lend(now, |turn| session.handle_sent(side, result, turn));
    }
    if wait.reads(side) && !blocked.reads[side as usize] {
        lend(now, |turn| {
            let Some(space) = session.receive_space(side, turn) else { return };
            let result = leg.poll_read(cx, space);
            blocked.reads[side as usize] = is_pending(result);
            moved |= !is_pending(result);
            session.handle_received(side, result, turn);
        });
    }
    moved
}

fn is_pending(result: Result<usize, Fault>) -> bool {
    result.is_err_and(|fault| fault.kind == ErrorKind::WouldBlock)
}
