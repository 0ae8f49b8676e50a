//! Peers by a key, and by chance: the same key finds the same peer while that one can be chosen.

use std::net::IpAddr;

use super::{PeerState, chance::Draws, crc32::HashKey};

/// How often another peer is looked for before the next in turn is taken: nginx's number.
pub(super) const LOOKS: u32 = 21;

/// The primary peers on a wheel, each as broad as its weight. Those that can't be chosen have their place, so
/// that nobody else moves when one fails.
#[derive(Debug)]
pub(super) struct Wheel<'a> {
    states: &'a [PeerState],
    breadth: u64,
}

impl<'a> Wheel<'a> {
    /// Nothing when there is nothing to choose among.
    pub(super) fn of(states: &'a [PeerState]) -> Option<Self> {
        let weights =
            states.iter().filter(|state| state.is_primary()).map(|state| u64::from(state.peer.weight));
        let several = weights.clone().nth(1).is_some();
        let breadth = weights.sum();
        (several && breadth > 0).then_some(Self { states, breadth })
    }

    fn at(&self, point: u64) -> Option<(usize, &'a PeerState)> {
        let mut left = point % self.breadth;
        self.states.iter().enumerate().filter(|(_, state)| state.is_primary()).find(|(_, state)| {
            let weight = u64::from(state.peer.weight);
            let found = left < weight;
            left = left.saturating_sub(weight);
            found
        })
    }

    /// The first of the peers at these points that `may` be chosen.
    fn search(
        &self,
        points: impl Iterator<Item = u64>,
        may: impl Fn(&PeerState) -> bool,
    ) -> Option<(usize, &'a PeerState)> {
        points.filter_map(|point| self.at(point)).find(|(_, state)| may(state))
    }

    /// By the client's address. nginx's own function, modulus and all: clients stay with their peers when a
    /// file moves over.
    pub(super) fn ip_hash(&self, client: Option<IpAddr>, may: impl Fn(&PeerState) -> bool) -> Option<usize> {
        let address = client.map_or([0; 16], |client| match client {
            IpAddr::V4(ip) => {
                let mut octets = [0; 16];
                octets[..4].copy_from_slice(&ip.octets());
                octets
            }
            IpAddr::V6(ip) => ip.octets(),
        });
        let counted = if matches!(client, Some(IpAddr::V6(_))) { 16 } else { 3 };
        let mut hash = 89;
        let points = (0..LOOKS).map(|_| {
            let octets = address.iter().take(counted);
            hash = octets.fold(hash, |hash, octet| (hash * 113 + u64::from(*octet)) % 6271);
            hash
        });
        self.search(points, may).map(|(index, _)| index)
    }

    /// By a key, as memcached's older clients do: 15 bits of the CRC-32 of the key, from the second look on
    /// with the number of the look in front of it, added up.
    pub(super) fn hash(&self, key: HashKey, may: impl Fn(&PeerState) -> bool) -> Option<usize> {
        let mut sum = 0;
        let points = (0..LOOKS).map(|look| {
            let crc = if look == 0 { key.crc() } else { key.behind(look.to_string().as_bytes()) };
            sum += u64::from(crc >> 16 & 0x7fff);
            sum
        });
        self.search(points, may).map(|(index, _)| index)
    }

    /// By chance.
    pub(super) fn random(&self, mut draws: Draws, may: impl Fn(&PeerState) -> bool) -> Option<usize> {
        self.search((0..LOOKS).map(|_| draws.next()), may).map(|(index, _)| index)
    }

    /// Two by chance: of these the one with the fewer leases for its weight.
    pub(super) fn random_two(&self, mut draws: Draws, may: impl Fn(&PeerState) -> bool) -> Option<usize> {
        let mut points = (0..LOOKS).map(|_| draws.next());
        let (first, one) = self.search(&mut points, &may)?;
        let (second, other) = self.search(points, |state| may(state) && state.number != one.number)?;
        Some(if other.load().compare(one.load()).is_gt() { first } else { second })
    }
}
