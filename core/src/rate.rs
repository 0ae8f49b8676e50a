//! Bytes a second: how many may move, and when more may.

use core::{num::NonZeroU64, time::Duration};

use crate::time::Tick;

/// How many nanoseconds a second has.
const SECOND: u64 = 1_000_000_000;

/// So many bytes a second. In any span of time at most what the rate gives for it moves, and the rate of one second.
///
/// The caller keeps one moment: the bytes that have moved so far use up the rate until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) NonZeroU64);

impl Rate {
    /// How many bytes may move now, when what has moved is worth the time until `paid`.
    pub(crate) fn allowance(self, paid: Tick, now: Tick) -> u64 {
        let ahead = now.after(Duration::from_secs(1)).since(paid).min(Duration::from_secs(1));
        let earned = u128::from(self.0.get()) * ahead.as_nanos() / u128::from(SECOND);
        u64::try_from(earned).unwrap_or(u64::MAX)
    }

    /// What has moved is worth the time until then, with so many bytes more.
    pub(crate) fn paid(self, paid: Tick, count: u64, now: Tick) -> Tick {
        paid.max(now).after(self.worth(count))
    }

    /// How many of `wanted` bytes are worth waking up for: a tenth of a second's, and fewer only where there are no
    /// more.
    pub(crate) fn step(self, wanted: u64) -> u64 {
        (self.0.get() / 10).clamp(1, wanted.max(1))
    }

    /// When so much has been earned that any of `wanted` bytes may move.
    pub(crate) fn due(self, paid: Tick, wanted: u64) -> Tick {
        Tick(paid.after(self.worth(self.step(wanted))).0.saturating_sub(SECOND))
    }

    /// The time in which the rate gives so many bytes, rounded up.
    fn worth(self, bytes: u64) -> Duration {
        let nanoseconds = (u128::from(bytes) * u128::from(SECOND)).div_ceil(u128::from(self.0.get()));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}
