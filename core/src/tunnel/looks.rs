//! Looks at a tunnel: what is known of it, and what it would take or give now.

use super::{Tunnel, TunnelReport, TunnelSnapshot, course::Direction, output::Busy};
use crate::{
    Side,
    record::EndedBy,
    state::{Rows, Taken, connection},
    time::Tick,
    websocket::ControlFrame,
};

/// Frames of ours on their way, and how the tunnel is being ended: what a trace tells of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choreography {
    /// By the side that gets them.
    pub(crate) own: [Option<ControlFrame>; 2],
    /// Why it is being ended, and what becomes of the Close to each side.
    pub(crate) closing: Option<(EndedBy, [&'static str; 2])>,
}

/// Looks.
impl Tunnel {
    /// What is known of it: so far, or in the end. It is put together when it is asked for.
    #[must_use]
    pub fn report(&self) -> TunnelReport {
        let mut report = self.counts.report();
        report.how = self.counts.how.filter(|_| self.is_done());
        for side in Side::BOTH {
            let of_side = report.side_mut(side);
            if let Some(frames) = &self.frames {
                let lane = frames.lane(side);
                (of_side.frames, of_side.close) = (Some(lane.count), lane.close());
            }
            of_side.ping = self.watch.as_ref().and_then(|watch| watch.sides[side.index()].last_round_trip());
        }
        report
    }

    /// What it is and holds, with deadlines relative to `now`, without totals: two tunnels with equal settings and
    /// snapshots behave alike.
    #[must_use]
    pub fn snapshot(&self, now: Tick) -> TunnelSnapshot {
        TunnelSnapshot::of(self, now)
    }

    /// What a trace tells of frames of ours, and of its end.
    pub(crate) fn choreography(&self) -> Choreography {
        Choreography {
            own: Side::BOTH.map(|side| self.own(side).map(|own| own.frame().clone())),
            closing: self
                .closing()
                .map(|closing| (closing.why, [0, 1].map(|at: usize| closing.said[at].word()))),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.busy.has(Busy::DONE)
    }

    /// Whether a stream has ended otherwise than in order.
    pub(crate) fn is_cut(&self) -> bool {
        self.counts.cut
    }

    /// The rows of the tables that it has taken so far. For tests of what tests cover: none without debug assertions.
    #[doc(hidden)]
    #[must_use]
    pub fn rows_taken(&self) -> Rows {
        self.taken.rows()
    }

    pub(crate) fn taken(&self) -> Taken {
        self.taken
    }

    /// Whether bytes from `side` are wanted.
    #[inline]
    pub(crate) fn wants(&self, side: Side) -> bool {
        let Direction { held, course } = &self.directions[side.index()];
        self.leg(side).reads()
            && course.piped() == 0
            && held.has_space()
            && !course.is_ignored()
            && !self.busy.is_paused(side)
            && !self.is_done()
    }

    /// Whether there are bytes for `to`.
    #[inline]
    pub(super) fn offers(&self, to: Side) -> bool {
        let in_front = to == Side::Downstream && self.busy.has(Busy::FRONT);
        let waits = in_front
            || self.directions[to.opposite().index()].held.waits()
            || (self.busy.has(Busy::OWN) && !self.own_offered(to).is_empty());
        waits && self.leg(to).writes() && !self.is_done()
    }

    /// How many bytes may be moved past the machine.
    #[inline]
    pub(super) fn may_relay(&self, from: Side) -> u64 {
        let Direction { held, course } = &self.directions[from.index()];
        let in_front = from == Side::Upstream && self.busy.has(Busy::FRONT);
        let flows = course.is_flowing() && held.is_empty() && !in_front && !self.is_done();
        if !flows || self.busy.has(Busy::PACED) {
            return 0;
        }
        self.unseen(from)
    }

    #[inline]
    pub(crate) fn leg(&self, side: Side) -> connection::Machine {
        self.legs[side.index()]
    }

    /// The bytes that have come into the space that was handed out, before they are reported.
    pub(crate) fn arriving(&self, from: Side, count: usize) -> Option<&[u8]> {
        self.directions[from.index()].held.arriving(count)
    }

    /// Whether frames are looked for (G1).
    pub(crate) fn looks_at_frames(&self) -> bool {
        self.frames.is_some()
    }

    /// The head in front of the tunnel's bytes, as long as nothing of it was sent.
    pub(crate) fn unsent_head(&self) -> Option<&[u8]> {
        self.rare.as_ref()?.front.unsent_head()
    }
}
