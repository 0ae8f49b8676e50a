//! A value that is replaced as a whole while others read it: a configuration, on reload.

use super::sync::{Arc, AtomicU64, Lock, Ordering};

/// The value of the moment.
///
/// A worker looks with a [`Reader`] of its own when it accepts a client, and gives the session what it saw: the
/// session keeps it to its end, whole, whatever comes later.
#[derive(Debug)]
pub struct Swap<T> {
    /// Rises with each value, while the lock is held.
    version: AtomicU64,
    current: Lock<Arc<T>>,
}

impl<T> Swap<T> {
    /// Begins with `value`.
    #[must_use]
    pub fn new(value: Arc<T>) -> Self {
        Self { version: AtomicU64::new(0), current: Lock::new(value) }
    }

    /// Puts `value` in the place of the one before, which is given back: readers may still have it.
    pub fn replace(&self, value: Arc<T>) -> Arc<T> {
        let mut current = self.current.hold();
        let before = std::mem::replace(&mut *current, value);
        self.version.fetch_add(1, Ordering::Release);
        before
    }

    /// The value of this moment.
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        Arc::clone(&self.current.hold())
    }

    /// Someone who looks often.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader<T> {
        let current = self.current.hold();
        let seen = self.version.load(Ordering::Acquire);
        Reader { seen, value: Arc::clone(&current), swap: Arc::clone(self) }
    }
}

/// Looks at a [`Swap`] for the price of reading one number, and locks it only when there is something new.
#[derive(Debug)]
pub struct Reader<T> {
    seen: u64,
    value: Arc<T>,
    swap: Arc<Swap<T>>,
}

impl<T> Reader<T> {
    /// The value of this moment.
    pub fn current(&mut self) -> &Arc<T> {
        if self.swap.version.load(Ordering::Acquire) != self.seen {
            *self = self.swap.reader();
        }
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_see_what_is_new_and_keep_what_they_had() {
        let swap = Arc::new(Swap::new(Arc::new(1)));
        let mut reader = swap.reader();
        let kept = Arc::clone(reader.current());
        assert_eq!(*swap.replace(Arc::new(2)), 1);
        assert_eq!((*kept, **reader.current(), *swap.load()), (1, 2, 2));
        assert!(Arc::ptr_eq(reader.current(), &swap.load()));
    }
}
