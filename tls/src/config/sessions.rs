use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustls::server::{NoServerSessionStorage, StoresServerSessions};

/// Sessions that a server keeps for its clients to resume (`ssl_session_cache`, `ssl_session_timeout`).
///
/// Clones share what they keep, so that settings that are made anew can go on with the sessions of those before. The oldest
/// session goes when there are too many. One is about a kilobyte.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Option<Arc<Kept>>);

impl Sessions {
    /// None are kept (`ssl_session_cache off`).
    pub fn off() -> Self {
        Self(None)
    }

    /// At most `most` sessions are kept, each for `lifetime`. With 0, none are.
    pub fn kept(most: usize, lifetime: Duration) -> Self {
        let kept = || Arc::new(Kept { most, lifetime, store: Mutex::default() });
        Self((most > 0).then(kept))
    }

    pub(crate) fn storage(&self) -> Arc<dyn StoresServerSessions> {
        match &self.0 {
            Some(kept) => Arc::clone(kept) as Arc<dyn StoresServerSessions>,
            None => Arc::new(NoServerSessionStorage {}),
        }
    }
}

struct Kept {
    most: usize,
    lifetime: Duration,
    store: Mutex<Store>,
}

/// The sessions by their names, and the names in the order that they came in.
#[derive(Default)]
struct Store {
    next: u64,
    sessions: HashMap<Vec<u8>, Session>,
    order: BTreeMap<u64, Vec<u8>>,
}

struct Session {
    number: u64,
    end: Instant,
    value: Vec<u8>,
}

impl Kept {
    fn store(&self) -> MutexGuard<'_, Store> {
        // Nothing in here panics with the lock, and each session is whole by itself.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn put(&mut self, key: Vec<u8>, session: Vec<u8>, now: Instant, end: Instant, most: usize) {
        self.take(&key, now);
        // All live equally long: the first to come are the first to go.
        while let Some((_, oldest)) = self.order.first_key_value() {
            let is_over = self.sessions.get(oldest).is_none_or(|oldest| oldest.end <= now);
            if !is_over && self.order.len() < most {
                break;
            }
            if let Some((_, oldest)) = self.order.pop_first() {
                self.sessions.remove(&oldest);
            }
        }
        self.next += 1;
        self.order.insert(self.next, key.clone());
        self.sessions.insert(key, Session { number: self.next, end, value: session });
    }

    fn get(&self, key: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.sessions.get(key).filter(|session| session.end > now).map(|session| session.value.clone())
    }

    fn take(&mut self, key: &[u8], now: Instant) -> Option<Vec<u8>> {
        let session = self.sessions.remove(key)?;
        self.order.remove(&session.number);
        (session.end > now).then_some(session.value)
    }
}

impl StoresServerSessions for Kept {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let now = Instant::now();
        let Some(end) = now.checked_add(self.lifetime) else { return false };
        self.store().put(key, value, now, end, self.most);
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.store().get(key, Instant::now())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.store().take(key, Instant::now())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// What is kept are secrets: only their number is shown.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("sessions", &self.store().order.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts sessions at these seconds, each named by its second and living for ten.
    fn store(most: usize, seconds: impl IntoIterator<Item = u64>) -> (Store, impl Fn(u64) -> Instant) {
        let begin = Instant::now();
        let at = move |second| begin + Duration::from_secs(second);
        let mut store = Store::default();
        for second in seconds {
            store.put(vec![second as u8], vec![7], at(second), at(second + 10), most);
        }
        (store, at)
    }

    #[test]
    fn a_session_is_kept_for_its_time() {
        let (mut store, at) = store(5, [0]);
        assert!(store.get(&[0], at(9)).is_some());
        assert!(store.get(&[0], at(10)).is_none());
        assert!(store.take(&[0], at(10)).is_none());
        assert_eq!((store.sessions.len(), store.order.len()), (0, 0));
    }

    #[test]
    fn one_that_is_taken_is_gone_and_leaves_its_room() {
        let (mut store, at) = store(2, [0, 1]);
        assert!(store.take(&[1], at(1)).is_some());
        assert!(store.take(&[1], at(1)).is_none());
        store.put(vec![2], vec![7], at(2), at(12), 2);
        assert!(store.get(&[0], at(2)).is_some(), "there was room for it");
    }

    #[test]
    fn the_oldest_goes_first_and_what_is_over_goes_with_it() {
        let (full, at) = store(3, 0..5);
        let live = (0..5).filter(|name| full.get(&[*name], at(5)).is_some());
        assert_eq!(live.collect::<Vec<_>>(), [2, 3, 4]);
        let (store, _) = store(100, [0, 1, 2, 30]);
        assert_eq!((store.sessions.len(), store.order.len()), (1, 1), "no memory for what is over");
    }

    #[test]
    fn the_same_name_twice_is_one_session() {
        let (mut store, at) = store(3, [0, 1]);
        store.put(vec![0], vec![8], at(2), at(12), 3);
        assert_eq!((store.sessions.len(), store.order.len()), (2, 2));
        assert_eq!(store.get(&[0], at(11)), Some(vec![8]));
    }
}
