//! Peers, and how a group of them is used, as configured.

use core::time::Duration;

use super::sync::Arc;
use crate::{Address, template::Template};

/// Index of a group in [`super::Upstreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub usize);

/// How a peer is chosen. The algorithms are nginx's, so that a file moved over from nginx spreads its clients
/// in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// By weight, in turn, and evenly interleaved: weights 5, 1, 1 give a a b a c a a.
    #[default]
    RoundRobin,
    /// `least_conn`: the peer with the fewest leases in proportion to its weight; of several, in turn.
    LeastConn,
    /// `ip_hash`: by the first three octets of the client's IPv4 address, or its whole IPv6 address.
    IpHash,
    /// `hash KEY [consistent]`: by the CRC-32 of a key; in turn where the key is empty.
    Hash {
        /// What is hashed.
        key: Template,
        /// Ketama's continuum, 160 points for a weight of 1: a peer more or less moves few keys.
        consistent: bool,
    },
    /// `random [two]`: by chance and weight.
    Random {
        /// Two are drawn, and the one with the fewer leases in proportion to its weight is chosen.
        two: bool,
    },
}

/// One `server` of a group: its parameters, with nginx's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Host and port as written; `hash … consistent` puts it on the continuum by this name.
    pub name: Box<str>,
    /// `weight`: its share of what is sent to the group, at least 1. 1.
    pub weight: u32,
    /// `max_conns`: leases at a time, over all workers; 0 for no limit. 0.
    pub max_conns: u32,
    /// `max_fails`: failures within [`fail_timeout`](Self::fail_timeout) after which it isn't chosen for as
    /// long; 0 turns that off. Ignored where the group has no other peer. 1.
    pub max_fails: u32,
    /// `fail_timeout`. 10 s.
    pub fail_timeout: Duration,
    /// `backup`: chosen only when none of the others can be. Off.
    pub backup: bool,
    /// `down`: never chosen. Off.
    pub down: bool,
}

impl Peer {
    /// A peer with default settings, named as its address is written.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let name = address.to_string();
        Self::at(Endpoint::Address(address), &name)
    }

    /// A peer for each address of `host`, whatever these are at a time: `server HOST:PORT resolve`. There
    /// are none before the shell has looked the name up.
    #[must_use]
    pub fn resolved(host: &str, port: u16) -> Self {
        Self::at(Endpoint::Name { host: host.into(), port }, &format!("{host}:{port}"))
    }

    fn at(endpoint: Endpoint, name: &str) -> Self {
        Self {
            endpoint,
            name: name.into(),
            weight: 1,
            max_conns: 0,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            backup: false,
            down: false,
        }
    }
}

/// Where a peer listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// At this address.
    Address(Address),
    /// At every address that the name has, looked up again and again while workers run.
    Name {
        /// The name.
        host: Arc<str>,
        /// The port there.
        port: u16,
    },
}

/// `keepalive` and its companions: the pool of idle upstream connections, per worker and group (E7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// `keepalive`: idle connections kept, 0 for none. 32.
    pub connections: usize,
    /// `keepalive_requests`: requests over one connection. 1000.
    pub requests: u32,
    /// `keepalive_time`: age past which a connection isn't kept. 1 h.
    pub time: Duration,
    /// `keepalive_timeout`: idle time past which it is closed. 60 s.
    pub timeout: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            connections: 32,
            requests: 1000,
            time: Duration::from_secs(3600),
            timeout: Duration::from_secs(60),
        }
    }
}
