//! What the order of turns goes by.

use core::cmp::Ordering;

/// Leases in proportion to a weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) leases: u32,
    pub(super) weight: u32,
}

impl Load {
    pub(super) fn compare(self, other: Self) -> Ordering {
        let product = |leases, weight| u64::from(leases) * u64::from(weight);
        product(self.leases, other.weight).cmp(&product(other.leases, self.weight))
    }
}

/// Where a peer stands in the order of turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) credit: i64,
    /// The weight that counts: less than the configured one after a failure, and rising again.
    weight: i64,
}

impl Standing {
    pub(super) fn new(weight: u32) -> Self {
        Self { credit: 0, weight: i64::from(weight) }
    }

    /// A round begins: the weight is earned, and added to what all have earned.
    pub(super) fn earn(&mut self, configured: u32, total: &mut i64) -> i64 {
        self.credit += self.weight;
        *total += self.weight;
        self.weight = (self.weight + 1).min(i64::from(configured));
        self.credit
    }

    /// A failure: of `max_fails` all the weight is lost.
    pub(super) fn fail(&mut self, configured: u32, max_fails: u32) {
        if let Some(part) = configured.checked_div(max_fails) {
            self.weight = (self.weight - i64::from(part)).max(0);
        }
    }
}
