//! What a session has whatever phase it is in: the client, its connections, what has come and what waits to be polled.

use super::{
    Disposal, Event, Input, Verdict, Work,
    flow::Flow,
    legs::{Epochs, Leg, Lent},
};
use crate::{
    Side,
    buffer::Loan,
    config::Settings,
    draining,
    record::{Detour, Outcome, Record},
    state::{Taken, connection, message},
    time::{MaybeTick, Tick},
};

/// What a session has whatever phase it is in.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) record: Record,
    pub(super) legs: [connection::Machine; 2],
    /// What has come, and what waits to be polled; lent while there is something in it.
    pub(super) work: Loan<Work>,
    pub(super) errands: u32,
    /// Which connections these are.
    pub(super) epochs: Epochs,
    pub(super) draining: Option<draining::Cause>,
    /// Everything is over then.
    pub(super) ends_by: MaybeTick,
    pub(super) tick: Tick,
    pub(super) taken: Taken,
}

impl Common {
    pub(super) fn leg(&self, side: Side) -> connection::Machine {
        self.legs[side.index()]
    }

    pub(super) fn leg_event(&mut self, side: Side, event: connection::Event) {
        self.taken.connection(self.legs[side.index()], event);
        let legal = self.legs[side.index()].on(event);
        self.check_transition(legal, "connection", &event);
    }

    pub(super) fn message_event(&mut self, from: Side, event: message::Event) {
        self.taken.message(self.work.flows[from.index()].message, event);
        let legal = self.work.flows[from.index()].message.on(event);
        self.work.flows[from.index()].moves.read_whole(self.tick);
        self.check_transition(legal, "message", &event);
    }

    /// An event without a row is a mistake of ours: loud in debug builds; in release builds it is noted,
    /// and the session ends with a reset rather than go on in a state that nobody has thought through.
    pub(super) fn check_transition(&mut self, legal: bool, machine: &str, event: &dyn std::fmt::Debug) {
        if !legal {
            debug_assert!(legal, "{machine}: no row for {event:?}");
            self.work.pending.note(Event::IllegalTransition.note());
            self.work.pending.illegal = true;
            self.ends_by = MaybeTick::at(self.tick);
        }
    }

    pub(super) fn flow(&self, from: Side) -> &Flow {
        &self.work.flows[from.index()]
    }

    pub(super) fn flow_mut(&mut self, from: Side) -> &mut Flow {
        &mut self.work.flows[from.index()]
    }

    /// Settings before a request is routed.
    pub(super) fn edge(&self) -> &Settings {
        &self.record.config.edge
    }

    /// Settings of the location, once there is one.
    pub(super) fn settings(&self) -> &Settings {
        self.record.settings()
    }

    pub(super) fn detour_mut(&mut self) -> Option<&mut Detour> {
        self.record.heads.as_mut().map(|heads| &mut heads.detour)
    }

    pub(super) fn note(&mut self, event: Event) {
        self.work.pending.note(event.note());
    }

    /// Whether the client may be read: it has not ended its stream, and there is room for more. What was said of the
    /// exchange before has to be handed out first.
    pub(super) fn may_read_client(&self) -> bool {
        !self.work.pending.exchange_done
            && self.leg(Side::Downstream).reads()
            && self.flow(Side::Downstream).has_room()
    }

    /// Bytes were sent; says how many of them were content.
    pub(super) fn count_sent(&mut self, to: Side, count: usize) -> usize {
        let flow = &mut self.work.flows[to.opposite().index()];
        flow.moves.take();
        let content = flow.outbox.sent(count, &mut flow.inbox);
        match to {
            Side::Downstream => self.record.figures.sent += count as u64,
            Side::Upstream => self.record.figures.attempt.sent += count as u64,
        }
        content
    }

    /// Takes a new number for an errand; tokens with another one are stale.
    pub(super) fn next_errand(&mut self) -> u32 {
        self.errands = self.errands.wrapping_add(1);
        self.errands
    }

    /// Whether this exchange opens a tunnel without asking an origin server to upgrade.
    pub(super) fn connects(&self) -> bool {
        self.record.tunnel_pass().is_some()
    }

    /// The authority of the request-target: host as received, port.
    pub(super) fn requested_authority(&self) -> Option<(&str, u16)> {
        let request = &self.record.heads.as_ref()?.request;
        let host = std::str::from_utf8(request.connect_host()).ok()?;
        let port = std::str::from_utf8(request.connect_port()?).ok()?.parse().ok()?;
        Some((host, port))
    }

    /// The exchange is over: its record is complete.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.record.outcome = outcome;
        self.record.figures.attempt.over.set_once(self.tick);
        self.work.pending.exchange_done = true;
    }

    /// The upstream connection, or the dial under way, goes back to the shell.
    pub(super) fn release(&mut self, verdict: Verdict, disposal: Disposal) {
        self.work.pending.errand = None;
        if self.leg(Side::Upstream).exists() {
            self.leg_event(Side::Upstream, connection::Event::Close);
            self.work.pending.release = Some((verdict, disposal));
        } else if std::mem::take(&mut self.work.pending.dialling) {
            // The shell is on its way: the dial is cancelled.
            self.work.pending.release = Some((verdict, disposal));
        }
        self.work.pending.forget_shutdown(Side::Upstream);
        // An errand that is still out brings nothing that is wanted.
        let _number = self.next_errand();
        if self.record.figures.attempt.peer.is_some() {
            self.record.figures.attempt.over.set_once(self.tick);
        }
    }
}

/// Which connection a report is of.
impl Common {
    pub(super) fn connection(&self, side: Side) -> Leg {
        match side {
            Side::Downstream => Leg::CLIENT,
            Side::Upstream => self.epochs.origin(),
        }
    }

    /// Whether it is the connection that its side has now, or had last.
    pub(super) fn is_current(&self, leg: Leg) -> bool {
        leg == self.connection(leg.side())
    }

    /// The connection before the present one that a report is of.
    pub(super) fn late_leg(&self, input: &Input<'_>) -> Option<Leg> {
        input.leg().filter(|leg| !self.is_current(*leg))
    }

    /// Takes back what its connection was lent, and says whether the report is one to be taken. What is reported of an
    /// earlier connection isn't: its bytes belong to a message that was given up.
    pub(super) fn takes_report(&mut self, input: &Input<'_>) -> bool {
        let Some(leg) = input.leg().filter(|leg| leg.side() == Side::Upstream) else { return true };
        let was_lent = match input {
            Input::Received(..) => self.epochs.take_back_space(leg),
            Input::Sent(..) => self.epochs.take_back_bytes(leg),
            _ => false,
        };
        let is_late = self.late_leg(input).is_some();
        if is_late && was_lent {
            match input {
                Input::Received(..) => self.flow_mut(Side::Upstream).inbox.received(0),
                _ => self.flow_mut(Side::Downstream).offer(false),
            }
        }
        !is_late
    }

    /// Whether the memory that this side's connection is read into is there for it, and not in use by one before it.
    pub(super) fn may_receive(&self, from: Side) -> bool {
        from == Side::Downstream || self.epochs.reading() != Lent::Earlier
    }

    /// The same of what is sent.
    pub(super) fn may_send(&self, to: Side) -> bool {
        to == Side::Downstream || self.epochs.writing() != Lent::Earlier
    }
}
