//! TLS towards origin servers (H4): `proxy_pass https://…` and what goes with it.

use std::sync::Arc;

use crate::{TlsPeer, ids::TlsSettingsId, template::Template};

/// How connections of a location to its origin servers are secured, as far as a session decides it. Where the location's URL is
/// evaluated for each request, they are where that says `https`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyTls {
    /// With which settings: connections are shared between equal ones.
    pub settings: TlsSettingsId,
    /// By which name an origin server is asked for and verified.
    pub name: PeerName,
}

/// By which name an origin server is asked for and verified (`proxy_ssl_name`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PeerName {
    /// This one.
    Fixed(Arc<TlsPeer>),
    /// The template is evaluated for each dial; a port in its value is left out.
    Template(Template),
    /// The host of the location's URL: `$proxy_host` without its port.
    OfUrl,
}

impl ProxyTls {
    /// These settings, and the host of the location's URL as name.
    #[must_use]
    pub fn new(settings: TlsSettingsId) -> Self {
        Self { settings, name: PeerName::OfUrl }
    }

    /// These settings, and always this name.
    #[must_use]
    pub fn named(settings: TlsSettingsId, name: &str) -> Self {
        Self {
            settings,
            name: PeerName::Fixed(Arc::new(TlsPeer { settings, name: without_port(name).into() })),
        }
    }
}

/// A host without the port behind it: `$proxy_host` and the like may have one.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Colons of an IPv6 address stand in brackets where a port may follow.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_ipv6(host) => name,
        _ => host,
    }
}

fn is_bare_ipv6(host: &str) -> bool {
    host.parse::<std::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_port() {
        for (host, name) in [
            ("a.example", "a.example"),
            ("a.example:8443", "a.example"),
            ("[::1]:443", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
