//! `limit_conn`: so many exchanges at a time.

use std::collections::BTreeMap;

use super::{Key, cost};
use crate::shared::sync::{Arc, Lock};

/// `limit_conn_zone`: how many exchanges each key has under way.
#[derive(Debug)]
pub struct LimitConn {
    size: usize,
    counts: Lock<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    by_key: BTreeMap<Key, Entry>,
    used: usize,
}

#[derive(Debug)]
struct Entry {
    count: u32,
    place: Arc<Place>,
}

/// What the permits of one key share, so that each is a single pointer: a tunnel has its own for as long as it lives.
#[derive(Debug)]
struct Place {
    zone: Arc<LimitConn>,
    key: Key,
}

impl LimitConn {
    /// A zone that takes at most `size` bytes of memory: 128 and the key's length for each key that has an
    /// exchange under way.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, counts: Lock::new(Counts::default()) }
    }

    /// Counts one more exchange of `key`, unless it has `most` of them already. Nothing when it has, or when
    /// the zone is full of other keys: nginx refuses then, too.
    #[must_use]
    pub fn admit(self: &Arc<Self>, key: &[u8], most: u32) -> Option<Permit> {
        let mut counts = self.counts.hold();
        if let Some(entry) = counts.by_key.get_mut(key) {
            return (entry.count < most).then(|| {
                entry.count += 1;
                Permit(Arc::clone(&entry.place))
            });
        }
        if most == 0 || counts.used + cost(key) > self.size {
            return None;
        }
        counts.used += cost(key);
        let place = Arc::new(Place { zone: Arc::clone(self), key: Key::from(key) });
        let entry = Entry { count: 1, place: Arc::clone(&place) };
        counts.by_key.insert(Arc::clone(&place.key), entry);
        Some(Permit(place))
    }

    /// How many exchanges of `key` are under way.
    #[must_use]
    pub fn count(&self, key: &[u8]) -> u32 {
        self.counts.hold().by_key.get(key).map_or(0, |entry| entry.count)
    }
}

/// One exchange that counts. Dropping it un-counts.
#[derive(Debug)]
#[must_use = "a dropped permit no longer counts"]
pub struct Permit(Arc<Place>);

impl Drop for Permit {
    fn drop(&mut self) {
        let Place { zone, key } = &*self.0;
        let mut counts = zone.counts.hold();
        let left = counts.by_key.get_mut(key).map_or(0, |entry| {
            entry.count -= 1;
            entry.count
        });
        if left == 0 && counts.by_key.remove(key).is_some() {
            counts.used -= cost(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_key_has_its_own_count() {
        let zone = Arc::new(LimitConn::new(1 << 10));
        let permits: Vec<_> = (0..3).filter_map(|_| zone.admit(b"a", 2)).collect();
        assert_eq!((permits.len(), zone.count(b"a")), (2, 2));
        let other = zone.admit(b"b", 2);
        assert!(other.is_some());
        drop(permits);
        assert_eq!((zone.count(b"a"), zone.count(b"b")), (0, 1));
        assert!(zone.admit(b"a", 0).is_none());
    }

    #[test]
    fn a_full_zone_refuses_who_is_not_in_it() {
        let zone = Arc::new(LimitConn::new(2 * (128 + 1)));
        let (one, two) = (zone.admit(b"1", 9), zone.admit(b"2", 9));
        assert!(zone.admit(b"3", 9).is_none());
        assert!(zone.admit(b"2", 9).is_some(), "who is there needs no more memory");
        drop(one);
        assert!(zone.admit(b"3", 9).is_some(), "who is gone needs none");
        drop(two);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_permits(steps in prop::collection::vec((any::<bool>(), 0_u8..4, any::<usize>()), 0..100)) {
            let zone = Arc::new(LimitConn::new(3 * 129));
            let mut permits = Vec::new();
            for (enter, key, which) in steps {
                if enter {
                    permits.extend(zone.admit(&[key], 3).map(|permit| (key, permit)));
                } else if !permits.is_empty() {
                    drop(permits.swap_remove(which % permits.len()));
                }
                for key in 0..4 {
                    let count = permits.iter().filter(|(of, _)| *of == key).count();
                    prop_assert_eq!(zone.count(&[key]) as usize, count);
                    prop_assert!(count <= 3);
                }
                prop_assert!((0..4).filter(|key| zone.count(&[*key]) > 0).count() <= 3);
            }
            drop(permits);
            prop_assert_eq!(zone.counts.hold().used, 0);
        }
    }
}
