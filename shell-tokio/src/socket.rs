//! What is done with one connection.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    task::Poll,
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};
use underpass_core::{Dial, Ending, Fault};

/// A connection over a Unix domain socket. The calls by which bytes are sent and received are the same for
/// all stream sockets, and a type that tells them apart would make each session larger.
///
/// To be called in the runtime; the socket must not block.
pub(crate) fn from_unix(stream: UnixStream) -> io::Result<TcpStream> {
    TcpStream::from_std(OwnedFd::from(stream).into())
}

/// A socket for a connection to `address`, made as the dial says.
pub(crate) fn for_dial(dial: &Dial, address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(true)?;
    if dial.keepalive() {
        socket.set_keepalive(true)?;
    }
    if let Some(bytes) = dial.receive_buffer() {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = dial.send_buffer() {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bind) = dial.bind() {
        // The port may still be held by connections that have ended.
        socket.set_reuseaddr(true)?;
        socket.bind(bind)?;
    }
    Ok(socket)
}

/// Connects to a Unix domain socket: at once or never, for who listens there is on this machine.
pub(crate) fn connect_unix(path: &Path) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    from_unix(socket.into())
}

/// What the session is told of an operation.
pub(crate) fn outcome(polled: Poll<io::Result<usize>>) -> Result<usize, Fault> {
    match polled {
        Poll::Ready(result) => result.map_err(Fault::from),
        Poll::Pending => Err(Fault::WOULD_BLOCK),
    }
}

/// Whether the operation did anything, if only fail.
pub(crate) fn progress(result: Result<usize, Fault>) -> bool {
    result != Err(Fault::WOULD_BLOCK)
}

/// Whether an idle connection is still good: neither closed nor sent anything by the other end.
pub(crate) fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Ends what is sent.
pub(crate) fn shut_down(stream: &TcpStream) {
    // Refused only when the other end has reset the connection, which the next read reports.
    let _reset_already = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// Ends the connection.
pub(crate) fn close(stream: TcpStream, ending: Ending) {
    if ending == Ending::Reset {
        // Refused only for a connection that is gone: then there is nothing to reset.
        let _gone_already = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop(stream);
}
