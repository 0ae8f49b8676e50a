//! The deadlines of a state. They follow from what the state is, since when, and when bytes last moved; nobody starts or
//! stops anything.

use super::Session;
use crate::{
    Side,
    rewrite::Offer,
    state::{exchange::State, message},
    timer::{Deadlines, Timer},
};

impl Session {
    /// What is waited for no longer than until when.
    pub(super) fn deadlines(&self) -> Deadlines {
        let state = self.exchange.state();
        let mut deadlines = Deadlines::default();
        // A tunnel has its own.
        if matches!(state, State::Tunnelling | State::Closed) {
            return deadlines;
        }
        if let Some(until) = self.ends_by {
            deadlines.add(Timer::Drain, until);
        }
        match state {
            State::Greeting | State::Idle | State::Receiving => self.add_client_deadlines(&mut deadlines),
            State::Resolving => {
                deadlines.add(Timer::Resolve, self.entered.after(self.settings().resolver_timeout));
            }
            State::Admitting => {
                if let Some(until) = self.work.admitted_at {
                    deadlines.add(Timer::Admission, until);
                }
            }
            State::Dialling => {
                let timeout = self.record.hop().map_or_else(Default::default, |hop| hop.connect_timeout);
                deadlines.add(Timer::Connect, self.entered.after(timeout));
            }
            State::Awaiting | State::Responding | State::Switching => {
                self.add_upstream_deadlines(&mut deadlines);
            }
            State::Replying => self.add_unwanted_deadlines(&mut deadlines),
            State::Lingering => {
                let (total, idle) = (self.settings().lingering_time, self.settings().lingering_timeout);
                let arrived = self.flow(Side::Downstream).moves.arrived();
                deadlines.add(Timer::LingerTotal, self.entered.after(total));
                deadlines.add(Timer::LingerIdle, self.entered.max(arrived).after(idle));
            }
            State::Routing | State::Tunnelling | State::Finished | State::Closed => {}
        }
        self.add_send_deadlines(&mut deadlines);
        deadlines
    }

    /// The first request is waited for since the client was accepted, the PROXY protocol header in front of it included.
    fn add_client_deadlines(&self, deadlines: &mut Deadlines) {
        let is_first = self.record.requests <= u64::from(self.exchange.state() == State::Receiving);
        let since = if is_first { self.record.accepted } else { self.entered };
        if self.exchange.state() == State::Idle && !is_first {
            deadlines.add(Timer::KeepAlive, since.after(self.settings().keepalive_timeout));
        } else {
            deadlines.add(Timer::ClientHeader, since.after(self.edge().client_header_timeout));
        }
    }

    /// What the origin server is waited for, and what it waits for.
    fn add_upstream_deadlines(&self, deadlines: &mut Deadlines) {
        let Some(hop) = self.record.hop() else { return };
        let state = self.exchange.state();
        let (request, response) = (self.flow(Side::Downstream), self.flow(Side::Upstream));
        let connected = self.record.figures.attempt.connected.unwrap_or(self.entered);
        let takes_more = self.leg(Side::Upstream).writes();
        if request.is_waiting() && takes_more {
            let since = request.moves.waiting(self.tick).max(connected);
            deadlines.add(Timer::UpstreamSend, since.after(hop.send_timeout));
        }
        if request.message.state() == message::State::Content
            && let Some(roomy) = request.moves.roomy()
            && self.leg(Side::Downstream).reads()
            && (takes_more || state != State::Responding)
        {
            let since = roomy.max(request.moves.arrived()).max(connected);
            deadlines.add(Timer::ClientBody, since.after(self.settings().client_body_timeout));
        }
        match state {
            // What an error page has given up is over, too. A complete head restarts the timer, single bytes don't (A12).
            State::Awaiting if request.is_over() && request.is_sent() => {
                let since = request.moves.delivered(self.tick).max(request.moves.read());
                let since = since.max(self.work.told_at).max(self.entered);
                if self.work.offer == Offer::Nothing {
                    deadlines.add(Timer::UpstreamRead, since.after(hop.read_timeout));
                } else {
                    let timeout = hop.tunnel.handshake_timeout.unwrap_or(hop.read_timeout);
                    deadlines.add(Timer::Handshake, since.after(timeout));
                }
            }
            State::Responding
                if response.message.state() == message::State::Content
                    && self.leg(Side::Upstream).reads()
                    && self.origin_waits().is_none() =>
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
    fn add_unwanted_deadlines(&self, deadlines: &mut Deadlines) {
        let (request, response) = (self.flow(Side::Downstream), self.flow(Side::Upstream));
        if !self.has_unread_content() || !response.is_sent() {
            return;
        }
        let since = response.moves.delivered(self.tick).max(self.entered);
        let (total, idle) = (self.settings().lingering_time, self.settings().lingering_timeout);
        deadlines.add(Timer::LingerTotal, since.after(total));
        deadlines.add(Timer::LingerIdle, since.max(request.moves.arrived()).after(idle));
    }

    /// What waits for the client, and what waits until more may move.
    fn add_send_deadlines(&self, deadlines: &mut Deadlines) {
        let response = self.flow(Side::Upstream);
        if response.is_waiting() && self.leg(Side::Downstream).writes() && self.client_waits().is_none() {
            let since = response.moves.waiting(self.tick).max(self.client_may_since());
            deadlines.add(Timer::ClientSend, since.after(self.settings().send_timeout));
        }
        if let Some(at) = self.more_may_move() {
            deadlines.add(Timer::Rate, at);
        }
    }
}
