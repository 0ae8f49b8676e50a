//! What is done with one connection, besides its bytes.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::OwnedFd,
    path::Path,
    task::Poll,
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use underpass_core::{Dial, Ending, Fault};

use super::Stream;
#[cfg(target_os = "linux")]
use super::sock_diag::unacknowledged;

/// A socket for a connection to `address`, made as the dial says.
pub(super) fn for_dial(dial: &Dial, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if dial.keepalive() {
        socket.set_keepalive(true)?;
    }
    if let Some(bytes) = dial.receive_buffer() {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = dial.send_buffer() {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if let Some(bind) = dial.bind() {
        // The port may still be held by connections that have ended.
        socket.set_reuse_address(true)?;
        socket.bind(&bind.into())?;
    }
    Ok(socket.into())
}

/// Connects to a Unix domain socket: at once or never, for who listens there is on this machine.
pub(super) fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

/// What the session is told of an operation.
pub(super) fn outcome(polled: Poll<io::Result<usize>>) -> Result<usize, Fault> {
    match polled {
        Poll::Ready(result) => result.map_err(Fault::from),
        Poll::Pending => Err(Fault::WOULD_BLOCK),
    }
}

/// Whether the operation did anything, if only fail.
pub(super) fn progress(result: Result<usize, Fault>) -> bool {
    result != Err(Fault::WOULD_BLOCK)
}

/// Whether the other end has acknowledged all that was sent; `false` also where the system doesn't say.
pub(super) fn has_acknowledged<S: Stream>(stream: &S) -> bool {
    let socket = SockRef::from(stream);
    let (Ok(local), Ok(remote)) = (socket.local_addr(), socket.peer_addr()) else {
        // The connection is gone, and whatever was under way with it.
        return true;
    };
    match (local.as_socket(), remote.as_socket()) {
        (Some(local), Some(remote)) => unacknowledged(local, remote).is_ok_and(|bytes| bytes == 0),
        // What is written to a Unix domain socket is where its reader reads.
        _ => true,
    }
}

#[cfg(not(target_os = "linux"))]
fn unacknowledged(_: SocketAddr, _: SocketAddr) -> io::Result<u32> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Ends what is sent.
pub(super) fn shut_down<S: Stream>(stream: &S) {
    // Refused only when the other end has reset the connection, which the next read reports.
    let _reset_already = SockRef::from(stream).shutdown(Shutdown::Write);
}

/// Ends the connection.
pub(super) fn close<S: Stream>(stream: S, ending: Ending) {
    if ending == Ending::Reset {
        // Refused only for a connection that is gone: then there is nothing to reset.
        let _gone_already = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    drop(stream);
}
