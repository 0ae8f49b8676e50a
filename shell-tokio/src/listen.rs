//! Listening sockets.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use underpass_core::{Address, config::Config};

use crate::wake::{Alarm, ReadyList, Source};

/// How many connections may wait to be accepted: nginx's number.
const BACKLOG: i32 = 511;

/// A listening socket and what its sessions share.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    config: Arc<Config>,
}

impl Listener {
    /// Listens on `address`. Any number of sockets of the same user may listen on it; the system spreads
    /// the connections over them.
    ///
    /// # Errors
    /// When the system refuses, such as when another program listens there ([`address_is_free`] tells
    /// before).
    ///
    /// [`address_is_free`]: Self::address_is_free
    pub fn bind(address: SocketAddr, config: Arc<Config>) -> io::Result<Self> {
        let socket = open(address)?;
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Self::from_std(socket.into(), config)
    }

    /// Uses a socket that listens already.
    ///
    /// # Errors
    /// When it can't be made non-blocking.
    pub fn from_std(socket: std::net::TcpListener, config: Arc<Config>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Connections inherit it: a call less for each.
        socket2::SockRef::from(&socket).set_tcp_nodelay(true)?;
        Ok(Self { socket, config })
    }

    /// Checks that nobody listens on `address`. Sockets that share a port would not notice a second process
    /// of the same user.
    ///
    /// # Errors
    /// When somebody does, or the system refuses the address.
    pub fn address_is_free(address: SocketAddr) -> io::Result<()> {
        open(address)?.bind(&address.into())
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// A listening socket in its worker's runtime.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<Config>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

/// A client that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) remote: Address,
    pub(crate) local: Address,
}

impl Acceptor {
    /// To be called in the runtime.
    pub(crate) fn new(listener: Listener, index: u16, ready: &Arc<ReadyList>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let alarm = Alarm::new(ready, Source::Listener(index));
        Ok(Self {
            listener: TcpListener::from_std(listener.socket)?,
            address,
            config: listener.config,
            waker: Waker::from(Arc::clone(&alarm)),
            alarm,
        })
    }

    /// Accepts a client; pending, the worker is woken when there is one.
    pub(crate) fn poll_accept(&self) -> Poll<io::Result<Accepted>> {
        let accepted = self.listener.poll_accept(&mut Context::from_waker(&self.waker));
        accepted.map(|result| result.and_then(|(stream, remote)| self.accepted(stream, remote)))
    }

    /// What happens to the socket from now on counts anew.
    pub(crate) fn begin(&self) {
        self.alarm.reset();
    }

    /// Whether the socket was not listed as ready; now it counts as listed.
    pub(crate) fn list(&self) -> bool {
        self.alarm.list()
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn accepted(&self, stream: TcpStream, remote: SocketAddr) -> io::Result<Accepted> {
        // Only a wildcard address leaves open where the client connected to.
        let local = if self.address.ip().is_unspecified() { stream.local_addr()? } else { self.address };
        Ok(Accepted { stream, remote: remote.into(), local: local.into() })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    fn config() -> Arc<Config> {
        let origin = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        Arc::new(Config::proxy_to(origin.into(), "127.0.0.1:9"))
    }

    #[test]
    fn workers_share_a_port_and_another_process_is_noticed() {
        let first = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config()).expect("a free port");
        let address = first.local_addr().expect("it is bound");
        let second = Listener::bind(address, config()).expect("ports are shared");
        let error = Listener::address_is_free(address).expect_err("it is taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop((first, second));
        Listener::address_is_free(address).expect("nobody listens any more");
    }

    #[test]
    fn connections_inherit_what_the_socket_is_set_to() {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config()).expect("a free port");
        listener.socket.set_nonblocking(false).expect("a plain socket");
        let _client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let (accepted, _) = listener.socket.accept().expect("a client");
        assert!(accepted.nodelay().expect("an open socket"));
    }
}
