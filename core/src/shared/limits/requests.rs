//! `limit_req`: so many requests a second, by a leaky bucket.
//!
//! All figures are thousandths of a request, and times are whole milliseconds, as in nginx: what it admits,
//! delays and refuses, this does.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{Key, cost};
use crate::{
    shared::sync::{Arc, Lock},
    time::Tick,
};

/// Milliseconds after which an empty bucket is forgotten when there is occasion.
const STALE: u64 = 60_000;

/// `limit_req_zone`: a bucket for each key.
#[derive(Debug)]
pub struct LimitReq {
    /// Thousandths of a request per second.
    rate: u64,
    size: usize,
    buckets: Lock<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    by_key: BTreeMap<Key, Bucket>,
    /// By their last use; each has a turn of its own.
    by_age: BTreeMap<u64, Key>,
    turns: u64,
    used: usize,
}

impl Buckets {
    /// The bucket of `key`, a new one if need be; nothing when there is no memory for one.
    fn touch(&mut self, zone: &LimitReq, key: &[u8], now: u64) -> Option<&mut Bucket> {
        let key = match self.by_key.get_key_value(key) {
            Some((known, bucket)) => {
                self.by_age.remove(&bucket.turn);
                Arc::clone(known)
            }
            None => {
                let cost = cost(key);
                self.forget_stale(zone, now);
                while self.used + cost > zone.size {
                    self.forget_oldest()?;
                }
                self.used += cost;
                Key::from(key)
            }
        };
        self.turns += 1;
        self.by_age.insert(self.turns, Arc::clone(&key));
        let bucket = self.by_key.entry(key).or_default();
        bucket.turn = self.turns;
        Some(bucket)
    }

    /// Forgets up to two buckets that are empty and were not used for a minute: so what is forgotten keeps up
    /// with what is new.
    fn forget_stale(&mut self, zone: &LimitReq, now: u64) {
        for _ in 0..2 {
            let oldest = self.by_age.values().next().and_then(|key| self.by_key.get(key));
            let is_stale = |bucket: &Bucket| {
                let last = bucket.last.unwrap_or(0);
                now.saturating_sub(last) >= STALE && zone.leaked(last, now) >= bucket.excess
            };
            if !oldest.is_some_and(is_stale) || self.forget_oldest().is_none() {
                return;
            }
        }
    }

    /// Forgets the bucket that was unused longest, unless it is held.
    fn forget_oldest(&mut self) -> Option<()> {
        let (&turn, key) = self.by_age.iter().next()?;
        if self.by_key.get(key).is_some_and(|bucket| bucket.held > 0) {
            return None;
        }
        let key = self.by_age.remove(&turn)?;
        self.by_key.remove(&key)?;
        self.used -= cost(&key);
        Some(())
    }
}

#[derive(Debug, Default)]
struct Bucket {
    /// What is in it.
    excess: u64,
    /// When it was filled last, in milliseconds; absent in a bucket that nothing was put into.
    last: Option<u64>,
    /// Requests that wait for the word of another zone.
    held: u32,
    turn: u64,
}

impl LimitReq {
    /// A zone of `thousandths` of a request per second (`rate=10r/s` is 10000, `rate=10r/m` is 166; at least
    /// 1) that takes at most `size` bytes of memory: 128 and the key's length for each key.
    #[must_use]
    pub fn new(size: usize, thousandths: u32) -> Self {
        Self { rate: u64::from(thousandths.max(1)), size, buckets: Lock::new(Buckets::default()) }
    }

    /// What is in a bucket when a request is added, now: the first one is free.
    fn with_one_more(&self, bucket: &Bucket, now: u64) -> u64 {
        bucket.last.map_or(0, |last| (bucket.excess + 1000).saturating_sub(self.leaked(last, now)))
    }

    fn leaked(&self, since: u64, now: u64) -> u64 {
        self.rate.saturating_mul(now.saturating_sub(since)) / 1000
    }
}

/// One `limit_req` of a location, as it applies to a request.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The zone.
    pub zone: &'a LimitReq,
    /// The key of the request; not empty.
    pub key: &'a [u8],
    /// `burst`: requests that may be in the bucket above the rate. 0 by default.
    pub burst: u32,
    /// `delay`: of these, requests that needn't wait: 0 by default, all of them with `nodelay` (`u32::MAX`).
    pub delay: u32,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Excess {
    /// Which of the demands refused.
    pub index: usize,
    /// Thousandths of a request in its bucket; absent when the zone had no memory for one.
    pub thousandths: Option<u64>,
}

/// Asks all limits of a location for one request: admitted at once (`None`), or from a moment on. It is counted
/// by all of them or by none.
///
/// # Errors
/// When a bucket would hold more than its burst, or a zone has no memory for the key even when the bucket that
/// was unused longest is forgotten.
pub fn admit_request(demands: &[Demand<'_>], now: Tick) -> Result<Option<Tick>, Excess> {
    let moment = now.0 / 1_000_000;
    let mut held = Vec::new();
    let mut longest = 0;
    for (index, demand) in demands.iter().enumerate() {
        let refused = |thousandths| Excess { index, thousandths };
        let zone = demand.zone;
        let mut buckets = zone.buckets.hold();
        let bucket = buckets.touch(zone, demand.key, moment).ok_or_else(|| refused(None))?;
        let excess = zone.with_one_more(bucket, moment);
        if excess > u64::from(demand.burst) * 1000 {
            return Err(refused(Some(excess)));
        }
        if index + 1 == demands.len() {
            longest = demand.fill(bucket, moment);
        } else {
            bucket.held += 1;
            held.push(Held { demand: *demand });
        }
    }
    for Held { demand } in &held {
        if let Some(bucket) = demand.zone.buckets.hold().by_key.get_mut(demand.key) {
            longest = longest.max(demand.fill(bucket, moment));
        }
    }
    Ok((longest > 0).then(|| now.after(Duration::from_millis(longest))))
}

impl Demand<'_> {
    /// Counts the request: milliseconds until it may go on.
    fn fill(&self, bucket: &mut Bucket, now: u64) -> u64 {
        bucket.excess = self.zone.with_one_more(bucket, now);
        bucket.last = bucket.last.max(Some(now));
        let above = bucket.excess.saturating_sub(u64::from(self.delay) * 1000);
        above * 1000 / self.zone.rate
    }
}

/// A bucket that must not be forgotten.
struct Held<'a> {
    demand: Demand<'a>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.demand.zone.buckets.hold().by_key.get_mut(self.demand.key) {
            bucket.held -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: usize = 1 << 20;

    fn ms(n: u64) -> Tick {
        Tick(n * 1_000_000)
    }

    /// What one request is told: milliseconds to wait, or the excess for which it is refused.
    fn ask(zone: &LimitReq, burst: u32, delay: u32, now: u64) -> Result<u64, u64> {
        match admit_request(&[Demand { zone, key: b"k", burst, delay }], ms(now)) {
            Ok(until) => Ok(until.map_or(0, |until| until.0 / 1_000_000 - now)),
            Err(excess) => Err(excess.thousandths.expect("there is memory")),
        }
    }

    #[test]
    fn without_a_burst_the_rate_is_a_distance() {
        let zone = LimitReq::new(SIZE, 10_000);
        assert_eq!(ask(&zone, 0, 0, 0), Ok(0));
        assert_eq!(ask(&zone, 0, 0, 0), Err(1000));
        assert_eq!(ask(&zone, 0, 0, 99), Err(10));
        assert_eq!(ask(&zone, 0, 0, 100), Ok(0));
        assert_eq!(ask(&zone, 0, 0, 150), Err(500));
        assert_eq!(ask(&zone, 0, 0, 1_000_000), Ok(0));
        assert_eq!(ask(&zone, 0, 0, 1_000_000), Err(1000), "what was not used is not saved");
    }

    #[test]
    fn a_burst_waits_for_its_turn_or_needn_t() {
        let zone = LimitReq::new(SIZE, 2_000);
        let waits: Vec<_> = (0..5).map(|_| ask(&zone, 3, 0, 7)).collect();
        assert_eq!(waits, [Ok(0), Ok(500), Ok(1000), Ok(1500), Err(4000)]);
        let zone = LimitReq::new(SIZE, 2_000);
        let waits: Vec<_> = (0..5).map(|_| ask(&zone, 3, u32::MAX, 7)).collect();
        assert_eq!(waits, [Ok(0), Ok(0), Ok(0), Ok(0), Err(4000)]);
        let zone = LimitReq::new(SIZE, 2_000);
        let waits: Vec<_> = (0..5).map(|_| ask(&zone, 3, 2, 7)).collect();
        assert_eq!(waits, [Ok(0), Ok(0), Ok(0), Ok(500), Err(4000)]);
        assert_eq!(ask(&zone, 3, 2, 506), Err(3002));
        assert_eq!(ask(&zone, 3, 2, 507), Ok(500), "500 ms made room for one");
    }

    #[test]
    fn a_rate_of_few_a_minute_is_rounded_as_in_nginx() {
        let zone = LimitReq::new(SIZE, 1000 / 6);
        assert_eq!(ask(&zone, 0, 0, 0), Ok(0));
        assert_eq!(ask(&zone, 0, 0, 6024), Err(1));
        assert_eq!(ask(&zone, 0, 0, 6025), Ok(0));
    }

    #[test]
    fn all_limits_of_a_location_count_a_request_or_none() {
        let (wide, narrow) = (LimitReq::new(SIZE, 1_000), LimitReq::new(SIZE, 1_000));
        let demands = [
            Demand { zone: &wide, key: b"a", burst: 2, delay: u32::MAX },
            Demand { zone: &narrow, key: b"b", burst: 0, delay: 0 },
        ];
        assert_eq!(admit_request(&demands, ms(0)), Ok(None));
        for _ in 0..9 {
            let refused = Err(Excess { index: 1, thousandths: Some(1000) });
            assert_eq!(admit_request(&demands, ms(0)), refused);
        }
        let alone = |zone, key| admit_request(&[Demand { zone, key, burst: 2, delay: 0 }], ms(0));
        assert_eq!(alone(&wide, b"a"), Ok(Some(ms(1000))), "it counted the first alone");
        assert_eq!(wide.buckets.hold().by_key[&b"a"[..]].held, 0);
        // The longest wait is the one that counts.
        let demands = [
            Demand { zone: &wide, key: b"a", burst: 9, delay: 0 },
            Demand { zone: &narrow, key: b"b", burst: 9, delay: 0 },
        ];
        assert_eq!(admit_request(&demands, ms(0)), Ok(Some(ms(2000))));
        assert_eq!(admit_request(&[], ms(0)), Ok(None));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_are_forgotten() {
        let zone = LimitReq::new(3 * 129, 1);
        let ask =
            |key: u8, now| admit_request(&[Demand { zone: &zone, key: &[key], burst: 0, delay: 0 }], ms(now));
        for key in 0..3 {
            assert_eq!(ask(key, 0), Ok(None));
        }
        assert!(ask(0, 1).is_err());
        assert_eq!(ask(3, 2), Ok(None), "1 is forgotten, as the oldest");
        assert!(ask(0, 3).is_err());
        assert_eq!(ask(1, 4), Ok(None));
        assert_eq!(zone.buckets.hold().by_key.len(), 3);
        let long = [0; 300];
        let refused = admit_request(&[Demand { zone: &zone, key: &long, burst: 0, delay: 0 }], ms(5));
        assert_eq!(refused, Err(Excess { index: 0, thousandths: None }));
        // 128 bytes and those of the key are counted.
        for (size, known) in [(2 * 138, true), (2 * 138 - 1, false)] {
            let zone = LimitReq::new(size, 1);
            let ask = |key: &[u8]| admit_request(&[Demand { zone: &zone, key, burst: 0, delay: 0 }], ms(0));
            assert_eq!((ask(b"ten bytes!"), ask(b"ten others")), (Ok(None), Ok(None)));
            assert_eq!(ask(b"ten bytes!").is_err(), known, "{size}");
        }
        // Idle ones make room by and by, though there is enough.
        let zone = LimitReq::new(SIZE, 1000);
        for key in 0..100_u8 {
            let now = u64::from(key) * 60_000;
            assert_eq!(
                admit_request(&[Demand { zone: &zone, key: &[key], burst: 0, delay: 0 }], ms(now)),
                Ok(None)
            );
            assert!(zone.buckets.hold().by_key.len() <= 2);
        }
    }

    #[test]
    fn a_bucket_that_waits_for_the_word_of_another_is_not_forgotten() {
        let zone = LimitReq::new(129, 1_000);
        let demand = |key| Demand { zone: &zone, key, burst: 0, delay: 0 };
        let refused = Err(Excess { index: 1, thousandths: None });
        assert_eq!(admit_request(&[demand(b"a"), demand(b"b")], ms(0)), refused, "there is room for one");
        assert_eq!(admit_request(&[demand(b"b")], ms(0)), Ok(None), "it waits no longer");
    }

    proptest! {
        /// No more get through than the rate and the burst let, and none that waits is let on too early.
        #[test]
        fn the_rate_is_kept(rate in 1_000_u32..50_000, burst in 0_u32..5, steps in prop::collection::vec(0_u64..400, 1..200)) {
            let zone = LimitReq::new(SIZE, rate);
            let mut now = 1;
            let mut passed: Vec<u64> = Vec::new();
            for step in steps {
                now += step;
                if let Ok(wait) = ask(&zone, burst, 0, now) {
                    passed.push(now + wait);
                }
            }
            // Rounded down to a millisecond twice at most.
            let distance = 1_000_000 / u64::from(rate);
            for pair in passed.windows(2) {
                prop_assert!(pair[1] + 2 >= pair[0] + distance, "{} {}", pair[0], pair[1]);
            }
        }
    }
}
