//! The general step: everything that isn't a byte on its way between two open connections.

use super::{
    Tunnel,
    closing::Manner,
    course::{Course, Reading, Tail},
    output::Busy,
    stage::Stage,
};
use crate::{
    Draining, Fault, Side,
    buffer::Turn,
    record::{EndedBy, EndedHow},
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
    /// What has come was counted, and has still to be looked at.
    Arrived,
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
        let could_speak = Side::BOTH.map(|side| self.leg(side).reads());
        match input {
            Input::Received(from, result) => self.received(from, result, now, turn),
            Input::Sent(to, result) => self.sent(to, result, now, turn),
            _ if self.is_done() => {}
            Input::Opened => self.take_over(turn),
            // The look at it follows.
            Input::Arrived => {}
            Input::Relayed(from, moved) => self.relayed(from, moved, now),
            Input::Acknowledged(to) => self.acknowledged(to),
            Input::Timeout => self.timed_out(now, turn),
            Input::Drain(draining) => self.drain(draining, now, turn),
        }
        self.run(now, turn);
        if waited && !self.stalls() {
            // The idle timer has stood still until now.
            self.moved = now;
        }
        let is_told = self.is_done() || matches!(input, Input::Timeout);
        for side in Side::BOTH {
            // A side that ends here was silent until here, and is not silent any more afterwards (G9).
            if could_speak[side.index()] && (is_told || !self.leg(side).reads()) {
                self.counts.silent_until(side, now);
            }
            if self.is_done() {
                self.note_wait(side, now);
            }
        }
        self.settle(turn);
        self.pace_reading(now);
        for side in Side::BOTH {
            self.pace_clock(side, now);
        }
        self.check();
    }

    /// At the end of the tunnel, or of this side: what still waits for it has waited until now.
    fn note_wait(&mut self, to: Side, now: Tick) {
        if let Some(since) = self.stalled_since(to.opposite()) {
            self.counts.waited(to, now.since(since));
        }
    }

    /// The clocks of a side stand still while it isn't read (G3).
    #[inline]
    pub(super) fn pace_clock(&mut self, side: Side, now: Tick) {
        if self.watch.is_some() {
            let is_read = self.wants(side);
            if let Some(watch) = &mut self.watch {
                watch.pace(side, is_read, now);
            }
        }
    }

    /// Takes all steps that are possible without another input.
    fn run(&mut self, now: Tick, turn: &mut Turn<'_>) {
        while !self.is_done() && self.step(now, turn) {}
        if !self.is_done() {
            self.enter_stage(now, turn);
        }
    }

    /// Lets what has come pass, as far as it may; lets directions end whose last byte has been delivered, and the tunnel
    /// with the second of them.
    fn step(&mut self, now: Tick, turn: &mut Turn<'_>) -> bool {
        let mut moved = false;
        for from in Side::BOTH {
            self.scan(from, now, turn);
            moved |= self.end_direction(from);
        }
        if self.busy.has(Busy::CLOSING) && !self.is_done() {
            moved |= self.step_closing(turn);
        }
        if self.is_done() {
            return false;
        }
        // Where Closes are awaited, they say when it is over.
        if !self.awaits_closes() && self.is_over() && !self.has_tail_under_way() {
            self.finish(None);
            return false;
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
        let Some(rare) = &mut self.rare else { return };
        if self.busy.has(Busy::FRONT) && rare.front.head_is_sent() {
            self.busy.clear(Busy::FRONT);
        }
        rare.front.settle_head(turn.buffers);
        if let Some(rare) = self.rare.take_if(|rare| rare.is_over()) {
            turn.buffers.rares.keep(rare);
        }
    }

    /// Whoever has ended before the tunnel opened has ended its stream (A13).
    fn take_over(&mut self, turn: &mut Turn<'_>) {
        for side in Side::BOTH {
            match self.leg(side).state() {
                connection::State::Failed => self.side_failed(side, EndedHow::Reset, turn),
                _ if self.leg(side).reads() => {}
                _ => self.source_ended(side),
            }
        }
    }

    fn received(&mut self, from: Side, result: Result<usize, Fault>, now: Tick, turn: &mut Turn<'_>) {
        let reads = self.leg(from).reads() && !self.is_done();
        let direction = &mut self.directions[from.index()];
        let waited = direction.held.waits();
        let count = direction.held.received(if reads { result.unwrap_or(0) } else { 0 });
        match result {
            Err(fault) if fault.is_transient() => {}
            // A failure is told of a connection whose end was read, too: it can't be written any more.
            Err(fault) => self.failed(from, Some(fault), turn),
            Ok(_) if !reads => {}
            Ok(0) => {
                self.leg_event(from, connection::Event::PeerEnd);
                self.source_ended(from);
            }
            Ok(_) => self.arrived(from, count, waited, now),
        }
    }

    fn arrived(&mut self, from: Side, count: usize, waited: bool, now: Tick) {
        let in_front = from == Side::Upstream && self.busy.has(Busy::FRONT);
        // Among what goes nowhere, a Close may be awaited (G5).
        let looks_on = self.frames.is_some() && self.awaits_closes();
        let direction = &mut self.directions[from.index()];
        if let Course::Flowing(carried) = &mut direction.course {
            if !waited && carried.piped == 0 && !in_front {
                carried.since = now;
            }
            self.counts.received(from, count as u64);
            self.pay(from, count as u64, now);
            self.heard(from, now);
        } else if !looks_on {
            direction.held.drop_received(count);
        }
        if let Some(Stage::Lingering { came, .. }) = self.rare.as_mut().map(|rare| &mut rare.stage) {
            *came = now;
        }
    }

    fn sent(&mut self, to: Side, result: Result<usize, Fault>, now: Tick, turn: &mut Turn<'_>) {
        let from = to.opposite();
        self.directions[from.index()].held.reported();
        if let Some(rare) = &mut self.rare {
            if to == Side::Downstream {
                rare.front.offer(false);
            }
            rare.retired[from.index()] = None;
        }
        if !self.leg(to).writes() || self.is_done() {
            return;
        }
        match result {
            Ok(0) => {}
            Ok(count) => self.went(to, count, now, turn),
            Err(fault) if fault.is_transient() => {}
            Err(fault) => self.sink_failed(to, how_failed(fault), turn),
        }
        self.has_tried(to);
        if to == Side::Downstream
            && let Some(rare) = &mut self.rare
            && !rare.front.head_is_sent()
        {
            // What is left of it may be offered again at any time.
            rare.front.offer(true);
        }
    }

    /// So many bytes went to a side: of a head in front, of what its peer has sent, of a frame of ours.
    fn went(&mut self, to: Side, count: usize, now: Tick, turn: &mut Turn<'_>) {
        let from = to.opposite();
        let front = match &mut self.rare {
            Some(rare) if to == Side::Downstream => rare.front.sent_in_front(count),
            _ => 0,
        };
        let may_follow =
            to == Side::Upstream || self.rare.as_ref().is_none_or(|rare| rare.front.head_is_sent());
        let direction = &mut self.directions[from.index()];
        let content = if may_follow { direction.held.sent(count - front) } else { 0 };
        if front + content > 0 {
            if let Some(carried) = direction.course.carried() {
                self.counts.waited(to, now.since(carried.since));
                carried.since = now;
            }
            self.moved = now;
        }
        let own = if may_follow && !self.directions[from.index()].held.waits() {
            self.went_of_own(to, count - front - content, now, turn)
        } else {
            0
        };
        self.counts.sent(to, (front + content + own) as u64);
    }

    /// So many bytes of a frame of ours went, at most.
    fn went_of_own(&mut self, to: Side, count: usize, now: Tick, turn: &mut Turn<'_>) -> usize {
        if self.own_offered(to).is_empty() {
            return 0;
        }
        let Some(rare) = &mut self.rare else { return 0 };
        let Some(own) = &mut rare.own[to.index()] else { return 0 };
        let count = own.sent(count);
        if own.is_sent() {
            let kind = own.kind();
            if let Some(own) = rare.own[to.index()].take() {
                turn.buffers.own_frames.keep(own);
            }
            if rare.own.iter().all(Option::is_none) {
                self.busy.clear(Busy::OWN);
            }
            self.own_sent(to, kind, now);
        }
        count
    }

    /// Bytes were moved past the machine.
    fn relayed(&mut self, from: Side, moved: Relayed, now: Tick) {
        let direction = &mut self.directions[from.index()];
        let is_empty = direction.held.is_empty();
        let Some(carried) = direction.course.carried() else { return };
        let to = from.opposite();
        if moved.delivered > 0 {
            self.counts.waited(to, now.since(carried.since));
        }
        if moved.delivered > 0 || (carried.piped == 0 && is_empty) {
            carried.since = now;
        }
        let piped = (u64::from(carried.piped) + moved.taken).saturating_sub(moved.delivered);
        carried.piped = u32::try_from(piped).unwrap_or(u32::MAX);
        self.counts.received(from, moved.taken);
        self.counts.sent(to, moved.delivered);
        if let Some(frames) = &mut self.frames {
            frames.lane_mut(from).skips(moved.taken);
        }
        if moved.taken > 0 {
            self.heard(from, now);
            if let (Side::Downstream, Some(watch)) = (from, &mut self.watch) {
                watch.data_came(now);
            }
        }
        if moved.delivered > 0 {
            self.moved = now;
        }
    }

    /// All that was sent to a side has arrived.
    fn acknowledged(&mut self, to: Side) {
        if self.awaits_acknowledgement(to) {
            self.directions[to.opposite().index()].course = Course::Over(Tail::Acknowledged);
        }
    }

    /// Reading or writing failed, or the side is given up: nothing can be read or written on this side any more.
    pub(super) fn failed(&mut self, side: Side, fault: Option<Fault>, turn: &mut Turn<'_>) {
        if self.leg(side).state() != connection::State::Failed && !self.is_done() {
            let was_cut = self.counts.cut;
            self.note_wait(side, turn.now.tick);
            self.leg_event(side, connection::Event::Fail);
            self.side_failed(side, fault.map_or(EndedHow::Reset, how_failed), turn);
            if fault.is_none() {
                // The other side's stream isn't cut: it ends with a Close.
                self.counts.cut = was_cut;
                self.counts.endings[side.index()] = Ending::Reset;
            }
        }
    }

    fn side_failed(&mut self, side: Side, how: EndedHow, turn: &mut Turn<'_>) {
        self.counts.ended.get_or_insert_with(|| side.into());
        self.source_ended(side);
        self.sink_failed(side, how, turn);
    }

    /// A source has ended: in order, or cut.
    fn source_ended(&mut self, from: Side) {
        if self.course(from).permits(tunnel::Event::SourceEnded) {
            self.tunnel_event(from, tunnel::Event::SourceEnded);
        }
        self.counts.ended.get_or_insert_with(|| from.into());
    }

    /// A side takes no more bytes (C3): what its peer still sends is dropped. What it had sent itself is still read and
    /// delivered: it may have written its last words and closed.
    fn sink_failed(&mut self, sink: Side, how: EndedHow, turn: &mut Turn<'_>) {
        if self.leg(sink).writes() {
            self.note_wait(sink, turn.now.tick);
            self.leg_event(sink, connection::Event::OurEnd);
        }
        self.counts.ended.get_or_insert_with(|| sink.into());
        self.counts.how.get_or_insert(how);
        self.counts.cut = true;
        let from = sink.opposite();
        if let (Side::Downstream, Some(rare)) = (sink, &mut self.rare) {
            rare.front.discard();
            self.busy.clear(Busy::FRONT);
        }
        self.stop_relaying(from, turn);
        let direction = &mut self.directions[from.index()];
        if direction.course.permits(tunnel::Event::SinkFailed) {
            self.tunnel_event(from, tunnel::Event::SinkFailed);
        } else if let Course::Over(tail @ (Tail::Sent | Tail::Acknowledged)) = &mut direction.course {
            *tail = Tail::Lost(Reading::InVain);
        }
    }

    /// What a side has sent and will send goes nowhere. Where the tunnel is being ended, its Close is still awaited.
    fn stop_relaying(&mut self, from: Side, turn: &mut Turn<'_>) {
        let awaits_close = self.busy.has(Busy::CLOSING);
        let held = &mut self.directions[from.index()].held;
        if let Some(frames) = &mut self.frames {
            frames.lane_mut(from).stops(awaits_close && !held.is_lent());
        }
        if awaits_close && self.frames.is_some() {
            held.discard_seen();
            self.scan(from, turn.now.tick, turn);
        } else {
            held.discard();
        }
    }

    fn end_direction(&mut self, from: Side) -> bool {
        let to = from.opposite();
        let direction = &self.directions[from.index()];
        let in_front = from == Side::Upstream
            && self.busy.has(Busy::FRONT)
            && self.rare.as_ref().is_some_and(|rare| !rare.front.head_is_sent());
        match direction.course {
            Course::Ending(carried)
                if carried.piped == 0 && !direction.held.waits() && !in_front && self.may_end(to) =>
            {
                self.tunnel_event(from, tunnel::Event::Delivered);
                let is_reset = self.relays_reset() && self.has_gone(from);
                if self.leg(to).writes() && !is_reset && !self.leaves_end(to) {
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

    fn timed_out(&mut self, now: Tick, turn: &mut Turn<'_>) {
        while let Some(timer) = self.due(now).filter(|_| !self.is_done()) {
            self.expired(timer, now, turn);
            self.run(now, turn);
        }
    }

    fn expired(&mut self, timer: Timer, now: Tick, turn: &mut Turn<'_>) {
        match (timer, self.stage()) {
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
            (Timer::Acknowledgement, _) => {
                if let Some(Stage::Lingering { asked, .. }) = self.rare.as_mut().map(|rare| &mut rare.stage) {
                    *asked = now;
                }
            }
            (Timer::Drain, _) => self.shut_down(now, turn),
            (Timer::Ping, _) => self.ping(now, turn),
            (Timer::Pong, _) => self.unanswered(now, turn),
            (Timer::ClientSilence, _) => self.close(EndedBy::Silence, Manner::Handshake, now, turn),
            (Timer::Moment, _) => {
                if let Some((_, why)) = self.moment() {
                    self.close(why, Manner::Handshake, now, turn);
                }
            }
            (Timer::Closing, _) => self.finish(None),
            // The scan that follows looks whether there is room.
            (Timer::MessageRate, _) => {}
            (Timer::TunnelRate, _) => self.pace_reading(now),
            (Timer::Progress, _) => {
                self.progress_told(now);
                self.busy.set(Busy::PROGRESS);
            }
            // A reset would destroy what a Close says.
            _ if self.settings.reset_timedout_connection => self.finish(Some(EndedBy::Timer(timer))),
            _ => self.close(EndedBy::Timer(timer), Manner::AtOnce, now, turn),
        }
    }

    /// Both directions are over, or nobody waits for them any more: `because` of something else than its sides.
    pub(super) fn finish(&mut self, because: Option<EndedBy>) {
        let because = self.closing().map(|closing| closing.why).or(because);
        if because.is_some() {
            self.counts.how = Some(self.ended_how());
            self.counts.ended = because;
        } else {
            self.counts.how = Some(self.ended_by_itself());
        }
        let timed_out = matches!(because, Some(EndedBy::Timer(_)));
        let resets = timed_out && self.settings.reset_timedout_connection;
        if self.relays_reset() || resets || self.busy.has(Busy::ILLEGAL) {
            self.counts.endings = [Ending::Reset; 2];
        }
        if timed_out {
            self.busy.set(Busy::TIMED_OUT);
        }
        self.busy.set(Busy::CLOSED);
        self.busy.set(Busy::DONE);
    }

    /// How it has ended where its sides have ended it: a failure counts where no Close has been said on both sides.
    fn ended_by_itself(&self) -> EndedHow {
        let said = |frames: &super::Frames| Side::BOTH.map(|side| frames.lane(side).has_closed());
        match (self.frames.as_deref().map(said), self.counts.how) {
            (Some([true, true]), _) => EndedHow::Close,
            (_, Some(failed)) => failed,
            (Some([true, _] | [_, true]), None) => EndedHow::Close,
            _ => EndedHow::Fin,
        }
    }

    pub(super) fn leg_event(&mut self, side: Side, event: connection::Event) {
        self.taken.connection(self.leg(side), event);
        let legal = self.legs[side.index()].on(event);
        self.check_transition(legal, "connection", &event);
    }

    pub(super) fn tunnel_event(&mut self, from: Side, event: tunnel::Event) {
        let legal = self.directions[from.index()].course.on(event, &mut self.taken);
        self.check_transition(legal, "tunnel", &event);
        if event == tunnel::Event::SourceEnded {
            // The frame under way is cut short: the end of the stream waits for nothing that would stand behind it.
            self.forget_waiting_ping(from.opposite());
        }
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
                is_open || !direction.course.is_flowing() || self.busy.has(Busy::CLOSING),
                "{side:?} flows between open connections"
            );
        }
        debug_assert!(!self.has_tail_under_way() || self.only_lingers(), "nothing moves behind a tail");
        debug_assert_eq!(self.busy.has(Busy::CLOSING), self.closing().is_some(), "one tells of the other");
        let has_own = Side::BOTH.into_iter().any(|side| self.own(side).is_some());
        debug_assert!(!has_own || self.busy.has(Busy::OWN), "frames of ours are known of");
    }
}

/// How a connection has failed: one that ends without its TLS saying so is cut (H5).
fn how_failed(fault: Fault) -> EndedHow {
    match fault.kind {
        std::io::ErrorKind::UnexpectedEof => EndedHow::Cut,
        _ => EndedHow::Reset,
    }
}
