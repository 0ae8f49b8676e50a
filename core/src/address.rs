//! Where a connection comes from or goes to.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// The address of one end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// TCP over IPv4 or IPv6.
    Ip(SocketAddr),
    /// A Unix domain socket; an unnamed one has an empty path.
    Unix(PathBuf),
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

/// What the shell knows of a client when it has accepted its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's end.
    pub remote: Address,
    /// Our end.
    pub local: Address,
    /// Number of the connection, `$connection`; unique in the process.
    pub serial: u64,
    /// Secret of the process: `$request_id` is derived from it and a counter, so that the machine needs
    /// no source of randomness of its own.
    pub secret: [u8; 16],
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
