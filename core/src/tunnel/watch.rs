//! What is watched over in a tunnel whose settings ask for it: Pings, silence, rates, age (G3, G4, G7, G8, G9).

use core::time::Duration;

use super::{NEVER, Purpose, TunnelSecret, TunnelSettings};
use crate::{Side, record::EndedBy, time::Tick};

/// Moments and counts that are kept only where a setting asks for one of them.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) sides: [Watched; 2],
    /// When the client's last data frame came, or a part of it; it stands still while the client isn't read.
    pub(super) data: Tick,
    /// Messages that have come are worth the time until then.
    pub(super) messages: Tick,
    /// Bytes that have come from a side are worth the time until then.
    pub(super) bytes: [Tick; 2],
    /// When a line about the progress was asked for last.
    pub(super) logged: Tick,
    /// When the tunnel ends by our own wish, and why.
    pub(super) moment: Option<(Tick, EndedBy)>,
    /// What happens by chance follows from it.
    pub(super) chance: u32,
    /// A Ping of the other end's to this side is unanswered.
    pub(super) relayed: [bool; 2],
}

/// How one side is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    /// When something came from it last; it stands still while the side isn't read.
    pub(super) heard: Tick,
    /// Since when a sign of life is due; likewise.
    pub(super) asked: Tick,
    /// When the last byte of a Ping of ours was sent that is unanswered.
    pub(super) pinged: Tick,
    /// Since when the side isn't read.
    pub(super) paused: Tick,
    /// How many Pings of ours it was sent.
    pub(super) pings: u32,
    /// How many microseconds its last answer took; absent: there was none.
    pub(super) round_trip: Option<std::num::NonZeroU32>,
}

impl Watch {
    /// One for these settings, where they ask for anything that is watched.
    pub(super) fn of(settings: &TunnelSettings, secret: TunnelSecret, now: Tick) -> Option<Self> {
        let of_frames = settings.websocket.as_ref().is_some_and(|websocket| {
            websocket.ping.is_some() || websocket.client_silence.is_some() || websocket.message_rate.is_some()
        });
        let of_all = settings.max_lifetime.is_some()
            || settings.limit_rate.is_some()
            || settings.log_every.is_some()
            || settings.drain.window.is_some();
        (of_frames || of_all).then(|| Self::new(settings, secret, now))
    }

    fn new(settings: &TunnelSettings, secret: TunnelSecret, now: Tick) -> Self {
        let side =
            Watched { heard: now, asked: NEVER, pinged: NEVER, paused: NEVER, pings: 0, round_trip: None };
        let moment = settings.max_lifetime.map(|lifetime| {
            let jitter = lifetime.time / 100 * u32::from(lifetime.jitter_percent);
            let earliest = lifetime.time.saturating_sub(jitter);
            let later = share(jitter.saturating_mul(2), secret.chance(Purpose::Lifetime));
            (now.after(earliest).after(later), EndedBy::Lifetime)
        });
        Self {
            sides: [side; 2],
            data: now,
            messages: Tick(0),
            bytes: [Tick(0); 2],
            logged: now,
            moment,
            chance: secret.chance(Purpose::Others),
            relayed: [false; 2],
        }
    }

    /// Something has come from a side.
    #[inline]
    pub(super) fn heard(&mut self, from: Side, now: Tick) {
        let side = &mut self.sides[from.index()];
        (side.heard, side.asked) = (now, NEVER);
    }

    /// A side is read, or it isn't: its clocks stand still meanwhile (G3).
    #[inline]
    pub(super) fn pace(&mut self, side: Side, is_read: bool, now: Tick) {
        let watched = &mut self.sides[side.index()];
        match (is_read, watched.paused) {
            (false, NEVER) => watched.paused = now,
            (true, paused) if paused != NEVER => {
                let still = now.since(paused);
                watched.paused = NEVER;
                for clock in [&mut watched.heard, &mut watched.asked] {
                    // A clock that doesn't run stays where it is.
                    *clock = if *clock == NEVER { NEVER } else { clock.after(still) };
                }
                if side == Side::Downstream {
                    self.data = self.data.after(still);
                }
            }
            _ => {}
        }
    }

    /// Ends the tunnel at this moment for this reason, unless it ends earlier for another.
    pub(super) fn ends_at(&mut self, at: Tick, why: EndedBy) {
        if self.moment.is_none_or(|(earlier, _)| at < earlier) {
            self.moment = Some((at, why));
        }
    }

    /// When a drain that begins now comes to this tunnel: spread evenly over the window (G6).
    pub(super) fn drain_moment(&self, window: Duration, now: Tick) -> Tick {
        now.after(share(window, mix(self.chance)))
    }
}

impl Watched {
    /// How long this side may be silent before its next Ping: shortened by up to a tenth, by chance (G3).
    pub(super) fn interval(&self, whole: Duration, chance: u32) -> Duration {
        whole - share(whole / 10, mix(chance ^ self.pings.wrapping_mul(0x9e37_79b9)))
    }
}

/// That part of the whole that `chance` is of 2³².
fn share(whole: Duration, chance: u32) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(chance)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Spreads what is similar. What follows from it is no secret.
const fn mix(mut bits: u32) -> u32 {
    bits ^= bits >> 16;
    bits = bits.wrapping_mul(0x85eb_ca6b);
    bits ^= bits >> 13;
    bits = bits.wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}
