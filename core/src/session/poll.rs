//! What to do: outputs and memory.

use super::{
    Dial, Ending, Event, Lookup, Output, Session, Slices, Wait,
    errand::{Claim, Socket},
    fate::{self, Next, Stand},
    flow::Content,
    legs::{Leg, Lent},
    pending::{Errand, Pending},
};
use crate::{
    Address, Side,
    buffer::{Buffers, Turn},
    shared::{GroupId, HashKey, seed},
    state::{connection, exchange, message},
    time::Tick,
};

impl Session {
    /// What to do next. Poll until it says [`Output::Wait`] or [`Output::Done`]; polled again after that
    /// without a report between, it says the same.
    pub fn poll_output(&mut self) -> Output {
        if let Some(note) = self.pending().and_then(Pending::take_note) {
            return Output::Note(note);
        }
        if let Some(output) = self.tunnel.as_mut().and_then(|tunnel| tunnel.take_output()) {
            return output.into();
        }
        if let Some(verdict) = self.pending().and_then(|pending| pending.judgement.take()) {
            return Output::Judge(verdict);
        }
        if let Some((verdict, disposal)) = self.pending().and_then(|pending| pending.release.take()) {
            return Output::Release(self.epochs.origin(), verdict, disposal);
        }
        let must_wait = self.tunnel_waits_for_memory();
        if let Some(errand) = self.pending().and_then(|pending| pending.errand.take_if(|_| !must_wait)) {
            return self.send_out(errand);
        }
        if self.pending().is_some_and(|pending| std::mem::take(&mut pending.exchange_done)) {
            return Output::ExchangeDone;
        }
        // Maps that log lines alone ask for were tried while the record was looked at (B7).
        if self.record.take_given_up() {
            return Output::Note(Event::MatchGivenUp.note());
        }
        if let Some(side) = self.pending().and_then(Pending::take_shutdown) {
            return Output::Shutdown(side);
        }
        if let Some(ending) = self.pending().and_then(|pending| pending.close.take()) {
            return Output::Close(ending);
        }
        if self.exchange.state() == exchange::State::Closed {
            return Output::Done;
        }
        if let Some(tunnel) = self.open_tunnel_of() {
            return Output::Wait(tunnel.wait());
        }
        // What is offered stays where it is, which may leave no room to read into: it is offered first.
        let writes = Side::BOTH.map(|side| {
            let after_a_look = side == Side::Downstream && self.must_read_first();
            let paced = side == Side::Downstream && self.client_waits().is_some();
            self.leg(side).writes() && !after_a_look && !paced && self.has_outgoing(side)
        });
        for side in Side::BOTH.into_iter().filter(|side| writes[side.index()]) {
            self.flow_mut(side.opposite()).offer(true);
        }
        Output::Wait(self.wait(writes))
    }

    /// What waits to be polled, where anything can.
    fn pending(&mut self) -> Option<&mut Pending> {
        self.work.held().map(|work| &mut work.pending)
    }

    /// Where to receive bytes of this connection into; `None` when none are wanted now, when it isn't the one that its
    /// side has, or while a read of the one before it has not been reported.
    pub fn receive_space(&mut self, from: Leg, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        if !self.is_current(from) {
            return None;
        }
        let side = from.side();
        // No other connection comes after a tunnel's: whom it lends to needs no name.
        if self.tunnel.is_some() {
            return self.tunnel.as_mut()?.receive_space(side, turn);
        }
        if !self.wants(side) {
            return None;
        }
        let most = if side == Side::Upstream { self.origin_allowance() } else { usize::MAX };
        self.work.lend(turn.buffers);
        let space = self.work.flows[side.index()].inbox.space(turn.buffers)?;
        if side == Side::Upstream {
            self.epochs.lend_to_read();
        }
        let length = space.len().min(most);
        space.get_mut(..length)
    }

    /// What is to be sent on this connection: at most four pieces, in order. Nothing, when it isn't the one that its
    /// side has, or while a write of the one before it has not been reported. Report what was sent with
    /// [`handle_sent`](Self::handle_sent).
    #[must_use = "report what was sent with `handle_sent`"]
    pub fn transmit(&mut self, to: Leg) -> Slices<'_> {
        if !self.is_current(to) {
            return Slices::one(b"");
        }
        let notes = to.side() == Side::Upstream && self.tunnel.is_none();
        if notes && self.has_outgoing(Side::Upstream) {
            self.epochs.lend_to_write();
        }
        self.outgoing(to.side())
    }

    fn outgoing(&self, to: Side) -> Slices<'_> {
        if let Some(tunnel) = self.open_tunnel_of() {
            return tunnel.transmit(to);
        }
        let flow = self.flow(to.opposite());
        flow.outbox.slices_within(&flow.inbox, self.allowance(to))
    }

    /// Whether there is anything to be sent to this side, outside of a tunnel.
    fn has_outgoing(&self, to: Side) -> bool {
        self.flow(to.opposite()).is_waiting() && self.allowance(to) > 0
    }

    /// How many bytes may be sent to this side now.
    fn allowance(&self, to: Side) -> usize {
        match to {
            Side::Downstream => self.client_allowance(),
            Side::Upstream if self.leg(to).exists() && self.may_send(to) => usize::MAX,
            // What is to be sent is for the next connection, and the shell may not have obeyed `Release` yet.
            Side::Upstream => 0,
        }
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
        self.work.pending.dialling = true;
        Output::Connect(Dial {
            errand: self.errands,
            leg: self.epochs.next_origin(),
            group: hop.map_or(GroupId(usize::MAX), |hop| hop.group),
            addresses: self.work.addresses.clone(),
            elsewhere: self.work.elsewhere.as_slice().into(),
            address: self.record.given_address().cloned(),
            tried: self.record.tried().collect(),
            may_reuse,
            socket: hop.map_or_else(Socket::default, |hop| Socket::new(hop.socket, self.record.bind())),
            tls: self.record.heads.as_ref().and_then(|heads| heads.tls_peer.clone()),
            client: match self.record.remote() {
                Address::Ip(address) => Some(address.ip()),
                Address::Unix(_) => None,
            },
            key,
            chance: seed(&client.secret, [client.serial, self.record.requests, self.work.tries.into()]),
        })
    }

    /// After an exchange: the next one, a last look at the client, or the end. Its record stays as it is until it has
    /// been handed out.
    pub(super) fn go_on(&mut self) -> bool {
        let (leg, request) = (self.leg(Side::Downstream), self.flow(Side::Downstream));
        let stand = Stand {
            is_complete: request.is_complete(),
            has_more: !request.inbox.raw().is_empty(),
            reads: leg.reads(),
            writes: leg.writes(),
        };
        let lingering = self.settings().lingering_close;
        match fate::next(self.fate(), stand, lingering, self.work.ending, self.record.outcome()) {
            Next::Exchange => self.persist(),
            Next::Linger { once } => self.begin_lingering(once),
            Next::Close(ending) => self.close_client(ending),
        }
        true
    }

    fn persist(&mut self) {
        // What a released connection was offered last, and nobody has taken, has no report to come.
        if self.epochs.writing() == Lent::ToNobody {
            self.flow_mut(Side::Downstream).offer(false);
        }
        self.flow_mut(Side::Upstream).offer(false);
        let pipelined = !self.flow(Side::Downstream).inbox.raw().is_empty();
        self.exchange_event(exchange::Event::Persist);
        self.message_event(Side::Downstream, message::Event::Next);
        self.flow_mut(Side::Upstream).message = message::Machine::default();
        for flow in &mut self.work.flows {
            flow.content = Content::Empty;
            flow.inbox.keep(false);
        }
        self.work.forget();
        self.work.pipelined = pipelined;
    }

    /// Whether the last exchange is over, and none has begun.
    pub(super) fn is_between_exchanges(&self) -> bool {
        use exchange::State;
        matches!(self.exchange.state(), State::Idle | State::Lingering | State::Closed)
    }

    /// Ends the session: the client's connection is closed.
    pub(super) fn close_client(&mut self, ending: Ending) {
        self.exchange_event(exchange::Event::Close);
        if self.leg(Side::Downstream).exists() {
            self.leg_event(Side::Downstream, connection::Event::Close);
        }
        self.work.pending.close = Some(if self.work.pending.illegal { Ending::Reset } else { ending });
        for flow in &mut self.work.flows {
            flow.stop_sending();
            flow.inbox.discard();
        }
    }

    fn wait(&self, writes: [bool; 2]) -> Wait {
        let mut wait = Wait::new(self.deadline());
        for side in Side::BOTH {
            wait.read(side, self.wants(side));
            wait.write(side, writes[side.index()]);
        }
        wait
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        if let Some(tunnel) = self.open_tunnel_of() {
            return tunnel.deadline();
        }
        // Pipelined bytes wait behind an exchange that has just ended: there is work to do at once.
        let at_once = self.exchange.state() == exchange::State::Idle
            && (!matches!(self.flow(Side::Downstream).inbox.raw(), b"" | b"\r")
                || !self.leg(Side::Downstream).reads());
        if at_once || self.must_read_first() { Some(Tick(0)) } else { self.deadlines().next() }
    }

    /// Whether bytes from `side` are wanted.
    pub(super) fn wants(&self, side: Side) -> bool {
        use exchange::State;
        if self.work.pending.exchange_done {
            return false;
        }
        if let Some(tunnel) = self.open_tunnel_of() {
            return tunnel.wants(side);
        }
        let flow = self.flow(side);
        let in_time = match (side, self.exchange.state()) {
            (_, State::Finished | State::Closed) => false,
            (Side::Downstream, _) => true,
            (Side::Upstream, State::Awaiting | State::Responding | State::Switching) => true,
            (Side::Upstream, _) => false,
        };
        let paced = side == Side::Upstream && self.origin_waits().is_some();
        in_time && self.leg(side).reads() && flow.has_room() && !paced && self.may_receive(side)
    }

    /// After each input: memory goes back, chunks are cut, and it is noted what waits.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        self.make_room_for_content();
        for flow in &mut self.work.flows {
            flow.settle(self.tick, turn.buffers);
        }
        self.forget_exchange(turn.buffers);
    }

    /// Gives the memory of an exchange that is over, or has become a tunnel, back to the worker. To be called when
    /// [`Output::ExchangeDone`] was obeyed and the record was read, and behind [`Output::Judge`], which tells that a tunnel
    /// has opened: nothing may be reported of this connection for hours, and what isn't given back here goes back with the
    /// next report. While an exchange lasts this changes nothing.
    pub fn forget_exchange(&mut self, buffers: &mut Buffers) {
        // What the record shows of the exchange stays until it has been handed out.
        if self.is_between_exchanges() && !self.work.pending.exchange_done {
            self.record.figures.give_back(buffers);
            if let Some(heads) = self.record.heads.take() {
                buffers.return_heads(heads);
            }
        }
        self.settle_work(buffers);
    }

    /// Between exchanges, and while a tunnel is open, the exchange's memory serves others.
    pub(super) fn settle_work(&mut self, buffers: &mut Buffers) {
        if matches!(self.exchange.state(), exchange::State::Idle | exchange::State::Tunnelling) {
            self.work.settle(buffers);
        }
    }
}
