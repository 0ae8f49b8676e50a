//! Moves the bytes of one session between two streams.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    task::{Context, Poll},
};

use underpass_core::{Buffers, Fault, Now, Session, Side, Slices, Tick, Tunnel, Turn, Wait};

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

/// What moves the bytes of two connections: a session, or a tunnel alone.
pub(crate) trait Machine {
    /// Whether what came since the last poll may be written at once: in a tunnel, bytes wait for nothing.
    fn is_tunnel(&self) -> bool;
    fn transmit(&mut self, to: Side) -> Slices<'_>;
    fn sent(&mut self, to: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>);
    fn receive_space(&mut self, from: Side, turn: &mut Turn<'_>) -> Option<&mut [u8]>;
    fn received(&mut self, from: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>);
    fn acknowledged(&mut self, to: Side, turn: &mut Turn<'_>);
    fn timed_out(&mut self, turn: &mut Turn<'_>);
}

/// A read or a write ends with its poll, and a connection is dropped as soon as it is released: what is reported is of the
/// connection that its side has.
impl Machine for Session {
    fn is_tunnel(&self) -> bool {
        self.has_tunnel()
    }

    fn transmit(&mut self, to: Side) -> Slices<'_> {
        self.transmit(self.connection(to))
    }

    fn sent(&mut self, to: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.handle_sent(self.connection(to), result, turn);
    }

    fn receive_space(&mut self, from: Side, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        self.receive_space(self.connection(from), turn)
    }

    fn received(&mut self, from: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.handle_received(self.connection(from), result, turn);
    }

    fn acknowledged(&mut self, to: Side, turn: &mut Turn<'_>) {
        self.handle_acknowledged(self.connection(to), turn);
    }

    fn timed_out(&mut self, turn: &mut Turn<'_>) {
        self.handle_timeout(turn);
    }
}

impl Machine for Tunnel {
    fn is_tunnel(&self) -> bool {
        true
    }

    fn transmit(&mut self, to: Side) -> Slices<'_> {
        Self::transmit(self, to)
    }

    fn sent(&mut self, to: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.handle_sent(to, result, turn);
    }

    fn receive_space(&mut self, from: Side, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        self.receive_space(from, turn)
    }

    fn received(&mut self, from: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        self.handle_received(from, result, turn);
    }

    fn acknowledged(&mut self, to: Side, turn: &mut Turn<'_>) {
        self.handle_acknowledged(to, turn);
    }

    fn timed_out(&mut self, turn: &mut Turn<'_>) {
        self.handle_timeout(turn);
    }
}

/// One round: writes what can be written, reads what is wanted, and in a tunnel writes what that has brought; says
/// whether anything moved.
pub(crate) fn advance<M: Machine, A: Stream, B: Stream>(
    machine: &mut M,
    (client, upstream, blocked): (&mut Option<Leg<A>>, &mut Option<Leg<B>>, &mut Blocked),
    (wait, now): (Wait, Now),
    cx: &mut Context<'_>,
) -> bool {
    let (down, up) = (Side::Downstream, Side::Upstream);
    // What is written makes room for what is read.
    let mut moved = wait.writes(down) && write(machine, down, client, (blocked, now), cx);
    moved |= wait.writes(up) && write(machine, up, upstream, (blocked, now), cx);
    let from_client = wait.reads(down) && read(machine, down, client, (blocked, now), cx);
    let from_upstream = wait.reads(up) && read(machine, up, upstream, (blocked, now), cx);
    if machine.is_tunnel() {
        moved |= from_client && !wait.writes(up) && write(machine, up, upstream, (blocked, now), cx);
        moved |= from_upstream && !wait.writes(down) && write(machine, down, client, (blocked, now), cx);
    }
    moved |= wait.acknowledges(down) && acknowledge(machine, down, client.as_ref(), now);
    moved |= wait.acknowledges(up) && acknowledge(machine, up, upstream.as_ref(), now);
    moved | from_client | from_upstream
}

/// Looks whether what was sent has been acknowledged. Where it has not, the deadline says when to look again.
fn acknowledge<M: Machine, S: Stream>(machine: &mut M, to: Side, leg: Option<&Leg<S>>, now: Now) -> bool {
    let has_all = leg.is_some_and(|leg| leg.stream.is_acknowledged());
    if has_all {
        lend(now, |turn| machine.acknowledged(to, turn));
    }
    has_all
}

fn write<M: Machine, S: Stream>(
    machine: &mut M,
    to: Side,
    leg: &mut Option<Leg<S>>,
    (blocked, now): (&mut Blocked, Now),
    cx: &mut Context<'_>,
) -> bool {
    let Some(leg) = leg.as_mut().filter(|_| !blocked.writes[to as usize]) else { return false };
    let result = match machine.transmit(to) {
        slices if slices.is_empty() => return false,
        slices => leg.poll_send(cx, &slices),
    };
    blocked.writes[to as usize] = is_pending(result);
    lend(now, |turn| machine.sent(to, result, turn));
    !is_pending(result)
}

fn read<M: Machine, S: Stream>(
    machine: &mut M,
    from: Side,
    leg: &mut Option<Leg<S>>,
    (blocked, now): (&mut Blocked, Now),
    cx: &mut Context<'_>,
) -> bool {
    let Some(leg) = leg.as_mut().filter(|_| !blocked.reads[from as usize]) else { return false };
    lend(now, |turn| {
        let Some(space) = machine.receive_space(from, turn) else { return false };
        let result = leg.poll_read(cx, space);
        blocked.reads[from as usize] = is_pending(result);
        machine.received(from, result, turn);
        !is_pending(result)
    })
}

/// What follows from a wait: the machine goes on, or the task sleeps.
pub(crate) enum Next {
    /// Something moved, or the deadline has come: poll again.
    GoOn,
    /// The task is woken when there is something to do.
    Sleep,
}

/// A machine's turn in the poll of a task: rounds until nothing moves, and no more than others can wait for.
#[derive(Debug, Default)]
pub(crate) struct Pump {
    rounds: u32,
    pub(crate) blocked: Blocked,
}

impl Pump {
    /// What comes first at `Wait`: ends of streams, a deadline that has passed, others' turn. Where none of these is all
    /// that is to be done, bytes are next.
    pub(crate) fn begin<M: Machine, A: Stream, B: Stream>(
        &mut self,
        machine: &mut M,
        (client, upstream, now): (&mut Option<Leg<A>>, &mut Option<Leg<B>>, Now),
        wait: Wait,
        cx: &mut Context<'_>,
    ) -> Option<Next> {
        // Progress of an orderly end is nothing that the machine waits for.
        let _ = (poll_shut_down(client, cx), poll_shut_down(upstream, cx));
        if wait.deadline.is_some_and(|deadline| deadline <= now.tick) {
            lend(now, |turn| machine.timed_out(turn));
            return Some(Next::GoOn);
        }
        if self.rounds == ROUNDS {
            cx.waker().wake_by_ref();
            return Some(Next::Sleep);
        }
        self.rounds += 1;
        None
    }
}

fn is_pending(result: Result<usize, Fault>) -> bool {
    result.is_err_and(|fault| fault.kind == ErrorKind::WouldBlock)
}
