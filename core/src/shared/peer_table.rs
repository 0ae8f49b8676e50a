//! The peers of a group as they are at a time.

use std::net::{IpAddr, SocketAddr};

use super::{
    balance::{self, Continuum},
    dial_facts::DialFacts,
    peer::{Balance, Endpoint, Peer},
    peer_state::PeerState,
    sync::Arc,
};
use crate::{Address, time::Tick, verdict::Verdict};

/// What the workers share of a group.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    /// By rising number; the latest peers are the last.
    states: Vec<PeerState>,
    numbers: u32,
    continuum: Continuum,
}

impl PeerTable {
    /// The peers whose addresses are known, to be chosen by `balance`.
    pub(super) fn new(peers: &[Arc<Peer>], balance: &Balance) -> Self {
        let mut peer_table = Self::default();
        if matches!(balance, Balance::Hash { consistent: true, .. }) {
            let primaries = peers.iter().filter(|peer| !peer.backup);
            peer_table.continuum = Continuum::new(primaries.map(|peer| (&*peer.name, peer.weight)));
        }
        for (server, peer) in peers.iter().enumerate() {
            if let Endpoint::Address(address) = &peer.endpoint {
                peer_table.add(server, peer, address.clone());
            }
        }
        peer_table
    }

    fn add(&mut self, server: usize, peer: &Arc<Peer>, address: Address) {
        self.states.push(PeerState::new(self.numbers, server, peer, address));
        self.numbers += 1;
    }

    /// Chooses a peer, and counts a lease on it: number and address.
    pub(super) fn choose(&mut self, balance: &Balance, facts: &DialFacts<'_>) -> Option<(u32, Address)> {
        let index = balance::choose(&mut self.states, balance, &self.continuum, facts)?;
        let state = self.states.get_mut(index)?;
        state.take(facts.now);
        Some((state.number, state.address.clone()))
    }

    pub(super) fn judge(&mut self, number: u32, verdict: Verdict, now: Tick) {
        if let Some(state) = self.state(number) {
            state.judge(verdict, now);
        }
    }

    /// A lease is over.
    pub(super) fn give_back(&mut self, number: u32) {
        if let Some(state) = self.state(number) {
            state.give_back();
            if state.is_over() {
                self.states.retain(|state| !state.is_over());
            }
        }
    }

    fn state(&mut self, number: u32) -> Option<&mut PeerState> {
        let index = self.states.binary_search_by_key(&number, |state| state.number).ok()?;
        self.states.get_mut(index)
    }

    /// The line `server` has these addresses from now on.
    pub(super) fn update(&mut self, server: usize, peer: &Arc<Peer>, port: u16, addresses: &[IpAddr]) {
        let wanted = |state: &PeerState| match state.address {
            Address::Ip(address) => address.port() == port && addresses.contains(&address.ip()),
            Address::Unix(_) => false,
        };
        for state in self.states.iter_mut().filter(|state| state.server == server) {
            state.set_leaving(!wanted(state));
        }
        self.states.retain(|state| !state.is_over());
        for ip in addresses {
            let address = Address::Ip(SocketAddr::new(*ip, port));
            if !self.states.iter().any(|state| state.server == server && state.address == address) {
                self.add(server, peer, address);
            }
        }
    }

    /// The peers, those that only their last leases keep left out.
    pub(super) fn present(&self) -> impl Iterator<Item = &PeerState> {
        self.states.iter().filter(|state| state.is_present())
    }
}
