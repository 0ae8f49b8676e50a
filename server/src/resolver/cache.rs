//! What is known of names, and for how long.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Names that are remembered: clients may choose them.
const MOST: usize = 4096;

/// The longest that anything is kept: the largest TTL (RFC 2181 §8). `valid=` may say more.
const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);

#[derive(Debug, Default)]
pub(super) struct Cache {
    names: HashMap<Arc<str>, Known>,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<IpAddr>,
    until: Instant,
    /// How often it was asked for.
    turn: usize,
}

impl Cache {
    /// The addresses of a name, beginning with another one each time.
    pub(super) fn find(&mut self, name: &str, now: Instant) -> Option<Vec<IpAddr>> {
        let known = self.names.get_mut(name).filter(|known| known.until > now)?;
        let mut addresses = known.addresses.clone();
        known.turn = known.turn.wrapping_add(1);
        let first = known.turn.checked_rem(addresses.len())?;
        addresses.rotate_left(first);
        Some(addresses)
    }

    pub(super) fn keep(&mut self, name: &Arc<str>, addresses: &[IpAddr], valid: Duration, now: Instant) {
        let Some(until) = now.checked_add(valid.min(LONGEST)).filter(|until| *until > now) else { return };
        if self.names.len() >= MOST {
            self.names.retain(|_, known| known.until > now);
        }
        if self.names.len() >= MOST {
            // Any of them: it is asked for again.
            let some = self.names.keys().next().cloned();
            some.and_then(|name| self.names.remove(&name));
        }
        let known = Known { addresses: addresses.to_vec(), until, turn: 0 };
        self.names.insert(Arc::clone(name), known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn each_address_comes_first_in_turn_until_they_are_too_old() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.keep(&"a".into(), &[address(1), address(2)], Duration::from_secs(5), now);
        let mut first = || cache.find("a", now).expect("known")[0];
        assert_eq!([first(), first(), first()], [address(2), address(1), address(2)]);
        assert_eq!(cache.find("a", now + Duration::from_secs(5)), None);
        assert_eq!(cache.find("b", now), None);
        cache.keep(&"b".into(), &[address(1)], Duration::ZERO, now);
        assert_eq!(cache.find("b", now), None, "not to be kept");
        cache.keep(&"c".into(), &[address(1)], Duration::MAX, now);
        assert!(cache.find("c", now).is_some(), "for as long as can be");
    }

    #[test]
    fn memory_is_bounded() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..2 * MOST {
            cache.keep(&number.to_string().into(), &[address(1)], Duration::from_secs(5), now);
        }
        assert_eq!(cache.names.len(), MOST);
        assert!(cache.find(&(2 * MOST - 1).to_string(), now).is_some(), "the newest is there");
        let later = now + Duration::from_secs(6);
        cache.keep(&"new".into(), &[address(1)], Duration::from_secs(5), later);
        assert_eq!(cache.names.len(), 1, "what is too old goes first");
    }
}
