//! A tunnel inside of a session: opening it, and taking its report (A8, A9, C7). Between these it is a machine of its
//! own ([`crate::Tunnel`]).

use std::sync::Arc;

use super::{Disposal, Event, Fact, Input, Session, Verdict, around::Coding};
use crate::{
    Side,
    buffer::{Buffers, Turn},
    rewrite::{Persistence, ResponseHead, write_response},
    state::{connection, exchange, message},
    time::{Now, Tick},
    tunnel::{Closing, Opening, Said, Tunnel, TunnelReport, TunnelSettings},
    violation::Violation,
};

impl Session {
    /// Opens the tunnel once the request has been sent whole (A9): the client gets the 101, and what each
    /// side has sent behind its head are the first bytes of its stream (A8).
    pub(super) fn open_tunnel(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.exchange.state() != exchange::State::Switching {
            return false;
        }
        let request = self.flow(Side::Downstream);
        if !request.is_complete() || !request.is_sent() {
            return false;
        }
        if self.connects() {
            self.write_established(turn);
            self.begin_tunnel(turn);
            self.work.pending.judgement = Some(Verdict::Success);
            return true;
        }
        self.record.status = 101;
        let shape = ResponseHead {
            status: 101,
            chunked: false,
            length: false,
            empty: false,
            persistence: Persistence::Keep,
        };
        let written = self.write_to_client(turn, |record, now, out| {
            let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
            write_response(record, &heads.response, shape, now, out)?;
            Ok(out.len())
        });
        if let Err(violation) = written {
            self.refuse(violation, turn);
            return true;
        }
        self.begin_tunnel(turn);
        // It may be hours until the connection is released.
        self.work.pending.judgement = Some(Verdict::Success);
        true
    }

    /// The exchange's connections, what was received behind its heads, and what is left of the head to the client
    /// become a tunnel's.
    fn begin_tunnel(&mut self, turn: &mut Turn<'_>) {
        let up = Side::Upstream;
        debug_assert!(self.may_receive(up) && self.may_send(up), "a tunnel has its buffers for itself");
        self.exchange_event(exchange::Event::Open);
        self.work.forget();
        for side in Side::BOTH {
            self.message_event(side, message::Event::Switch);
            // There are no messages any more, and no content of one.
            let flow = self.flow_mut(side);
            flow.message = message::Machine::default();
            flow.content = super::flow::Content::Empty;
            flow.inbox.keep(false);
            flow.outbox.begin_content(Coding::Plain, turn.buffers);
        }
        let [from_client, from_upstream] = &mut self.work.flows;
        let opening = Opening {
            held: [from_client.inbox.hand_over(), from_upstream.inbox.hand_over()],
            front: std::mem::take(&mut from_upstream.outbox),
            legs: self.legs,
            drain: self.ends_by,
        };
        let settings = self.tunnel_settings();
        let mut scratch = turn.buffers.scratch();
        if let Some(mut heads) = self.record.freeze(turn.now, &mut scratch) {
            // The values of log lines were found just now.
            if heads.take_given_up() {
                self.note(Event::MatchGivenUp);
            }
            turn.buffers.return_heads(heads);
        }
        turn.buffers.return_scratch(scratch);
        let tunnel = Tunnel::open(settings, opening, &mut at(self.tick, turn));
        let ahead = tunnel.report();
        // These are counted with what the tunnel brings.
        self.record.figures.attempt.received =
            self.record.figures.attempt.received.saturating_sub(ahead.from_upstream);
        self.record.figures.tunnel = Some(*ahead);
        self.tunnel = Some(Box::new(tunnel));
        self.look_at_tunnel(turn.buffers);
    }

    fn tunnel_settings(&self) -> Arc<TunnelSettings> {
        match &self.record.location {
            Some(location) => location.tunnel_settings(),
            None => Arc::default(),
        }
    }

    /// What is reported while the tunnel is open is the tunnel's; says whether it was.
    pub(super) fn report_to_tunnel(&mut self, input: &Input<'_>, turn: &mut Turn<'_>) -> bool {
        let Some(tunnel) = &mut self.tunnel else { return false };
        let turn = &mut at(self.tick, turn);
        match *input {
            Input::Received(from, result) => tunnel.handle_received(from.side(), result, turn),
            Input::Sent(to, result) => tunnel.handle_sent(to.side(), result, turn),
            Input::Relayed(from, moved) => tunnel.handle_relayed(from.side(), moved, turn),
            Input::Acknowledged(to) => tunnel.handle_acknowledged(to.side(), turn),
            Input::Timeout => tunnel.handle_timeout(turn),
            Input::Drain(until) => {
                tunnel.handle_drain(until, turn);
                self.drain(until);
            }
            // These come too late.
            Input::Resolved(..) | Input::Admitted(..) | Input::Chosen(..) | Input::Connected(..) => {
                return false;
            }
        }
        self.look_at_tunnel(turn.buffers);
        true
    }

    /// The tunnel, while it is open.
    pub(super) fn open_tunnel_of(&self) -> Option<&Tunnel> {
        self.tunnel.as_deref()
    }

    /// Where the tunnel is over, its report goes into the record, and the session takes back its connections and the
    /// memory that may still be in use.
    fn look_at_tunnel(&mut self, buffers: &mut Buffers) {
        let Some(mut tunnel) = self.tunnel.take_if(|tunnel| tunnel.is_done()) else { return };
        self.work.lend(buffers);
        // What is released now needs no end before.
        tunnel.forget_shutdown(Side::Upstream);
        while let Some(said) = tunnel.take_output() {
            match said {
                Said::Note(note) => self.work.pending.note(note),
                Said::Shutdown(side) => self.work.pending.shut_down(side),
            }
        }
        let report = *tunnel.report();
        let Closing { held: [from_client, from_upstream], front, legs } = tunnel.hand_back();
        self.taken = self.taken.with(tunnel.taken());
        self.legs = legs;
        let [down, up] = &mut self.work.flows;
        down.inbox.take_back(from_client);
        up.inbox.take_back(from_upstream);
        up.outbox = front;
        self.end_tunnel(report);
    }

    fn end_tunnel(&mut self, report: TunnelReport) {
        self.record.figures.sent += report.to_client;
        self.record.figures.attempt.sent += report.to_upstream;
        self.record.figures.attempt.received += report.from_upstream;
        self.record.figures.tunnel = Some(report);
        self.work.ending = report.ending;
        self.work.facts.note(Fact::Gone);
        self.release(Verdict::Success, Disposal::Close(report.ending));
        self.exchange_event(exchange::Event::Finish);
        self.finish(report.outcome());
    }

    /// The bytes that have come into the space that was handed out, before they are reported: so many. None, where no
    /// space was handed out.
    pub(super) fn arriving(&self, from: Side, count: usize) -> Option<&[u8]> {
        match self.open_tunnel_of() {
            Some(tunnel) => tunnel.arriving(from, count),
            None => {
                let inbox = &self.flow(from).inbox;
                inbox.outline().0.then(|| inbox.arriving(count))
            }
        }
    }

    /// The head that goes before what this side is sent, as long as nothing of it was sent.
    pub(super) fn unsent_head(&self, to: Side) -> Option<&[u8]> {
        match (self.open_tunnel_of(), to) {
            (Some(tunnel), Side::Downstream) => tunnel.front().unsent_head(),
            (Some(_), Side::Upstream) => None,
            (None, _) => self.flow(to.opposite()).outbox.unsent_head(),
        }
    }

    /// The state of a side's connection, whoever has it.
    pub(super) fn leg_state(&self, side: Side) -> connection::State {
        self.open_tunnel_of().map_or_else(|| self.leg(side).state(), |tunnel| tunnel.leg(side).state())
    }
}

/// The turn at the session's time, which never goes back.
fn at<'t>(tick: Tick, turn: &'t mut Turn<'_>) -> Turn<'t> {
    Turn { now: Now { tick, ..turn.now }, buffers: turn.buffers }
}
