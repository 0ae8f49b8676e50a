//! Listening sockets in the worker's runtime.

use std::{
    io,
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use underpass_core::Address;
use underpass_shell_common::{
    Listener, Listening, Service,
    wake::{Alarm, ReadyList, Source},
};

use crate::socket;

/// A listening socket in its worker's runtime.
#[derive(Debug)]
pub(crate) struct Acceptor {
    number: u64,
    socket: Socket,
    address: Address,
    service: Arc<Service>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A client that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) remote: Address,
    pub(crate) local: Address,
}

impl Acceptor {
    /// To be called in the runtime. The listener must have its socket.
    pub(crate) fn new(
        mut listener: Listener,
        service: Arc<Service>,
        index: u16,
        ready: &Arc<ReadyList>,
    ) -> io::Result<Self> {
        let socket = match listener.take_socket() {
            Some(Listening::Tcp(socket)) => Socket::Tcp(TcpListener::from_std(socket)?),
            Some(Listening::Unix(socket)) => Socket::Unix(UnixListener::from_std(socket)?),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let alarm = Alarm::new(ready, Source::Listener(index));
        let waker = Waker::from(Arc::clone(&alarm));
        let address = listener.address().clone();
        Ok(Self { number: listener.number(), socket, address, service, alarm, waker })
    }

    /// Accepts a client; pending, the worker is woken when there is one.
    pub(crate) fn poll_accept(&self) -> Poll<io::Result<Accepted>> {
        let cx = &mut Context::from_waker(&self.waker);
        match &self.socket {
            Socket::Tcp(listener) => {
                let accepted = listener.poll_accept(cx);
                accepted.map(|result| result.and_then(|(stream, remote)| self.tcp(stream, remote)))
            }
            Socket::Unix(listener) => {
                let accepted = listener.poll_accept(cx);
                accepted.map(|result| {
                    let (stream, remote) = result?;
                    self.unix(stream.into_std()?, remote.as_pathname())
                })
            }
        }
    }

    /// Accepts a client that waits already, whether or not the runtime knows.
    pub(crate) fn accept_waiting(&self) -> io::Result<Accepted> {
        let accept = |socket: SockRef<'_>| -> io::Result<_> {
            let (stream, remote) = socket.accept()?;
            stream.set_nonblocking(true)?;
            Ok((stream, remote))
        };
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, remote) = accept(listener.into())?;
                let remote = remote.as_socket().ok_or(io::ErrorKind::Unsupported)?;
                self.tcp(TcpStream::from_std(stream.into())?, remote)
            }
            Socket::Unix(listener) => {
                let (stream, remote) = accept(listener.into())?;
                self.unix(stream.into(), remote.as_pathname())
            }
        }
    }

    /// What happens to the socket from now on counts anew.
    pub(crate) fn begin(&self) {
        self.alarm.reset();
    }

    /// Whether the socket was not listed as ready; now it counts as listed.
    pub(crate) fn list(&self) -> bool {
        self.alarm.list()
    }

    /// The number of the socket.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What its sessions share.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The sessions that begin from now on share `service`.
    pub(crate) fn renew(&mut self, service: Arc<Service>) {
        self.service = service;
    }

    fn tcp(&self, stream: TcpStream, remote: SocketAddr) -> io::Result<Accepted> {
        // Only a wildcard address leaves open where the client connected to.
        let local = match &self.address {
            Address::Ip(address) if address.ip().is_unspecified() => stream.local_addr()?.into(),
            known => known.clone(),
        };
        Ok(Accepted { stream, remote: remote.into(), local })
    }

    fn unix(&self, stream: UnixStream, remote: Option<&Path>) -> io::Result<Accepted> {
        let remote = Address::Unix(remote.unwrap_or_else(|| Path::new("")).into());
        Ok(Accepted { stream: socket::from_unix(stream)?, remote, local: self.address.clone() })
    }
}
