//! Deadlines that are checked lazily: one queue per worker, no timer of the runtime per session.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A deadline is nanoseconds since the worker's epoch, see [`Clock`](crate::Clock).
type Nanos = u64;

const IDLE: Nanos = Nanos::MAX;

/// What a timer belongs to: a small number that the worker's table of sessions gives and takes back.
pub trait Key: Copy + Ord {
    /// The place of this key in a dense table. Keys should be small and reused: memory grows with the
    /// largest one.
    fn index(self) -> usize;
}

impl Key for u32 {
    fn index(self) -> usize {
        self as usize
    }
}

impl Key for usize {
    fn index(self) -> usize {
        self
    }
}

/// The timer queue of one worker.
///
/// At most one deadline is armed per key. Moving bytes pushes deadlines into the future all the time, so
/// [`set`](Self::set) does nothing when the new deadline is not earlier than the armed one: the key then
/// expires early, its session sees that nothing is due, and sets the deadline it really wants. A session
/// thus never waits longer than it asked for, and a busy tunnel touches the queue once per timeout instead
/// of once per read.
///
/// With a key of four bytes, an armed key costs 8 bytes in the table and 16 in the queue. Entries that were
/// replaced or cleared stay in the queue until they surface; there are never more than half as many as live ones.
///
/// ```
/// use underpass_server::Timers;
///
/// let mut timers = Timers::<u32>::new();
/// timers.set(7, 60);
/// timers.set(7, 90); // later: nothing to do
/// assert_eq!(timers.next_deadline(), Some(60));
/// assert_eq!(timers.expired(59), None);
/// assert_eq!(timers.expired(60), Some(7));
/// assert_eq!(timers.next_deadline(), None);
/// ```
#[derive(Debug, Clone)]
pub struct Timers<K> {
    /// The armed deadline of each key; `IDLE` when there is none.
    armed: Vec<Nanos>,
    /// Holds an entry for each armed key, and stale ones. The first one is always live.
    queue: BinaryHeap<Reverse<(Nanos, K)>>,
    live: usize,
}

impl<K: Key> Timers<K> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { armed: Vec::new(), queue: BinaryHeap::new(), live: 0 }
    }

    /// Asks that `key` expires at `deadline` or earlier.
    ///
    /// `u64::MAX` is no deadline that will ever come, and arms nothing.
    pub fn set(&mut self, key: K, deadline: u64) {
        if deadline == IDLE {
            return;
        }
        if key.index() >= self.armed.len() {
            self.armed.resize(key.index() + 1, IDLE);
        }
        let armed = &mut self.armed[key.index()];
        if *armed <= deadline {
            return;
        }
        if *armed == IDLE {
            self.live += 1;
        }
        *armed = deadline;
        self.queue.push(Reverse((deadline, key)));
        self.settle();
    }

    /// Disarms `key`; to be called before the key is given to another session.
    pub fn clear(&mut self, key: K) {
        if let Some(armed) = self.armed.get_mut(key.index())
            && *armed != IDLE
        {
            *armed = IDLE;
            self.live -= 1;
            self.settle();
        }
    }

    /// Takes one key whose deadline is not later than `now`, the earliest first. It is disarmed by this.
    ///
    /// A worker calls it until it returns `None`. A key that is set again to a time that has already come
    /// is returned again, so a loop should take `now` once.
    pub fn expired(&mut self, now: u64) -> Option<K> {
        let &Reverse((deadline, key)) = self.queue.peek()?;
        if deadline > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }

    /// The earliest armed deadline: how long the worker may sleep.
    pub fn next_deadline(&self) -> Option<u64> {
        self.queue.peek().map(|&Reverse((deadline, _))| deadline)
    }

    /// How many keys are armed.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no key is armed.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Restores the two invariants: the first entry is live, and there are at most half as many stale entries as live ones.
    fn settle(&mut self) {
        if self.queue.len() > self.live + self.live / 2 {
            self.rebuild();
        }
        while let Some(&Reverse((deadline, key))) = self.queue.peek()
            && self.armed[key.index()] != deadline
        {
            self.queue.pop();
        }
    }

    fn rebuild(&mut self) {
        let armed = &mut self.armed;
        // A key that was cleared and set to the same deadline again has two equal entries. Marking what was
        // kept lets exactly one of them through.
        self.queue.retain(|&Reverse((deadline, key))| {
            let keep = armed[key.index()] == deadline;
            if keep {
                armed[key.index()] = IDLE;
            }
            keep
        });
        for &Reverse((deadline, key)) in &self.queue {
            armed[key.index()] = deadline;
        }
    }
}

impl<K: Key> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The same promises, kept in the plainest way.
    #[derive(Default)]
    struct Model(BTreeMap<u32, Nanos>);

    impl Model {
        fn set(&mut self, key: u32, deadline: Nanos) {
            let armed = self.0.entry(key).or_insert(deadline);
            *armed = deadline.min(*armed);
        }

        fn first(&self) -> Option<(Nanos, u32)> {
            self.0.iter().map(|(&key, &deadline)| (deadline, key)).min()
        }

        fn expired(&mut self, now: Nanos) -> Option<u32> {
            let (_, key) = self.first().filter(|&(deadline, _)| deadline <= now)?;
            self.0.remove(&key);
            Some(key)
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Set(u32, Nanos),
        Clear(u32),
        Expire(Nanos),
    }

    fn run(steps: impl IntoIterator<Item = Step>) {
        let (mut timers, mut model) = (Timers::<u32>::new(), Model::default());
        for step in steps {
            match step {
                Step::Set(key, deadline) => {
                    timers.set(key, deadline);
                    model.set(key, deadline);
                }
                Step::Clear(key) => {
                    timers.clear(key);
                    model.0.remove(&key);
                }
                Step::Expire(now) => assert_eq!(timers.expired(now), model.expired(now)),
            }
            assert_eq!(timers.next_deadline(), model.first().map(|(deadline, _)| deadline));
            assert_eq!(timers.len(), model.0.len());
            assert_eq!(timers.is_empty(), model.0.is_empty());
            let most = timers.live + timers.live / 2;
            assert!(timers.queue.len() <= most, "more than half as many are stale as live");
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6u32, 0..12u64).prop_map(|(key, deadline)| Step::Set(key, deadline)),
            1 => (0..6u32).prop_map(Step::Clear),
            2 => (0..12u64).prop_map(Step::Expire),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_model(steps in proptest::collection::vec(step(), 0..200)) {
            run(steps);
        }
    }

    /// Every sequence of six steps over two keys and two times.
    #[test]
    fn agrees_with_the_plain_model_for_all_short_sequences() {
        let alphabet = [
            Step::Set(0, 1),
            Step::Set(0, 2),
            Step::Set(1, 1),
            Step::Set(1, 2),
            Step::Clear(0),
            Step::Clear(1),
            Step::Expire(1),
            Step::Expire(2),
        ];
        for mut number in 0..alphabet.len().pow(6) {
            run((0..6).map(|_| {
                let step = alphabet[number % alphabet.len()];
                number /= alphabet.len();
                step
            }));
        }
    }

    #[test]
    fn a_key_taken_over_by_another_session_keeps_nothing_of_the_first() {
        let mut timers = Timers::<u32>::new();
        timers.set(3, 10);
        timers.clear(3);
        timers.set(3, 40);
        assert_eq!(timers.expired(39), None);
        assert_eq!(timers.expired(40), Some(3));
    }

    #[test]
    fn the_end_of_time_arms_nothing() {
        let mut timers = Timers::<u32>::new();
        timers.set(0, Nanos::MAX);
        assert_eq!(timers.next_deadline(), None);
        assert!(timers.is_empty());
    }

    #[test]
    fn an_armed_key_costs_at_most_24_bytes() {
        assert!(size_of::<Reverse<(Nanos, u32)>>() + size_of::<Nanos>() <= 24);
    }
}
