//! A listening socket.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
    task::Poll,
};

use mio::{
    event,
    net::{TcpListener, UnixListener},
};
use underpass_core::Address;

use super::readiness::Readiness;
use crate::Listening;

/// A listening socket.
#[derive(Debug)]
pub(crate) struct ListeningSocket {
    socket: Socket,
    readiness: Arc<Readiness>,
}

/// The socket itself, by its family: they say in different ways who was accepted.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// To be watched.
    pub(super) fn source(&mut self) -> &mut dyn event::Source {
        match self {
            Self::Tcp(socket) => socket,
            Self::Unix(socket) => socket,
        }
    }

    fn accept(&self) -> io::Result<(OwnedFd, Address)> {
        Ok(match self {
            Self::Tcp(socket) => {
                let (stream, remote) = socket.accept()?;
                (stream.into(), remote.into())
            }
            Self::Unix(socket) => {
                let (stream, remote) = socket.accept()?;
                let remote = remote.as_pathname().unwrap_or_else(|| Path::new(""));
                (stream.into(), Address::Unix(remote.into()))
            }
        })
    }
}

impl From<Listening> for Socket {
    fn from(socket: Listening) -> Self {
        match socket {
            Listening::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)),
            Listening::Unix(socket) => Self::Unix(UnixListener::from_std(socket)),
        }
    }
}

impl ListeningSocket {
    pub(super) fn new(socket: Socket, readiness: Arc<Readiness>) -> Self {
        Self { socket, readiness }
    }

    /// What is watched.
    pub(super) fn source(&mut self) -> &mut dyn event::Source {
        self.socket.source()
    }

    /// Accepts a client. Nobody is asked for one while none can be there.
    pub(super) fn poll_accept(&self) -> Poll<io::Result<(OwnedFd, Address)>> {
        if !self.readiness.is_readable() {
            return Poll::Pending;
        }
        match self.socket.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness.has_nothing();
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}
