//! What follows when a timer fires: one table.

use super::{Event, Session, upstream::Failure};
use crate::{
    Side,
    buffer::Turn,
    record::Outcome,
    state::exchange::State,
    timer::{Named, Timer},
    violation::Violation,
};

impl Session {
    pub(super) fn timed_out(&mut self, turn: &mut Turn<'_>) {
        if self.must_read_first() {
            self.work.final_read = super::FinalRead::Done;
        }
        let mut named = Named::default();
        while let Some(timer) = self.deadlines().expired(turn.now.tick, &mut named) {
            self.expired(timer, turn);
            while self.advance(turn) {}
        }
    }

    fn expired(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match (timer, self.exchange.state()) {
            (Timer::Drain, state) => self.drain_is_over(state),
            // A tunnel has its own.
            (_, State::Closed | State::Finished | State::Tunnelling) => {}
            // More may move, which the poll that follows finds.
            (Timer::Rate, _) => {}
            (Timer::LingerIdle | Timer::LingerTotal, State::Replying) => {
                self.give_unwanted_content_up(super::Fact::Gone);
            }
            // Nothing was begun: there is nobody to tell (E6).
            (_, State::Greeting | State::Idle | State::Lingering) => self.close_client(super::Ending::Fin),
            (Timer::ClientHeader, _) => self.refuse(Violation::HeaderTimeout, turn),
            (Timer::Admission, State::Admitting) => match self.work.refusal.take() {
                Some(violation) => self.refuse(violation, turn),
                None => self.enter_handler(turn),
            },
            (Timer::Resolve, State::Resolving) => self.refuse(Violation::ReadTimeout, turn),
            (Timer::ClientBody, State::Awaiting | State::Switching) => {
                self.refuse(Violation::BodyTimeout, turn);
            }
            (
                Timer::Connect | Timer::UpstreamRead | Timer::UpstreamSend | Timer::Handshake,
                State::Dialling | State::Awaiting,
            ) => self.fail_attempt(Failure::Timeout(timer), turn),
            (Timer::UpstreamSend, State::Switching) => self.refuse(Violation::SendTimeout, turn),
            (Timer::UpstreamRead, State::Responding) => {
                self.note(Event::TimedOut(timer));
                self.cut_response();
            }
            // The response goes on without the rest of the request (E8).
            (Timer::UpstreamSend | Timer::ClientBody, State::Responding) => {
                self.note(Event::TimedOut(timer));
                self.stop_sending_request();
            }
            (timer, _) => {
                self.note(Event::TimedOut(timer));
                self.abort(Outcome::TimedOut(timer));
            }
        }
    }

    /// `worker_shutdown_timeout` is over, or a mistake of ours was found: the session ends as it stands.
    fn drain_is_over(&mut self, state: State) {
        match state {
            State::Closed | State::Finished | State::Tunnelling => {}
            State::Greeting | State::Idle | State::Lingering => self.close_client(super::Ending::Fin),
            _ => {
                self.abort(Outcome::Drained);
                self.flow_mut(Side::Downstream).inbox.discard();
            }
        }
    }
}
