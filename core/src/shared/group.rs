//! Groups of origin servers, as configured.

use super::{
    peer::{Balance, KeepAlive, Peer},
    roster::Roster,
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
    roster: Lock<Roster>,
}

impl Group {
    /// A group of `peers`, called `name`, that are chosen in turn.
    #[must_use]
    pub fn new(name: &str, peers: Vec<Peer>, keepalive: KeepAlive) -> Self {
        let peers: Box<[_]> = peers.into_iter().map(Arc::new).collect();
        let balance = Balance::default();
        let roster = Lock::new(Roster::new(&peers, &balance));
        Self { name: name.into(), peers, keepalive, balance, roster }
    }

    /// A group of one peer, with default settings.
    #[must_use]
    pub fn single(name: &str, address: Address) -> Self {
        Self::new(name, vec![Peer::new(address)], KeepAlive::default())
    }

    /// The same, with its peers chosen by `balance`.
    #[must_use]
    pub fn balanced(self, balance: Balance) -> Self {
        let roster = Lock::new(Roster::new(&self.peers, &balance));
        Self { balance, roster, ..self }
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
        self.roster.hold().present().count()
    }

    /// How many of them there are to try (E10): all but those that are `down`.
    pub(crate) fn tries(&self) -> usize {
        self.roster.hold().present().filter(|seat| !seat.peer.down).count()
    }

    /// One `server` line.
    pub(super) fn peer(&self, server: usize) -> Option<&Arc<Peer>> {
        self.peers.get(server)
    }

    pub(super) fn roster(&self) -> &Lock<Roster> {
        &self.roster
    }
}
