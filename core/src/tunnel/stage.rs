//! What a tunnel waits for besides bytes.

use super::{
    NEVER, Tunnel,
    course::{Course, Reading},
};
use crate::{Side, buffer::Turn, time::Tick};

/// What a tunnel waits for besides bytes, and since when. It follows from what its directions do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Nothing: bytes are relayed.
    #[default]
    Relaying,
    /// One direction is over, the other flows (C2).
    HalfClosed { since: Tick },
    /// A side is read in vain, so that it doesn't stop sending what is acknowledged with it, while the tail of the other
    /// direction is still being delivered (C3).
    ReadInVain { since: Tick },
    /// Nothing is moved any more: what is still read is dropped, so that closing doesn't destroy what is under way (C3).
    Lingering {
        /// Since when something is read to be dropped.
        since: Tick,
        /// When something came last, or lingering began.
        came: Tick,
        /// When it was asked last whether the tail was acknowledged; never, where nobody asks.
        asked: Tick,
    },
}

impl Tunnel {
    /// The stage that the tunnel is in.
    #[inline]
    pub(super) fn stage(&self) -> Stage {
        self.rare.as_ref().map_or(Stage::Relaying, |rare| rare.stage)
    }

    /// Enters the stage that the directions are in.
    pub(super) fn enter_stage(&mut self, now: Tick, turn: &mut Turn<'_>) {
        let stage = self.next_stage(now);
        if stage != self.stage() {
            self.rare_mut(turn.buffers).stage = stage;
        }
    }

    /// The stage that the directions are in; what goes on has begun when it did.
    fn next_stage(&self, now: Tick) -> Stage {
        let any = |is: fn(Course) -> bool| self.directions.iter().any(|direction| is(direction.course));
        let since = match self.stage() {
            Stage::ReadInVain { since } | Stage::Lingering { since, .. } => since,
            Stage::Relaying | Stage::HalfClosed { .. } => now,
        };
        if self.only_lingers() {
            let (came, before) = match self.stage() {
                Stage::Lingering { came, asked, .. } => (came, asked),
                _ => (now, NEVER),
            };
            let asked = match self.has_tail_under_way() {
                true if before == NEVER => now,
                true => before,
                false => NEVER,
            };
            Stage::Lingering { since, came, asked }
        } else if any(|course| course == Course::Discarding(Reading::InVain)) {
            Stage::ReadInVain { since }
        } else if any(Course::is_over) && any(Course::is_flowing) {
            match self.stage() {
                Stage::HalfClosed { .. } => self.stage(),
                _ => Stage::HalfClosed { since: now },
            }
        } else {
            Stage::Relaying
        }
    }

    /// Whether both directions are over. What a side still sends may have to be read before it is closed: unread input
    /// destroys what it has not acknowledged yet (C3).
    fn is_delivered(&self) -> bool {
        self.directions.iter().all(|direction| direction.course.is_over())
    }

    /// Whether nothing is moved any more.
    pub(super) fn only_lingers(&self) -> bool {
        let discards = |direction: &super::Direction| matches!(direction.course, Course::Discarding(_));
        self.is_delivered()
            || (self.directions.iter().any(discards)
                && self.directions.iter().any(|direction| direction.course.is_over()))
    }

    /// Whether nothing is left to be moved.
    pub(super) fn is_over(&self) -> bool {
        let nobody_sends = !Side::BOTH.iter().any(|side| self.leg(*side).reads());
        (self.is_delivered() && nobody_sends) || Side::BOTH.iter().any(|side| self.has_gone(*side))
    }

    /// Whether a side takes nothing any more, sends nothing any more, and what it had sent is delivered: there is nothing
    /// left for which its peer would have to be read (C3).
    pub(super) fn has_gone(&self, side: Side) -> bool {
        self.course(side.opposite()).is_cut() && !self.leg(side).reads() && self.course(side).is_over()
    }

    /// Whether the tunnel ends with resets: `upgrade_relay_reset on`, and a stream was cut.
    pub(super) fn relays_reset(&self) -> bool {
        self.counts.cut && self.settings.relay_reset
    }

    /// Whether what is to follow would destroy what is still under way to this side (C3): a reset that is passed on, or
    /// closing without reading what it still sends.
    pub(super) fn awaits_acknowledgement(&self, to: Side) -> bool {
        self.course(to.opposite()) == Course::Over(super::course::Tail::Sent)
            && (self.relays_reset() || self.leg(to).reads())
            && self.is_over()
            && !self.is_done()
    }

    /// The same of either side.
    pub(super) fn has_tail_under_way(&self) -> bool {
        Side::BOTH.iter().any(|side| self.awaits_acknowledgement(*side))
    }

    pub(super) fn course(&self, from: Side) -> Course {
        self.directions[from.index()].course
    }
}
