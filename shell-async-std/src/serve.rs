//! A worker in the runtime, and what it has of it.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use async_io::Timer;
use underpass_core::Address;
use underpass_server::{
    Listening, Setup,
    worker::{self, Reactor},
};

use crate::{listen::Socket, socket::Stream};

/// Serves until [`crate::Control`] says otherwise.
///
/// # Errors
/// When the listening sockets can't be registered with the runtime, or the system has no random bytes.
/// Whatever happens on a connection is no error of the worker.
pub async fn serve(setup: Setup) -> io::Result<()> {
    worker::serve::<AsyncStd>(setup).await
}

struct AsyncStd;

impl Reactor for AsyncStd {
    type Stream = Stream;
    type Listener = Socket;
    type Sleep = Timer;

    fn listen(socket: Listening) -> io::Result<Socket> {
        Socket::new(socket)
    }

    fn poll_accept(listener: &Socket, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        listener.poll_accept(cx)
    }

    fn stream(socket: OwnedFd) -> io::Result<Stream> {
        Stream::new(socket)
    }

    fn connect(
        socket: OwnedFd,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        Stream::connect(socket, address)
    }

    fn sleep_until(instant: Instant) -> Timer {
        Timer::at(instant)
    }

    fn reset(mut sleep: Pin<&mut Timer>, instant: Instant) {
        sleep.set_at(instant);
    }

    fn yield_now(cx: &mut Context<'_>) {
        // The runtime looks at its sockets before it polls a task that woke itself.
        cx.waker().wake_by_ref();
    }
}
