//! The general step: everything that isn't a byte on its way between two open connections.

use super::{
    Tunnel,
    course::{Course, Reading, Tail},
    output::Busy,
    stage::Stage,
};
use crate::{
    Draining, Fault, Side,
    buffer::Turn,
    record::EndedBy,
    state::{connection, tunnel},
    time::Tick,
    timer::Timer,
    wait::{Ending, Relayed},
};

/// What can happen to a tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input {
    Opened,
    Received(Side, Result<usize, Fault>),
    Sent(Side, Result<usize, Fault>),
    Relayed(Side, Relayed),
    Acknowledged(Side),
    Timeout,
    Drain(Draining),
}

impl Tunnel {
    /// The place where states change. The short path of `handle_received` and `handle_sent` does what this does.
    pub(super) fn general(&mut self, input: Input, turn: &mut Turn<'_>) {
        let now = turn.now.tick.max(self.moved);
        let waited = self.stalls();
        match input {
            Input::Received(from, result) => self.received(from, result, now),
            Input::Sent(to, result) => self.sent(to, result, now),
            _ if self.is_done() => {}
            Input::Opened => self.take_over(),
            Input::Relayed(from, moved) => self.relayed(from, moved, now),
            Input::Acknowledged(to) => self.acknowledged(to),
            Input::Timeout => self.timed_out(now),
            Input::Drain(draining) => self.drain = draining.until(now).unwrap_or(self.drain),
        }
        self.run(now);
        if waited && !self.stalls() {
            // The idle timer has stood still until now.
            self.moved = now;
        }
        self.settle(turn);
        self.check();
    }

    /// Takes all steps that are possible without another input.
    fn run(&mut self, now: Tick) {
        while !self.is_done() && self.step() {}
        if !self.is_done() {
            self.stage = self.stage(now);
        }
    }

    /// Lets directions end whose last byte has been delivered, and the tunnel with the second of them.
    fn step(&mut self) -> bool {
        let mut moved = false;
        for from in Side::BOTH {
            moved |= self.end_direction(from);
        }
        if self.is_over() && !self.has_tail_under_way() {
            self.finish(None);
            return true;
        }
        moved
    }

    /// Memory that isn't needed goes back.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        if self.is_done() {
            // It may be in use until the end was polled.
            return;
        }
        for direction in &mut self.directions {
            direction.held.settle(turn.buffers);
        }
        if self.busy.has(Busy::FRONT) && self.front.head_is_sent() {
            self.busy.clear(Busy::FRONT);
        }
        self.front.settle_head(turn.buffers);
    }

    /// Whoever has ended before the tunnel opened has ended its stream (A13).
    fn take_over(&mut self) {
        for side in Side::BOTH {
            match self.leg(side).state() {
                connection::State::Failed => self.side_failed(side),
                _ if self.leg(side).reads() => {}
                _ => self.source_ended(side, false),
            }
        }
    }

    fn received(&mut self, from: Side, result: Result<usize, Fault>, now: Tick) {
        let reads = self.leg(from).reads() && !self.is_done();
        let direction = &mut self.directions[from.index()];
        let was_empty = direction.held.is_empty();
        let count = direction.held.received(if reads { result.unwrap_or(0) } else { 0 });
        match result {
            Err(fault) if fault.is_transient() => {}
            // A failure is told of a connection whose end was read, too: it can't be written any more.
            Err(_) => self.failed(from),
            Ok(_) if !reads => {}
            Ok(0) => {
                self.leg_event(from, connection::Event::PeerEnd);
                self.source_ended(from, false);
            }
            Ok(_) => self.arrived(from, count, was_empty, now),
        }
    }

    fn arrived(&mut self, from: Side, count: usize, was_empty: bool, now: Tick) {
        let in_front = from == Side::Upstream && self.busy.has(Busy::FRONT);
        let direction = &mut self.directions[from.index()];
        if let Course::Flowing(carried) = &mut direction.course {
            if was_empty && carried.piped == 0 && !in_front {
                carried.since = now;
            }
            self.report.count_received(from, count as u64);
            self.moved = now;
        } else {
            direction.held.drop_received(count);
        }
        if let Stage::Lingering { came, .. } = &mut self.stage {
            *came = now;
        }
    }

    fn sent(&mut self, to: Side, result: Result<usize, Fault>, now: Tick) {
        let from = to.opposite();
        let direction = &mut self.directions[from.index()];
        direction.held.reported();
        if to == Side::Downstream {
            self.front.offer(false);
        }
        if let Some(retired) = &mut self.retired {
            retired[from.index()] = None;
        }
        if !self.leg(to).writes() || self.is_done() {
            return;
        }
        match result {
            Ok(0) => {}
            Ok(count) => {
                let front = if to == Side::Downstream { self.front.sent_in_front(count) } else { 0 };
                let may_follow = to == Side::Upstream || self.front.head_is_sent();
                let direction = &mut self.directions[from.index()];
                let content = if may_follow { direction.held.sent(count - front) } else { 0 };
                if let Some(carried) = direction.course.carried() {
                    carried.since = now;
                }
                self.report.count_sent(to, (front + content) as u64);
                self.moved = now;
            }
            Err(fault) if fault.is_transient() => {}
            Err(_) => self.sink_failed(to),
        }
        if to == Side::Downstream && !self.front.head_is_sent() {
            // What is left of it may be offered again at any time.
            self.front.offer(true);
        }
    }

    /// Bytes were moved past the machine.
    fn relayed(&mut self, from: Side, moved: Relayed, now: Tick) {
        let direction = &mut self.directions[from.index()];
        let is_empty = direction.held.is_empty();
        let Some(carried) = direction.course.carried() else { return };
        if moved.delivered > 0 || (carried.piped == 0 && is_empty) {
            carried.since = now;
        }
        carried.piped = (carried.piped + moved.taken).saturating_sub(moved.delivered);
        self.report.count_received(from, moved.taken);
        self.report.count_sent(from.opposite(), moved.delivered);
        if moved.taken + moved.delivered > 0 {
            self.moved = now;
        }
    }

    /// All that was sent to a side has arrived.
    fn acknowledged(&mut self, to: Side) {
        if self.awaits_acknowledgement(to) {
            self.directions[to.opposite().index()].course = Course::Over(Tail::Acknowledged);
        }
    }

    /// Reading or writing failed: nothing can be read or written on this side any more.
    fn failed(&mut self, side: Side) {
        if self.leg(side).state() != connection::State::Failed && !self.is_done() {
            self.leg_event(side, connection::Event::Fail);
            self.side_failed(side);
        }
    }

    fn side_failed(&mut self, side: Side) {
        self.source_ended(side, true);
        self.sink_failed(side);
    }

    /// A source has ended: in order, or cut.
    fn source_ended(&mut self, from: Side, cut: bool) {
        if self.course(from).permits(tunnel::Event::SourceEnded) {
            self.tunnel_event(from, tunnel::Event::SourceEnded);
        }
        self.report.ended.get_or_insert_with(|| from.into());
        self.report.cut |= cut;
    }

    /// A side takes no more bytes (C3): what its peer still sends is dropped. What it had sent itself is still read and
    /// delivered: it may have written its last words and closed.
    fn sink_failed(&mut self, sink: Side) {
        if self.leg(sink).writes() {
            self.leg_event(sink, connection::Event::OurEnd);
        }
        self.report.ended.get_or_insert_with(|| sink.into());
        self.report.cut = true;
        let from = sink.opposite();
        if sink == Side::Downstream {
            self.front.discard();
            self.busy.clear(Busy::FRONT);
        }
        let direction = &mut self.directions[from.index()];
        direction.held.discard();
        if direction.course.permits(tunnel::Event::SinkFailed) {
            self.tunnel_event(from, tunnel::Event::SinkFailed);
        } else if let Course::Over(tail @ (Tail::Sent | Tail::Acknowledged)) = &mut direction.course {
            *tail = Tail::Lost(Reading::InVain);
        }
    }

    fn end_direction(&mut self, from: Side) -> bool {
        let to = from.opposite();
        let direction = &self.directions[from.index()];
        let in_front = from == Side::Upstream && self.busy.has(Busy::FRONT) && !self.front.head_is_sent();
        match direction.course {
            Course::Ending(carried) if carried.piped == 0 && direction.held.is_empty() && !in_front => {
                self.tunnel_event(from, tunnel::Event::Delivered);
                if self.leg(to).writes() && !(self.relays_reset() && self.has_gone(from)) {
                    self.leg_event(to, connection::Event::OurEnd);
                    self.busy.shut_down(to);
                }
                // `upgrade_half_close off`: either end ends both (C2), as soon as the tail has been delivered.
                if !self.settings.half_close && self.course(to).permits(tunnel::Event::SourceEnded) {
                    self.tunnel_event(to, tunnel::Event::SourceEnded);
                }
                true
            }
            _ => false,
        }
    }

    fn timed_out(&mut self, now: Tick) {
        while let Some(timer) = self.due(now).filter(|_| !self.is_done()) {
            self.expired(timer, now);
            self.run(now);
        }
    }

    fn expired(&mut self, timer: Timer, now: Tick) {
        match (timer, &mut self.stage) {
            // What was dropped meanwhile was wanted by nobody: the tunnel ends as it would have.
            (Timer::LingerIdle | Timer::LingerTotal, Stage::Lingering { .. }) => self.finish(None),
            // A side was read in vain for long enough (C3). Where it still takes what its peer has left behind, it gets
            // it without being read.
            (Timer::LingerTotal, _) => {
                for direction in &mut self.directions {
                    if let Course::Discarding(reading) = &mut direction.course {
                        *reading = Reading::NoMore;
                    }
                }
            }
            // The poll that follows asks again.
            (Timer::Acknowledgement, Stage::Lingering { asked, .. }) => *asked = now,
            (Timer::Drain, _) => self.finish(Some(EndedBy::Shutdown)),
            _ => {
                self.finish(Some(EndedBy::Timer(timer)));
                self.busy.set(Busy::TIMED_OUT);
            }
        }
    }

    /// Both directions are over, or nobody waits for them any more: `because` of something else than its sides.
    fn finish(&mut self, because: Option<EndedBy>) {
        if because.is_some() {
            self.report.ended = because;
        }
        let resets = matches!(because, Some(EndedBy::Timer(_))) && self.settings.reset_timedout_connection;
        if self.relays_reset() || resets || self.busy.has(Busy::ILLEGAL) {
            self.report.ending = Ending::Reset;
        }
        self.busy.set(Busy::CLOSED);
        self.busy.set(Busy::DONE);
    }

    fn leg_event(&mut self, side: Side, event: connection::Event) {
        self.taken.connection(self.leg(side), event);
        let legal = self.legs[side.index()].on(event);
        self.check_transition(legal, "connection", &event);
    }

    fn tunnel_event(&mut self, from: Side, event: tunnel::Event) {
        let legal = self.directions[from.index()].course.on(event, &mut self.taken);
        self.check_transition(legal, "tunnel", &event);
    }

    /// An event without a row is a mistake of ours: loud in debug builds; in release builds it is noted, and the tunnel
    /// ends with a reset rather than go on in a state that nobody has thought through.
    fn check_transition(&mut self, legal: bool, machine: &str, event: &dyn std::fmt::Debug) {
        if !legal {
            debug_assert!(legal, "{machine}: no row for {event:?} in {:?}", self.directions);
            self.busy.set(Busy::ILLEGAL);
            self.finish(Some(EndedBy::Shutdown));
        }
    }

    /// What holds after every step: in debug builds only.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        for (side, direction) in Side::BOTH.into_iter().zip(&self.directions) {
            debug_assert!(direction.held.is_sound(), "{side:?}: positions of the buffer");
            let is_open = self.leg(side).reads() && self.leg(side.opposite()).writes();
            debug_assert!(
                is_open || !direction.course.is_flowing(),
                "{side:?} flows between open connections"
            );
        }
        debug_assert!(!self.has_tail_under_way() || self.only_lingers(), "nothing moves behind a tail");
    }
}
