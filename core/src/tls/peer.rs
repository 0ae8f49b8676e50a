use std::sync::Arc;

/// Whom a connection to an origin server is secured with (H4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct TlsPeer {
    /// Number of the settings in the shell's table: [`crate::config::ProxyTls::settings`].
    pub settings: u32,
    /// The name that is verified, and sent if the settings say so.
    pub name: Box<str>,
}

/// One for several connections.
pub(crate) type SharedPeer = Arc<TlsPeer>;
