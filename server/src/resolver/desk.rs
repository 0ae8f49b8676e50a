//! Where questions are left for the thread that asks.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mio::Waker;

use super::{Asked, Settings, cache::Cache, lock};

/// Starts the thread; what wakes it.
pub(super) type Start = fn(&Settings, &Arc<Desk>) -> io::Result<Arc<Waker>>;

/// How long nobody tries to start a thread after the first failure; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A failure that lies this far back is none that the next one follows.
const CALM: Duration = Duration::from_secs(10);

/// What a resolver and its thread share.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) cache: Mutex<Cache>,
    inbox: Mutex<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    asked: Vec<Asked>,
    /// Absent: there is no thread.
    waker: Option<Arc<Waker>>,
    failure: Option<Failure>,
    /// Nobody asks any more.
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    kind: io::ErrorKind,
    at: Instant,
    pause: Duration,
}

impl Desk {
    /// Leaves a question; `start` is called where there is no thread, but not soon after a failure.
    ///
    /// # Errors
    /// When there can be no thread: nobody will answer.
    pub(super) fn leave(
        &self,
        asked: Asked,
        start: impl FnOnce() -> io::Result<Arc<Waker>>,
    ) -> io::Result<()> {
        let mut inbox = lock(&self.inbox);
        let waker = match (&inbox.waker, inbox.failure) {
            (Some(waker), _) => Arc::clone(waker),
            (None, Some(Failure { kind, at, pause })) if at.elapsed() < pause => return Err(kind.into()),
            (None, _) => {
                let waker = start().inspect_err(|error| inbox.failed(error.kind()))?;
                Arc::clone(inbox.waker.insert(waker))
            }
        };
        // With the first question the thread is woken for all.
        if inbox.asked.is_empty() {
            waker.wake()?;
        }
        inbox.asked.push(asked);
        Ok(())
    }

    /// What has been asked; absent when nobody will ask again.
    pub(super) fn take(&self) -> Option<Vec<Asked>> {
        let mut inbox = lock(&self.inbox);
        (!inbox.closed).then(|| std::mem::take(&mut inbox.asked))
    }

    /// Nobody asks any more: the thread ends.
    pub(super) fn close(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.closed = true;
        if let Some(waker) = &inbox.waker {
            // A thread that can't be woken has none to answer either.
            let _nobody_asks = waker.wake();
        }
    }
}

impl Inbox {
    fn failed(&mut self, kind: io::ErrorKind) {
        let pause = match self.failure {
            Some(earlier) if earlier.at.elapsed() < CALM => (2 * earlier.pause).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.failure = Some(Failure { kind, at: Instant::now(), pause });
    }
}

/// Kept by the thread as long as it works. However it ends, what was left for it is answered with an error,
/// and the next question may start another thread.
#[derive(Debug)]
pub(super) struct Presence {
    desk: Arc<Desk>,
    /// Why it ends.
    pub(super) failure: io::ErrorKind,
}

impl Presence {
    pub(super) fn at(desk: &Arc<Desk>) -> Self {
        Self { desk: Arc::clone(desk), failure: io::ErrorKind::Other }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut inbox = lock(&self.desk.inbox);
        inbox.waker = None;
        inbox.failed(self.failure);
        let unanswered = std::mem::take(&mut inbox.asked);
        drop(inbox);
        // Whoever is told may ask again at once.
        drop(unanswered);
    }
}
