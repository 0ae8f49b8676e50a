//! When something is due: one function of what the tunnel is and when it last moved.

use core::time::Duration;

use super::{Busy, NEVER, Tunnel, frames::Sight, ping::Due, rare::Rare, stage::Stage, watch::Watch};
use crate::{Side, record::EndedBy, time::Tick, timer::Timer};

/// When it is asked for the first time whether a tail has been acknowledged; then again after as long as it has been
/// waited for.
const FIRST_LOOK: Duration = Duration::from_millis(1);

impl Tunnel {
    /// Shows each timer that runs with its deadline.
    #[inline]
    fn each_deadline(&self, mut see: impl FnMut(Timer, Tick)) {
        self.each_rate_deadline(&mut see);
        if let Some(rare) = &self.rare {
            self.each_rare_deadline(rare, &mut see);
            if rare.closing.is_some() {
                // What ends anyway isn't ended once more.
                return;
            }
        }
        let settings = &*self.settings;
        let [to_origin, to_client] = Side::BOTH.map(|from| self.stalled_since(from));
        if let Some(since) = to_client {
            see(Timer::ClientSend, since.after(settings.client_send_timeout));
        }
        let stage = self.stage();
        if let Stage::Lingering { since, .. } | Stage::ReadInVain { since } = stage {
            see(Timer::LingerTotal, since.after(settings.lingering_time));
        }
        if let Some(since) = to_origin {
            see(Timer::UpstreamSend, since.after(settings.upstream_send_timeout));
        }
        let is_held_back = self.busy.holds_back();
        // The idle timer stands still while a write stall timer runs, or while a limit of ours keeps a side from being read:
        // what has come of it and waits would be lost (G8).
        if to_origin.is_none() && to_client.is_none() && !is_held_back {
            see(Timer::TunnelIdle, self.moved.after(settings.idle_timeout));
        }
        if let Stage::HalfClosed { since } = stage
            && !is_held_back
        {
            let span = settings.half_close_timeout.min(settings.idle_timeout);
            // Only the direction that is left moves anything.
            see(Timer::HalfClose, since.max(self.moved).after(span));
        }
        if let Some(watch) = &self.watch {
            self.each_watched_deadline(watch, see);
        }
    }

    /// Of what the tunnel has for a while only.
    fn each_rare_deadline(&self, rare: &Rare, see: &mut impl FnMut(Timer, Tick)) {
        match (&rare.closing, rare.stage) {
            (Some(closing), _) => see(Timer::Closing, closing.until),
            (None, Stage::Lingering { since, came, asked }) => {
                see(Timer::LingerIdle, came.after(self.settings.lingering_timeout));
                if asked != NEVER {
                    see(Timer::Acknowledgement, asked.after(asked.since(since).max(FIRST_LOOK)));
                }
            }
            _ => {}
        }
        if rare.drain != NEVER {
            see(Timer::Drain, rare.drain);
        }
    }

    /// Of rates that keep a side from being read (G8).
    #[inline]
    fn each_rate_deadline(&self, see: &mut impl FnMut(Timer, Tick)) {
        if !self.busy.has(Busy::RATED) {
            return;
        }
        for side in Side::BOTH.into_iter().filter(|side| self.busy.is_paced(*side)) {
            self.bytes_due(side).into_iter().for_each(|at| see(Timer::TunnelRate, at));
        }
        if self.busy.has(Busy::TOO_SOON) {
            let room = self.watch.as_ref().and_then(|watch| watch.room_at(&self.settings));
            room.into_iter().for_each(|at| see(Timer::MessageRate, at));
        }
    }

    /// Of what its settings have watched over (G3, G4, G6 to G9).
    fn each_watched_deadline(&self, watch: &Watch, mut see: impl FnMut(Timer, Tick)) {
        for side in Side::BOTH {
            match self.ping_due(side) {
                Some(Due::Ping(at)) => see(Timer::Ping, at),
                Some(Due::Answer(at)) => see(Timer::Pong, at),
                None => {}
            }
        }
        if let Some(at) = self.silence_due(watch) {
            see(Timer::ClientSilence, at);
        }
        if let Some((at, _)) = self.moment() {
            see(Timer::Moment, at);
        }
        if let Some(every) = self.settings.log_every {
            let times = watch.lines.saturating_add(1);
            see(Timer::Progress, self.counts.opened.after(every.saturating_mul(times)));
        }
    }

    /// When the tunnel ends by our own wish, and why: by its age (G7) or by a drain (G6), whichever comes first.
    pub(super) fn moment(&self) -> Option<(Tick, EndedBy)> {
        let watch = self.watch.as_ref()?;
        let lifetime = self.settings.max_lifetime.as_ref();
        let of_age =
            lifetime.map(|lifetime| (self.counts.opened.after(watch.age(lifetime)), EndedBy::Lifetime));
        let drain = self.rare.as_ref().map(|rare| rare.moment).filter(|at| *at != NEVER);
        let of_drain = drain.map(|at| (at, EndedBy::Drain));
        of_age.into_iter().chain(of_drain).min_by_key(|(at, _)| *at)
    }

    /// A line about the progress is asked for: the next one comes at the next multiple of their interval.
    pub(super) fn progress_told(&mut self, now: Tick) {
        if let (Some(watch), Some(every)) = (&mut self.watch, self.settings.log_every) {
            let times = now.since(self.counts.opened).as_nanos() / every.as_nanos().max(1);
            watch.lines = u32::try_from(times).unwrap_or(u32::MAX);
        }
    }

    /// When the client has sent no data frame for too long (G4); not where it has ended or sent Close, or isn't read.
    fn silence_due(&self, watch: &Watch) -> Option<Tick> {
        let span = self.settings.websocket.as_ref()?.client_silence?;
        let client = Side::Downstream;
        let lane = self.frames.as_ref()?.lane(client);
        // The clock of one that has ended stands still.
        let may_speak = !lane.has_closed() && lane.sight == Sight::Relays;
        watch.silent_since().filter(|_| may_speak).map(|since| since.after(span))
    }

    /// Since when bytes wait for the sink of this direction without its taking any; absent: none wait.
    #[inline]
    pub(super) fn stalled_since(&self, from: Side) -> Option<Tick> {
        let direction = &self.directions[from.index()];
        let in_front = from == Side::Upstream && self.busy.has(Busy::FRONT);
        let (super::Course::Flowing(carried) | super::Course::Ending(carried)) = direction.course else {
            return None;
        };
        let waits = in_front || carried.piped > 0 || direction.held.waits();
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

    /// The timer that is due first, if one is; of two that are due at once, the first of [`Timer::ALL`].
    pub(super) fn due(&self, now: Tick) -> Option<Timer> {
        let mut first: Option<(Tick, Timer)> = None;
        self.each_deadline(|timer, at| {
            if at <= now && first.is_none_or(|earliest| (at, timer) < earliest) {
                first = Some((at, timer));
            }
        });
        first.map(|(_, timer)| timer)
    }

    /// The timers that run, in the order of [`Timer::ALL`].
    pub(super) fn running(&self) -> Vec<(Timer, Tick)> {
        let mut running = Vec::new();
        self.each_deadline(|timer, at| running.push((timer, at)));
        running.sort_unstable();
        running
    }
}
