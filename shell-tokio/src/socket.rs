//! What is done with one connection.

use std::{
    io,
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    task::Poll,
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::TcpStream;
use underpass_core::{Ending, Fault};

/// A connection over a Unix domain socket. The calls by which bytes are sent and received are the same for
/// all stream sockets, and a type that tells them apart would make each session larger.
///
/// To be called in the runtime; the socket must not block.
pub(crate) fn from_unix(stream: UnixStream) -> io::Result<TcpStream> {
    TcpStream::from_std(OwnedFd::from(stream).into())
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
