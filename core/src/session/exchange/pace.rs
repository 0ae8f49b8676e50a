//! Rates (J5): how much may move now, and when more may. Waiting for that is no stall: no deadline of a peer's counts
//! it.

use core::num::NonZeroU64;

use super::{Common, Exchange};
use crate::{
    Side,
    buffer::Turn,
    config::Rates,
    rate::Rate,
    state::exchange::State,
    template::Template,
    time::{Now, Tick},
};

/// The rates of an exchange; absent: as fast as it can.
#[derive(Clone, Debug, Default)]
pub(super) struct Paces {
    to_client: Option<Pace>,
    from_origin: Option<Pace>,
}

/// A rate. In any span of time at most what the rate gives for it moves, and the rate of one second; more only where
/// more had come before it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pace {
    rate: Rate,
    /// Bytes that may move before any is counted.
    free: u64,
    /// What has moved is worth the time until then.
    paid: Tick,
}

impl Pace {
    fn new(rate: u64, free: u64, now: Tick) -> Option<Self> {
        Some(Self { rate: Rate(NonZeroU64::new(rate)?), free, paid: now })
    }

    /// How many bytes may move now.
    fn allowance(&self, now: Tick) -> u64 {
        self.free.saturating_add(self.rate.allowance(self.paid, now))
    }

    /// So many bytes have moved.
    fn moved(&mut self, count: u64, now: Tick) {
        let counted = count.saturating_sub(self.free);
        self.free = self.free.saturating_sub(count);
        if counted > 0 {
            self.paid = self.rate.paid(self.paid, counted, now);
        }
    }

    /// When any of `wanted` bytes may move; absent: now. They move a tenth of a second's at a time, and fewer only
    /// where there are no more, so that a slow exchange wakes nobody for each byte.
    fn waits(&self, wanted: u64, now: Tick) -> Option<Tick> {
        let due = self.rate.due(self.paid, wanted).max(Tick(now.0.saturating_add(1)));
        (self.allowance(now) < self.rate.step(wanted)).then_some(due)
    }

    /// What it depends on, relative to `now`.
    fn outline(&self, now: Tick) -> (u64, u64, u64) {
        let Self { rate, free, paid } = self;
        (rate.0.get(), *free, paid.0.saturating_sub(now.0))
    }
}

impl Paces {
    /// What its behaviour depends on.
    pub(super) fn outline(&self, now: Tick) -> [Option<(u64, u64, u64)>; 2] {
        let Self { to_client, from_origin } = self;
        [to_client, from_origin].map(|pace| pace.as_ref().map(|pace| pace.outline(now)))
    }
}

impl Exchange {
    /// A final response of ours begins: its rate counts from here, its head included (nginx).
    pub(super) fn pace_reply(&mut self, common: &Common, turn: &Turn<'_>) {
        self.pace_client(common, None, turn);
    }

    /// `said`: the rate that comes before that of the configuration.
    fn pace_client(&mut self, common: &Common, said: Option<u64>, turn: &Turn<'_>) {
        self.paces = common.pace_to_client(said, turn.now).map(|pace| {
            let to_client = Some(pace);
            Box::new(Paces { to_client, ..Paces::default() })
        });
    }

    /// A final response of the origin server begins.
    pub(super) fn pace_response(&mut self, common: &Common, turn: &Turn<'_>) {
        self.pace_client(common, common.rate_of_origin(), turn);
        let Some(template) = common.record.proxy().and_then(|proxy| proxy.limit_rate.as_ref()) else {
            return;
        };
        let rate = common.size(template, turn.now);
        let Some(mut pace) = Pace::new(rate, 0, turn.now.tick) else { return };
        // What has come with the head has come.
        pace.moved(common.flow(Side::Upstream).inbox.raw().len() as u64, turn.now.tick);
        self.paces.get_or_insert_default().from_origin = Some(pace);
    }
}

impl Common {
    fn pace_to_client(&self, said: Option<u64>, now: Now) -> Option<Pace> {
        let rates = self.record.location.as_ref().and_then(|location| location.rates.as_deref());
        let is_set = |template: &&Template| self.record.with_value(template, now, |value| !value.is_empty());
        let configured = || {
            let Rates { variable, rate, .. } = rates?;
            Some(self.size(variable.as_ref().filter(is_set).or(rate.as_ref())?, now))
        };
        let rate = said.or_else(configured)?;
        let free = rates.and_then(|rates| rates.after.as_ref()).map_or(0, |after| self.size(after, now));
        Pace::new(rate, free, now.tick)
    }

    /// What the origin server says in `X-Accel-Limit-Rate`: the first such line counts, a number of bytes (nginx).
    fn rate_of_origin(&self) -> Option<u64> {
        self.record.proxy().filter(|proxy| proxy.obeys_limit_rate)?;
        let value = self.record.heads.as_ref()?.response.fields.named(b"x-accel-limit-rate").next()?;
        number(value)
    }

    fn size(&self, template: &Template, now: Now) -> u64 {
        self.record.with_value(template, now, size).unwrap_or(0)
    }
}

impl Exchange {
    /// How many bytes may be sent to the client now.
    pub(in crate::session) fn client_allowance(&self, common: &Common) -> usize {
        let pace = self.pace(|paces| &paces.to_client);
        pace.map_or(usize::MAX, |pace| usize::try_from(pace.allowance(common.tick)).unwrap_or(usize::MAX))
    }

    /// How many bytes may be read from the origin server now.
    pub(in crate::session) fn origin_allowance(&self, common: &Common) -> usize {
        let pace = self.pace(|paces| &paces.from_origin);
        pace.map_or(usize::MAX, |pace| usize::try_from(pace.allowance(common.tick)).unwrap_or(usize::MAX))
    }

    /// When what is there for the client may be sent; absent: now.
    pub(in crate::session) fn client_waits(&self, common: &Common) -> Option<Tick> {
        let pace = self.pace(|paces| &paces.to_client)?;
        let flow = common.flow(Side::Upstream);
        pace.waits(flow.outbox.slices(&flow.inbox).total() as u64, common.tick)
    }

    /// When the origin server may be read; absent: now.
    pub(super) fn origin_waits(&self, common: &Common) -> Option<Tick> {
        self.pace(|paces| &paces.from_origin)?.waits(u64::MAX, common.tick)
    }

    /// Since when what is there for the client may be sent, as far as its rate goes.
    pub(super) fn client_may_since(&self, common: &Common) -> Tick {
        let wanted = || {
            let flow = common.flow(Side::Upstream);
            flow.outbox.slices(&flow.inbox).total() as u64
        };
        self.pace(|paces| &paces.to_client).map_or(Tick(0), |pace| pace.rate.due(pace.paid, wanted()))
    }

    /// Since when the origin server may be read, as far as its rate goes.
    pub(super) fn origin_may_since(&self) -> Tick {
        self.pace(|paces| &paces.from_origin).map_or(Tick(0), |pace| pace.rate.due(pace.paid, u64::MAX))
    }

    /// A tunnel has no pace: what begins it is sent at once, and nginx limits none.
    fn pace(&self, which: impl FnOnce(&Paces) -> &Option<Pace>) -> Option<&Pace> {
        let paces = self.paces.as_deref()?;
        let applies = matches!(self.machine.state(), State::Responding | State::Replying);
        which(paces).as_ref().filter(|_| applies)
    }

    pub(super) fn pace_sent(&mut self, common: &Common, count: usize) {
        if let Some(pace) = self.paces.as_mut().and_then(|paces| paces.to_client.as_mut()) {
            pace.moved(count as u64, common.tick);
        }
    }

    pub(in crate::session) fn pace_received(&mut self, common: &Common, count: usize) {
        if let Some(pace) = self.paces.as_mut().and_then(|paces| paces.from_origin.as_mut()) {
            pace.moved(count as u64, common.tick);
        }
    }

    /// When the first of what waits for its rate may move.
    pub(super) fn more_may_move(&self, common: &Common) -> Option<Tick> {
        let to_client = common.flow(Side::Upstream).is_waiting() && common.leg(Side::Downstream).writes();
        let from_origin = self.machine.state() == State::Responding && common.leg(Side::Upstream).reads();
        let to_client = to_client.then(|| self.client_waits(common)).flatten();
        let from_origin = from_origin.then(|| self.origin_waits(common)).flatten();
        [to_client, from_origin].into_iter().flatten().min()
    }
}

/// Reads `1024`, `8k`, `1m` (nginx).
fn size(text: &[u8]) -> Option<u64> {
    let (digits, factor) = match text {
        [digits @ .., b'k' | b'K'] => (digits, 1 << 10),
        [digits @ .., b'm' | b'M'] => (digits, 1 << 20),
        digits => (digits, 1),
    };
    number(digits)?.checked_mul(factor)
}

/// Reads digits.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    const SECOND: u64 = 1_000_000_000;

    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", Some(0)),
            ("12", Some(12)),
            ("4k", Some(4096)),
            ("1M", Some(1 << 20)),
            ("", None),
            ("k", None),
            ("1g", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551615k", None),
        ] {
            assert_eq!(size(text.as_bytes()), expected, "{text:?}");
        }
    }

    /// What is free uses up nothing of what was earned meanwhile.
    #[test]
    fn free_bytes_cost_no_time() {
        let mut pace = Pace::new(100, 10, Tick(0)).expect("a rate");
        assert_eq!(pace.outline(Tick(0)), (100, 10, 0));
        pace.moved(110, Tick(0));
        assert_eq!((pace.allowance(Tick(0)), pace.outline(Tick(0))), (0, (100, 0, SECOND)));
        pace.free = 10;
        pace.moved(5, Tick(SECOND / 2));
        assert_eq!(pace.outline(Tick(SECOND / 2)), (100, 5, SECOND / 2));
        // A rest longer than what was paid for earns a second's worth, and no less where something free has moved.
        let later = Tick(3 * SECOND);
        pace.moved(2, later);
        pace.moved(0, later);
        assert_eq!((pace.allowance(later), pace.paid), (103, Tick(SECOND)));
        let paces = Paces { to_client: Some(pace), from_origin: None };
        assert_eq!(paces.outline(Tick(0)), [Some((100, 3, SECOND)), None]);
    }

    /// Whatever moves when: in each span at most its worth and a second's, and what waits may move when it was told.
    #[test]
    fn no_span_sees_more_than_its_rate() {
        for rate in [1, 7, 1000, 123_456_789, u64::MAX / 2] {
            for step in [1, 3, 10_000, u64::MAX / 4] {
                let mut now = Tick(5_000);
                let mut pace = Pace::new(rate, 0, now).expect("a rate");
                let (start, mut moved) = (now, 0_u128);
                for turn in 0..200_u64 {
                    if let Some(at) = pace.waits(step, now) {
                        assert!(at > now);
                        let early = Tick(at.0 - 1).max(now);
                        assert!(
                            pace.waits(step, early).is_some(),
                            "{rate} {step}: a wait is as long as it must be"
                        );
                        now = at;
                    }
                    assert_eq!(pace.waits(step, now), None, "{rate} {step}");
                    let count = pace.allowance(now).min(step);
                    assert!(count > 0);
                    pace.moved(count, now);
                    moved += u128::from(count);
                    let spent = now.since(start).as_nanos() + u128::from(SECOND);
                    assert!(moved <= u128::from(rate) * spent / u128::from(SECOND), "{rate} {step} {moved}");
                    if turn % 50 == 49 {
                        // Rest earns a second's worth and no more.
                        now = now.after(Duration::from_secs(1000));
                        assert_eq!(pace.allowance(now), rate);
                    }
                }
            }
        }
    }
}
