//! What a runtime provides, all that a shell implements.

use std::{future::Future, io, os::fd::OwnedFd, pin::Pin, task::Context, time::Instant};

/// What a worker has of its runtime: it is woken when one descriptor becomes readable, or when a time has come.
///
/// A worker watches its sockets by a selector of its own (epoll, kqueue), which is the descriptor. So the runtime knows of one
/// descriptor, however many sockets there are, and one wake-up serves all of them.
///
/// Nothing of it decides anything. All of it is called from the future that [`super::serve()`] is, and so in the runtime.
pub trait Reactor: Sized + Send + 'static {
    /// Waits for a point in time.
    type Sleep: Future + Send;

    /// Watches a descriptor.
    ///
    /// # Errors
    /// When the runtime refuses to watch it.
    fn new(descriptor: OwnedFd) -> io::Result<Self>;

    /// Calls `look` whenever the descriptor may be readable, until it finds the last of what is there; then the task of `cx` is
    /// woken when the descriptor is readable again. Returns at once when `look` finds that there is [`Look::More`]: the worker
    /// comes back.
    ///
    /// # Errors
    /// Those of `look`, and those of the runtime.
    fn poll_readable(
        &mut self,
        cx: &mut Context<'_>,
        look: &mut dyn FnMut() -> io::Result<Look>,
    ) -> io::Result<()>;

    /// Waits until `instant`.
    fn sleep_until(instant: Instant) -> Self::Sleep;

    /// Waits until `instant` instead.
    fn reset(sleep: Pin<&mut Self::Sleep>, instant: Instant);

    /// Has the task polled again, once the runtime has looked at its descriptors.
    fn yield_now(cx: &mut Context<'_>);
}

/// What a look at a readable descriptor has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All that was there.
    All,
    /// Some of it: there may be more.
    More,
}
