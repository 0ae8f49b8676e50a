//! Which of many overlapping networks or ranges an address lies in.

use std::{
    collections::BinaryHeap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::Network;

/// What holds at an address: of two that overlap, the one with the higher rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    pub(crate) rank: u64,
    pub(crate) value: u32,
}

/// Addresses from one to another, and what holds there.
#[derive(Clone, Copy, Debug)]
struct Interval<A> {
    first: A,
    last: A,
    held: Held,
}

/// The first of the IPv4 addresses mapped into IPv6, `::ffff:0.0.0.0` (RFC 4291 §2.5.5.2).
const MAPPED: u128 = 0xffff_0000_0000;

/// Intervals that are still being collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct IntervalsBuilder {
    v4: Vec<Interval<u32>>,
    v6: Vec<Interval<u128>>,
}

impl IntervalsBuilder {
    /// Adds the addresses from `first` to `last`; nothing when they are none.
    pub(crate) fn range(&mut self, first: IpAddr, last: IpAddr, held: Held) {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                self.v4.push(Interval { first: first.to_bits(), last: last.to_bits(), held });
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                self.v6.push(Interval { first: first.to_bits(), last: last.to_bits(), held });
            }
            _ => {}
        }
    }

    /// Adds a network. One of IPv6 holds IPv4 addresses mapped into IPv6 only where it consists of them
    /// ([`Network::contains`]), so a larger one is added without them.
    pub(crate) fn network(&mut self, network: Network, held: Held) {
        let bits = u32::from(network.bits());
        let last = match network.address() {
            IpAddr::V4(first) => {
                let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                Ipv4Addr::from_bits(first.to_bits() | host).into()
            }
            IpAddr::V6(first) => {
                let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                Ipv6Addr::from_bits(first.to_bits() | host).into()
            }
        };
        let first = network.address();
        match first {
            IpAddr::V6(begin)
                if begin.to_bits() < MAPPED && IpAddr::V6(Ipv6Addr::from_bits(MAPPED)) <= last =>
            {
                self.range(first, Ipv6Addr::from_bits(MAPPED - 1).into(), held);
                self.range(Ipv6Addr::from_bits(MAPPED + (1 << 32)).into(), last, held);
            }
            _ => self.range(first, last, held),
        }
    }

    /// Sorts them.
    pub(crate) fn build(self) -> Intervals {
        Intervals {
            v4: pieces(self.v4, |last| last.checked_add(1)),
            v6: pieces(self.v6, |last| last.checked_add(1)),
        }
    }
}

/// Pieces that don't overlap, each from its address to that of the next: an address is found by halving.
#[derive(Clone, Default)]
pub(crate) struct Intervals {
    v4: Box<[(u32, Option<Held>)]>,
    v6: Box<[(u128, Option<Held>)]>,
}

/// Where each piece begins, as an address.
impl fmt::Debug for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v4 = self.v4.iter().map(|(first, held)| (IpAddr::V4(Ipv4Addr::from_bits(*first)), held));
        let v6 = self.v6.iter().map(|(first, held)| (IpAddr::V6(Ipv6Addr::from_bits(*first)), held));
        f.debug_map().entries(v4).entries(v6).finish()
    }
}

impl Intervals {
    /// What holds at `address`.
    pub(crate) fn find(&self, address: IpAddr) -> Option<Held> {
        match address {
            IpAddr::V4(address) => find(&self.v4, address.to_bits()),
            IpAddr::V6(address) => find(&self.v6, address.to_bits()),
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// The same; an IPv4 address mapped into IPv6 lies in networks of either kind, as in [`Network::contains`].
    pub(crate) fn find_either(&self, address: IpAddr) -> Option<Held> {
        let canonical = address.to_canonical();
        let mapped = (canonical != address).then(|| self.find(canonical)).flatten();
        self.find(address).max(mapped)
    }
}

fn find<A: Ord + Copy>(pieces: &[(A, Option<Held>)], address: A) -> Option<Held> {
    let behind = pieces.partition_point(|(first, _)| *first <= address);
    pieces.get(behind.checked_sub(1)?)?.1
}

/// Cuts intervals that overlap into pieces that don't: a sweep from the first address to the last, with those that hold
/// at the moment in a heap.
fn pieces<A: Ord + Copy>(
    mut intervals: Vec<Interval<A>>,
    after: impl Fn(A) -> Option<A>,
) -> Box<[(A, Option<Held>)]> {
    intervals.sort_unstable_by_key(|interval| (interval.first, interval.held));
    let mut pieces: Vec<(A, Option<Held>)> = Vec::new();
    let mut open: BinaryHeap<(Held, A)> = BinaryHeap::new();
    let mut waiting = intervals.iter().peekable();
    let mut next = waiting.peek().map(|interval| interval.first);
    while let Some(at) = next {
        while let Some(interval) = waiting.next_if(|interval| interval.first <= at) {
            open.push((interval.held, interval.last));
        }
        while open.peek().is_some_and(|(_, last)| *last < at) {
            open.pop();
        }
        let top = open.peek();
        let held = top.map(|(held, _)| *held);
        if pieces.last().map(|(_, held)| *held) != Some(held) {
            pieces.push((at, held));
        }
        let starts = waiting.peek().map(|interval| interval.first);
        let ends = top.and_then(|(_, last)| after(*last));
        next = [starts, ends].into_iter().flatten().min();
    }
    pieces.into()
}

/// A set of networks, in which an address is found by halving.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    all: Box<[Network]>,
    intervals: Intervals,
}

impl Networks {
    /// Whether one of them holds `address`, as [`Network::contains`] says.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.intervals.find_either(address).is_some()
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let all: Box<[Network]> = networks.into_iter().collect();
        let mut builder = IntervalsBuilder::default();
        for network in &all {
            builder.network(*network, Held { rank: 0, value: 0 });
        }
        Self { intervals: builder.build(), all }
    }
}

/// They are the same networks in the same order.
impl PartialEq for Networks {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Networks {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Few different addresses, so that intervals meet.
    fn addresses() -> impl Strategy<Value = IpAddr> {
        let low = prop_oneof![0_u8..12, 250_u8..=255];
        let v4 = low.clone().prop_map(|low| IpAddr::from([255, 255, 255, low]));
        let first = (0_u8..4).prop_map(|low| IpAddr::from([0, 0, 0, low]));
        let v6 = low.prop_map(|low| Ipv6Addr::from_bits(u128::MAX - u128::from(low)).into());
        let mapped = (0_u8..4).prop_map(|low| Ipv4Addr::from([255, 255, 255, low]).to_ipv6_mapped().into());
        prop_oneof![v4, first, v6, mapped]
    }

    /// At each end of a network, and of the IPv4 addresses among those of IPv6.
    #[test]
    fn a_network_ends_where_it_ends() {
        let network = |text: &str, bits| Network::new(text.parse().expect("an address"), bits);
        let mapped = |low: &str| u128::from(low.parse::<Ipv4Addr>().expect("an address").to_bits()) | MAPPED;
        let ends = [
            0,
            1,
            MAPPED - 1,
            MAPPED,
            mapped("9.255.255.255"),
            mapped("10.0.0.0"),
            mapped("10.255.255.255"),
            mapped("11.0.0.0"),
            MAPPED | 0xffff_ffff,
            MAPPED + (1 << 32),
            (MAPPED << 16) - 1,
            MAPPED << 16,
            u128::MAX,
        ];
        for network in [
            network("10.0.0.0", 8),
            network("10.0.0.0", 32),
            network("0.0.0.0", 0),
            network("::", 0),
            network("::", 64),
            network("::", 80),
            network("::", 81),
            network("::ffff:0.0.0.0", 96),
            network("::ffff:10.0.0.0", 104),
            network("::ffff:0.0.0.0", 95),
            network("::1:0:0:0", 80),
            network("2001:db8::", 32),
        ] {
            let mut builder = IntervalsBuilder::default();
            builder.network(network, Held { rank: 0, value: 0 });
            let intervals = builder.build();
            for bits in ends {
                let v6 = Ipv6Addr::from_bits(bits);
                let v4 = v6.to_ipv4_mapped().map(IpAddr::V4);
                for address in [Some(v6.into()), v4].into_iter().flatten() {
                    let found = intervals.find_either(address).is_some();
                    assert_eq!(found, network.contains(address), "{network:?} {address}");
                }
            }
        }
    }

    #[test]
    fn a_range_that_ends_before_it_begins_holds_nothing() {
        for (first, last) in [("10.0.0.2", "10.0.0.1"), ("::2", "::1"), ("10.0.0.1", "::2")] {
            let mut builder = IntervalsBuilder::default();
            let held = Held { rank: 0, value: 0 };
            builder.range(first.parse().expect("an address"), last.parse().expect("an address"), held);
            let intervals = builder.build();
            assert!(intervals.is_empty(), "{first} to {last}");
            assert_eq!(format!("{intervals:?}"), "{}");
        }
        let mut builder = IntervalsBuilder::default();
        builder.network(Network::new([10, 0, 0, 0].into(), 8), Held { rank: 0, value: 7 });
        let shown = format!("{:?}", builder.build());
        assert!(shown.contains("10.0.0.0") && shown.contains("11.0.0.0") && shown.contains('7'), "{shown}");
    }

    proptest! {
        #[test]
        fn of_ranges_that_overlap_the_highest_holds(
            ranges in proptest::collection::vec((addresses(), addresses(), 0..5_u64), 0..20),
            address in addresses(),
        ) {
            let mut builder = IntervalsBuilder::default();
            for ((first, last, rank), value) in ranges.iter().zip(0..) {
                builder.range(*first, *last, Held { rank: *rank, value });
            }
            let holds = |(first, last, _): &(IpAddr, IpAddr, u64)| {
                first.is_ipv4() == last.is_ipv4() && *first <= address && address <= *last
            };
            let expected = ranges.iter().zip(0..).filter(|(range, _)| holds(range));
            let expected = expected.map(|((_, _, rank), value)| Held { rank: *rank, value }).max();
            prop_assert_eq!(builder.build().find(address), expected);
        }

        #[test]
        fn a_set_of_networks_holds_what_one_of_them_holds(
            networks in proptest::collection::vec((addresses(), 0..=128_u8), 0..8),
            address in addresses(),
        ) {
            let networks: Vec<Network> =
                networks.into_iter().map(|(address, bits)| Network::new(address, bits)).collect();
            let set: Networks = networks.iter().copied().collect();
            prop_assert_eq!(set.contains(address), networks.iter().any(|network| network.contains(address)));
        }
    }

    #[test]
    fn the_last_address_of_all_ends_it() {
        let everything = Network::new(IpAddr::from([0, 0, 0, 0]), 0);
        let set: Networks = [everything].into_iter().collect();
        assert!(set.contains(IpAddr::from([255, 255, 255, 255])));
        assert!(!set.contains("::".parse().expect("an address")));
        assert_eq!(set, [everything].into_iter().collect());
        assert_ne!(set, Networks::default());
    }
}
