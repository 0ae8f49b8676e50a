//! Where a connection comes from or goes to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

/// The address of one end of a connection. A clone takes no memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Ip(SocketAddr),
    /// A Unix domain socket; an unnamed one has an empty path.
    Unix(Arc<Path>),
}

impl Address {
    /// The port, where the address has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// As nginx's variables show it: `127.0.0.1:80`, `[::1]:80`, `unix:/path`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Addresses that begin with the same bits: `10.0.0.0/8`, `fe80::/10`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The bits that all IPv4 addresses mapped into IPv6 share (RFC 4291 §2.5.5.2).
const MAPPED_BITS: u8 = 96;

impl Network {
    /// The addresses whose first `bits` bits are those of `address`; its other bits are ignored. At most 32 or
    /// 128 bits count.
    #[must_use]
    pub fn new(address: IpAddr, bits: u8) -> Self {
        let masked = match address {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
                IpAddr::V4((u32::from(ip) & mask).into())
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
                IpAddr::V6((u128::from(ip) & mask).into())
            }
        };
        Self { address: masked, bits: bits.min(if address.is_ipv4() { 32 } else { 128 }) }
    }

    /// One address.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self::new(address, 128)
    }

    /// Whether it holds `address`; an IPv4 address mapped into IPv6 counts as the IPv4 address (nginx): a network of
    /// IPv6 holds it only where that consists of such addresses.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let is_mapped = |ip: IpAddr| ip.is_ipv6() && ip.to_canonical().is_ipv4();
        let written = if is_mapped(address) && !(is_mapped(self.address) && self.bits >= MAPPED_BITS) {
            address.to_canonical()
        } else {
            address
        };
        Self::new(written, self.bits).address == self.address
    }

    /// Its first address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses share.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

/// `10.0.0.0/8`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// One of the two connections of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The client's connection.
    Downstream,
    /// The origin server's connection.
    Upstream,
}

impl Side {
    /// Both, the client's first.
    pub const BOTH: [Self; 2] = [Self::Downstream, Self::Upstream];

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_shares_their_bits() {
        let network = |text: &str| {
            let (address, bits) = text.split_once('/').expect("a prefix length");
            Network::new(address.parse().expect("an address"), bits.parse().expect("a number"))
        };
        for (written, address, expected) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.2", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
            ("::/0", "10.0.0.1", false),
            ("::ffff:0:0/96", "::ffff:10.1.1.1", true),
            ("::ffff:10.0.0.0/104", "::ffff:11.1.1.1", false),
            ("::/0", "::ffff:10.1.1.1", false),
            ("::/64", "::ffff:10.1.1.1", false),
            ("::/64", "::1", true),
        ] {
            assert_eq!(
                network(written).contains(address.parse().expect("an address")),
                expected,
                "{written} {address}"
            );
        }
        assert_eq!(network("10.1.2.3/8").to_string(), "10.0.0.0/8");
    }
}
