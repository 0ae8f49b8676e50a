//! A worker in the runtime, and what it has of it.

use std::{
    io,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use async_io::{Async, Timer};
use underpass_server::{
    Setup,
    worker::{self, Look, Reactor},
};

/// Serves until [`crate::Control`] says otherwise.
///
/// # Errors
/// When the system has no descriptor or no random bytes for the worker.
/// Whatever happens on a connection is no error of the worker.
pub async fn serve(setup: Setup) -> io::Result<()> {
    worker::serve::<AsyncStd>(setup).await
}

struct AsyncStd(Async<OwnedFd>);

impl Reactor for AsyncStd {
    type Sleep = Timer;

    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        // It is only waited for, never read: whether it blocks is of no importance.
        Async::new_nonblocking(descriptor).map(Self)
    }

    fn poll_readable(
        &mut self,
        cx: &mut Context<'_>,
        look: &mut dyn FnMut() -> io::Result<Look>,
    ) -> io::Result<()> {
        // The runtime says only what has happened since it was asked, so a look comes first.
        while look()? == Look::All {
            match self.0.poll_readable(cx) {
                Poll::Ready(readable) => readable?,
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }

    fn sleep_until(instant: Instant) -> Timer {
        Timer::at(instant)
    }

    fn reset(mut sleep: Pin<&mut Timer>, instant: Instant) {
        sleep.set_at(instant);
    }

    fn yield_now(cx: &mut Context<'_>) {
        // The runtime looks at its descriptors before it polls a task that woke itself.
        cx.waker().wake_by_ref();
    }
}
