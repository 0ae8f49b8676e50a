//! nginx's `geo`: a value by the client's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Template;
use crate::Network;

/// A `geo` block: from an address to a text, by the longest network that holds it.
#[derive(Debug)]
pub struct Geo {
    source: Template,
    /// Longest first.
    networks: Vec<(Network, Box<[u8]>)>,
    /// First and last address of `ranges`, in the order of the file.
    ranges: Vec<(IpAddr, IpAddr, Box<[u8]>)>,
    default: Box<[u8]>,
}

impl Geo {
    /// Begins a `geo` of the address that `source` evaluates to (`$remote_addr` unless the block names
    /// another one).
    pub fn builder(source: Template) -> GeoBuilder {
        GeoBuilder(Self { source, networks: Vec::new(), ranges: Vec::new(), default: Box::default() })
    }

    pub(crate) fn source(&self) -> &Template {
        &self.source
    }

    /// The value for `address`, as text.
    pub(crate) fn find(&self, address: &[u8]) -> &[u8] {
        let address = sought(address);
        let in_network = || self.networks.iter().find(|(network, _)| network.contains(address));
        let in_range = || self.ranges.iter().find(|(first, last, _)| *first <= address && address <= *last);
        let found = in_network().map(|(_, value)| value).or_else(|| in_range().map(|(_, _, value)| value));
        match found {
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
pub struct GeoBuilder(Geo);

impl GeoBuilder {
    /// Adds a network.
    pub fn network(&mut self, network: Network, value: &[u8]) -> bool {
        let networks = &mut self.0.networks;
        if let Some((_, known)) = networks.iter_mut().find(|(known, _)| *known == network) {
            *known = value.into();
            return false;
        }
        let at = networks.partition_point(|(known, _)| known.bits() >= network.bits());
        networks.insert(at, (network, value.into()));
        true
    }

    /// `delete`: takes a network out.
    pub fn delete(&mut self, network: Network) -> bool {
        let before = self.0.networks.len();
        self.0.networks.retain(|(known, _)| *known != network);
        self.0.networks.len() < before
    }

    /// With `ranges`: adds the addresses from `first` to `last`.
    pub fn range(&mut self, first: IpAddr, last: IpAddr, value: &[u8]) {
        self.0.ranges.insert(0, (first, last, value.into()));
    }

    /// Sets what holds for all other addresses.
    pub fn default(&mut self, value: &[u8]) {
        self.0.default = value.into();
    }

    /// The finished block.
    #[must_use]
    pub fn build(self) -> Geo {
        self.0
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

    fn blocks() -> [Geo; 2] {
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
        [networks.build(), ranges.build()]
    }

    /// As nginx does: a block list has its say where nobody can tell who it is.
    #[test]
    fn what_is_no_address_is_the_last_address_of_ipv4() {
        for text in
            ["", "unix:", "garbage", "10.1.1", "256.1.1.1", "10.1.1.1:80", "10.1.1.1 ", "::1%lo", "1::2::3"]
        {
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
        let [networks, mut ranges] = blocks();
        assert_eq!((networks.find(b"::10.1.1.1"), ranges.find(b"::10.1.1.1")), (&b"six"[..], &b"none"[..]));
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        ranges.ranges.insert(0, (address("2001:db8::"), address("2001:db8::ff"), b"ours".as_slice().into()));
        assert_eq!((ranges.find(b"2001:db8::1"), ranges.find(b"2001:db9::1")), (&b"ours"[..], &b"none"[..]));
    }
}
