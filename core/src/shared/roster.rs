//! The peers of a group as they are at a time.

use std::net::{IpAddr, SocketAddr};

use super::{
    asker::Asker,
    balance::{self, Continuum},
    peer::{Balance, Endpoint, Peer},
    seat::Seat,
    sync::Arc,
};
use crate::{Address, time::Tick, verdict::Verdict};

/// What the workers share of a group.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// By rising number; the latest peers are the last.
    seats: Vec<Seat>,
    numbers: u32,
    continuum: Continuum,
}

impl Roster {
    /// The peers whose addresses are known, to be chosen by `balance`.
    pub(super) fn new(peers: &[Arc<Peer>], balance: &Balance) -> Self {
        let mut roster = Self::default();
        if matches!(balance, Balance::Hash { consistent: true, .. }) {
            let primaries = peers.iter().filter(|peer| !peer.backup);
            roster.continuum = Continuum::new(primaries.map(|peer| (&*peer.name, peer.weight)));
        }
        for (server, peer) in peers.iter().enumerate() {
            if let Endpoint::Address(address) = &peer.endpoint {
                roster.add(server, peer, address.clone());
            }
        }
        roster
    }

    fn add(&mut self, server: usize, peer: &Arc<Peer>, address: Address) {
        self.seats.push(Seat::new(self.numbers, server, peer, address));
        self.numbers += 1;
    }

    /// Chooses a peer, and counts a lease on it: number and address.
    pub(super) fn choose(&mut self, balance: &Balance, asker: &Asker<'_>) -> Option<(u32, Address)> {
        let index = balance::choose(&mut self.seats, balance, &self.continuum, asker)?;
        let seat = self.seats.get_mut(index)?;
        seat.take(asker.now);
        Some((seat.number, seat.address.clone()))
    }

    pub(super) fn judge(&mut self, number: u32, verdict: Verdict, now: Tick) {
        if let Some(seat) = self.seat(number) {
            seat.judge(verdict, now);
        }
    }

    /// A lease is over.
    pub(super) fn give_back(&mut self, number: u32) {
        if let Some(seat) = self.seat(number) {
            seat.give_back();
            if seat.is_over() {
                self.seats.retain(|seat| !seat.is_over());
            }
        }
    }

    fn seat(&mut self, number: u32) -> Option<&mut Seat> {
        let index = self.seats.binary_search_by_key(&number, |seat| seat.number).ok()?;
        self.seats.get_mut(index)
    }

    /// The line `server` has these addresses from now on.
    pub(super) fn update(&mut self, server: usize, peer: &Arc<Peer>, port: u16, addresses: &[IpAddr]) {
        let wanted = |seat: &Seat| match seat.address {
            Address::Ip(address) => address.port() == port && addresses.contains(&address.ip()),
            Address::Unix(_) => false,
        };
        for seat in self.seats.iter_mut().filter(|seat| seat.server == server) {
            seat.set_leaving(!wanted(seat));
        }
        self.seats.retain(|seat| !seat.is_over());
        for ip in addresses {
            let address = Address::Ip(SocketAddr::new(*ip, port));
            if !self.seats.iter().any(|seat| seat.server == server && seat.address == address) {
                self.add(server, peer, address);
            }
        }
    }

    /// The peers, those that only their last leases keep left out.
    pub(super) fn present(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.is_present())
    }
}
