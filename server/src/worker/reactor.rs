//! What a runtime provides, all that a shell implements.

use std::{
    fmt::Debug,
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use underpass_core::Address;

use crate::Listening;

/// What a worker has of its runtime: sockets and a timer.
///
/// Nothing of it decides anything. All of it is called from the future that [`super::serve()`] is, and so in
/// the runtime.
pub trait Reactor: 'static {
    /// A connection, over TCP or a Unix domain socket.
    type Stream: Stream;

    /// A listening socket.
    type Listener: AsFd + Debug + Send;

    /// Waits for a point in time.
    type Sleep: Future + Send;

    /// Takes a listening socket into the runtime.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    fn listen(socket: Listening) -> io::Result<Self::Listener>;

    /// Accepts a client and says where it comes from, a Unix socket without a name being an empty path.
    fn poll_accept(
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Address)>>;

    /// Takes a connected stream socket of any family into the runtime. It doesn't block.
    ///
    /// # Errors
    /// When the system refuses to watch it.
    fn stream(socket: OwnedFd) -> io::Result<Self::Stream>;

    /// Connects a TCP socket that has its options. It doesn't block.
    fn connect(
        socket: OwnedFd,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// Waits until `instant`.
    fn sleep_until(instant: Instant) -> Self::Sleep;

    /// Waits until `instant` instead.
    fn reset(sleep: Pin<&mut Self::Sleep>, instant: Instant);

    /// Has the task polled again, once the runtime has looked at its sockets.
    fn yield_now(cx: &mut Context<'_>);
}

/// A connection in the runtime. An operation that is pending wakes the task of its context.
pub trait Stream: AsFd + Debug + Send + 'static {
    /// Receives into `space`, and says how much; 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Sends from `bytes`, and says how much.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Sends from all of `slices`, in their order, and says how much.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;
}
