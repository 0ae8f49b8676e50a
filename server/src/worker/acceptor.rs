//! A listening socket in its worker's runtime.

use std::{
    io,
    path::Path,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use socket2::{SockAddr, SockRef};
use underpass_core::Address;

use super::Network;
use crate::{
    Listener, Service,
    wake::{Alarm, ReadyList, Source},
};

/// A listening socket in its worker's runtime.
pub(super) struct Acceptor<N: Network> {
    number: u64,
    socket: N::Listener,
    address: Address,
    service: Arc<Service>,
    alarm: Arc<Alarm>,
    waker: Waker,
    holder: Weak<()>,
}

/// A client that was accepted.
pub(super) struct Accepted<N: Network> {
    pub(super) stream: N::Stream,
    pub(super) remote: Address,
    pub(super) local: Address,
}

impl<N: Network> Acceptor<N> {
    /// To be called in the runtime. The listener must have its socket.
    pub(super) fn new(
        mut listener: Listener,
        service: Arc<Service>,
        index: u16,
        ready: &Arc<ReadyList>,
        network: &mut N,
    ) -> io::Result<Self> {
        let socket = network.listen(listener.take_socket().ok_or(io::ErrorKind::NotFound)?, index)?;
        let alarm = Alarm::new(ready, Source::Listener(index));
        let waker = Waker::from(Arc::clone(&alarm));
        let (address, holder) = (listener.address().clone(), listener.holder());
        Ok(Self { number: listener.number(), socket, address, service, alarm, waker, holder })
    }

    /// Accepts a client; pending, the worker is woken when there is one.
    pub(super) fn poll_accept(&self, network: &mut N) -> Poll<io::Result<Accepted<N>>> {
        let accepted = network.poll_accept(&self.socket, &mut Context::from_waker(&self.waker));
        accepted.map(|result| result.and_then(|(stream, remote)| self.accepted(stream, remote)))
    }

    /// Accepts a client that waits already, whether or not the system has said so.
    pub(super) fn accept_waiting(&self, network: &mut N) -> io::Result<Accepted<N>> {
        let (stream, remote) = SockRef::from(&self.socket).accept()?;
        stream.set_nonblocking(true)?;
        self.accepted(network.stream(stream.into())?, address_of(&remote)?)
    }

    /// Closes the socket.
    pub(super) fn close(self, network: &mut N) {
        network.close(self.socket);
    }

    /// What happens to the socket from now on counts anew.
    pub(super) fn begin(&self) {
        self.alarm.reset();
    }

    /// Whether the socket was not listed as ready; now it counts as listed.
    pub(super) fn list(&self) -> bool {
        self.alarm.list()
    }

    /// The number of the socket.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether clients that wait at the socket are left to somebody else when it is closed here.
    pub(super) fn lives_on(&self) -> bool {
        self.holder.strong_count() > 0
    }

    /// What its sessions share.
    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The sessions that begin from now on share `service`.
    pub(super) fn renew(&mut self, service: Arc<Service>) {
        self.service = service;
    }

    fn accepted(&self, stream: N::Stream, remote: Address) -> io::Result<Accepted<N>> {
        // Only a wildcard address leaves open where the client connected to.
        let local = match &self.address {
            Address::Ip(address) if address.ip().is_unspecified() => {
                address_of(&SockRef::from(&stream).local_addr()?)?
            }
            known => known.clone(),
        };
        Ok(Accepted { stream, remote, local })
    }
}

fn address_of(address: &SockAddr) -> io::Result<Address> {
    if address.is_unix() {
        return Ok(Address::Unix(address.as_pathname().unwrap_or_else(|| Path::new("")).into()));
    }
    Ok(address.as_socket().ok_or(io::ErrorKind::Unsupported)?.into())
}
