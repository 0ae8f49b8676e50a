//! What to do: outputs, memory, and the timers that follow from the state.

use core::time::Duration;

use super::{
    Dial, Ending, Event, Fate, Lookup, Output, Session, Slices, Wait,
    errand::{Claim, Socket},
    pending::Errand,
};
use crate::{
    Address, Side,
    buffer::Turn,
    config::LingeringClose,
    record::Outcome,
    rewrite::Offer,
    shared::{GroupId, HashKey, seed},
    state::{connection, exchange, message},
    time::Tick,
    timer::Timer,
};

impl Session {
    /// What to do next. Poll until it says [`Output::Wait`] or [`Output::Done`]; polled again after that
    /// without a report between, it says the same.
    pub fn poll_output(&mut self) -> Output {
        if let Some(note) = self.pending.take_note() {
            return Output::Note(note);
        }
        if let Some(verdict) = self.pending.judgement.take() {
            return Output::Judge(verdict);
        }
        if let Some((verdict, disposal)) = self.pending.release.take() {
            return Output::Release(verdict, disposal);
        }
        if let Some(errand) = self.pending.errand.take() {
            return self.send_out(errand);
        }
        if let Some(side) = self.pending.take_shutdown() {
            return Output::Shutdown(side);
        }
        if self.pending.exchange_done {
            self.pending.exchange_done = false;
            return Output::ExchangeDone;
        }
        if self.exchange.state() == exchange::State::Finished {
            // The record was handed out and looked at: only now may anything be forgotten. Maps that log lines
            // alone ask for were tried meanwhile (B7).
            if self.record.take_given_up() {
                return Output::Note(Event::MatchGivenUp.note());
            }
            self.record.drop_large_heads();
            self.go_on();
            self.check_invariants();
            return self.poll_output();
        }
        if let Some(ending) = self.pending.close.take() {
            return Output::Close(ending);
        }
        if self.exchange.state() == exchange::State::Closed {
            return Output::Done;
        }
        // What is offered stays where it is, which may leave no room to read into: it is offered first.
        let writes = Side::BOTH.map(|side| {
            let after_a_look = side == Side::Downstream && self.must_look();
            let paced = side == Side::Downstream && self.client_waits().is_some();
            self.leg(side).writes() && !after_a_look && !paced && !self.transmit(side).is_empty()
        });
        for side in Side::BOTH.into_iter().filter(|side| writes[side.index()]) {
            self.flow_mut(side.opposite()).offer(true);
        }
        Output::Wait(self.wait(writes))
    }

    /// Where to receive bytes from this side into; `None` when none are wanted now.
    pub fn receive_space(&mut self, from: Side, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        if !self.wants(from) {
            return None;
        }
        let most = if from == Side::Upstream { self.origin_allowance() } else { usize::MAX };
        let space = self.flow_mut(from).inbox.space(turn.buffers)?;
        let length = space.len().min(most);
        space.get_mut(..length)
    }

    /// What is to be sent to this side: at most four pieces, in order. Report what was sent with
    /// [`handle_sent`](Self::handle_sent).
    #[must_use]
    pub fn transmit(&self, to: Side) -> Slices<'_> {
        let flow = self.flow(to.opposite());
        let most = match to {
            Side::Downstream => self.client_allowance(),
            Side::Upstream if self.leg(Side::Upstream).exists() => usize::MAX,
            // What is to be sent is for the next connection, and the shell may not have obeyed `Release` yet.
            Side::Upstream => 0,
        };
        flow.outbox.slices_within(&flow.inbox, most)
    }

    fn send_out(&mut self, errand: Errand) -> Output {
        let number = self.errands;
        let location = self.record.location.as_ref();
        match errand {
            Errand::Admit => {
                let rules = location.and_then(|location| location.admission).unwrap_or(0);
                Output::Admit(Claim { errand: number, rules })
            }
            Errand::Resolve => {
                let resolver = location.and_then(|location| location.resolver);
                let requested = || self.requested_authority().map_or("", |(host, _)| host).into();
                let name = self.record.sought_name().map_or_else(requested, |(name, _)| name.clone());
                Output::Resolve(Lookup { errand: number, name, resolver })
            }
            Errand::Connect { may_reuse, key } => self.send_to_connect(may_reuse, key),
        }
    }

    fn send_to_connect(&mut self, may_reuse: bool, key: HashKey) -> Output {
        let client = &self.record.client;
        let hop = self.record.hop();
        self.pending.dialling = true;
        Output::Connect(Dial {
            errand: self.errands,
            group: hop.map_or(GroupId(usize::MAX), |hop| hop.group),
            addresses: self.work.addresses.clone(),
            elsewhere: self.work.elsewhere.clone(),
            address: self.record.given_address().cloned(),
            tried: self.record.tried().collect(),
            may_reuse,
            socket: hop.map_or_else(Socket::default, |hop| Socket::new(hop.socket, self.record.bind())),
            client: match self.record.remote() {
                Address::Ip(address) => Some(address.ip()),
                Address::Unix(_) => None,
            },
            key,
            chance: seed(&client.secret, [client.serial, self.record.requests, self.work.tries.into()]),
        })
    }

    /// After an exchange: the next one, a last look at the client, or the end.
    fn go_on(&mut self) {
        let leg = self.leg(Side::Downstream);
        let persists = self.work.client == Fate::Persist
            && !self.draining
            && self.flow(Side::Downstream).is_complete()
            && leg.writes()
            && (leg.reads() || !self.flow(Side::Downstream).inbox.raw().is_empty());
        let lingers = match self.settings().lingering_close {
            LingeringClose::Off => false,
            LingeringClose::On => matches!(self.work.client, Fate::Leave | Fate::Linger),
            // C8: when a drain's time is over, nothing outlives it.
            LingeringClose::Always => self.record.outcome() != Outcome::Drained,
        };
        if persists {
            self.persist();
        } else if lingers && leg.reads() && self.work.ending == Ending::Fin {
            self.begin_lingering();
        } else {
            self.close_client(self.work.ending);
        }
    }

    fn persist(&mut self) {
        // What a released connection was offered last has no report to come.
        for flow in &mut self.flows {
            flow.offer(false);
        }
        self.record.pipelined = !self.flow(Side::Downstream).inbox.raw().is_empty();
        self.exchange_event(exchange::Event::Persist);
        self.message_event(Side::Downstream, message::Event::Next);
        self.flow_mut(Side::Upstream).message = message::Machine::default();
        self.work = super::Work::default();
        let timeout = self.settings().keepalive_timeout;
        self.timers.set(Timer::KeepAlive, self.tick.after(timeout));
    }

    /// Ends the session: the client's connection is closed.
    pub(super) fn close_client(&mut self, ending: Ending) {
        self.exchange_event(exchange::Event::Close);
        self.timers.stop_all();
        self.timers.stop(Timer::Drain);
        if self.leg(Side::Downstream).exists() {
            self.leg_event(Side::Downstream, connection::Event::Close);
        }
        self.pending.forget_shutdown(Side::Downstream);
        self.pending.close = Some(if self.pending.illegal { Ending::Reset } else { ending });
        for flow in &mut self.flows {
            flow.stop_sending();
            flow.inbox.discard();
        }
    }

    fn wait(&self, writes: [bool; 2]) -> Wait {
        let mut wait = Wait::new(self.deadline());
        for side in Side::BOTH {
            wait.read(side, self.wants(side));
            wait.write(side, writes[side.index()]);
            wait.relay(side, self.may_relay(side));
            wait.acknowledge(side, self.awaits_acknowledgement(side));
        }
        wait
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        // Pipelined bytes wait behind an exchange that has just ended: there is work to do at once.
        let at_once = self.exchange.state() == exchange::State::Idle
            && (!matches!(self.flow(Side::Downstream).inbox.raw(), b"" | b"\r")
                || !self.leg(Side::Downstream).reads());
        if at_once || self.must_look() { Some(Tick(0)) } else { self.timers.next() }
    }

    /// Whether bytes from `side` are wanted.
    pub(super) fn wants(&self, side: Side) -> bool {
        use exchange::State;
        let flow = self.flow(side);
        let in_time = match (side, self.exchange.state()) {
            (_, State::Finished | State::Closed) => false,
            (Side::Downstream, _) => true,
            (Side::Upstream, State::Awaiting | State::Responding | State::Switching | State::Tunnelling) => {
                true
            }
            (Side::Upstream, _) => false,
        };
        let paced = side == Side::Upstream && self.origin_waits().is_some();
        let has_room = flow.piped == 0 && flow.inbox.has_space();
        in_time && self.leg(side).reads() && !flow.ignored && has_room && !paced
    }

    /// After each input: memory goes back, chunks are cut, and the timers run that the state wants.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        self.make_room_for_content();
        for flow in &mut self.flows {
            flow.settle(turn.buffers);
        }
        let state = self.exchange.state();
        if matches!(state, exchange::State::Idle | exchange::State::Lingering | exchange::State::Closed)
            && let Some(heads) = self.record.heads.take()
        {
            turn.buffers.return_heads(heads);
        }
        if state == exchange::State::Tunnelling {
            self.settle_tunnel_timers();
        } else {
            self.settle_exchange_timers();
        }
    }

    fn settle_exchange_timers(&mut self) {
        use exchange::State;
        let state = self.exchange.state();
        let under_way = matches!(state, State::Awaiting | State::Responding | State::Switching);
        let to_client = self.flow(Side::Upstream).is_waiting() && self.leg(Side::Downstream).writes();
        let to_origin = self.flow(Side::Downstream).is_waiting() && self.leg(Side::Upstream).writes();
        let reading_request = self.flow(Side::Downstream).message.state() == message::State::Content;
        let request = self.flow(Side::Downstream);
        // What an error page has given up is over, too.
        let request_over = matches!(request.message.state(), message::State::Complete | message::State::Cut);
        let request_sent = request_over && request.is_sent();
        let asked = self.work.offer != Offer::Nothing;
        let (send, read, handshake) = self.record.hop().map_or_else(Default::default, |hop| {
            (hop.send_timeout, hop.read_timeout, hop.tunnel.handshake_timeout.unwrap_or(hop.read_timeout))
        });
        let settings = self.settings();
        let (client_send, client_body) = (settings.send_timeout, settings.client_body_timeout);
        let awaiting = state == State::Awaiting && request_sent;
        let responding = state == State::Responding
            && self.flow(Side::Upstream).message.state() == message::State::Content
            && self.wants(Side::Upstream);
        let stalled = under_way
            && reading_request
            && self.wants(Side::Downstream)
            && (self.leg(Side::Upstream).writes() || state != State::Responding);
        if state == State::Replying {
            self.settle_unwanted_timers();
        }
        let paced = self.client_waits().is_some();
        self.settle_pace();
        self.run(Timer::ClientSend, to_client && !paced && state != State::Closed, client_send);
        self.run(Timer::UpstreamSend, to_origin && under_way, send);
        self.run(Timer::ClientBody, stalled, client_body);
        self.run(Timer::UpstreamRead, (awaiting && !asked) || responding, read);
        self.run(Timer::Handshake, awaiting && asked, handshake);
    }

    /// Starts a timer that is wanted and doesn't run, stops one that isn't wanted.
    pub(super) fn run(&mut self, timer: Timer, wanted: bool, span: Duration) {
        if !wanted {
            self.timers.stop(timer);
        } else if !self.timers.runs(timer) {
            self.timers.set(timer, self.tick.after(span));
        }
    }
}
