//! A listening socket in the runtime.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    task::{Context, Poll, ready},
};

use tokio::net::{TcpListener, UnixListener};
use underpass_core::Address;
use underpass_server::Listening;

use crate::socket::Stream;

/// A listening socket in the runtime.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    pub(crate) fn new(socket: Listening) -> io::Result<Self> {
        match socket {
            Listening::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Listening::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                Ok((stream.into(), remote.into()))
            }
            Self::Unix(listener) => {
                let (stream, remote) = ready!(listener.poll_accept(cx))?;
                let remote = remote.as_pathname().unwrap_or_else(|| Path::new(""));
                Ok((Stream::new(OwnedFd::from(stream.into_std()?))?, Address::Unix(remote.into())))
            }
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}
