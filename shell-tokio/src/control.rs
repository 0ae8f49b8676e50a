//! Draining and stopping a worker from outside.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::wake::{ReadyList, Source};

/// A handle to one worker: cheap to clone, usable from any thread, before the worker runs and after it ended.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wish: Mutex<Option<Wish>>,
    ready: Arc<ReadyList>,
}

/// What is wanted of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Drain { within: Option<Duration> },
    Stop,
}

impl Control {
    /// A handle that no worker obeys yet, see [`crate::Setup::controlled_by`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The worker closes its listening sockets, ends what is idle, finishes the open exchanges, and is done
    /// when the last session is over. Tunnels live until they end by themselves or, with `within`, until that
    /// time is over. A second call changes nothing.
    pub fn drain(&self, within: Option<Duration>) {
        self.lock().get_or_insert(Wish::Drain { within });
        self.shared.ready.push(Source::Control);
    }

    /// The worker closes everything and is done.
    pub fn stop(&self) {
        *self.lock() = Some(Wish::Stop);
        self.shared.ready.push(Source::Control);
    }

    pub(crate) fn wish(&self) -> Option<Wish> {
        *self.lock()
    }

    pub(crate) fn ready_list(&self) -> &Arc<ReadyList> {
        &self.shared.ready
    }

    fn lock(&self) -> MutexGuard<'_, Option<Wish>> {
        self.shared.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_drain_counts_and_a_stop_overrides_it() {
        let control = Control::new();
        assert_eq!(control.wish(), None);
        control.clone().drain(None);
        control.drain(Some(Duration::from_secs(1)));
        assert_eq!(control.wish(), Some(Wish::Drain { within: None }));
        control.stop();
        control.drain(None);
        assert_eq!(control.wish(), Some(Wish::Stop));
    }
}
