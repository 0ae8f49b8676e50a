//! A shell whose reads and writes complete, as those of `io_uring` do: it begins one, and hears of it later. What is
//! ready is reported in an order of its own, and what was under way on a connection that has been released since is
//! reported last.
//!
//! It has memory of its own, so that it needs no `unsafe`: what a read brings is copied into the session's when it has
//! completed. But it asks for the session's memory when it begins, as one that hands addresses to the system does, and
//! holds the session to it: that memory isn't lent again before the report, and stays where it is.

use std::io::ErrorKind;

use underpass_core::{Fault, Leg, Side, Turn, Wait};

use super::{End, World, name};

/// Reads and writes that are under way.
#[derive(Clone, Debug)]
pub struct Completion {
    random: fastrand::Rng,
    /// What was under way on a released connection comes back when it is told to, and not by itself.
    holds_back: bool,
    /// Addresses mean something: those of a copy don't.
    has_addresses: bool,
    operations: Vec<Operation>,
    /// Reads and writes that came back when their side had another connection.
    late: [usize; 2],
}

/// One of them.
#[derive(Clone, Debug)]
struct Operation {
    leg: Leg,
    /// What is written; a read has none.
    bytes: Option<Vec<u8>>,
    /// Addresses and lengths of the session's memory.
    memory: Vec<(usize, usize)>,
    /// Its connection was released, or its direction ended: whatever it comes to has no effect on a peer.
    is_cancelled: bool,
    /// Something was reported since it began: a session may want to hear that there is nothing to be read still.
    is_old: bool,
}

/// What a cancelled operation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Late {
    /// One byte moved.
    Moved,
    /// None did: the end of a stream, for a read.
    Nothing,
    /// It was cancelled.
    Cancelled,
    /// Its connection broke.
    Broken,
}

impl Late {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Moved, Self::Nothing, Self::Cancelled, Self::Broken];

    fn result(self) -> Result<usize, Fault> {
        match self {
            Self::Moved => Ok(1),
            Self::Nothing => Ok(0),
            Self::Cancelled => Err(ErrorKind::Interrupted.into()),
            Self::Broken => Err(ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Completion {
    /// Operations complete in an order that follows from `seed`.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, holds_back: false, has_addresses: true, operations: Vec::new(), late: [0; 2] }
    }

    /// Operations complete in the order in which they began; those of released connections when
    /// [`World::comes_back`] says so.
    #[must_use]
    pub fn on_command() -> Self {
        Self { holds_back: true, ..Self::with_seed(0) }
    }

    /// For a copy of the world, whose memory lies elsewhere.
    pub(super) fn copied(&self) -> Self {
        Self { has_addresses: false, ..self.clone() }
    }

    /// This connection is released, or its direction to the peer is ended: what is under way there is cancelled.
    pub(super) fn cancel(&mut self, leg: Leg, reads: bool) {
        for operation in self.operations.iter_mut().filter(|operation| operation.leg == leg) {
            operation.is_cancelled |= reads || operation.bytes.is_some();
        }
    }

    fn has(&self, leg: Leg, writes: bool) -> bool {
        self.operations.iter().any(|one| one.leg == leg && one.bytes.is_some() == writes)
    }

    fn begin(&mut self, leg: Leg, bytes: Option<Vec<u8>>, memory: Vec<(usize, usize)>) {
        for other in self.operations.iter().filter(|other| bytes.is_none() || other.bytes.is_none()) {
            let overlap = memory.iter().any(|one| other.memory.iter().any(|two| overlaps(*one, *two)));
            assert!(
                !overlap || !self.has_addresses,
                "memory for the {} is lent that {other:?} uses",
                name(leg.side())
            );
        }
        self.operations.push(Operation { leg, bytes, memory, is_cancelled: false, is_old: false });
    }

    fn cancelled(&self) -> impl Iterator<Item = usize> {
        (0..self.operations.len()).filter(|at| self.operations[*at].is_cancelled)
    }
}

fn overlaps((at, length): (usize, usize), (other, others): (usize, usize)) -> bool {
    at < other + others && other < at + length
}

impl World {
    /// What is under way on connections that were released, oldest first: whether it reads, and whether its side has
    /// another connection since.
    #[must_use]
    pub fn late(&self) -> Vec<(bool, bool)> {
        let Some(completion) = &self.completion else { return Vec::new() };
        let outline = |at: usize| {
            let Operation { leg, bytes, .. } = &completion.operations[at];
            (bytes.is_none(), *leg != self.session.connection(leg.side()))
        };
        completion.cancelled().map(outline).collect()
    }

    /// How many reads and writes came back when their side had another connection already.
    #[must_use]
    pub fn late_reports(&self) -> [usize; 2] {
        self.completion.as_ref().map_or([0; 2], |completion| completion.late)
    }

    /// The one of these with this number comes back.
    ///
    /// # Panics
    /// When there is none.
    pub fn comes_back(&mut self, number: usize, late: Late) {
        let completion = self.completion.as_ref().expect("a shell whose operations complete");
        let at = completion.cancelled().nth(number).expect("something that was cancelled");
        self.report_cancelled(at, late);
        self.run();
    }

    /// What is under way, as a value that can be compared.
    #[must_use]
    pub fn under_way(&self) -> impl std::hash::Hash + Eq + Clone + std::fmt::Debug + use<> {
        let operations = self.completion.iter().flat_map(|completion| &completion.operations);
        let outline = |one: &Operation| {
            let is_earlier = one.leg != self.session.connection(one.leg.side());
            // Of what was cancelled nothing is sent.
            let bytes = one.bytes.as_ref().map(|bytes| if one.is_cancelled { &[] } else { bytes.as_slice() });
            (one.leg.side(), bytes.map(<[u8]>::to_vec), one.is_cancelled, is_earlier, one.is_old)
        };
        operations.map(outline).collect::<Vec<_>>()
    }

    /// Begins what can be begun, and lets one operation complete; says whether anything was reported.
    pub(super) fn complete(&mut self, wait: Wait) -> bool {
        for side in self.order.sides() {
            if wait.reads(side) {
                self.begin_read(side);
            }
            if wait.writes(side) {
                self.begin_write(side);
            }
        }
        let ready = self.ready();
        let completion = self.completion.as_mut().expect("operations complete");
        let holds_back = completion.holds_back;
        let cancelled: Vec<_> = completion.cancelled().filter(|_| !holds_back).collect();
        let is_late = ready.is_empty() || completion.random.u8(..8) == 0;
        if !cancelled.is_empty() && is_late {
            let at = cancelled[completion.random.usize(..cancelled.len())];
            let late = Late::ALL[completion.random.usize(..Late::ALL.len())];
            self.report_cancelled(at, late);
            return true;
        }
        match ready.as_slice() {
            [] => self.ask_again(wait),
            ready => {
                let at = if holds_back { 0 } else { completion.random.usize(..ready.len()) };
                self.perform(ready[at])
            }
        }
    }

    /// Whether a read of this side's connection is under way.
    pub(super) fn is_being_read(&self, side: Side) -> bool {
        let leg = self.session.connection(side);
        self.completion.as_ref().is_some_and(|completion| completion.has(leg, false))
    }

    /// The session is over: whatever comes back changes nothing any more.
    pub(super) fn come_back(&mut self) {
        while let Some(at) = self.completion.as_ref().and_then(|completion| completion.cancelled().next()) {
            let before = self.session.snapshot(self.now.tick);
            self.report_cancelled(at, Late::Moved);
            let after = self.session.snapshot(self.now.tick);
            assert!(after.is_closed() && before.is_closed(), "a late report opens a session again");
        }
    }

    fn begin_read(&mut self, side: Side) {
        let leg = self.session.connection(side);
        let completion = self.completion.as_mut().expect("operations complete");
        if completion.has(leg, false) {
            return;
        }
        let mut turn = Turn { now: self.now, buffers: &mut self.buffers };
        let Some(space) = self.session.receive_space(leg, &mut turn) else { return };
        assert!(!space.is_empty(), "space is lent to the {} that holds nothing", name(side));
        completion.begin(leg, None, vec![(space.as_ptr() as usize, space.len())]);
    }

    fn begin_write(&mut self, side: Side) {
        let leg = self.session.connection(side);
        let completion = self.completion.as_mut().expect("operations complete");
        if completion.has(leg, true) {
            return;
        }
        let slices = self.session.transmit(leg);
        if slices.is_empty() {
            return;
        }
        let memory = slices.iter().map(|slice| (slice.as_ptr() as usize, slice.len())).collect();
        completion.begin(leg, Some(slices.iter().flat_map(|slice| slice.to_vec()).collect()), memory);
    }

    /// Operations that have completed, as far as their peers are concerned.
    fn ready(&mut self) -> Vec<usize> {
        let operations = std::mem::take(&mut self.completion.as_mut().expect("they complete").operations);
        let is_ready = |world: &mut Self, operation: &Operation| {
            let end = world.peer(operation.leg.side());
            !operation.is_cancelled
                && end.is_some_and(|end| match operation.bytes {
                    Some(_) => end.takes(),
                    None => end.is_readable(),
                })
        };
        let ready = (0..operations.len()).filter(|at| is_ready(self, &operations[*at])).collect();
        self.completion.as_mut().expect("they complete").operations = operations;
        ready
    }

    /// Carries out what has completed, and reports it. What a read brings waits where there is no space for it now.
    fn perform(&mut self, at: usize) -> bool {
        let completion = self.completion.as_mut().expect("operations complete");
        let Operation { leg, bytes, memory, .. } = completion.operations[at].clone();
        let has_addresses = completion.has_addresses;
        let cut = if completion.holds_back { usize::MAX } else { 1 << completion.random.u8(..16) };
        let upstream = self.upstream;
        let end: &mut End = match (leg.side(), upstream) {
            (Side::Upstream, Some(index)) => &mut self.origins[index].end,
            (Side::Upstream, None) => panic!("an operation on a connection that was never released"),
            (Side::Downstream, _) => &mut self.client,
        };
        let mut turn = Turn { now: self.now, buffers: &mut self.buffers };
        match bytes {
            Some(bytes) => {
                let now: Vec<_> =
                    self.session.transmit(leg).iter().flat_map(|slice| slice.to_vec()).collect();
                let is_kept = now.is_empty() || now.starts_with(&bytes);
                assert!(is_kept, "what was to be sent to the {} has changed", name(leg.side()));
                let result = end.write(std::iter::once(&bytes[..bytes.len().min(cut)]));
                self.session.handle_sent(leg, result, &mut turn);
            }
            None => {
                let Some(space) = self.session.receive_space(leg, &mut turn) else {
                    return self.leave(at);
                };
                let is_kept = memory[0].0 == space.as_ptr() as usize || !has_addresses;
                assert!(is_kept, "the {}'s space has moved while it was read into", name(leg.side()));
                let length = space.len().min(memory[0].1);
                let result = end.read(&mut space[..length]);
                self.session.handle_received(leg, result, &mut turn);
            }
        }
        self.reported(at);
        true
    }

    /// The first that has completed must wait: another one may go on.
    fn leave(&mut self, at: usize) -> bool {
        let others: Vec<_> = self.ready().into_iter().filter(|other| *other > at).collect();
        others.first().is_some_and(|other| self.perform(*other))
    }

    /// Where a session may wait to hear that there is nothing, reads are cancelled, which says so, and begin anew.
    fn ask_again(&mut self, wait: Wait) -> bool {
        let completion = self.completion.as_ref().expect("operations complete");
        let is_asked = |one: &Operation| {
            one.bytes.is_none() && one.is_old && !one.is_cancelled && wait.reads(one.leg.side())
        };
        let Some(at) = completion.operations.iter().position(is_asked) else { return false };
        let leg = completion.operations[at].leg;
        let (session, mut turn) = self.parts();
        session.handle_received(leg, Err(Fault::WOULD_BLOCK), &mut turn);
        let completion = self.completion.as_mut().expect("operations complete");
        completion.operations.remove(at);
        true
    }

    fn report_cancelled(&mut self, at: usize, late: Late) {
        let completion = self.completion.as_ref().expect("operations complete");
        let (leg, writes) = (completion.operations[at].leg, completion.operations[at].bytes.is_some());
        if leg != self.session.connection(leg.side()) {
            let completion = self.completion.as_mut().expect("operations complete");
            completion.late[usize::from(writes)] += 1;
        }
        let (session, mut turn) = self.parts();
        if writes {
            session.handle_sent(leg, late.result(), &mut turn);
        } else {
            session.handle_received(leg, late.result(), &mut turn);
        }
        self.reported(at);
    }

    fn reported(&mut self, at: usize) {
        let completion = self.completion.as_mut().expect("operations complete");
        completion.operations.remove(at);
        completion.operations.iter_mut().for_each(|operation| operation.is_old = true);
    }
}
