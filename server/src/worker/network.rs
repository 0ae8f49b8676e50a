//! A worker's sockets and its time, as the worker sees them.

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

use super::watch::Watch;
use crate::{Listening, wake::Source};

/// A worker's sockets and its time. There is one, [`super::selector::Selector`]; tests have one that is driven by hand.
pub(crate) trait Network: Sized + 'static {
    /// A connection, over TCP or a Unix domain socket.
    type Stream: Stream;

    /// A listening socket.
    type Listener: AsFd + Debug + Send;

    /// Waits for a point in time.
    type Sleep: Future + Send;

    /// No socket yet. To be called in the runtime.
    fn new(watch: Watch) -> io::Result<Self>;

    /// Calls `found` for everybody whose socket has become ready. Says whether there may be more: then the worker comes back
    /// without waiting. The task of `cx` is woken when there is.
    fn poll_ready(&mut self, cx: &mut Context<'_>, found: &mut dyn FnMut(Source)) -> io::Result<bool>;

    /// Takes a listening socket in, on behalf of the acceptor with this index.
    fn listen(&mut self, socket: Listening, index: u16) -> io::Result<Self::Listener>;

    /// Closes a listening socket. Somebody else may have the same one.
    fn close(&mut self, listener: Self::Listener);

    /// Accepts a client and says where it comes from, a Unix socket without a name being an empty path.
    fn poll_accept(
        &mut self,
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Address)>>;

    /// Takes a connected stream socket of any family in. It doesn't block.
    fn stream(&mut self, socket: OwnedFd) -> io::Result<Self::Stream>;

    /// Connects a TCP socket that has its options, on behalf of the guest at this place. It doesn't block.
    fn connect(
        &mut self,
        socket: OwnedFd,
        address: SocketAddr,
        place: u32,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// Waits until `instant`.
    fn sleep_until(instant: Instant) -> Self::Sleep;

    /// Waits until `instant` instead.
    fn reset(sleep: Pin<&mut Self::Sleep>, instant: Instant);

    /// Has the task polled again, once the runtime has looked at its descriptors.
    fn yield_now(cx: &mut Context<'_>);
}

/// A connection. Where an operation is pending, its guest has another turn once it may be no more: the guest at the place that
/// was set last, or the one that the waker of the context stands for.
pub(crate) trait Stream: AsFd + Debug + Send + 'static {
    /// The guest at this place uses the connection from now on, or nobody does.
    fn set_place(&self, place: Option<u32>);

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
