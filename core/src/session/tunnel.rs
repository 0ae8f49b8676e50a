//! A tunnel inside of a session: opening it, and taking its report (A8, A9, C7). Between these it is a machine of its
//! own ([`crate::Tunnel`]).

use std::sync::Arc;

use super::{Disposal, Event, Input, Session, Verdict, around::Coding, finished::Finished, phase::Phase};
use crate::{
    Side,
    buffer::{Buffers, Turn},
    http1::protocols,
    record::TunnelEvent,
    state::{connection, message, phase},
    time::{Now, Tick},
    tunnel::{HandedBack, Opening, Said, Tunnel, TunnelReport, TunnelSecret, TunnelSettings},
};

impl Session {
    /// The exchange's connections, what was received behind its heads, and what is left of the head to the client
    /// become a tunnel's.
    pub(super) fn begin_tunnel(&mut self, turn: &mut Turn<'_>) {
        let up = Side::Upstream;
        debug_assert!(
            self.common.may_receive(up) && self.common.may_send(up),
            "a tunnel has its buffers for itself"
        );
        for side in Side::BOTH {
            self.common.message_event(side, message::Event::Switch);
            // There are no messages any more, and no content of one.
            let flow = self.common.flow_mut(side);
            flow.message = message::Machine::default();
            flow.content = super::flow::Content::Empty;
            flow.inbox.keep(false);
            flow.outbox.begin_content(Coding::Plain, turn.buffers);
        }
        let [from_client, from_upstream] = &mut self.common.work.flows;
        let secret = TunnelSecret::derived(
            self.common.record.client.secret,
            self.common.record.client.serial,
            self.common.record.requests,
        );
        let opening = Opening {
            secret,
            held: [from_client.inbox.hand_over(), from_upstream.inbox.hand_over()],
            front: std::mem::take(&mut from_upstream.outbox),
            legs: self.common.legs,
            draining: self.common.draining.map(|cause| cause.until(self.common.ends_by.get())),
        };
        self.common.record.figures.websocket = self.chose_websocket();
        let settings = self.tunnel_settings(self.common.record.figures.websocket);
        let mut scratch = turn.buffers.scratch();
        if let Some(mut heads) = self.common.record.freeze(turn.now, &mut scratch) {
            // The values of log lines were found just now.
            if heads.take_given_up() {
                self.common.note(Event::MatchGivenUp);
            }
            turn.buffers.return_heads(heads);
        }
        turn.buffers.return_scratch(scratch);
        let tunnel = Tunnel::open(settings, opening, &mut at(self.common.tick, turn));
        let ahead = tunnel.report();
        // These are counted with what the tunnel brings.
        self.common.record.figures.attempt.received =
            self.common.record.figures.attempt.received.saturating_sub(ahead.from_upstream);
        if self.logs_tunnel() {
            self.common.work.pending.tell_opened();
            self.keep_report(ahead, turn.buffers);
        }
        self.enter_phase(phase::Event::Open, Phase::Tunnel(Box::new(tunnel)));
        self.look_at_tunnel(turn.buffers);
    }

    /// Whether lines about the tunnel go anywhere (G9).
    fn logs_tunnel(&self) -> bool {
        self.common.record.location.as_ref().is_some_and(|location| location.tunnel_log.is_some())
    }

    /// Whether the 101 switched to WebSocket, and to nothing beneath or above it (G1).
    fn chose_websocket(&self) -> bool {
        let Some(heads) = &self.common.record.heads else { return false };
        let mut chosen = protocols(&heads.response.fields);
        self.common.record.status == 101
            && chosen.next().is_some_and(|only| only.is_websocket())
            && chosen.next().is_none()
    }

    fn tunnel_settings(&self, websocket: bool) -> Arc<TunnelSettings> {
        match &self.common.record.location {
            Some(location) => location.tunnel_settings(websocket),
            None => Arc::default(),
        }
    }

    /// What is reported while the tunnel is open is the tunnel's; says whether it was.
    pub(super) fn report_to_tunnel(&mut self, input: &Input<'_>, turn: &mut Turn<'_>) -> bool {
        let Phase::Tunnel(tunnel) = &mut self.phase else { return false };
        let turn = &mut at(self.common.tick, turn);
        match *input {
            Input::Received(from, result) => tunnel.handle_received(from.side(), result, turn),
            Input::Sent(to, result) => tunnel.handle_sent(to.side(), result, turn),
            Input::Relayed(from, moved) => tunnel.handle_relayed(from.side(), moved, turn),
            Input::Acknowledged(to) => tunnel.handle_acknowledged(to.side(), turn),
            Input::Timeout => tunnel.handle_timeout(turn),
            Input::Drain(draining) => {
                tunnel.handle_drain(draining, turn);
                self.drain(draining);
            }
            // These come too late.
            Input::Resolved(..) | Input::Admitted(..) | Input::Chosen(..) | Input::Connected(..) => {
                return false;
            }
        }
        self.look_at_tunnel(turn.buffers);
        true
    }

    /// Where the tunnel is over, its report goes into the record, and the session takes back its connections and the
    /// memory that may still be in use.
    fn look_at_tunnel(&mut self, buffers: &mut Buffers) {
        let Phase::Tunnel(tunnel) = &mut self.phase else { return };
        if !tunnel.is_done() {
            if tunnel.tells_progress() {
                let report = tunnel.report();
                self.keep_report(report, buffers);
            }
            return;
        }
        self.common.work.lend(buffers);
        while let Some(said) = tunnel.take_output() {
            match said {
                Said::Note(note) => self.common.work.pending.note(note),
                Said::Shutdown(side) => self.common.work.pending.shut_down(side),
                // Its last line tells more.
                Said::Progress => {}
            }
        }
        let report = tunnel.report();
        let HandedBack { held: [from_client, from_upstream], front, own, legs } = tunnel.hand_back();
        self.common.taken = self.common.taken.with(tunnel.taken());
        self.common.legs = legs;
        let [down, up] = &mut self.common.work.flows;
        down.inbox.take_back(from_client);
        up.inbox.take_back(from_upstream);
        up.outbox = front;
        self.common.work.own_frames = own;
        self.end_tunnel(report, buffers);
    }

    fn end_tunnel(&mut self, report: TunnelReport, buffers: &mut Buffers) {
        self.common.record.figures.sent += report.to_client;
        self.common.record.figures.attempt.sent += report.to_upstream;
        self.common.record.figures.attempt.received += report.from_upstream;
        self.keep_report(report, buffers);
        self.common.record.figures.event = Some(TunnelEvent::Close);
        if self.logs_tunnel() {
            self.common.work.pending.tell_closed();
        }
        self.common.release(Verdict::Success, Disposal::Close(report.upstream.ending));
        self.enter_phase(phase::Event::Finish, Phase::Finished(Finished::tunnel(report.client.ending)));
        self.common.finish(report.outcome());
    }

    /// The record has what is known of the tunnel as long as a line about it is due, and once it is over.
    fn keep_report(&mut self, report: TunnelReport, buffers: &mut Buffers) {
        match &mut self.common.record.figures.tunnel {
            Some(known) => **known = report,
            none => *none = Some(buffers.reports.boxed(report)),
        }
    }

    /// Gives back what a line has told that isn't due any more.
    pub(super) fn forget_report(&mut self, buffers: &mut Buffers) {
        let is_due = match &self.phase {
            Phase::Tunnel(tunnel) => tunnel.tells_progress() || self.common.work.pending.tells_opened(),
            _ => !self.is_between_exchanges() || self.common.work.pending.exchange_done,
        };
        if !is_due
            && let Some(figures) = self.common.record.figures.held()
            && let Some(report) = figures.tunnel.take()
        {
            buffers.reports.keep(report);
        }
    }

    /// The bytes that have come into the space that was handed out, before they are reported: so many. None, where no
    /// space was handed out.
    pub(super) fn arriving(&self, from: Side, count: usize) -> Option<&[u8]> {
        match self.phase.tunnel() {
            Some(tunnel) => tunnel.arriving(from, count),
            None => {
                let inbox = &self.common.flow(from).inbox;
                inbox.outline().0.then(|| inbox.arriving(count))
            }
        }
    }

    /// The head that goes before what this side is sent, as long as nothing of it was sent.
    pub(super) fn unsent_head(&self, to: Side) -> Option<&[u8]> {
        match (self.phase.tunnel(), to) {
            (Some(tunnel), Side::Downstream) => tunnel.unsent_head(),
            (Some(_), Side::Upstream) => None,
            (None, _) => self.common.flow(to.opposite()).outbox.unsent_head(),
        }
    }

    /// The state of a side's connection, whoever has it.
    pub(super) fn leg_state(&self, side: Side) -> connection::State {
        self.phase.tunnel().map_or_else(|| self.common.leg(side).state(), |tunnel| tunnel.leg(side).state())
    }
}

/// The turn at the session's time, which never goes back.
fn at<'t>(tick: Tick, turn: &'t mut Turn<'_>) -> Turn<'t> {
    Turn { now: Now { tick, ..turn.now }, buffers: turn.buffers }
}
