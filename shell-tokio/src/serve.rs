//! A worker in the runtime, and what it has of it.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    task::{unconstrained, yield_now},
    time::{Sleep, sleep_until},
};
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
    // The budget that the runtime gives its tasks is taken by one task here, and would be spent by one busy
    // session; turns are bounded by their own.
    unconstrained(worker::serve::<Tokio>(setup)).await
}

struct Tokio;

impl Reactor for Tokio {
    type Stream = Stream;
    type Listener = Socket;
    type Sleep = Sleep;

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

    fn sleep_until(instant: Instant) -> Sleep {
        sleep_until(instant.into())
    }

    fn reset(sleep: Pin<&mut Sleep>, instant: Instant) {
        sleep.reset(instant.into());
    }

    fn yield_now(cx: &mut Context<'_>) {
        // Not a plain wake-up, with which the runtime may come back before it has looked at its sockets.
        let _pending = pin!(yield_now()).poll(cx);
    }
}
