//! A connection in the runtime.

use std::{
    io::{self, IoSlice},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

use async_io::Async;
use futures_io::{AsyncRead as _, AsyncWrite as _};
use rustix::{io::Errno, net};
use underpass_server::worker;

/// A connection. The calls by which bytes are sent and received are the same for all stream sockets, and a
/// type that tells those of TCP from others would make each session larger.
#[derive(Debug)]
pub(crate) struct Stream(Async<TcpStream>);

impl Stream {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Async::new_nonblocking(socket.into()).map(Self)
    }

    pub(crate) async fn connect(socket: OwnedFd, address: SocketAddr) -> io::Result<Self> {
        match net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        let stream = Self::new(socket)?;
        stream.0.writable().await?;
        match stream.0.get_ref().take_error()? {
            None => Ok(stream),
            Some(error) => Err(error),
        }
    }
}

impl worker::Stream for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, space)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
