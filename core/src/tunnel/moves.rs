//! Reports of bytes, as the general step takes them: what came, what went, what was moved past the machine.

use super::{
    Tunnel,
    course::{Course, Tail},
    ends::how_failed,
    output::Busy,
    stage::Stage,
};
use crate::{Fault, Side, buffer::Turn, state::connection, time::Tick, wait::Relayed};

impl Tunnel {
    pub(super) fn received(
        &mut self,
        from: Side,
        result: Result<usize, Fault>,
        now: Tick,
        turn: &mut Turn<'_>,
    ) {
        let reads = self.leg(from).reads() && !self.is_done();
        let direction = &mut self.directions[from.index()];
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
            Ok(_) => self.arrived(from, count, now),
        }
    }

    fn arrived(&mut self, from: Side, count: usize, now: Tick) {
        // Among what goes nowhere, a Close may be awaited (G5).
        let looks_on = self.awaits_closes();
        let direction = &mut self.directions[from.index()];
        if direction.course.is_flowing() {
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

    pub(super) fn sent(&mut self, to: Side, result: Result<usize, Fault>, now: Tick, turn: &mut Turn<'_>) {
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
    pub(super) fn relayed(&mut self, from: Side, moved: Relayed, now: Tick) {
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
    pub(super) fn acknowledged(&mut self, to: Side) {
        if self.awaits_acknowledgement(to) {
            self.directions[to.opposite().index()].course = Course::Over(Tail::Acknowledged);
        }
    }
}
