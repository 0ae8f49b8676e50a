//! What Linux says of a socket that no call on the socket says, or no safe one: sock_diag(7).

use std::{io, net::SocketAddr};

use netlink_packet_core::NetlinkPayload;
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use rustix::io::Errno;

use super::netlink::ask;

/// `NETLINK_SOCK_DIAG`.
const PROTOCOL: i32 = 4;

/// Bytes that were sent on a TCP connection and that the other end hasn't acknowledged, as `SIOCOUTQ` tells.
///
/// # Errors
/// Where the system has no sock_diag, or no descriptor is left.
pub(super) fn unacknowledged(local: SocketAddr, remote: SocketAddr) -> io::Result<u32> {
    match ask(PROTOCOL, SockDiagMessage::InetRequest(request(local, remote)))? {
        NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => Ok(found.header.send_queue),
        NetlinkPayload::Error(error) if error.raw_code() == -Errno::NOENT.raw_os_error() => Ok(0),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn request(local: SocketAddr, remote: SocketAddr) -> InetRequest {
    InetRequest {
        family: if local.is_ipv4() { AF_INET } else { AF_INET6 },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: local.port(),
            destination_port: remote.port(),
            source_address: local.ip(),
            destination_address: remote.ip(),
            interface_id: 0,
            // Whichever socket it is.
            cookie: [0xff; 8],
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A connection on which nobody reads what `write` has filled it with.
    fn filled(listener: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(listener).expect("a listening socket");
        let mut client = TcpStream::connect(listener.local_addr().expect("its address")).expect("connects");
        let (server, _) = listener.accept().expect("accepts");
        assert_eq!(waiting(&client), Some(0));
        client.set_nonblocking(true).expect("doesn't block");
        while client.write(&[0; 4096]).is_ok() {}
        (client, server)
    }

    fn waiting(stream: &TcpStream) -> Option<u32> {
        let (local, remote) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        unacknowledged(local, remote).ok()
    }

    #[test]
    fn what_nobody_reads_waits_and_what_was_read_does_not() {
        for listener in ["127.0.0.1:0", "[::1]:0"] {
            let (client, mut server) = filled(listener);
            assert!(waiting(&client).expect("the system says") > 0);
            client.shutdown(std::net::Shutdown::Write).expect("shuts down");
            server.read_to_end(&mut Vec::new()).expect("the other end");
            let acknowledged = (0..1000).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                waiting(&client) == Some(0)
            });
            assert!(acknowledged);
        }
    }
}
