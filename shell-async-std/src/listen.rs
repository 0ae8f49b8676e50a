//! A listening socket in the runtime.

use std::{
    io,
    net::TcpListener,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixListener,
    },
    path::Path,
    task::{Context, Poll, ready},
};

use async_io::Async;
use underpass_core::Address;
use underpass_server::Listening;

use crate::socket::Stream;

/// A listening socket in the runtime.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>),
}

impl Socket {
    pub(crate) fn new(socket: Listening) -> io::Result<Self> {
        match socket {
            Listening::Tcp(socket) => Async::new_nonblocking(socket).map(Self::Tcp),
            Listening::Unix(socket) => Async::new_nonblocking(socket).map(Self::Unix),
        }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => {
                let (stream, remote) = ready!(poll_with(listener, cx, TcpListener::accept))?;
                stream.set_nonblocking(true)?;
                Ok((Stream::new(stream.into())?, remote.into()))
            }
            Self::Unix(listener) => {
                let (stream, remote) = ready!(poll_with(listener, cx, UnixListener::accept))?;
                stream.set_nonblocking(true)?;
                let remote = remote.as_pathname().unwrap_or_else(|| Path::new(""));
                Ok((Stream::new(stream.into())?, Address::Unix(remote.into())))
            }
        })
    }
}

/// Does what `accept` does as soon as it doesn't block.
fn poll_with<S, T>(
    socket: &Async<S>,
    cx: &mut Context<'_>,
    accept: impl Fn(&S) -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        match accept(socket.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        ready!(socket.poll_readable(cx))?;
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
