//! What a caller waits for, in whichever runtime.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll, Waker},
};

use super::lock;

/// The addresses of a name, once they are known. Dropping it leaves the question to others.
#[derive(Debug)]
#[must_use = "it is what was asked for"]
pub struct Answer {
    slot: Arc<Mutex<Slot>>,
}

/// Where an answer goes. Dropped without one, the answer is a failure.
#[derive(Debug)]
pub(super) struct Promise {
    slot: Weak<Mutex<Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    result: Option<io::Result<Vec<IpAddr>>>,
    waker: Option<Waker>,
}

/// A promise, and what it is kept with.
pub(super) fn pair() -> (Promise, Answer) {
    let answer = Answer { slot: Arc::default() };
    (Promise { slot: Arc::downgrade(&answer.slot) }, answer)
}

impl Answer {
    /// An answer that is there.
    pub(super) fn ready(result: io::Result<Vec<IpAddr>>) -> Self {
        Self { slot: Arc::new(Mutex::new(Slot { result: Some(result), waker: None })) }
    }
}

impl Future for Answer {
    type Output = io::Result<Vec<IpAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.slot);
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Promise {
    /// Whether anybody waits.
    pub(super) fn is_wanted(&self) -> bool {
        self.slot.strong_count() > 0
    }

    /// Gives the answer.
    pub(super) fn keep(self, result: io::Result<Vec<IpAddr>>) {
        self.give(result);
    }

    fn give(&self, result: io::Result<Vec<IpAddr>>) {
        let Some(slot) = self.slot.upgrade() else { return };
        let waker = {
            let mut slot = lock(&slot);
            if slot.result.is_none() {
                slot.result = Some(result);
            }
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.give(Err(io::ErrorKind::Interrupted.into()));
    }
}
