//! The client's side: what was read off it, its end, and how a session with it ends.

use super::{Event, Fact, FinalRead, Session};
use crate::{
    Side,
    buffer::Turn,
    fault::Fault,
    record::Outcome,
    state::{connection, exchange},
    time::Tick,
};

impl Session {
    /// Bytes, the end of a stream, or a failure was read.
    pub(super) fn received(&mut self, from: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        let reads = self.leg(from).reads();
        let count = result.unwrap_or(0);
        if self.may_receive(from) {
            self.flow_mut(from).inbox.received(if reads { count } else { 0 });
        }
        if !reads {
            // A report about a connection that was closed, or whose end was read, changes nothing, unless
            // it fails for writing too.
            if let Err(fault) = result
                && !fault.is_transient()
            {
                self.failed(from, fault, turn);
            }
            return;
        }
        if from == Side::Downstream && self.work.final_read == FinalRead::Pending {
            self.work.final_read = FinalRead::Done;
        }
        match result {
            Ok(0) => self.ended(from),
            Ok(_) => self.arrived(from, count),
            Err(fault) if fault.is_transient() => {}
            Err(fault) => self.failed(from, fault, turn),
        }
    }

    /// Bytes came: who waited for them goes on waiting from now.
    fn arrived(&mut self, from: Side, count: usize) {
        self.work.flows[from.index()].moves.arrive(self.tick);
        if from == Side::Upstream {
            self.record.figures.attempt.received += count as u64;
            self.pace_received(count);
        }
    }

    fn ended(&mut self, from: Side) {
        self.leg_event(from, connection::Event::PeerEnd);
        match from {
            Side::Downstream => self.client_ended(),
            // The advance that follows reads what came before the end, and finds the end behind it.
            Side::Upstream => {}
        }
    }

    /// Reading or writing failed: nothing can be read or written on this side any more.
    pub(super) fn failed(&mut self, side: Side, fault: Fault, turn: &mut Turn<'_>) {
        if self.leg(side).state() == connection::State::Failed || !self.leg(side).exists() {
            return;
        }
        self.leg_event(side, connection::Event::Fail);
        match (self.exchange.state(), side) {
            (
                exchange::State::Greeting | exchange::State::Idle | exchange::State::Lingering,
                Side::Downstream,
            ) => {
                self.close_client(super::Ending::Reset);
            }
            (_, Side::Downstream) => self.abort(Outcome::ClientLeft),
            (_, Side::Upstream) => self.upstream_failed(fault, turn),
        }
    }

    /// The client has ended its direction (A13).
    fn client_ended(&mut self) {
        use exchange::State;
        let request = self.flow(Side::Downstream);
        let behind_request = request.is_complete() && request.inbox.raw().is_empty();
        match self.exchange.state() {
            // In these the advance that follows finds a stream that has ended and nothing to read.
            State::Greeting
            | State::Idle
            | State::Receiving
            | State::Lingering
            | State::Finished
            | State::Closed => {}
            State::Replying => {
                if !request.is_complete() {
                    self.work.facts.note(Fact::Gone);
                }
            }
            // What was read of the response is still delivered: the client may only have shut down.
            State::Responding if self.flow(Side::Upstream).is_complete() => {}
            // Pipelined requests stand between the end and this exchange: it is not aborted by it. Bytes behind
            // an upgrade or a CONNECT are no requests.
            _ if request.is_complete() && !behind_request && !self.switches() => {}
            _ if request.is_complete() && self.record.hop().is_some_and(|hop| hop.ignore_client_abort) => {}
            _ => self.abort(Outcome::ClientLeft),
        }
    }

    /// The exchange ends before its response is complete, and the connection with it.
    pub(super) fn abort(&mut self, outcome: Outcome) {
        if !self.exchange.permits(exchange::Event::Abort) {
            return;
        }
        if outcome == Outcome::ClientLeft {
            self.note(Event::ClientLeft);
            // nginx's status for a client that left before it could be answered.
            if self.exchange.state() != exchange::State::Responding {
                self.record.status = 499;
            }
        }
        let reset = self.only_reset_tells()
            || (matches!(outcome, Outcome::TimedOut(_)) && self.settings().reset_timedout_connection);
        self.drop_upstream(super::Verdict::Unjudged);
        self.work.ending = if reset { super::Ending::Reset } else { super::Ending::Fin };
        self.work.facts.note(Fact::Gone);
        for flow in &mut self.work.flows {
            flow.stop_sending();
        }
        self.exchange_event(exchange::Event::Abort);
        self.finish(outcome);
    }

    /// `return 444`: the connection is closed, and nothing is said.
    pub(super) fn close_unanswered(&mut self) {
        self.record.status = 444;
        self.work.facts.note(Fact::Gone);
        for flow in &mut self.work.flows {
            flow.stop_sending();
        }
        self.exchange_event(exchange::Event::Abort);
        self.finish(Outcome::Unanswered);
    }

    /// The exchange is over: its record is complete.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.record.outcome = outcome;
        self.record.figures.attempt.over.get_or_insert(self.tick);
        self.work.pending.exchange_done = true;
    }

    /// What the client still sends is read and dropped, so that closing with unread input doesn't destroy
    /// what it has not read yet. Behind a complete request that was answered whole it is read once: a client that
    /// has sent nothing is not waited for (nginx).
    pub(super) fn begin_lingering(&mut self, once: bool) {
        self.work.final_read = if once { FinalRead::Pending } else { FinalRead::NotNeeded };
        self.exchange_event(exchange::Event::Linger);
        self.flow_mut(Side::Downstream).inbox.discard();
        self.flow_mut(Side::Downstream).content = super::flow::Content::Empty;
        // What a timer has left of a tunnel's tail goes nowhere.
        self.flow_mut(Side::Upstream).stop_sending();
        if self.leg(Side::Downstream).writes() {
            self.leg_event(Side::Downstream, connection::Event::OurEnd);
            self.work.pending.shut_down(Side::Downstream);
        }
    }

    pub(super) fn linger(&mut self) -> bool {
        let something_came = !self.flow(Side::Downstream).inbox.raw().is_empty();
        if something_came {
            self.work.final_read = FinalRead::NotNeeded;
        }
        self.flow_mut(Side::Downstream).inbox.discard();
        if !self.leg(Side::Downstream).reads() || self.work.final_read == FinalRead::Done {
            self.close_client(super::Ending::Fin);
            return true;
        }
        false
    }

    /// No further request is begun (C8). A client that has not asked yet is no idle one: its request is on its
    /// way, and gets its answer.
    pub(super) fn drain(&mut self, until: Option<Tick>) {
        self.draining = true;
        if let Some(until) = until
            && self.exchange.state() != exchange::State::Closed
        {
            self.ends_by = Some(until);
        }
        if self.has_drained() {
            self.close_client(super::Ending::Fin);
        }
    }

    /// Whether no request is open, and none is begun any more.
    pub(super) fn has_drained(&self) -> bool {
        self.draining && self.exchange.state() == exchange::State::Idle && self.record.requests > 0
    }
}
