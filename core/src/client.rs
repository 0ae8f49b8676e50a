//! The facts about a client that its session begins with.

use std::sync::Arc;

use crate::{Address, TlsFacts, proxy_protocol::Proxied};

/// The facts about a client that the shell hands over when the session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// The TLS handshake found these facts; `None`: the connection is not under TLS.
    pub tls: Option<Arc<TlsFacts>>,
    /// The shell read this PROXY protocol header in front of a TLS handshake. On a listener without TLS the session reads the
    /// header itself.
    pub proxied: Option<Box<Proxied>>,
}

impl ClientInfo {
    /// A client at `remote`, connected to us at `local`, without TLS. `serial` is the number of the connection, unique in the
    /// process, `secret` is what `$request_id` is derived from.
    #[must_use]
    pub fn new(remote: Address, local: Address, serial: u64, secret: [u8; 16]) -> Self {
        Self { remote, local, serial, secret, tls: None, proxied: None }
    }
}
