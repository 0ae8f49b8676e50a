//! How a socket that becomes ready finds its session: one list of ready numbers per worker.
//!
//! The runtime sees one task per worker. What is inside of it (a session, a listening socket, the timer)
//! waits with a waker of its own, which puts its number on the list and wakes the task. So one wake-up of the
//! task serves all sessions that became ready meanwhile, and touches no other.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::task::{Wake, Waker};

/// What a number on the list stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The session in this slot.
    Session(u32),
    /// The listening socket with this index.
    Listener(u16),
    /// The worker's timer.
    Timer,
    /// Somebody used [`crate::Control`].
    Control,
}

/// What became ready since the worker looked last.
#[derive(Debug, Default)]
pub struct ReadyList {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ready: Vec<Source>,
    worker: Option<Waker>,
}

impl ReadyList {
    /// Puts the source on the list. The worker is woken with the first one: it takes all.
    pub fn push(&self, source: Source) {
        let worker = {
            let mut inner = self.lock();
            inner.ready.push(source);
            if inner.ready.len() == 1 { inner.worker.clone() } else { None }
        };
        if let Some(worker) = worker {
            worker.wake();
        }
    }

    /// Moves the list to `into`, behind what is there; from now on `worker` is woken.
    pub fn take(&self, into: &mut Vec<Source>, worker: &Waker) {
        let mut inner = self.lock();
        into.append(&mut inner.ready);
        match &mut inner.worker {
            Some(known) => known.clone_from(worker),
            None => inner.worker = Some(worker.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One source's place on the list. It outlives the session: a late wake-up of an earlier one costs the next
/// session in the slot a look at its sockets, no more.
#[derive(Debug)]
pub struct Alarm {
    ready: Arc<ReadyList>,
    source: Source,
    /// Whether it is on the list, so that it is there once.
    listed: AtomicBool,
}

impl Alarm {
    /// The place of `source` on the list `ready`.
    pub fn new(ready: &Arc<ReadyList>, source: Source) -> Arc<Self> {
        Arc::new(Self { ready: Arc::clone(ready), source, listed: AtomicBool::new(false) })
    }

    /// The source is about to be served: what happens from now on counts anew.
    pub fn reset(&self) {
        self.listed.store(false, Ordering::Release);
    }

    /// The source goes on a list of the worker's own, if this says that it is on none.
    pub fn list(&self) -> bool {
        !self.listed.swap(true, Ordering::AcqRel)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.list() {
            self.ready.push(self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_source_is_listed_once_until_it_is_served() {
        let list = Arc::new(ReadyList::default());
        let alarms = [3, 4].map(|slot| Alarm::new(&list, Source::Session(slot)));
        let wakers = alarms.clone().map(Waker::from);
        let worker = Arc::new(Count::default());
        let mut taken = Vec::new();
        list.take(&mut taken, &Waker::from(Arc::clone(&worker)));

        for waker in [&wakers[0], &wakers[0], &wakers[1], &wakers[0]] {
            waker.wake_by_ref();
        }
        assert_eq!(worker.0.load(Ordering::Relaxed), 1, "one wake-up for all");
        list.take(&mut taken, &Waker::from(Arc::clone(&worker)));
        assert_eq!(taken, [Source::Session(3), Source::Session(4)]);

        alarms[1].reset();
        wakers[0].wake_by_ref();
        wakers[1].wake_by_ref();
        taken.clear();
        list.take(&mut taken, &Waker::from(Arc::clone(&worker)));
        assert_eq!(taken, [Source::Session(4)], "the other has not been served yet");
        assert_eq!(worker.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_came_before_the_worker_is_not_lost() {
        let list = ReadyList::default();
        list.push(Source::Control);
        let mut taken = vec![Source::Listener(0)];
        list.take(&mut taken, Waker::noop());
        assert_eq!(taken, [Source::Listener(0), Source::Control]);
    }
}
