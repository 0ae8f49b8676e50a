//! A worker in the runtime, and what it has of it.

use std::{
    future::Future,
    io,
    os::fd::OwnedFd,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    task::{unconstrained, yield_now},
    time::{Sleep, sleep_until},
};
use underpass_server::{
    Setup,
    worker::{self, Look, Reactor},
};

/// Serves until [`crate::Control`] says otherwise.
///
/// # Errors
/// When the runtime has no IO enabled, or the system has no descriptor or no random bytes for the worker.
/// Whatever happens on a connection is no error of the worker.
pub async fn serve(setup: Setup) -> io::Result<()> {
    // The budget that the runtime gives its tasks is taken by one task here, and would be spent by one busy
    // session; turns are bounded by their own.
    unconstrained(worker::serve::<Tokio>(setup)).await
}

struct Tokio(AsyncFd<OwnedFd>);

impl Reactor for Tokio {
    type Sleep = Sleep;

    // Its successor is unsafe, because a type may lie about its descriptor; `OwnedFd` does not.
    #[allow(deprecated, reason = "versions of tokio before 1.54 have nothing else")]
    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        AsyncFd::with_interest(descriptor, Interest::READABLE).map(Self)
    }

    fn poll_readable(
        &mut self,
        cx: &mut Context<'_>,
        look: &mut dyn FnMut() -> io::Result<Look>,
    ) -> io::Result<()> {
        while let Poll::Ready(readable) = self.0.poll_read_ready(cx) {
            let mut readable = readable?;
            match look()? {
                Look::All => readable.clear_ready(),
                Look::More => return Ok(()),
            }
        }
        Ok(())
    }

    fn sleep_until(instant: Instant) -> Sleep {
        sleep_until(instant.into())
    }

    fn reset(sleep: Pin<&mut Sleep>, instant: Instant) {
        sleep.reset(instant.into());
    }

    fn yield_now(cx: &mut Context<'_>) {
        // Not a plain wake-up, with which the runtime may come back before it has looked at its descriptors.
        let _pending = pin!(yield_now()).poll(cx);
    }
}
