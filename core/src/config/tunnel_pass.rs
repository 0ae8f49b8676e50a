//! CONNECT (behaviour D): nginx's `tunnel_pass` and what goes with it.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{NextUpstream, SocketOptions, Target, Upgrade};
use crate::Network;

/// `tunnel_pass`: CONNECT requests open a tunnel; any other method is answered with a 405 (D1).
#[derive(Debug)]
#[non_exhaustive]
pub struct TunnelPass {
    /// Where the tunnel leads.
    pub destination: Destination,
    /// `tunnel_connect_timeout`. 60 s.
    pub connect_timeout: Duration,
    /// `tunnel_read_timeout`: the idle timer of the tunnel (C5). 60 s.
    pub read_timeout: Duration,
    /// `tunnel_send_timeout`. 60 s.
    pub send_timeout: Duration,
    /// `tunnel_next_upstream*`.
    pub next_upstream: NextUpstream,
    /// `tunnel_bind`, `tunnel_socket_keepalive`, `tunnel_socket_rcvbuf`, `tunnel_socket_sndbuf`,
    /// `tunnel_send_lowat`.
    pub socket: SocketOptions,
    /// Half-close and resets of the tunnel (C2, C3).
    pub tunnel: Upgrade,
}

impl TunnelPass {
    /// Tunnels to `destination`, with nginx's defaults.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        let minute = Duration::from_secs(60);
        Self {
            destination,
            connect_timeout: minute,
            read_timeout: minute,
            send_timeout: minute,
            next_upstream: NextUpstream::default(),
            socket: SocketOptions::default(),
            tunnel: Upgrade::default(),
        }
    }
}

/// Where CONNECT leads.
#[derive(Debug)]
#[non_exhaustive]
pub enum Destination {
    /// `tunnel_pass;`: the authority that the client names, as far as the policy permits.
    Requested {
        /// What may be reached.
        policy: DestinationPolicy,
        /// The group whose settings hold for such connections; it has no peers of its own.
        group: crate::shared::GroupId,
    },
    /// `tunnel_pass ADDRESS;`: the operator's own word, whatever the client names.
    Configured(Target),
}

/// `tunnel_allow` and `tunnel_deny`: which destinations a client may choose (D4). Checked on the address that
/// is dialled, so that a name that resolves differently the next time gains nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DestinationPolicy {
    /// In the order of the file; the first that matches decides. What none matches is denied when there is a
    /// `tunnel_allow`, else allowed unless it is one of the addresses that are never meant (private, local,
    /// our own listeners, port 25).
    pub rules: Vec<DestinationRule>,
    /// Our own listening addresses.
    pub own: Vec<SocketAddr>,
}

/// One `tunnel_allow` or `tunnel_deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationRule {
    /// Whether it allows.
    pub allows: bool,
    /// Which hosts.
    pub host: DestinationHost,
    /// Which ports, first and last; absent: all.
    pub ports: Option<(u16, u16)>,
}

impl DestinationRule {
    /// A rule for these hosts and ports.
    #[must_use]
    pub fn new(allows: bool, host: DestinationHost, ports: Option<(u16, u16)>) -> Self {
        Self { allows, host, ports }
    }
}

/// The hosts of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DestinationHost {
    /// `all`.
    Any,
    /// `example.com`: this name, in lower case.
    Name(Box<str>),
    /// `*.example.com`: names below, as `.example.com`.
    Below(Box<str>),
    /// Addresses.
    Network(Network),
}

/// Addresses that nobody outside is meant to reach through us (D4): private, local, multicast, reserved.
const NEVER: [(IpAddr, u8); 13] = [
    (v4(0, 0), 8),
    (v4(10, 0), 8),
    (v4(100, 64), 10),
    (v4(127, 0), 8),
    (v4(169, 254), 16),
    (v4(172, 16), 12),
    (v4(192, 168), 16),
    (v4(224, 0), 3),
    (v6(0, 0), 128),
    (v6(0, 1), 128),
    (v6(0xfc00, 0), 7),
    (v6(0xfe80, 0), 10),
    (v6(0xff00, 0), 8),
];

/// The port of mail servers: a way out for spam.
const SMTP: u16 = 25;

const fn v4(first: u8, second: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(first, second, 0, 0))
}

const fn v6(first: u16, last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last))
}

impl DestinationPolicy {
    /// A policy of these rules, for a gateway that listens at `own`.
    #[must_use]
    pub fn new(rules: Vec<DestinationRule>, own: Vec<SocketAddr>) -> Self {
        Self { rules, own }
    }

    /// Whether `address`, which `name` (or the address itself, as text) was resolved to, may be reached.
    ///
    /// A rule for a name doesn't open the addresses that are never meant: whoever controls the name could let
    /// it point there. A rule for addresses does.
    #[must_use]
    pub fn permits(&self, name: &str, address: SocketAddr) -> bool {
        match self.rules.iter().find(|rule| rule.matches(name, address)) {
            Some(rule) if rule.allows => rule.is_about_addresses() || !is_never_meant(address),
            Some(_) => false,
            None => !self.rules.iter().any(|rule| rule.allows) && !is_never_meant(address),
        }
    }

    /// Whether a rule for addresses permits it, not the absence of rules.
    pub(crate) fn allows_explicitly(&self, name: &str, address: SocketAddr) -> bool {
        let found = self.rules.iter().find(|rule| rule.matches(name, address));
        found.is_some_and(|rule| rule.allows && matches!(rule.host, DestinationHost::Network(_)))
    }
}

impl DestinationRule {
    fn matches(&self, name: &str, address: SocketAddr) -> bool {
        // The dot of a fully qualified name says nothing here, as with the names of servers.
        let name = name.strip_suffix('.').unwrap_or(name);
        let in_ports = self.ports.is_none_or(|(first, last)| (first..=last).contains(&address.port()));
        in_ports
            && match &self.host {
                DestinationHost::Any => true,
                DestinationHost::Name(known) => name.eq_ignore_ascii_case(known),
                DestinationHost::Below(mask) => {
                    let at = name.len().checked_sub(mask.len()).filter(|at| *at > 0);
                    at.and_then(|at| name.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(mask))
                }
                DestinationHost::Network(network) => network.contains(meant(address.ip())),
            }
    }

    fn is_about_addresses(&self) -> bool {
        matches!(self.host, DestinationHost::Any | DestinationHost::Network(_))
    }
}

fn is_never_meant(address: SocketAddr) -> bool {
    let ip = meant(address.ip());
    address.port() == SMTP || NEVER.iter().any(|(network, bits)| Network::new(*network, *bits).contains(ip))
}

/// The address that is reached in the end: IPv4 addresses in the clothes of IPv6 (RFC 4291 §2.5.5.2, RFC 6052
/// §2.1) count as what they are.
pub(crate) fn meant(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()),
        _ => ip.to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn rule(allows: bool, host: DestinationHost, ports: Option<(u16, u16)>) -> DestinationRule {
        DestinationRule::new(allows, host, ports)
    }

    #[test]
    fn without_rules_only_the_public_internet_is_reached() {
        let policy = DestinationPolicy::default();
        for open in
            ["192.0.2.1:443", "[2001:db8::1]:443", "100.128.0.1:80", "172.32.0.1:80", "223.255.255.255:1"]
                .into_iter()
                .chain(["[64:ff9b::c000:201]:80", "[::ffff:192.0.2.1]:80"])
        {
            assert!(policy.permits("x", address(open)), "{open}");
        }
        for closed in [
            "0.0.0.0:80",
            "0.1.2.3:80",
            "10.1.1.1:80",
            "100.64.0.1:80",
            "100.127.255.255:80",
            "127.0.0.1:80",
            "169.254.169.254:80",
            "172.31.255.255:80",
            "192.168.1.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[::]:80",
            "[::1]:80",
            "[fd00::1]:80",
            "[fe80::1]:80",
            "[febf::1]:80",
            "[ff02::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[::ffff:10.0.0.1]:80",
            "[64:ff9b::7f00:1]:80",
            "[64:ff9b::a00:1]:80",
            "192.0.2.1:25",
            "[2001:db8::1]:25",
        ] {
            assert!(!policy.permits("x", address(closed)), "{closed}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let network = |text: &str, bits| {
            DestinationHost::Network(Network::new(text.parse().expect("an address"), bits))
        };
        let policy = DestinationPolicy::new(
            vec![
                rule(false, DestinationHost::Name("bad.example.com".into()), None),
                rule(true, DestinationHost::Below(".example.com".into()), Some((443, 443))),
                rule(true, network("10.1.0.0", 16), Some((8000, 8999))),
            ],
            vec![],
        );
        for (name, to, expected) in [
            ("bad.example.com", "192.0.2.1:443", false),
            ("www.EXAMPLE.com", "192.0.2.1:443", true),
            ("www.example.com", "192.0.2.1:80", false),
            ("example.com", "192.0.2.1:443", false),
            (".example.com", "192.0.2.1:443", false),
            ("www.example.com", "127.0.0.1:443", false),
            ("any", "10.1.2.3:8080", true),
            ("any", "[::ffff:10.1.2.3]:8080", true),
            ("any", "10.1.2.3:80", false),
            ("any", "192.0.2.1:443", false),
        ] {
            assert_eq!(policy.permits(name, address(to)), expected, "{name} {to}");
        }
    }

    #[test]
    fn denying_alone_leaves_the_rest_as_it_is() {
        let policy = DestinationPolicy::new(vec![rule(false, DestinationHost::Any, Some((1, 442)))], vec![]);
        assert!(policy.permits("x", address("192.0.2.1:443")));
        assert!(!policy.permits("x", address("192.0.2.1:80")));
        assert!(!policy.permits("x", address("10.0.0.1:443")));
    }

    #[test]
    fn all_means_all() {
        let policy = DestinationPolicy::new(vec![rule(true, DestinationHost::Any, None)], vec![]);
        assert!(policy.permits("x", address("127.0.0.1:25")));
    }
}
