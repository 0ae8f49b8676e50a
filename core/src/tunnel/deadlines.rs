//! When something is due: one function of what the tunnel is and when it last moved.

use core::time::Duration;

use super::{NEVER, Tunnel, stage::Stage};
use crate::{Side, time::Tick, timer::Timer};

/// When it is asked for the first time whether a tail has been acknowledged; then again after as long as it has been
/// waited for.
const FIRST_LOOK: Duration = Duration::from_millis(1);

impl Tunnel {
    /// Shows each timer that runs with its deadline (C2, C3, C5, C8); of two that are due at once the first counts.
    #[inline]
    fn each_deadline(&self, mut see: impl FnMut(Timer, Tick)) {
        let settings = &*self.settings;
        let [to_origin, to_client] = Side::BOTH.map(|from| self.stalled_since(from));
        if let Some(since) = to_client {
            see(Timer::ClientSend, since.after(settings.client_send_timeout));
        }
        if let Stage::Lingering { came, .. } = self.stage {
            see(Timer::LingerIdle, came.after(settings.lingering_timeout));
        }
        if let Stage::Lingering { since, .. } | Stage::ReadInVain { since } = self.stage {
            see(Timer::LingerTotal, since.after(settings.lingering_time));
        }
        if let Some(since) = to_origin {
            see(Timer::UpstreamSend, since.after(settings.upstream_send_timeout));
        }
        // The idle timer stands still while a write stall timer runs.
        if to_origin.is_none() && to_client.is_none() {
            see(Timer::TunnelIdle, self.moved.after(settings.idle_timeout));
        }
        match self.stage {
            Stage::HalfClosed { since } => {
                let span = settings.half_close_timeout.min(settings.idle_timeout);
                // Only the direction that is left moves anything.
                see(Timer::HalfClose, since.max(self.moved).after(span));
            }
            Stage::Lingering { since, asked, .. } if asked != NEVER => {
                see(Timer::Acknowledgement, asked.after(asked.since(since).max(FIRST_LOOK)));
            }
            _ => {}
        }
        if self.drain != NEVER {
            see(Timer::Drain, self.drain);
        }
    }

    /// Since when bytes wait for the sink of this direction without its taking any; absent: none wait.
    #[inline]
    fn stalled_since(&self, from: Side) -> Option<Tick> {
        let direction = &self.directions[from.index()];
        let in_front = from == Side::Upstream && self.busy.has(super::Busy::FRONT);
        let (super::Course::Flowing(carried) | super::Course::Ending(carried)) = direction.course else {
            return None;
        };
        let waits = in_front || carried.piped > 0 || !direction.held.is_empty();
        (waits && self.leg(from.opposite()).writes()).then_some(carried.since)
    }

    /// Whether bytes wait for a side.
    pub(super) fn stalls(&self) -> bool {
        Side::BOTH.iter().any(|from| self.stalled_since(*from).is_some())
    }

    /// The earliest deadline.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let mut earliest = NEVER;
        self.each_deadline(|_, at| earliest = earliest.min(at));
        (earliest != NEVER).then_some(earliest)
    }

    /// The timer that is due first, if one is.
    pub(super) fn due(&self, now: Tick) -> Option<Timer> {
        let mut first: Option<(Timer, Tick)> = None;
        self.each_deadline(|timer, at| {
            if at <= now && first.is_none_or(|(_, earliest)| at < earliest) {
                first = Some((timer, at));
            }
        });
        first.map(|(timer, _)| timer)
    }

    /// The timers that run, in the order of [`Timer::ALL`].
    pub(super) fn running(&self) -> Vec<(Timer, Tick)> {
        let mut running = Vec::new();
        self.each_deadline(|timer, at| running.push((timer, at)));
        running
    }
}
