//! CONNECT (behaviour D): nginx's `tunnel_pass` and what goes with it.

use core::time::Duration;
use std::net::SocketAddr;

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
