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
    /// `tunnel_allow`, else allowed unless it is one of the reserved addresses (private, local, our own
    /// listeners, port 25).
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

/// Addresses that nobody outside is meant to reach through us (D4): private, local, multicast, reserved, for
/// documentation and benchmarks (RFC 6890), and those that lead to an IPv4 address by a gateway that nobody can
/// see (6to4: RFC 3056; a translator of the network's own: RFC 8215).
const NEVER: [(IpAddr, u8); 23] = [
    (v4(0, 0, 0), 8),
    (v4(10, 0, 0), 8),
    (v4(100, 64, 0), 10),
    (v4(127, 0, 0), 8),
    (v4(169, 254, 0), 16),
    (v4(172, 16, 0), 12),
    (v4(192, 0, 0), 24),
    (v4(192, 0, 2), 24),
    (v4(192, 168, 0), 16),
    (v4(198, 18, 0), 15),
    (v4(198, 51, 100), 24),
    (v4(203, 0, 113), 24),
    (v4(224, 0, 0), 3),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (v6(0x64, 0xff9b, 1), 48),
    (v6(0x100, 0, 0), 64),
    (v6(0x2001, 0xdb8, 0), 32),
    (v6(0x2002, 0, 0), 16),
    (v6(0xfc00, 0, 0), 7),
    (v6(0xfe80, 0, 0), 10),
    (v6(0xfec0, 0, 0), 10),
    (v6(0xff00, 0, 0), 8),
];

/// The port of mail servers: a way out for spam.
const SMTP: u16 = 25;

const fn v4(first: u8, second: u8, third: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(first, second, third, 0))
}

const fn v6(first: u16, second: u16, third: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0))
}

/// What a policy says of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// It may be reached.
    Granted,
    /// It may be reached unless it is an address of this machine: a listener of ours takes every address of
    /// the machine, and which those are only the system knows.
    GrantedElsewhere,
    /// It may not be reached.
    Denied,
}

impl DestinationPolicy {
    /// A policy of these rules, for a gateway that listens at `own`.
    #[must_use]
    pub fn new(rules: Vec<DestinationRule>, own: Vec<SocketAddr>) -> Self {
        Self { rules, own }
    }

    /// Whether `address`, which `name` (or the address itself, as text) was resolved to, may be reached.
    ///
    /// A rule for a name doesn't open the reserved addresses: whoever controls the name could let it point
    /// there. A rule for addresses does.
    #[must_use]
    pub fn permits(&self, name: &str, address: SocketAddr) -> bool {
        match self.rules.iter().find(|rule| rule.matches(name, address)) {
            Some(rule) if rule.allows => rule.is_about_addresses() || !is_reserved(address),
            Some(_) => false,
            None => !self.rules.iter().any(|rule| rule.allows) && !is_reserved(address),
        }
    }

    /// The same for a client whose connection came in at `local`, with what is known of our own listeners. Only a
    /// rule for a network that names the address lets anybody reach one.
    pub(crate) fn permission(&self, name: &str, address: SocketAddr, local: Option<IpAddr>) -> Permission {
        if !self.permits(name, address) {
            return Permission::Denied;
        }
        if self.names_address(name, address) {
            return Permission::Granted;
        }
        let is_here = |ip: IpAddr| ip.is_loopback() || local.is_some_and(|local| embedded_v4(local) == ip);
        let mut found = Permission::Granted;
        for own in self.own.iter().filter(|own| own.port() == address.port()) {
            let at_all = own.ip().is_unspecified();
            if reached(address.ip()).any(|ip| if at_all { is_here(ip) } else { embedded_v4(own.ip()) == ip })
            {
                return Permission::Denied;
            }
            if at_all {
                found = Permission::GrantedElsewhere;
            }
        }
        found
    }

    /// Whether the rule that decides allows a network that names the address: neither the absence of rules does,
    /// nor a network of all addresses.
    fn names_address(&self, name: &str, address: SocketAddr) -> bool {
        let found = self.rules.iter().find(|rule| rule.matches(name, address));
        found.is_some_and(|rule| match rule.host {
            DestinationHost::Network(network) => rule.allows && network.bits() > 0,
            _ => false,
        })
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
                DestinationHost::Network(network) => network.contains(embedded_v4(address.ip())),
            }
    }

    fn is_about_addresses(&self) -> bool {
        matches!(self.host, DestinationHost::Any | DestinationHost::Network(_))
    }
}

fn is_reserved(address: SocketAddr) -> bool {
    let ip = embedded_v4(address.ip());
    address.port() == SMTP || NEVER.iter().any(|(network, bits)| Network::new(*network, *bits).contains(ip))
}

/// Whether `name` means the loopback addresses, whatever a name server says of it: `localhost`, and the names below
/// it (RFC 6761 §6.3).
pub(crate) fn is_localhost(name: &str) -> bool {
    const LOCALHOST: &[u8] = b"localhost";
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    let Some((above, last)) = name.len().checked_sub(LOCALHOST.len()).map(|at| name.split_at(at)) else {
        return false;
    };
    last.eq_ignore_ascii_case(LOCALHOST) && (above.is_empty() || above.ends_with(b"."))
}

/// The addresses at which a connection to `ip` may arrive: the address itself, and an IPv4 address that is written
/// into it: by a mapping (RFC 4291 §2.5.5), by a translator's prefix (RFC 6052 §2.1, RFC 8215) or by 6to4 (RFC 3056
/// §2). The unspecified address leads to this machine.
pub(crate) fn reached(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let itself = match embedded_v4(ip) {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    };
    let pair = |high: u16, low: u16| Some(IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()));
    let IpAddr::V6(v6) = itself else { return [Some(itself), None, None].into_iter().flatten() };
    let written = match v6.segments() {
        // ::a.b.c.d, but for ::1.
        [0, 0, 0, 0, 0, 0, high, low] if high > 0 => [pair(high, low), None],
        // A translator puts the address behind its /48, around an octet of zero, or at the end of a longer prefix.
        [0x64, 0xff9b, 1, high, middle, low, last_high, last_low] => {
            [pair(high, (middle << 8) | (low >> 8)), pair(last_high, last_low)]
        }
        [0x2002, high, low, ..] => [pair(high, low), None],
        _ => [None, None],
    };
    [Some(itself), written[0], written[1]].into_iter().flatten()
}

/// The address that is reached in the end: IPv4 addresses in the clothes of IPv6 (RFC 4291 §2.5.5.2, RFC 6052
/// §2.1) count as what they are.
pub(crate) fn embedded_v4(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()),
        _ => ip.to_canonical(),
    }
}

#[cfg(test)]
mod tests;
