//! A connection in the runtime.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::{TcpSocket, TcpStream},
};
use underpass_server::worker;

/// A connection. The calls by which bytes are sent and received are the same for all stream sockets, and a
/// type that tells those of TCP from others would make each session larger.
#[derive(Debug)]
pub(crate) struct Stream(TcpStream);

impl Stream {
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        TcpStream::from_std(socket.into()).map(Self)
    }

    pub(crate) async fn connect(socket: OwnedFd, address: SocketAddr) -> io::Result<Self> {
        TcpSocket::from_std_stream(socket.into()).connect(address).await.map(Self)
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl worker::Stream for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(space);
        Pin::new(&mut self.0).poll_read(cx, &mut space).map_ok(|()| space.filled().len())
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
