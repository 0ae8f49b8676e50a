//! A connection that may be under TLS, itself a [`Stream`]: so whoever moves bytes knows nothing of it, and a shell has TLS without
//! a line of its own.
//!
//! | file | what it holds |
//! |---|---|
//! | `layer` | TLS on one connection: what has been received and not opened, what has been sealed and not sent |
//! | `handshake` | a handshake, from the first byte to its end |
//! | `unsent` | what waits for a socket |
//! | `lent` | memory that all connections of a thread use in turn |
//!
//! Plaintext counts as sent once it is sealed. At most one record waits for its socket then, and goes before anything else: whoever
//! closes the connection in order has to wait for it ([`Secured::close`]).

mod handshake;
mod layer;
mod lent;
mod unsent;

#[cfg(test)]
mod tests;

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
};

pub(super) use handshake::{Failure, Shaken};
use layer::Layer;
pub(super) use lent::with_received;
use underpass_core::Ending;

use super::{Stream, socket};

/// What the end of a stream says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is whole.
    Whole,
    /// Something is missing.
    Cut,
}

/// A connection, plain or under TLS. Plain, it costs a word.
#[derive(Debug)]
pub(super) struct Secured<S> {
    socket: S,
    layer: Option<Box<Layer>>,
}

impl<S: Stream> Secured<S> {
    /// A connection without TLS.
    pub(super) fn plain(socket: S) -> Self {
        Self { socket, layer: None }
    }

    /// Sends what has been sealed and not been sent, and then, where our direction is to end, its end. Ready when nothing waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Some(layer) => layer.poll_flush(&mut self.socket, cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Whether something that has been sealed, or the end of our direction, waits for the socket.
    pub(super) fn has_unsent(&self) -> bool {
        self.layer.as_ref().is_some_and(|layer| layer.has_unsent())
    }

    /// Ends what is sent, behind what waits: with `close_notify`, unless it was cut (RFC 8446 §6.1, H5), and with the socket's end.
    pub(super) fn shut_down(&mut self, end: End, cx: &mut Context<'_>) {
        match &mut self.layer {
            Some(layer) => {
                layer.end(end);
                // A failure is that of the connection: the next read has it.
                let _broken_or_later = layer.poll_flush(&mut self.socket, cx);
            }
            None => socket::shut_down(&self.socket),
        }
    }

    /// Ends the connection. In order, its end comes behind what waits: where the socket doesn't take that now, the connection comes
    /// back, to be flushed.
    #[must_use]
    pub(super) fn close(mut self, ending: Ending, end: End, cx: &mut Context<'_>) -> Option<Self> {
        if ending == Ending::Fin
            && let Some(layer) = &mut self.layer
        {
            layer.end(end);
            if layer.poll_flush(&mut self.socket, cx).is_pending() {
                return Some(self);
            }
        }
        socket::close(self.socket, ending);
        None
    }

    /// Whether nothing has come on an idle connection: neither bytes nor an end. What TLS itself has sent meanwhile, such as tickets
    /// of sessions, is taken.
    pub(super) fn is_quiet(&mut self) -> bool {
        match &mut self.layer {
            Some(layer) => layer.is_quiet(&self.socket),
            None => socket::is_quiet(&self.socket),
        }
    }

    /// Whether the other end has acknowledged all that was sent; `false` also where the system doesn't say.
    pub(super) fn has_acknowledged(&self) -> bool {
        !self.has_unsent() && socket::has_acknowledged(&self.socket)
    }
}

impl<S: Stream> Stream for Secured<S> {
    fn set_place(&self, place: Option<u32>) {
        self.socket.set_place(place);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(layer) = &mut self.layer else { return self.socket.poll_read(cx, space) };
        let polled = layer.poll_read(&mut self.socket, cx, space);
        if layer.is_spent() {
            self.layer = None;
        }
        polled
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Some(layer) if layer.is_tls() => layer.poll_write(&mut self.socket, cx, slices),
            _ => match slices {
                [bytes] => self.socket.poll_write(cx, bytes),
                _ => self.socket.poll_write_vectored(cx, slices),
            },
        }
    }
}

impl<S: AsFd> AsFd for Secured<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
