//! Groups of origin servers, as configured.

use super::{
    peer::{Balance, KeepAlive, Peer},
    peer_table::PeerTable,
    sync::{Arc, Lock},
};
use crate::Address;

/// An `upstream` block, or the peers of a plain `proxy_pass`.
#[derive(Debug)]
pub struct Group {
    name: Box<str>,
    peers: Box<[Arc<Peer>]>,
    keepalive: KeepAlive,
    balance: Balance,
    peer_table: Lock<PeerTable>,
}

impl Group {
    /// A group of `peers`, called `name`, that are chosen in turn.
    #[must_use]
    pub fn new(name: &str, peers: Vec<Peer>, keepalive: KeepAlive) -> Self {
        let peers: Box<[_]> = peers.into_iter().map(Arc::new).collect();
        let balance = Balance::default();
        let peer_table = Lock::new(PeerTable::new(&peers, &balance));
        Self { name: name.into(), peers, keepalive, balance, peer_table }
    }

    /// A group of one peer, with default settings.
    #[must_use]
    pub fn single(name: &str, address: Address) -> Self {
        Self::new(name, vec![Peer::new(address)], KeepAlive::default())
    }

    /// The same, with its peers chosen by `balance`.
    #[must_use]
    pub fn balanced(self, balance: Balance) -> Self {
        let peer_table = Lock::new(PeerTable::new(&self.peers, &balance));
        Self { balance, peer_table, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its peers are chosen.
    #[must_use]
    pub fn balance(&self) -> &Balance {
        &self.balance
    }

    /// How long idle connections are kept.
    #[must_use]
    pub fn keepalive(&self) -> &KeepAlive {
        &self.keepalive
    }

    /// Its `server` lines, in their order.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().map(|peer| &**peer)
    }

    /// How many peers it has at this time, those behind names included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.peer_table.hold().present().count()
    }

    /// How many of them there are to try (E10): all but those that are `down`.
    pub(crate) fn tries(&self) -> usize {
        self.peer_table.hold().present().filter(|state| !state.peer.down).count()
    }

    /// One `server` line.
    pub(super) fn peer(&self, server: usize) -> Option<&Arc<Peer>> {
        self.peers.get(server)
    }

    pub(super) fn peer_table(&self) -> &Lock<PeerTable> {
        &self.peer_table
    }
}
