//! What is watched over in a tunnel whose settings ask for it: Pings, silence, rates, age (G3, G4, G7, G8, G9).

use core::time::Duration;

use super::{Lifetime, NEVER, Purpose, TunnelSettings, secret::Seed};
use crate::{Side, time::Tick};

/// Moments and counts that are kept only where a setting asks for one of them.
///
/// A clock tells since when something hasn't happened. That of a side stands still while the side isn't read (G3): it
/// then holds the time that had passed.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) sides: [Watched; 2],
    /// The clock of the client's data frames: of the last, or of a part of it.
    data: Tick,
    /// Messages that have come are worth the time until then.
    pub(super) messages: Tick,
    /// Bytes that have come from a side are worth the time until then.
    pub(super) bytes: [Tick; 2],
    /// So many times that a line about the progress may be due have passed.
    pub(super) lines: u32,
    /// What happens by chance follows from it.
    chance: u16,
    marks: [Marks; 2],
}

/// How one side is watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    /// The clock of its signs of life: since when nothing has come from it, or since when it owes a sign of life.
    clock: Tick,
    /// When the last byte of a Ping of ours was sent that is unanswered.
    pub(super) pinged: Tick,
    /// How many Pings of ours it was sent.
    pub(super) pings: u32,
    /// How many microseconds its last answer took; absent: there was none.
    pub(super) round_trip: Option<std::num::NonZeroU32>,
}

/// What is true of one side, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Marks(u8);

impl Marks {
    /// It owes a sign of life.
    const OWES: u8 = 1;
    /// It isn't read: its clocks stand still.
    const STANDS: u8 = 1 << 1;
    /// A Ping of the other end's to it is unanswered.
    const RELAYED: u8 = 1 << 2;

    #[inline]
    const fn has(self, mark: u8) -> bool {
        self.0 & mark != 0
    }

    #[inline]
    fn set(&mut self, mark: u8, is_so: bool) {
        self.0 = if is_so { self.0 | mark } else { self.0 & !mark };
    }
}

/// What is due to a side whose clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Vigil {
    /// Nothing has come from it since then.
    Hears(Tick),
    /// It owes a sign of life since then.
    Awaits(Tick),
}

/// How one side is watched, without what timers show: how far its clocks are if they stand still (of signs of life, and of
/// the client's data frames), whether it owes a sign of life, and whether a Ping of the other end's is unanswered.
pub(super) type WatchedSnapshot = (Option<[u64; 2]>, bool, bool);

impl Watch {
    /// One for these settings, where they ask for anything that is watched.
    pub(super) fn of(settings: &TunnelSettings, seed: Seed, now: Tick) -> Option<Self> {
        let of_frames = settings.websocket.as_ref().is_some_and(|websocket| {
            websocket.ping.is_some() || websocket.client_silence.is_some() || websocket.message_rate.is_some()
        });
        let of_all = settings.max_lifetime.is_some()
            || settings.limit_rate.is_some()
            || settings.log_every.is_some()
            || settings.drain.window.is_some();
        (of_frames || of_all).then(|| Self::new(seed, now))
    }

    fn new(seed: Seed, now: Tick) -> Self {
        let [high, low, ..] = seed.draw(Purpose::Moments, 0);
        Self {
            sides: [Watched { clock: now, pinged: NEVER, pings: 0, round_trip: None }; 2],
            data: now,
            messages: Tick(0),
            bytes: [Tick(0); 2],
            lines: 0,
            chance: u16::from_be_bytes([high, low]),
            marks: [Marks::default(); 2],
        }
    }

    /// Something has come from a side.
    #[inline]
    pub(super) fn heard(&mut self, from: Side, now: Tick) {
        self.restart(from, false, now);
    }

    /// A side owes a sign of life from now on.
    pub(super) fn asked(&mut self, side: Side, now: Tick) {
        self.restart(side, true, now);
    }

    #[inline]
    fn restart(&mut self, side: Side, owes: bool, now: Tick) {
        let marks = &mut self.marks[side.index()];
        marks.set(Marks::OWES, owes);
        self.sides[side.index()].clock = started(*marks, now);
    }

    /// A data frame has come from the client, or a part of one.
    #[inline]
    pub(super) fn data_came(&mut self, now: Tick) {
        self.data = started(self.marks[Side::Downstream.index()], now);
    }

    /// What is due to a side; nothing, where its clock stands still.
    #[inline]
    pub(super) fn vigil(&self, side: Side) -> Option<Vigil> {
        let (marks, clock) = (self.marks[side.index()], self.sides[side.index()].clock);
        if marks.has(Marks::STANDS) {
            return None;
        }
        Some(if marks.has(Marks::OWES) { Vigil::Awaits(clock) } else { Vigil::Hears(clock) })
    }

    /// Since when the client has sent no data frame; absent, where its clock stands still.
    pub(super) fn silent_since(&self) -> Option<Tick> {
        (!self.marks[Side::Downstream.index()].has(Marks::STANDS)).then_some(self.data)
    }

    /// A Ping of the other end's has gone to a side, or a Pong has come from it.
    pub(super) fn relays_ping(&mut self, to: Side, is_unanswered: bool) {
        self.marks[to.index()].set(Marks::RELAYED, is_unanswered);
    }

    /// Whether a Ping of the other end's to this side is unanswered.
    pub(super) fn has_relayed_ping(&self, to: Side) -> bool {
        self.marks[to.index()].has(Marks::RELAYED)
    }

    /// A side is read, or it isn't: its clocks stand still meanwhile (G3).
    #[inline]
    pub(super) fn pace(&mut self, side: Side, is_read: bool, now: Tick) {
        let marks = &mut self.marks[side.index()];
        if marks.has(Marks::STANDS) != is_read {
            return;
        }
        marks.set(Marks::STANDS, !is_read);
        // From a moment to the time that has passed since, and back.
        let turn = |clock: &mut Tick| *clock = Tick(now.0.saturating_sub(clock.0));
        turn(&mut self.sides[side.index()].clock);
        if side == Side::Downstream {
            turn(&mut self.data);
        }
    }

    /// How long a side may be silent before its next Ping: shortened by up to a tenth, by chance (G3).
    pub(super) fn interval(&self, side: Side, whole: Duration) -> Duration {
        let number = self.sides[side.index()].pings;
        whole - share(whole / 10, self.chance(number.wrapping_mul(0x9e37_79b9)))
    }

    /// How old the tunnel grows: evenly spread around its lifetime (G7).
    pub(super) fn age(&self, lifetime: &Lifetime) -> Duration {
        let jitter = lifetime.time / 100 * u32::from(lifetime.jitter_percent);
        lifetime.time.saturating_sub(jitter) + share(jitter.saturating_mul(2), self.chance(LIFETIME))
    }

    /// When a drain that begins now comes to this tunnel: spread evenly over the window (G6).
    pub(super) fn drain_moment(&self, window: Duration, now: Tick) -> Tick {
        now.after(share(window, self.chance(0)))
    }

    /// A number below 2³² for this purpose.
    fn chance(&self, purpose: u32) -> u32 {
        mix(u32::from(self.chance) << 16 ^ purpose)
    }

    /// How a side is watched, as far as timers don't show it.
    pub(super) fn snapshot(&self, side: Side) -> WatchedSnapshot {
        let Self { sides, data, messages: _, bytes: _, lines: _, chance: _, marks } = self;
        let Watched { clock, pinged: _, pings: _, round_trip: _ } = sides[side.index()];
        let marks = marks[side.index()];
        let of_data = if side == Side::Downstream { data.0 } else { 0 };
        let still = marks.has(Marks::STANDS).then_some([clock.0, of_data]);
        (still, marks.has(Marks::OWES), marks.has(Marks::RELAYED))
    }
}

/// A clock that begins anew.
#[inline]
fn started(marks: Marks, now: Tick) -> Tick {
    if marks.has(Marks::STANDS) { Tick(0) } else { now }
}

/// The purpose of the chance that a lifetime takes. Those of intervals are numbers of Pings, multiplied.
const LIFETIME: u32 = 0x5bd1_e995;

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
