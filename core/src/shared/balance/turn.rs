//! Peers in turn: smooth weighted round robin, and the fewest leases.

use core::cmp::Ordering;

use super::Seat;

/// The next in turn of those that `may` be chosen. Everybody's credit grows by its weight, the one with the
/// most is chosen and pays what all have got: so over as many choices as the weights' sum each is chosen as
/// often as its weight says, and its turns lie apart.
pub(super) fn in_turn(seats: &mut [Seat], may: impl Fn(&Seat) -> bool) -> Option<usize> {
    let mut best = None;
    let mut total = 0;
    for (index, seat) in seats.iter_mut().enumerate().filter(|(_, seat)| may(seat)) {
        let credit = seat.standing.earn(seat.peer.weight, &mut total);
        if best.is_none_or(|(_, most)| credit > most) {
            best = Some((index, credit));
        }
    }
    let (index, _) = best?;
    seats.get_mut(index)?.standing.credit -= total;
    Some(index)
}

/// The one with the fewest leases for its weight; of several, the next in turn.
pub(super) fn least_conn(seats: &mut [Seat], may: impl Fn(&Seat) -> bool) -> Option<usize> {
    let candidates = || seats.iter().enumerate().filter(|(_, seat)| may(seat));
    let (index, least) = candidates().min_by(|(_, a), (_, b)| a.load().compare(b.load()))?;
    let load = least.load();
    let several = candidates().filter(|(_, seat)| seat.load().compare(load).is_eq()).nth(1).is_some();
    if !several {
        return Some(index);
    }
    in_turn(seats, |seat| may(seat) && seat.load().compare(load).is_eq())
}

/// Leases in proportion to a weight.
#[derive(Clone, Copy, Debug)]
pub(in crate::shared) struct Load {
    pub(in crate::shared) leases: u32,
    pub(in crate::shared) weight: u32,
}

impl Load {
    pub(super) fn compare(self, other: Self) -> Ordering {
        let product = |leases, weight| u64::from(leases) * u64::from(weight);
        product(self.leases, other.weight).cmp(&product(other.leases, self.weight))
    }
}

/// Where a peer stands in the order of turns.
#[derive(Clone, Copy, Debug)]
pub(in crate::shared) struct Standing {
    credit: i64,
    /// The weight that counts: less than the configured one after a failure, and rising again.
    weight: i64,
}

impl Standing {
    pub(in crate::shared) fn new(weight: u32) -> Self {
        Self { credit: 0, weight: i64::from(weight) }
    }

    /// A round begins: the weight is earned, and added to what all have earned.
    fn earn(&mut self, configured: u32, total: &mut i64) -> i64 {
        self.credit += self.weight;
        *total += self.weight;
        self.weight = (self.weight + 1).min(i64::from(configured));
        self.credit
    }

    /// A failure: of `max_fails` all the weight is lost.
    pub(in crate::shared) fn fail(&mut self, configured: u32, max_fails: u32) {
        if let Some(part) = configured.checked_div(max_fails) {
            self.weight = (self.weight - i64::from(part)).max(0);
        }
    }
}
