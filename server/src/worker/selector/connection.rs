//! A connection.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    task::{Context, Poll},
};

use rustix::{
    io::{Errno, read},
    net::{SendAncillaryBuffer, SendFlags, send, sendmsg, sockopt::socket_error},
};

use super::{super::Stream, readiness::Readiness};

/// A connection. The calls by which bytes are sent and received are the same for all stream sockets.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    readiness: Arc<Readiness>,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd, readiness: Arc<Readiness>) -> Self {
        Self { socket, readiness }
    }

    #[cfg(test)]
    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Ready when the connection is made, or can't be.
    pub(super) fn poll_connected(&mut self) -> Poll<io::Result<()>> {
        if !self.readiness.is_writable() {
            return Poll::Pending;
        }
        if !self.readiness.has_ended() {
            return Poll::Ready(Ok(()));
        }
        // connect(2): the option has the reason. Without one, the other end has accepted the connection and closed it since.
        Poll::Ready(socket_error(&self.socket).map_err(io::Error::from).and_then(|made| Ok(made?)))
    }

    /// Sends at most `total` bytes by `call`.
    fn poll_send(
        &self,
        total: usize,
        mut call: impl FnMut(&OwnedFd) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        while self.readiness.is_writable() {
            match call(&self.socket) {
                Ok(count) => {
                    if count < total {
                        self.readiness.is_full();
                    }
                    return Poll::Ready(Ok(count));
                }
                // EWOULDBLOCK has the same number.
                Err(Errno::AGAIN) => self.readiness.is_full(),
                Err(Errno::INTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
        Poll::Pending
    }
}

impl Stream for Connection {
    fn set_place(&self, place: Option<u32>) {
        self.readiness.set_place(place);
    }

    fn poll_read(&mut self, _: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.readiness.is_readable() {
            match read(&self.socket, &mut *space) {
                Ok(count) => {
                    // epoll(7): what comes behind a read that wasn't filled is said anew. An end that has been said is not.
                    if count < space.len() && !self.readiness.has_ended() {
                        self.readiness.has_nothing();
                    }
                    return Poll::Ready(Ok(count));
                }
                // EWOULDBLOCK has the same number.
                Err(Errno::AGAIN) => self.readiness.has_nothing(),
                Err(Errno::INTR) => {}
                Err(errno) => return Poll::Ready(Err(errno.into())),
            }
        }
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(bytes.len(), |socket| send(socket, bytes, SendFlags::NOSIGNAL))
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = slices.iter().map(|slice| slice.len()).sum();
        self.poll_send(total, |socket| {
            sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
        })
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
