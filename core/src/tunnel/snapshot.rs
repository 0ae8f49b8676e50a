//! A tunnel reduced to what its behaviour depends on.

use core::time::Duration;
use std::fmt;

use super::{
    Busy, Course, Direction, OwnFrame, Rare, Tunnel,
    closing::{Closing, Manner, Said},
    frames::{Frames, Lane, Sight},
    rare::HEADER,
    watch::WatchedSnapshot,
};
use crate::{
    Side,
    state::connection,
    time::Tick,
    timer::Timer,
    websocket::{FrameScanner, FrameViolation},
};

/// States, bytes that are held, deadlines relative to a moment; no totals. For explorers, replay and status pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TunnelSnapshot {
    legs: [connection::State; 2],
    directions: [DirectionSnapshot; 2],
    /// Nanoseconds until each timer that runs.
    timers: Vec<(Timer, u64)>,
    busy: Busy,
    ended: (Option<crate::EndedBy>, Option<crate::EndedHow>, bool, [crate::Ending; 2]),
    /// By the side that the frames come from: what is scanned, and what becomes of it.
    lanes: Option<[LaneSnapshot; 2]>,
    /// How each side is watched.
    watched: Option<[WatchedSnapshot; 2]>,
    /// Nanoseconds until messages and bytes that have come are paid.
    paid: Option<[u64; 3]>,
    /// Frames of ours, by the side that gets them.
    own: [Option<OwnFrame>; 2],
    closing: Option<(crate::EndedBy, Manner, [Said; 2])>,
    partial: [Option<[u8; HEADER]>; 2],
    violation: Option<(Side, FrameViolation)>,
}

/// Frames of one side.
type LaneSnapshot = (FrameScanner, Sight, bool, u8);

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DirectionSnapshot {
    /// Without the moment that a timer shows.
    course: Course,
    waiting: Vec<u8>,
    /// What has still to be looked at.
    unseen: Vec<u8>,
    /// A buffer is held, its space is lent, bytes that were given up may be on their way.
    memory: [bool; 3],
    has_space: bool,
}

impl DirectionSnapshot {
    fn held(&self) -> usize {
        self.waiting.len() + self.unseen.len()
    }
}

impl TunnelSnapshot {
    pub(super) fn of(tunnel: &Tunnel, now: Tick) -> Self {
        // Everything is taken apart, so that nothing that is added later is lost.
        let Tunnel {
            settings: _,
            directions,
            frames,
            watch,
            rare,
            counts,
            // The timers show it.
            moved: _,
            legs,
            busy,
            taken: _,
        } = tunnel;
        let quiet = Rare::default();
        // Stages and moments are shown by the timers.
        let Rare { front, retired: _, own, closing, drain: _, moment: _, stage: _, partial, violation } =
            rare.as_deref().unwrap_or(&quiet);
        let direction = |from: Side| {
            let Direction { held, course } = &directions[from.index()];
            let mut course = *course;
            if let Some(carried) = course.carried() {
                carried.since = Tick(0);
            }
            let front = front.slices_in_front_of(b"");
            let front = front.iter().filter(|_| from == Side::Upstream).map(|slice| &**slice);
            DirectionSnapshot {
                course,
                waiting: front.chain([held.bytes()]).collect::<Vec<_>>().concat(),
                unseen: held.unseen().to_vec(),
                memory: held.outline(),
                has_space: held.has_space(),
            }
        };
        let timers = if tunnel.is_done() { Vec::new() } else { tunnel.running() };
        let until = |at: Tick| at.0.saturating_sub(now.0);
        Self {
            legs: legs.map(connection::Machine::state),
            directions: Side::BOTH.map(direction),
            timers: timers.into_iter().map(|(timer, at)| (timer, until(at))).collect(),
            busy: *busy,
            ended: (counts.ended, counts.how, counts.cut, counts.endings),
            lanes: frames.as_ref().map(|frames| {
                let Frames { lanes, seed: _ } = &**frames;
                Side::BOTH.map(|side| {
                    let Lane { scanner, count: _, code: _, sight, in_control, ahead } = &lanes[side.index()];
                    (scanner.clone(), *sight, *in_control, *ahead)
                })
            }),
            watched: watch.as_ref().map(|watch| Side::BOTH.map(|side| watch.snapshot(side))),
            paid: watch.as_ref().map(|watch| {
                let [client, upstream] = watch.bytes;
                [watch.messages, client, upstream].map(until)
            }),
            own: [0, 1].map(|side: usize| own[side].as_deref().cloned()),
            closing: closing.as_ref().map(|closing| {
                let Closing { why, until: _, manner, said } = closing;
                (*why, *manner, said.clone())
            }),
            partial: *partial,
            violation: *violation,
        }
    }

    /// The timers that run, with the nanoseconds that each has left.
    #[must_use]
    pub fn timers(&self) -> &[(Timer, u64)] {
        &self.timers
    }

    /// Bytes received from `side` that have not been sent on; those of the client's head in front of them count to the
    /// origin server.
    #[must_use]
    pub fn buffered(&self, side: Side) -> usize {
        self.directions[side.index()].held()
    }

    /// Whether the tunnel is over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.busy.has(Busy::DONE)
    }

    pub(crate) fn leg(&self, side: Side) -> connection::State {
        self.legs[side.index()]
    }
}

/// In short: states, what waits, the timers that run. For people; two snapshots that read alike may differ.
impl fmt::Display for TunnelSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, side)) in
            [("client", Side::Downstream), ("upstream", Side::Upstream)].into_iter().enumerate()
        {
            let direction = &self.directions[side.index()];
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {:?} {:?}", self.leg(side), direction.course.state())?;
            let waiting = direction.held();
            if waiting > 0 {
                write!(f, " {waiting} to forward")?;
            }
        }
        for (timer, left) in &self.timers {
            write!(f, ", {timer:?} in {:?}", Duration::from_nanos(*left))?;
        }
        Ok(())
    }
}
