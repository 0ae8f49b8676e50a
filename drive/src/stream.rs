//! What a connection has to offer: the traits of `futures`, those of tokio, or your own.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

/// A byte stream with two directions.
///
/// [`Futures`] implements it for every stream with the traits of the crate `futures`, and
/// `underpass_futures::tokio::Io` for those of tokio. Implement it for a stream of your own only where neither
/// fits.
pub trait Stream {
    /// Reads into `space`; `Ok(0)` is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some of `bytes`, and says how many. They may stay in a buffer of the stream's own.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Gets everything that was written out of the stream's own buffer.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the write direction; the other one goes on.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether the peer has acknowledged all that was written (Linux: `SIOCOUTQ` of zero). Asked where the other side
    /// has failed and this one still gets what that had sent: a connection that is closed sooner may lose it.
    ///
    /// Neither `AsyncRead` nor `AsyncWrite` can tell, for a flush says only that the system has taken the bytes. So it
    /// is `false` by default, and then the connection stays open until the peer closes it, but no longer than
    /// `lingering_timeout` without a byte from it, nor than `lingering_time`. A stream that can tell ends its relay
    /// sooner: implement this, or wrap it in [`Acknowledging`].
    fn is_acknowledged(&self) -> bool {
        false
    }
}

/// A stream with the traits of the crate `futures`.
///
/// Its `poll_close` has to end the write direction and leave the other one open. smol's sockets do so. Those of
/// async-std and `async_io::Async` only flush, so that a peer learns of the other's end no sooner than when both
/// streams are dropped: wrap them in [`HalfClosing`], or turn `half_close` off.
#[derive(Clone, Copy, Debug)]
pub struct Futures<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Futures<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, space)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match bytes {
            [one] => Pin::new(&mut self.0).poll_write(cx, one),
            several => Pin::new(&mut self.0).poll_write_vectored(cx, several),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// What a wrapper passes on to its `stream` unchanged.
macro_rules! passes_on {
    () => {
        fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
            self.stream.poll_read(cx, space)
        }

        fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            self.stream.poll_write(cx, bytes)
        }

        fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.stream.poll_flush(cx)
        }
    };
}

/// A stream whose `poll_close` only flushes, with a function that ends its write direction.
///
/// ```no_run
/// # use std::net::Shutdown;
/// # use underpass_futures::HalfClosing;
/// # fn example(socket: smol::Async<std::net::TcpStream>) {
/// let stream = HalfClosing::new(socket, |socket| socket.get_ref().shutdown(Shutdown::Write));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HalfClosing<S> {
    stream: Futures<S>,
    shut_down: fn(&S) -> io::Result<()>,
}

impl<S> HalfClosing<S> {
    /// Has `shut_down` called behind the last byte.
    pub fn new(stream: S, shut_down: fn(&S) -> io::Result<()>) -> Self {
        Self { stream: Futures(stream), shut_down }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for HalfClosing<S> {
    passes_on!();

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.stream.poll_close(cx))?;
        Poll::Ready((self.shut_down)(&self.stream.0))
    }
}

/// A stream that can tell what its peer has acknowledged: [`Stream::is_acknowledged`].
///
/// ```no_run
/// # use std::{io, os::fd::AsFd};
/// # use underpass_futures::{Acknowledging, Futures};
/// # fn unacknowledged(_: impl AsFd) -> io::Result<u32> { Ok(0) }
/// # fn example(socket: smol::net::TcpStream) {
/// let stream = Acknowledging::new(Futures(socket), |Futures(socket)| unacknowledged(socket).is_ok_and(|left| left == 0));
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Acknowledging<S> {
    stream: S,
    is_acknowledged: fn(&S) -> bool,
}

impl<S> Acknowledging<S> {
    /// Asks `is_acknowledged`, which must not block.
    pub fn new(stream: S, is_acknowledged: fn(&S) -> bool) -> Self {
        Self { stream, is_acknowledged }
    }
}

impl<S: Stream> Stream for Acknowledging<S> {
    passes_on!();

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_close(cx)
    }

    fn is_acknowledged(&self) -> bool {
        (self.is_acknowledged)(&self.stream)
    }
}
