//! A listening socket, as a worker is given it.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use socket2::{Domain, Protocol, Socket, Type};
use underpass_core::{Address, Fault, config::Config};
use underpass_tls::Choose;

/// How many connections may wait to be accepted: nginx's number.
pub(crate) const BACKLOG: i32 = 511;

/// A listening socket and what its sessions share.
#[derive(Debug)]
pub struct Listener {
    number: u64,
    socket: Option<Listening>,
    address: Address,
    config: Arc<Config>,
    tls: Option<Chooser>,
    /// Lives as long as somebody besides workers has the socket, who sees to it that it is accepted from.
    holder: Weak<()>,
}

/// Who chooses the settings of a TLS handshake. A clone stands for the same.
#[derive(Clone)]
pub struct Chooser(Arc<dyn Choose>);

impl Chooser {
    pub(crate) fn into_inner(self) -> Arc<dyn Choose> {
        self.0
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chooser").finish_non_exhaustive()
    }
}

/// A listening socket of no runtime, non-blocking.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix domain socket.
    Unix(UnixListener),
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
        let socket = open(address, false)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Self::from_std(socket.into(), config)
    }

    /// Uses a TCP socket that listens already.
    ///
    /// # Errors
    /// When it can't be made non-blocking.
    pub fn from_std(socket: TcpListener, config: Arc<Config>) -> io::Result<Self> {
        let address = socket.local_addr()?.into();
        Self::of(Listening::Tcp(socket), address, config)
    }

    /// Uses a Unix domain socket that listens already.
    ///
    /// # Errors
    /// When it can't be made non-blocking.
    pub fn from_unix(socket: UnixListener, config: Arc<Config>) -> io::Result<Self> {
        let path = socket.local_addr()?.as_pathname().map_or_else(|| Path::new("").into(), Into::into);
        Self::of(Listening::Unix(socket), Address::Unix(path), config)
    }

    fn of(socket: Listening, address: Address, config: Arc<Config>) -> io::Result<Self> {
        socket.prepare()?;
        Ok(Self {
            number: next_number(),
            socket: Some(socket),
            address,
            config,
            tls: None,
            holder: Weak::new(),
        })
    }

    /// The socket with this number: `socket` is a handle to it, or absent where the worker has one.
    pub(crate) fn shared(
        number: u64,
        socket: Option<Listening>,
        address: Address,
        config: Arc<Config>,
        holder: Weak<()>,
    ) -> Self {
        Self { number, socket, address, config, tls: None, holder }
    }

    /// Has clients begin with a TLS handshake, for which `choose` has the settings. The configuration has to say so, too
    /// ([`Config::tls`]): of a client that sends plain HTTP it is told nothing else.
    #[must_use]
    pub fn secured_by(mut self, choose: Arc<dyn Choose>) -> Self {
        self.tls = Some(Chooser(choose));
        self
    }

    /// Who chooses the settings of TLS handshakes, if there are any.
    pub(crate) fn chooser(&self) -> Option<&Chooser> {
        self.tls.as_ref()
    }

    /// The same socket with another configuration, and without TLS until that is said again: for a [`crate::Reload`] of the
    /// worker that has it.
    #[must_use]
    pub fn renewed(&self, config: Arc<Config>) -> Self {
        Self::shared(self.number, None, self.address.clone(), config, Weak::clone(&self.holder))
    }

    /// Checks that nobody listens on `address`. Sockets that share a port would not notice a second process
    /// of the same user.
    ///
    /// # Errors
    /// When somebody does, or the system refuses the address.
    pub fn address_is_free(address: SocketAddr) -> io::Result<()> {
        open(address, false)?.bind(&address.into())
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When that is no address of the Internet.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.address {
            Address::Ip(address) => Ok(*address),
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What its sessions share.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The number that all handles to one socket have, and no other socket of the process.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Who has the socket besides workers.
    pub(crate) fn holder(&self) -> Weak<()> {
        Weak::clone(&self.holder)
    }

    /// Keeps a handle to the socket, unless there is one.
    pub(crate) fn keep_socket(&mut self, socket: Option<Listening>) {
        self.socket = self.socket.take().or(socket);
    }

    /// Takes the socket; absent when the worker that this is for has it.
    pub fn take_socket(&mut self) -> Option<Listening> {
        self.socket.take()
    }
}

impl Listening {
    /// Another handle to the socket.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }

    pub(crate) fn prepare(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                // Connections inherit it: a call less for each.
                socket2::SockRef::from(socket).set_tcp_nodelay(true)
            }
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }
}

/// A number that no other socket has.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A socket that isn't bound; `dual_stack`: an IPv6 socket has IPv4 connections, too.
pub(crate) fn open(address: SocketAddr, dual_stack: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
    }
    Ok(socket)
}

/// What is said of an address that can't be listened on, in nginx's words.
pub(crate) fn refused(address: &Address, error: io::Error) -> String {
    format!("bind() to {address} failed ({})", Fault::from(error))
}
