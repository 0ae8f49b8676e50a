//! What is done with one connection, besides its bytes.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::OwnedFd,
    path::Path,
    task::Poll,
    time::Duration,
};

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use underpass_core::{Address, Dial, DialError, Ending, Fault};

use super::Stream;
#[cfg(target_os = "linux")]
use super::sock_diag::unacknowledged;

/// A socket for a connection to `address`, made as the dial says.
pub(super) fn for_dial(dial: &Dial, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = new_socket(address)?;
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
        from(&socket, bind)?;
    }
    Ok(socket.into())
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))
}

/// Has the connection come from `bind`; of port 0, from any port.
fn from(socket: &Socket, bind: SocketAddr) -> io::Result<()> {
    // The port may still be held by connections that have ended.
    socket.set_reuse_address(true)?;
    if bind.port() == 0 {
        choose_port_later(socket)?;
    }
    socket.bind(&bind.into())
}

/// Has the system choose the port when the connection is made and its other end is known, so that connections to
/// different origin servers can share one. Chosen before, each takes one of some 28,000 for itself.
#[cfg(target_os = "linux")]
fn choose_port_later(socket: &Socket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    match setsockopt(socket, IpBindAddressNoPort, &true) {
        // Before Linux 4.2 there is no such option.
        Ok(()) | Err(nix::Error::EOPNOTSUPP | nix::Error::ENOPROTOOPT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn choose_port_later(_: &Socket) -> io::Result<()> {
    Ok(())
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

/// Whether there is nothing to receive, not even an end. The system is asked: what the runtime knows of a connection is
/// as old as the runtime's last look at all of them.
pub(super) fn is_quiet<S: Stream>(stream: &S) -> bool {
    use rustix::net::{RecvFlags, recv};
    let mut byte = [0];
    let received = recv(stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    // EWOULDBLOCK has the same number.
    matches!(received, Err(Errno::AGAIN))
}

/// Whether a failure to accept is that of one connection, which another one doesn't share. accept(2): Linux passes
/// errors on that are already pending on the new connection, and they are to be treated like `EAGAIN`. `EPERM` is what
/// rules of the firewall come to.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    const OF_ONE: [Errno; 13] = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::NONET,
        Errno::NOPROTOOPT,
        Errno::NOTCONN,
        Errno::OPNOTSUPP,
        Errno::PERM,
        Errno::PROTO,
    ];
    Errno::from_io_error(error).is_some_and(|errno| OF_ONE.contains(&errno))
}

/// Whether a failure is the system's, which lacks something, and neither a peer's nor the network's.
pub(super) fn is_of_the_system(error: &io::Error) -> bool {
    const LACKING: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| LACKING.contains(&errno))
}

/// Why connecting to `address` failed. What doesn't depend on who is there, or on the way to it, is a fault of our own.
pub(super) fn dial_error(error: io::Error, address: &Address) -> DialError {
    const LOCAL: [Errno; 6] =
        [Errno::ADDRINUSE, Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    let fault = Fault::from(error);
    let errno = fault.os.map(Errno::from_raw_os_error);
    // connect(2): of a Unix domain socket it says that the queue of its listener is full.
    let no_port = errno == Some(Errno::AGAIN) && matches!(address, Address::Ip(_));
    if no_port || errno.is_some_and(|errno| LOCAL.contains(&errno)) {
        DialError::Local(fault)
    } else {
        DialError::Io(fault)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Chosen before the other end is known, a port serves one connection at a time to whomever.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_port_of_a_source_address_is_chosen_when_the_connection_is_made() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let bind: SocketAddr = loopback.parse().expect("an address");
            let socket = new_socket(bind).expect("a socket");
            from(&socket, bind).expect("an address of this machine");
            let bound = socket.local_addr().expect("it is bound").as_socket().expect("an address");
            assert_eq!(bound, bind, "no port yet");
        }
    }

    #[test]
    fn what_fails_here_says_nothing_of_the_peer() {
        let peer = Address::Ip(SocketAddr::from(([127, 0, 0, 1], 1)));
        let listener = Address::Unix(Path::new("/nowhere").into());
        let is_local = |errno: Errno, address: &Address| matches!(dial_error(errno.into(), address), DialError::Local(fault) if fault.os.is_some());
        for errno in [Errno::ADDRNOTAVAIL, Errno::ADDRINUSE, Errno::MFILE, Errno::NFILE, Errno::NOBUFS] {
            assert!(is_local(errno, &peer), "{errno}");
        }
        for errno in [Errno::CONNREFUSED, Errno::TIMEDOUT, Errno::HOSTUNREACH, Errno::NETUNREACH] {
            assert!(!is_local(errno, &peer), "{errno}");
        }
        assert!(is_local(Errno::AGAIN, &peer), "no port is left");
        assert!(!is_local(Errno::AGAIN, &listener), "its queue is full");
        assert!(!is_local(Errno::NOENT, &listener));
    }
}
