//! nginx's `geo`: a value by the client's address.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::Template;
use crate::{
    Network,
    intervals::{Held, Intervals, IntervalsBuilder},
};

/// A `geo` block: from an address to a text, by the longest network that holds it.
#[derive(Debug)]
pub struct Geo {
    source: Template,
    networks: Intervals,
    ranges: Intervals,
    /// What [`Held::value`] is an index into.
    values: Vec<Box<[u8]>>,
    default: Box<[u8]>,
}

impl Geo {
    /// Begins a `geo` of the address that `source` evaluates to (`$remote_addr` unless the block names
    /// another one).
    pub fn builder(source: Template) -> GeoBuilder {
        GeoBuilder {
            geo: Self {
                source,
                networks: Intervals::default(),
                ranges: Intervals::default(),
                values: Vec::new(),
                default: Box::default(),
            },
            networks: BTreeMap::new(),
            ranges: IntervalsBuilder::default(),
            known: HashMap::new(),
            added: 0,
        }
    }

    pub(crate) fn source(&self) -> &Template {
        &self.source
    }

    /// The value for `address`, as text.
    pub(crate) fn find(&self, address: &[u8]) -> &[u8] {
        let address = sought(address);
        let held = self.networks.find(address).or_else(|| self.ranges.find(address));
        match held.and_then(|held| self.values.get(held.value as usize)) {
            Some(value) => value,
            // nginx's ranges hold addresses of IPv4 only, and all others are looked for as what is no address.
            None if address.is_ipv6() && !self.ranges.is_empty() => self.find(b""),
            None => &self.default,
        }
    }
}

/// The address that is looked for: an IPv4 address in every form, and 255.255.255.255 for what is no address, which is
/// nginx's `INADDR_NONE`. A block list can so say what becomes of a client without an address.
fn sought(text: &[u8]) -> IpAddr {
    let ipv6 = || std::str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok();
    let ipv4 = ipv4(text).map(IpAddr::V4);
    ipv4.or_else(|| Some(IpAddr::V6(ipv6()?).to_canonical())).unwrap_or(IpAddr::V4(Ipv4Addr::BROADCAST))
}

/// Reads four decimal numbers as nginx does: with leading zeros, and nothing for a zero. What nginx reads as an address
/// of a network mustn't be another one here.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let octet = |digits: &[u8]| {
        digits.iter().try_fold(0_u8, |value, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value.checked_mul(10)?.checked_add(digit)
        })
    };
    let mut octets = text.split(|byte| *byte == b'.').map(octet);
    let address = [octets.next()??, octets.next()??, octets.next()??, octets.next()??];
    octets.next().is_none().then(|| address.into())
}

/// Builds a [`Geo`]. Each adding method says `false` when the key was there before; the later value holds, as
/// in nginx.
#[derive(Debug)]
#[must_use]
pub struct GeoBuilder {
    geo: Geo,
    networks: BTreeMap<Network, Held>,
    ranges: IntervalsBuilder,
    /// Values that are there already: most networks share one with others.
    known: HashMap<Box<[u8]>, u32>,
    added: u32,
}

impl GeoBuilder {
    /// Adds a network.
    pub fn network(&mut self, network: Network, value: &[u8]) -> bool {
        let value = self.value(value);
        if let Some(known) = self.networks.get_mut(&network) {
            known.value = value;
            return false;
        }
        self.added = self.added.saturating_add(1);
        // The longest holds; of an IPv4 and an IPv6 network of the same length, the first.
        let rank = u64::from(network.bits()) << 32 | u64::from(u32::MAX - self.added);
        self.networks.insert(network, Held { rank, value });
        true
    }

    /// `delete`: takes a network out.
    pub fn delete(&mut self, network: Network) -> bool {
        self.networks.remove(&network).is_some()
    }

    /// With `ranges`: adds the addresses from `first` to `last`. The later of two that overlap holds.
    pub fn range(&mut self, first: IpAddr, last: IpAddr, value: &[u8]) {
        self.added = self.added.saturating_add(1);
        let held = Held { rank: self.added.into(), value: self.value(value) };
        self.ranges.range(first, last, held);
    }

    /// The number of a value.
    fn value(&mut self, value: &[u8]) -> u32 {
        if let Some(known) = self.known.get(value) {
            return *known;
        }
        let number = u32::try_from(self.geo.values.len()).unwrap_or(u32::MAX);
        self.geo.values.push(value.into());
        self.known.insert(value.into(), number);
        number
    }

    /// Sets what holds for all other addresses.
    pub fn default(&mut self, value: &[u8]) {
        self.geo.default = value.into();
    }

    /// The finished block.
    #[must_use]
    pub fn build(self) -> Geo {
        let mut networks = IntervalsBuilder::default();
        for (network, held) in self.networks {
            networks.network(network, held);
        }
        Geo { networks: networks.build(), ranges: self.ranges.build(), ..self.geo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Variable;

    #[test]
    fn the_longest_network_wins() {
        let mut geo = Geo::builder(Template::variable(Variable::RemoteAddr));
        geo.default(b"world");
        let network = |address: &str, bits| Network::new(address.parse().expect("an address"), bits);
        assert!(geo.network(network("10.0.0.0", 8), b"ten"));
        assert!(geo.network(network("10.1.0.0", 16), b"ten-one"));
        assert!(geo.network(network("2001:db8::", 32), b"six"));
        assert!(!geo.network(network("10.0.0.0", 8), b"ten again"));
        assert!(geo.network(network("10.2.0.0", 16), b"gone"));
        assert!(geo.delete(network("10.2.0.0", 16)));
        assert!(!geo.delete(network("10.2.0.0", 16)), "it is gone already");
        let geo = geo.build();
        for (address, expected) in [
            ("10.1.2.3", "ten-one"),
            ("10.2.2.3", "ten again"),
            ("11.0.0.1", "world"),
            ("2001:db8::5", "six"),
            ("::1", "world"),
            ("unix:", "world"),
            ("::ffff:10.1.2.3", "ten-one"),
        ] {
            assert_eq!(String::from_utf8_lossy(geo.find(address.as_bytes())), expected, "{address}");
        }
    }

    #[test]
    fn ranges_hold_their_ends() {
        let mut geo = Geo::builder(Template::variable(Variable::RemoteAddr));
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        geo.range(address("10.0.0.5"), address("10.0.0.9"), b"in");
        let geo = geo.build();
        assert_eq!((geo.find(b"10.0.0.5"), geo.find(b"10.0.0.9")), (b"in".as_slice(), b"in".as_slice()));
        assert_eq!((geo.find(b"10.0.0.4"), geo.find(b"10.0.0.10")), (b"".as_slice(), b"".as_slice()));
    }

    proptest::proptest! {
        /// Against the definition: of all networks that hold the address the longest, else the last of the ranges.
        #[test]
        fn a_value_is_that_of_the_definition(
            entries in proptest::collection::vec((0..3_u8, 0..2_u8, 0..4_u8, 24..=32_u8, 0..4_u8), 0..12),
            address in (0..3_u8, 0..4_u8),
        ) {
            let ip = |kind: u8, low: u8| {
                let v4 = Ipv4Addr::new(10, 0, 0, low);
                match kind {
                    0 => IpAddr::V4(v4),
                    1 => IpAddr::V6(v4.to_ipv6_mapped()),
                    _ => IpAddr::V6(Ipv6Addr::from_bits(low.into())),
                }
            };
            let mut geo = Geo::builder(Template::variable(Variable::RemoteAddr));
            let mut networks: Vec<(Network, String)> = Vec::new();
            let mut ranges: Vec<(IpAddr, IpAddr, String)> = Vec::new();
            for (number, (kind, what, low, bits, other)) in entries.into_iter().enumerate() {
                let value = (number / 2).to_string();
                if what == 0 {
                    let bits = if kind == 0 { bits } else { bits + 96 };
                    let network = Network::new(ip(kind, low), bits);
                    let known = networks.iter_mut().find(|(known, _)| *known == network);
                    proptest::prop_assert_eq!(geo.network(network, value.as_bytes()), known.is_none());
                    match known {
                        Some((_, known)) => *known = value,
                        None => networks.push((network, value)),
                    }
                } else {
                    geo.range(ip(kind, low), ip(kind, other), value.as_bytes());
                    ranges.push((ip(kind, low), ip(kind, other), value));
                }
            }
            let address = ip(address.0, address.1).to_canonical();
            // Of equally long ones the first.
            let holding = networks.iter().rev().filter(|(network, _)| network.contains(address));
            let in_network = holding.max_by_key(|(network, _)| network.bits()).map(|(_, value)| value);
            let in_range = ranges.iter().rev().find(|(first, last, _)| *first <= address && address <= *last);
            let expected = in_network.or_else(|| in_range.map(|(_, _, value)| value)).map_or("", String::as_str);
            let found = geo.build();
            let found = found.find(address.to_string().as_bytes());
            proptest::prop_assert_eq!(String::from_utf8_lossy(found), expected);
        }
    }

    fn blocks() -> [Geo; 2] {
        let [networks, ranges] = begun();
        [networks.build(), ranges.build()]
    }

    fn begun() -> [GeoBuilder; 2] {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mut networks = Geo::builder(Template::variable(Variable::RemoteAddr));
        networks.default(b"open");
        networks.network(Network::new(address("255.255.255.255"), 32), b"none");
        networks.network(Network::new(address("10.0.0.0"), 8), b"ten");
        networks.network(Network::new(address("::"), 0), b"six");
        networks.network(Network::new(address("::ffff:0:0"), 96), b"mapped");
        let mut ranges = Geo::builder(Template::variable(Variable::RemoteAddr));
        ranges.default(b"open");
        ranges.range(address("255.255.0.0"), address("255.255.255.255"), b"none");
        ranges.range(address("10.0.0.0"), address("10.255.255.255"), b"ten");
        [networks, ranges]
    }

    /// As nginx does: a block list has its say where nobody can tell who it is.
    #[test]
    fn what_is_no_address_is_the_last_address_of_ipv4() {
        for text in [
            "",
            "unix:",
            "garbage",
            "10.1.1",
            "256.1.1.1",
            "10.1.1.1:80",
            "10.1.1.:",
            "10.1.1.1 ",
            "::1%lo",
            "1::2::3",
        ] {
            for geo in blocks() {
                assert_eq!(String::from_utf8_lossy(geo.find(text.as_bytes())), "none", "{text:?} {geo:?}");
            }
        }
    }

    #[test]
    fn an_ipv4_address_is_one_in_every_form() {
        for text in ["10.1.1.1", "010.001.1.1", "10..1.1", "::ffff:10.1.1.1", "::ffff:a01:101"] {
            for geo in blocks() {
                assert_eq!(String::from_utf8_lossy(geo.find(text.as_bytes())), "ten", "{text:?} {geo:?}");
            }
        }
    }

    #[test]
    fn ranges_know_no_other_address_of_ipv6() {
        let [networks, ranges] = blocks();
        assert_eq!((networks.find(b"::10.1.1.1"), ranges.find(b"::10.1.1.1")), (&b"six"[..], &b"none"[..]));
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let [_, mut ranges] = begun();
        ranges.range(address("2001:db8::"), address("2001:db8::ff"), b"ours");
        let ranges = ranges.build();
        assert_eq!((ranges.find(b"2001:db8::1"), ranges.find(b"2001:db9::1")), (&b"ours"[..], &b"none"[..]));
    }
}
