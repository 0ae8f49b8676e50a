//! `upgrade_max_tunnels`: so many tunnels at a time (G8).

use std::sync::Arc;

use crate::shared::{LimitConn, Permit};

/// So many tunnels at a time, in all workers, handshakes under way included. Clones count together.
#[derive(Clone, Debug)]
pub struct MaxTunnels {
    counts: Arc<LimitConn>,
    most: u32,
}

/// All tunnels of a level are one key.
const KEY: &[u8] = b"tunnels";

impl MaxTunnels {
    /// At most `most` tunnels; none is counted yet.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self::counted_by(Arc::new(LimitConn::new(usize::MAX)), most)
    }

    /// At most `most` tunnels, those included that `counts` has counted for a bound before this one: a reload keeps them.
    #[must_use]
    pub fn counted_by(counts: Arc<LimitConn>, most: u32) -> Self {
        Self { counts, most }
    }

    /// How many there may be.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    /// How many there are.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.counts.count(KEY)
    }

    /// Counts one more, as long as its permit is kept; nothing when there are as many as may be.
    pub fn admit(&self) -> Option<Permit> {
        self.counts.admit(KEY, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_are_counted_as_long_as_their_permits_are_kept() {
        let bound = MaxTunnels::new(2);
        let (one, two) = (bound.admit(), bound.clone().admit());
        assert!(one.is_some() && two.is_some());
        assert_eq!((bound.open(), bound.most()), (2, 2));
        assert!(bound.admit().is_none());
        drop(one);
        assert_eq!(bound.open(), 1);
        assert!(bound.admit().is_some());
    }

    #[test]
    fn another_bound_goes_on_counting() {
        let counts = Arc::new(LimitConn::new(usize::MAX));
        let before = MaxTunnels::counted_by(Arc::clone(&counts), 5);
        let permits: Vec<_> = (0..3).filter_map(|_| before.admit()).collect();
        let after = MaxTunnels::counted_by(counts, 3);
        assert!(after.admit().is_none(), "those from before count");
        drop(permits);
        assert_eq!(after.open(), 0);
    }
}
