//! The deadlines of an exchange, state by state.

use super::{Common, Exchange};
use crate::{
    Side,
    rewrite::Offer,
    state::{exchange::State, message},
    timer::{Deadlines, Timer},
};

impl Exchange {
    /// What is waited for no longer than until when.
    pub(in crate::session) fn add_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        match self.machine.state() {
            State::Resolving => {
                deadlines.add(Timer::Resolve, self.entered.after(common.settings().resolver_timeout));
            }
            State::Admitting => {
                if let Some(until) = self.admitted_at {
                    deadlines.add(Timer::Admission, until);
                }
            }
            State::Dialling => {
                let timeout = common.record.hop().map_or_else(Default::default, |hop| hop.connect_timeout);
                deadlines.add(Timer::Connect, self.entered.after(timeout));
            }
            State::Awaiting | State::Responding | State::Switching => {
                self.add_upstream_deadlines(common, deadlines);
            }
            State::Replying => self.add_unwanted_deadlines(common, deadlines),
            State::Read | State::Routing | State::Tunnelling | State::Finished => {}
        }
        self.add_send_deadlines(common, deadlines);
    }

    /// What the origin server is waited for, and what it waits for.
    fn add_upstream_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        let Some(hop) = common.record.hop() else { return };
        let state = self.machine.state();
        let (request, response) = (common.flow(Side::Downstream), common.flow(Side::Upstream));
        let connected = common.record.figures.attempt.connected.get().unwrap_or(self.entered);
        let takes_more = common.leg(Side::Upstream).writes();
        if request.is_waiting() && takes_more {
            let since = request.moves.waiting(common.tick).max(connected);
            deadlines.add(Timer::UpstreamSend, since.after(hop.send_timeout));
        }
        if request.message.state() == message::State::Content
            && let Some(roomy) = request.moves.roomy()
            && common.leg(Side::Downstream).reads()
            && (takes_more || state != State::Responding)
        {
            let since = roomy.max(request.moves.arrived()).max(connected);
            deadlines.add(Timer::ClientBody, since.after(common.settings().client_body_timeout));
        }
        match state {
            // What an error page has given up is over, too. A complete head restarts the timer, single bytes don't (A12).
            State::Awaiting if request.is_over() && request.is_sent() => {
                let since = request.moves.delivered(common.tick).max(request.moves.read());
                let since = since.max(self.told_at).max(self.entered);
                if self.offer == Offer::Nothing {
                    deadlines.add(Timer::UpstreamRead, since.after(hop.read_timeout));
                } else {
                    let timeout = hop.tunnel.handshake_timeout.unwrap_or(hop.read_timeout);
                    deadlines.add(Timer::Handshake, since.after(timeout));
                }
            }
            State::Responding
                if response.message.state() == message::State::Content
                    && common.leg(Side::Upstream).reads()
                    && self.origin_waits(common).is_none() =>
            {
                let Some(roomy) = response.moves.roomy() else { return };
                let since =
                    roomy.max(response.moves.arrived()).max(self.entered).max(self.origin_may_since());
                deadlines.add(Timer::UpstreamRead, since.after(hop.read_timeout));
            }
            _ => {}
        }
    }

    /// Once an answer of our own was sent, content behind it is read like what a client sends that is lingered on.
    fn add_unwanted_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        let (request, response) = (common.flow(Side::Downstream), common.flow(Side::Upstream));
        if !common.has_unread_content() || !response.is_sent() {
            return;
        }
        let since = response.moves.delivered(common.tick).max(self.entered);
        let (total, idle) = (common.settings().lingering_time, common.settings().lingering_timeout);
        deadlines.add(Timer::LingerTotal, since.after(total));
        deadlines.add(Timer::LingerIdle, since.max(request.moves.arrived()).after(idle));
    }

    /// What waits for the client, and what waits until more may move.
    fn add_send_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        let response = common.flow(Side::Upstream);
        if response.is_waiting()
            && common.leg(Side::Downstream).writes()
            && self.client_waits(common).is_none()
        {
            let since = response.moves.waiting(common.tick).max(self.client_may_since(common));
            deadlines.add(Timer::ClientSend, since.after(common.settings().send_timeout));
        }
        if let Some(at) = self.more_may_move(common) {
            deadlines.add(Timer::Rate, at);
        }
    }
}
