//! The general step: everything that isn't a byte on its way between two open connections.

use super::{
    Tunnel,
    closing::Manner,
    course::{Course, Reading},
    output::Busy,
    stage::Stage,
};
use crate::{
    Draining, Fault, Side,
    buffer::Turn,
    record::{EndedBy, EndedHow},
    state::connection,
    time::Tick,
    timer::Timer,
    wait::Relayed,
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
        let was_done = self.is_done();
        let waited = self.stalls();
        let was_held_back = self.busy.holds_back();
        let could_speak = Side::BOTH.map(|side| self.leg(side).reads());
        match input {
            Input::Received(from, result) => self.received(from, result, now, turn),
            Input::Sent(to, result) => self.sent(to, result, now, turn),
            _ if was_done => {}
            Input::Opened => self.take_over(turn),
            // The look at it follows.
            Input::Arrived => {}
            Input::Relayed(from, moved) => self.relayed(from, moved, now),
            Input::Acknowledged(to) => self.acknowledged(to),
            Input::Timeout => self.timed_out(now, turn),
            Input::Drain(draining) => self.drain(draining, now, turn),
        }
        if was_done {
            // What has been told of it stays as it is: only memory was reported.
            return;
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
        if was_held_back && !self.busy.holds_back() {
            // So it has while we read less than might have come.
            self.moved = now;
        }
        for side in Side::BOTH {
            self.pace_clock(side, now);
        }
        self.check();
    }

    /// At the end of the tunnel, or of this side: what still waits for it has waited until now.
    pub(super) fn note_wait(&mut self, to: Side, now: Tick) {
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
