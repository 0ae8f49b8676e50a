//! How an exchange ends before its response is complete.

use super::{Common, Ending, Event, Exchange, Fact, Verdict};
use crate::{Side, record::Outcome, state::exchange};

impl Exchange {
    /// The client has ended its direction (A13).
    pub(in crate::session) fn client_ended(&mut self, common: &mut Common) {
        use exchange::State;
        let request = common.flow(Side::Downstream);
        let behind_request = request.is_complete() && request.inbox.raw().is_empty();
        match self.machine.state() {
            State::Finished => {}
            State::Replying => {
                if !request.is_complete() {
                    self.facts.note(Fact::Gone);
                }
            }
            // What was read of the response is still delivered: the client may only have shut down.
            State::Responding if common.flow(Side::Upstream).is_complete() => {}
            // Pipelined requests stand between the end and this exchange: it is not aborted by it. Bytes behind
            // an upgrade or a CONNECT are no requests.
            _ if request.is_complete() && !behind_request && !self.switches(common) => {}
            _ if request.is_complete() && common.record.hop().is_some_and(|hop| hop.ignore_client_abort) => {}
            _ => self.abort(common, Outcome::ClientLeft),
        }
    }

    /// The exchange ends before its response is complete, and the connection with it.
    pub(in crate::session) fn abort(&mut self, common: &mut Common, outcome: Outcome) {
        if !self.machine.permits(exchange::Event::Abort) {
            return;
        }
        if outcome == Outcome::ClientLeft {
            common.note(Event::ClientLeft);
            // nginx's status for a client that left before it could be answered.
            if self.machine.state() != exchange::State::Responding {
                common.record.status = 499;
            }
        }
        let reset = self.only_reset_tells(common)
            || (matches!(outcome, Outcome::TimedOut(_)) && common.settings().reset_timedout_connection);
        common.drop_upstream(Verdict::Unjudged);
        self.ending = if reset { Ending::Reset } else { Ending::Fin };
        self.facts.note(Fact::Gone);
        for flow in &mut common.work.flows {
            flow.stop_sending();
        }
        self.exchange_event(common, exchange::Event::Abort);
        common.finish(outcome);
    }

    /// `return 444`: the connection is closed, and nothing is said.
    pub(super) fn close_unanswered(&mut self, common: &mut Common) {
        common.record.status = 444;
        self.facts.note(Fact::Gone);
        for flow in &mut common.work.flows {
            flow.stop_sending();
        }
        self.exchange_event(common, exchange::Event::Abort);
        common.finish(Outcome::Unanswered);
    }
}
