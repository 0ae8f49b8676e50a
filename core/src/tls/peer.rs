use std::sync::Arc;

use crate::ids::TlsSettingsId;

/// Whom a connection to an origin server is secured with (H4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct TlsPeer {
    /// With which settings: [`crate::config::ProxyTls::settings`].
    pub settings: TlsSettingsId,
    /// The name that is verified, and sent if the settings say so.
    pub name: Box<str>,
}

/// One for several connections.
pub(crate) type SharedPeer = Arc<TlsPeer>;
