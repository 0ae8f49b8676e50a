//! What follows when a timer fires: one table.

use super::{Common, Event, Exchange, Fact, upstream::Failure};
use crate::{
    Side, buffer::Turn, record::Outcome, state::exchange::State, timer::Timer, violation::Violation,
};

impl Exchange {
    /// A timer of the exchange, or of the head that it began with, has fired.
    pub(in crate::session) fn expired(&mut self, common: &mut Common, timer: Timer, turn: &mut Turn<'_>) {
        match (timer, self.machine.state()) {
            (_, State::Finished) => {}
            // `worker_shutdown_timeout` is over, or a mistake of ours was found: the session ends as it stands.
            (Timer::Drain, _) => {
                self.abort(common, Outcome::Drained);
                common.flow_mut(Side::Downstream).inbox.discard();
            }
            // More may move, which the poll that follows finds.
            (Timer::Rate, _) => {}
            (Timer::LingerIdle | Timer::LingerTotal, State::Replying) => {
                self.give_unwanted_content_up(common, Fact::Gone);
            }
            (Timer::ClientHeader, _) => self.refuse(common, Violation::HeaderTimeout, turn),
            (Timer::Admission, State::Admitting) => match self.refusal.take() {
                Some(violation) => self.refuse(common, violation, turn),
                None => self.enter_handler(common, turn),
            },
            (Timer::Resolve, State::Resolving) => self.refuse(common, Violation::ReadTimeout, turn),
            (Timer::ClientBody, State::Awaiting | State::Switching) => {
                self.refuse(common, Violation::BodyTimeout, turn);
            }
            (
                Timer::Connect | Timer::UpstreamRead | Timer::UpstreamSend | Timer::Handshake,
                State::Dialling | State::Awaiting,
            ) => self.fail_attempt(common, Failure::Timeout(timer), turn),
            (Timer::UpstreamSend, State::Switching) => self.refuse(common, Violation::SendTimeout, turn),
            (Timer::UpstreamRead, State::Responding) => {
                common.note(Event::TimedOut(timer));
                self.cut_response(common);
            }
            // The response goes on without the rest of the request (E8).
            (Timer::UpstreamSend | Timer::ClientBody, State::Responding) => {
                common.note(Event::TimedOut(timer));
                self.stop_sending_request(common);
            }
            (timer, _) => {
                common.note(Event::TimedOut(timer));
                self.abort(common, Outcome::TimedOut(timer));
            }
        }
    }
}
