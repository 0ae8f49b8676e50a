//! The client's side: what was read off it, its end, and how a session with it ends.

use super::{Event, Exchange, Session, phase::Phase, receiving::Head};
use crate::{
    Draining, Side,
    buffer::{Buffers, Loan, Turn},
    draining::Cause,
    fault::Fault,
    proxy_protocol::{self, Greeting},
    record::Outcome,
    state::{connection, phase},
    time::MaybeTick,
    violation::Violation,
};

impl Session {
    /// Bytes, the end of a stream, or a failure was read.
    pub(super) fn received(&mut self, from: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        let reads = self.common.leg(from).reads();
        let count = result.unwrap_or(0);
        if self.common.may_receive(from) {
            self.common.flow_mut(from).inbox.received(if reads { count } else { 0 });
        }
        if !reads {
            // A report about a connection that was closed, or whose end was read, changes nothing, unless
            // it fails for writing too.
            if let Err(fault) = result
                && !fault.is_transient()
            {
                self.failed(from, fault, turn);
            }
            return;
        }
        if from == Side::Downstream {
            self.client_was_read();
        }
        match result {
            Ok(0) => self.ended(from),
            Ok(_) => self.arrived(from, count),
            Err(fault) if fault.is_transient() => {}
            Err(fault) => self.failed(from, fault, turn),
        }
    }

    pub(super) fn client_was_read(&mut self) {
        match &mut self.phase {
            Phase::Lingering(lingering) => lingering.was_read(),
            Phase::Exchange(exchange) => exchange.client_was_read(),
            _ => {}
        }
    }

    /// Bytes came: who waited for them goes on waiting from now.
    fn arrived(&mut self, from: Side, count: usize) {
        self.common.work.flows[from.index()].moves.arrive(self.common.tick);
        if from == Side::Upstream {
            self.common.record.figures.attempt.received += count as u64;
            if let Phase::Exchange(exchange) = &mut self.phase {
                exchange.pace_received(&self.common, count);
            }
        }
    }

    fn ended(&mut self, from: Side) {
        self.common.leg_event(from, connection::Event::PeerEnd);
        match from {
            Side::Downstream => {
                // In other phases the advance that follows finds a stream that has ended and nothing to read.
                if let Phase::Exchange(exchange) = &mut self.phase {
                    exchange.client_ended(&mut self.common);
                }
            }
            // The advance that follows reads what came before the end, and finds the end behind it.
            Side::Upstream => {}
        }
    }

    /// Reading or writing failed: nothing can be read or written on this side any more.
    pub(super) fn failed(&mut self, side: Side, fault: Fault, turn: &mut Turn<'_>) {
        if self.common.leg(side).state() == connection::State::Failed || !self.common.leg(side).exists() {
            return;
        }
        self.common.leg_event(side, connection::Event::Fail);
        if let (Phase::Receiving(_), Side::Downstream) = (&self.phase, side) {
            self.begin_exchange(turn.buffers);
        }
        match (&mut self.phase, side) {
            (Phase::Exchange(exchange), Side::Upstream) => {
                exchange.upstream_failed(&mut self.common, fault, turn);
            }
            (Phase::Exchange(exchange), Side::Downstream) => {
                exchange.abort(&mut self.common, Outcome::ClientLeft);
            }
            (Phase::Greeting | Phase::Idle(_) | Phase::Lingering(_), Side::Downstream) => {
                self.close_client(super::Ending::Reset);
            }
            // A tunnel has taken its own reports, and what is over can't fail.
            _ => {}
        }
    }

    /// Reads the PROXY protocol header that the connection begins with.
    pub(super) fn read_greeting(&mut self) -> bool {
        let ended = !self.common.leg(Side::Downstream).reads();
        match proxy_protocol::read(self.common.flow(Side::Downstream).inbox.raw()) {
            Greeting::Complete(length, header) => {
                self.common.flow_mut(Side::Downstream).inbox.consume(length);
                if header.is_some() {
                    self.common.record.forwarded.get_or_insert_default().header = header;
                }
                self.await_request();
            }
            Greeting::Partial if !ended => return false,
            Greeting::Partial => self.close_client(super::Ending::Fin),
            // Whoever this is, it is not the proxy that was announced, and gets no answer.
            Greeting::Malformed => {
                self.common.note(Event::Violation(Violation::BadProxyHeader));
                self.close_client(super::Ending::Fin);
            }
        }
        true
    }

    /// Reads the next request head, and begins its exchange.
    pub(super) fn read_request_head(&mut self, turn: &mut Turn<'_>) -> bool {
        let Phase::Receiving(receiving) = &self.phase else { return false };
        let head = receiving.read(&mut self.common, turn);
        if matches!(head, Head::Partial) {
            return false;
        }
        self.begin_exchange(turn.buffers);
        if let Phase::Exchange(exchange) = &mut self.phase {
            exchange.begin(&mut self.common, head, turn);
        }
        true
    }

    /// No more of a head is awaited: what comes of it is an exchange's to say.
    pub(super) fn begin_exchange(&mut self, buffers: &mut Buffers) {
        let mut exchange = Loan::<Exchange>::default();
        exchange.lend(buffers);
        self.enter_phase(phase::Event::HeadEnded, Phase::Exchange(exchange));
    }

    /// Bytes were sent.
    pub(super) fn sent(&mut self, to: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        if self.common.may_send(to) {
            self.common.flow_mut(to.opposite()).offer(false);
        }
        if !self.common.leg(to).writes() {
            return;
        }
        match result {
            Ok(0) => {}
            Ok(count) => {
                let content = self.common.count_sent(to, count);
                if let Phase::Exchange(exchange) = &mut self.phase {
                    exchange.sent(&self.common, to, count, content);
                }
            }
            Err(fault) if fault.is_transient() => {}
            Err(fault) => {
                let is_borne = match &mut self.phase {
                    Phase::Exchange(exchange) if to == Side::Upstream => {
                        exchange.bears_broken_request(&mut self.common, fault, turn)
                    }
                    _ => false,
                };
                if !is_borne {
                    self.failed(to, fault, turn);
                }
            }
        }
    }

    /// No further request is begun (C8).
    pub(super) fn drain(&mut self, draining: Draining) {
        let before = self.common.draining.replace(draining.cause());
        if let Phase::Idle(idle) = &mut self.phase
            && draining.cause() == Cause::Quit
            && before != Some(Cause::Quit)
        {
            idle.note_quit(&self.common);
        }
        if let Some(until) = draining.until(self.common.tick)
            && !self.phase.is_closed()
        {
            // A second drain gives no more time than the first.
            let before = self.common.ends_by.get().unwrap_or(until);
            self.common.ends_by = MaybeTick::at(until.min(before));
        }
        if let Phase::Idle(idle) = &self.phase
            && idle.has_drained(&self.common)
        {
            self.close_client(super::Ending::Fin);
        }
    }
}
