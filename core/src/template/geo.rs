//! nginx's `geo`: a value by the client's address.

use std::net::IpAddr;

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

    /// The value for `address`, as text; what is no address has the default, as in nginx.
    pub(crate) fn find(&self, address: &[u8]) -> &[u8] {
        let parsed = std::str::from_utf8(address).ok().and_then(|text| text.parse::<IpAddr>().ok());
        let Some(address) = parsed else { return &self.default };
        let in_network = || self.networks.iter().find(|(network, _)| network.contains(address));
        let in_range = || self.ranges.iter().find(|(first, last, _)| *first <= address && address <= *last);
        in_network()
            .map(|(_, value)| value)
            .or_else(|| in_range().map(|(_, _, value)| value))
            .unwrap_or(&self.default)
    }
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
}
