//! What to do: outputs and memory.

use super::{
    Ending, Event, Output, Session, Slices, Wait,
    fate::Next,
    flow::Content,
    idle::Idle,
    legs::{Leg, Lent},
    lingering::Lingering,
    pending::Pending,
    phase::Phase,
};
use crate::{
    Side,
    buffer::{Buffers, Turn},
    record::TunnelEvent,
    state::{connection, message, phase},
    time::Tick,
    tunnel::Said,
};

impl Session {
    /// What to do next. Poll until it says [`Output::Wait`] or [`Output::Done`]; polled again after that
    /// without a report between, it says the same.
    pub fn poll_output(&mut self) -> Output {
        if let Some(note) = self.pending().and_then(Pending::take_note) {
            return Output::Note(note);
        }
        if let Phase::Tunnel(tunnel) = &mut self.phase
            && let Some(said) = tunnel.take_output()
        {
            return match said {
                Said::Note(note) => Output::Note(note),
                Said::Shutdown(side) => Output::Shutdown(side),
                Said::Progress => self.log_tunnel(TunnelEvent::Progress),
            };
        }
        if self.pending().is_some_and(Pending::take_opened) {
            return self.log_tunnel(TunnelEvent::Open);
        }
        if let Some(verdict) = self.pending().and_then(|pending| pending.judgement.take()) {
            return Output::Judge(verdict);
        }
        if let Some((verdict, disposal)) = self.pending().and_then(|pending| pending.release.take()) {
            return Output::Release(self.common.epochs.origin(), verdict, disposal);
        }
        if let Phase::Exchange(exchange) = &self.phase
            && let Some(output) = exchange.send_out(&mut self.common)
        {
            return output;
        }
        if self.pending().is_some_and(Pending::take_closed) {
            return self.log_tunnel(TunnelEvent::Close);
        }
        if self.pending().is_some_and(|pending| std::mem::take(&mut pending.exchange_done)) {
            return Output::ExchangeDone;
        }
        // Maps that log lines alone ask for were tried while the record was looked at (B7).
        if self.common.record.take_given_up() {
            return Output::Note(Event::MatchGivenUp.note());
        }
        if let Some(side) = self.pending().and_then(Pending::take_shutdown) {
            return Output::Shutdown(side);
        }
        if let Some(ending) = self.pending().and_then(|pending| pending.close.take()) {
            return Output::Close(ending);
        }
        if self.phase.is_closed() {
            return Output::Done;
        }
        if let Some(tunnel) = self.phase.tunnel() {
            return Output::Wait(tunnel.wait());
        }
        // What is offered stays where it is, which may leave no room to read into: it is offered first.
        let writes = Side::BOTH.map(|side| {
            let after_a_look = side == Side::Downstream && self.must_read_first();
            let paced = side == Side::Downstream && self.client_is_paced();
            self.common.leg(side).writes() && !after_a_look && !paced && self.has_outgoing(side)
        });
        for side in Side::BOTH.into_iter().filter(|side| writes[side.index()]) {
            self.common.flow_mut(side.opposite()).offer(true);
        }
        Output::Wait(self.wait(writes))
    }

    /// A line about the tunnel is due (G9): the record has what is known of it by now.
    fn log_tunnel(&mut self, event: TunnelEvent) -> Output {
        let report = self.tunnel_report();
        let figures = &mut *self.common.record.figures;
        figures.event = Some(event);
        if let (Some(known), Some(report)) = (&mut figures.tunnel, report) {
            **known = report;
        }
        Output::LogTunnel(event)
    }

    /// What waits to be polled, where anything can.
    fn pending(&mut self) -> Option<&mut Pending> {
        self.common.work.held().map(|work| &mut work.pending)
    }

    /// Where to receive bytes of this connection into; `None` when none are wanted now, when it isn't the one that its
    /// side has, or while a read of the one before it has not been reported.
    pub fn receive_space(&mut self, from: Leg, turn: &mut Turn<'_>) -> Option<&mut [u8]> {
        if !self.common.is_current(from) {
            return None;
        }
        let side = from.side();
        // No other connection comes after a tunnel's: whom it lends to needs no name.
        if self.phase.tunnel().is_some() {
            return self.phase.tunnel_mut()?.receive_space(side, turn);
        }
        if !self.wants(side) {
            return None;
        }
        let most = match &self.phase {
            Phase::Exchange(exchange) if side == Side::Upstream => exchange.origin_allowance(&self.common),
            _ => usize::MAX,
        };
        self.common.work.lend(turn.buffers);
        let space = self.common.work.flows[side.index()].inbox.space(turn.buffers)?;
        if side == Side::Upstream {
            self.common.epochs.lend_to_read();
        }
        let length = space.len().min(most);
        space.get_mut(..length)
    }

    /// What is to be sent on this connection: at most four pieces, in order. Nothing, when it isn't the one that its
    /// side has, or while a write of the one before it has not been reported. Report what was sent with
    /// [`handle_sent`](Self::handle_sent).
    #[must_use = "report what was sent with `handle_sent`"]
    pub fn transmit(&mut self, to: Leg) -> Slices<'_> {
        if !self.common.is_current(to) {
            return Slices::one(b"");
        }
        let notes = to.side() == Side::Upstream && self.phase.tunnel().is_none();
        if notes && self.has_outgoing(Side::Upstream) {
            self.common.epochs.lend_to_write();
        }
        self.outgoing(to.side())
    }

    fn outgoing(&self, to: Side) -> Slices<'_> {
        if let Some(tunnel) = self.phase.tunnel() {
            return tunnel.transmit(to);
        }
        let flow = self.common.flow(to.opposite());
        flow.outbox.slices_within(&flow.inbox, self.allowance(to))
    }

    /// Whether there is anything to be sent to this side, outside of a tunnel.
    fn has_outgoing(&self, to: Side) -> bool {
        self.common.flow(to.opposite()).is_waiting() && self.allowance(to) > 0
    }

    /// How many bytes may be sent to this side now.
    fn allowance(&self, to: Side) -> usize {
        match (&self.phase, to) {
            (Phase::Exchange(exchange), Side::Downstream) => exchange.client_allowance(&self.common),
            (_, Side::Downstream) => usize::MAX,
            (_, Side::Upstream) if self.common.leg(to).exists() && self.common.may_send(to) => usize::MAX,
            // What is to be sent is for the next connection, and the shell may not have obeyed `Release` yet.
            (_, Side::Upstream) => 0,
        }
    }

    fn client_is_paced(&self) -> bool {
        matches!(&self.phase, Phase::Exchange(exchange) if exchange.client_waits(&self.common).is_some())
    }

    /// Whether the client is read once more before it is answered (A7) or left (E11).
    pub(super) fn must_read_first(&self) -> bool {
        match &self.phase {
            Phase::Exchange(exchange) => exchange.must_read_first(&self.common),
            Phase::Lingering(lingering) => lingering.must_read_first(&self.common),
            _ => false,
        }
    }

    /// After an exchange: the next one, a last look at the client, or the end. Its record stays as it is until it has
    /// been handed out.
    pub(super) fn go_on(&mut self) -> bool {
        let Phase::Finished(finished) = &self.phase else { return false };
        match finished.next(&self.common) {
            Next::Exchange => self.persist(),
            Next::Linger { once } => {
                let lingering = Lingering::begin(once, &mut self.common);
                self.enter_phase(phase::Event::Linger, Phase::Lingering(lingering));
            }
            Next::Close(ending) => self.close_client(ending),
        }
        true
    }

    fn persist(&mut self) {
        let common = &mut self.common;
        // What a released connection was offered last, and nobody has taken, has no report to come.
        if common.epochs.writing() == Lent::ToNobody {
            common.flow_mut(Side::Downstream).offer(false);
        }
        common.flow_mut(Side::Upstream).offer(false);
        let pipelined = !common.flow(Side::Downstream).inbox.raw().is_empty();
        common.message_event(Side::Downstream, message::Event::Next);
        common.flow_mut(Side::Upstream).message = message::Machine::default();
        for flow in &mut common.work.flows {
            flow.content = Content::Empty;
            flow.inbox.keep(false);
        }
        let idle = Idle::begin(pipelined, common);
        self.enter_phase(phase::Event::Persist, Phase::Idle(idle));
    }

    /// The first request is awaited.
    pub(super) fn await_request(&mut self) {
        let idle = Idle::begin(false, &self.common);
        self.enter_phase(phase::Event::Greeted, Phase::Idle(idle));
    }

    /// Whether the last exchange is over, and none has begun.
    pub(super) fn is_between_exchanges(&self) -> bool {
        matches!(self.phase, Phase::Idle(_) | Phase::Lingering(_) | Phase::Closed)
    }

    /// Ends the session: the client's connection is closed.
    pub(super) fn close_client(&mut self, ending: Ending) {
        self.enter_phase(phase::Event::Close, Phase::Closed);
        if self.common.leg(Side::Downstream).exists() {
            self.common.leg_event(Side::Downstream, connection::Event::Close);
        }
        self.common.work.pending.close =
            Some(if self.common.work.pending.illegal { Ending::Reset } else { ending });
        for flow in &mut self.common.work.flows {
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
        if let Some(tunnel) = self.phase.tunnel() {
            return tunnel.deadline();
        }
        // Pipelined bytes wait behind an exchange that has just ended: there is work to do at once.
        let at_once = matches!(&self.phase, Phase::Idle(idle) if idle.has_more(&self.common));
        if at_once || self.must_read_first() { Some(Tick(0)) } else { self.deadlines().next() }
    }

    /// Whether bytes from `side` are wanted.
    pub(super) fn wants(&self, side: Side) -> bool {
        match (&self.phase, side) {
            (Phase::Tunnel(tunnel), _) => tunnel.wants(side) && !self.common.work.pending.exchange_done,
            (Phase::Finished(_) | Phase::Closed, _) => false,
            (_, Side::Downstream) => self.common.may_read_client(),
            (Phase::Exchange(exchange), Side::Upstream) => exchange.reads_origin(&self.common),
            (_, Side::Upstream) => false,
        }
    }

    /// After each input: memory goes back, chunks are cut, and it is noted what waits.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Exchange(exchange) = &mut self.phase {
            exchange.make_room_for_content(&mut self.common);
        }
        for flow in &mut self.common.work.flows {
            flow.settle(self.common.tick, turn.buffers);
        }
        self.forget_exchange(turn.buffers);
    }

    /// Gives the memory of an exchange that is over, or has become a tunnel, back to the worker. To be called when
    /// [`Output::ExchangeDone`] was obeyed and the record was read, behind [`Output::Judge`], which tells that a tunnel
    /// has opened, and behind [`Output::LogTunnel`], when its line was written: nothing may be reported of this connection
    /// for hours. While an exchange lasts this changes nothing.
    pub fn forget_exchange(&mut self, buffers: &mut Buffers) {
        self.forget_report(buffers);
        // What the record shows of the exchange stays until it has been handed out.
        if self.is_between_exchanges() && !self.common.work.pending.exchange_done {
            self.common.record.figures.give_back(buffers);
            if let Some(heads) = self.common.record.heads.take() {
                buffers.return_heads(heads);
            }
        }
        self.settle_work(buffers);
    }

    /// Between exchanges, and while a tunnel is open, the exchange's memory serves others.
    pub(super) fn settle_work(&mut self, buffers: &mut Buffers) {
        if matches!(self.phase, Phase::Idle(_) | Phase::Tunnel(_)) {
            self.common.work.settle(buffers);
        }
    }
}
