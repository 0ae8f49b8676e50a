//! A tunnel reduced to what its behaviour depends on.

use core::time::Duration;
use std::fmt;

use super::{Busy, Course, Tunnel};
use crate::{Side, state::connection, time::Tick, timer::Timer};

/// States, bytes that are held, deadlines relative to a moment; no totals. For explorers, replay and status pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TunnelSnapshot {
    legs: [connection::State; 2],
    directions: [DirectionSnapshot; 2],
    /// Nanoseconds until each timer that runs.
    timers: Vec<(Timer, u64)>,
    busy: Busy,
    ended: (Option<crate::EndedBy>, bool, crate::Ending),
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DirectionSnapshot {
    /// Without the moment that a timer shows.
    course: Course,
    waiting: Vec<u8>,
    /// A buffer is held, its space is lent, bytes that were given up may be on their way.
    memory: [bool; 3],
    has_space: bool,
}

impl TunnelSnapshot {
    pub(super) fn of(tunnel: &Tunnel, now: Tick) -> Self {
        let direction = |from: Side| {
            let direction = &tunnel.directions[from.index()];
            let mut course = direction.course;
            if let Some(carried) = course.carried() {
                carried.since = Tick(0);
            }
            let front = tunnel.front.slices_in_front_of(b"");
            let front = front.iter().filter(|_| from == Side::Upstream).map(|slice| &**slice);
            DirectionSnapshot {
                course,
                waiting: front.chain([direction.held.bytes()]).collect::<Vec<_>>().concat(),
                memory: direction.held.outline(),
                has_space: direction.held.has_space(),
            }
        };
        let timers = if tunnel.is_done() { Vec::new() } else { tunnel.running() };
        Self {
            legs: tunnel.legs.map(connection::Machine::state),
            directions: Side::BOTH.map(direction),
            timers: timers.into_iter().map(|(timer, at)| (timer, at.0.saturating_sub(now.0))).collect(),
            busy: tunnel.busy,
            ended: (tunnel.report.ended, tunnel.report.cut, tunnel.report.ending),
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
        self.directions[side.index()].waiting.len()
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
            let waiting = direction.waiting.len();
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
