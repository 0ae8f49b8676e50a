use std::sync::Arc;

use rustls::{
    ServerConfig, SignatureAlgorithm,
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    ClientCertificate, ClientTrust, Credential, Protocols, Sessions, SettingsError, Tickets, suites,
    verify::AskClient,
};
use crate::connection::Connection;

/// What a server's settings are made of. The default lacks nothing but a credential.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Certificates with their keys: one for each kind of key, of several the last.
    pub credentials: Vec<Credential>,
    /// Versions (`ssl_protocols`).
    pub protocols: Protocols,
    /// Cipher suites by OpenSSL's names, in order (`ssl_ciphers`); empty: all.
    pub ciphers: Vec<String>,
    /// Groups by OpenSSL's names, in order (`ssl_ecdh_curve`); empty: all.
    pub groups: Vec<String>,
    /// Whether our order of cipher suites counts, not the client's (`ssl_prefer_server_ciphers`).
    pub prefer_own_ciphers: bool,
    /// Whether clients are asked for certificates.
    pub verify: ClientTrust,
    /// Session tickets.
    pub tickets: Tickets,
    /// Sessions that are kept here (`ssl_session_cache`).
    pub sessions: Sessions,
    /// Protocols to be spoken inside, by their ALPN names; empty: the extension isn't answered.
    pub alpn: Vec<Vec<u8>>,
    /// The longest record in bytes, header included (`ssl_buffer_size`); `None`: the longest that there may be.
    pub record_size: Option<usize>,
    /// Whether connections keep the list of cipher suites that their clients offer, to tell it
    /// ([`Facts::offered_ciphers`](crate::Facts::offered_ciphers)): some hundred bytes each.
    pub keep_offered_ciphers: bool,
}

impl ServerOptions {
    /// Makes settings, to be shared by any number of connections.
    ///
    /// # Errors
    /// What is missing or unknown.
    pub fn settings(&self) -> Result<ServerSettings, SettingsError> {
        if self.credentials.is_empty() {
            return Err(SettingsError::NoCredential);
        }
        let ask = self.verify.verifier()?;
        let builder = ServerConfig::builder_with_provider(suites::restricted(&self.ciphers, &self.groups)?)
            .with_protocol_versions(self.protocols.versions())?;
        let builder = match ask.clone() {
            Some(ask) => builder.with_client_cert_verifier(ask),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByKind::of(&self.credentials)));
        config.ignore_client_order = self.prefer_own_ciphers;
        config.session_storage = self.sessions.storage();
        if let Some(tickets) = &self.tickets.0 {
            config.ticketer = Arc::clone(tickets);
        }
        config.alpn_protocols.clone_from(&self.alpn);
        config.max_fragment_size = self.record_size;
        let config = Arc::new(config);
        // The library looks at the size only when a connection begins.
        match Connection::server(Arc::clone(&config)) {
            Err(crate::TlsError::Protocol(reason)) => Err(SettingsError::Other(reason)),
            _ => Ok(ServerSettings { config, ask, keep_offered_ciphers: self.keep_offered_ciphers }),
        }
    }
}

/// How a server's end of connections behaves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    config: Arc<ServerConfig>,
    ask: Option<Arc<AskClient>>,
    pub(crate) keep_offered_ciphers: bool,
}

impl ServerSettings {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether one of the protocols that a client offers is ours; also if it offers none, or we have none.
    pub(crate) fn speaks_one_of<'a>(&self, mut offered: impl Iterator<Item = &'a [u8]>) -> bool {
        let ours = &self.config.alpn_protocols;
        let Some(first) = offered.next() else { return true };
        ours.is_empty()
            || std::iter::once(first).chain(offered).any(|name| ours.iter().any(|own| own == name))
    }

    pub(crate) fn verify(&self, certificates: &[CertificateDer<'static>]) -> ClientCertificate {
        self.ask.as_ref().map_or(ClientCertificate::None, |ask| ask.judge(certificates))
    }
}

/// Gives a client the certificate whose signature it can check; an elliptic curve's before RSA's, which costs us ten times as
/// much to sign with.
#[derive(Debug)]
struct ByKind(Vec<Arc<CertifiedKey>>);

impl ByKind {
    fn of(credentials: &[Credential]) -> Self {
        // Of two for the same kind of key the last counts, as with OpenSSL.
        let mut keys: Vec<_> = credentials.iter().rev().map(|credential| Arc::clone(&credential.0)).collect();
        keys.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
        Self(keys)
    }
}

impl ResolvesServerCert for ByKind {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let fits = self.0.iter().find(|key| key.key.choose_scheme(schemes).is_some());
        // The library refuses what doesn't fit, with the alert for it.
        fits.or_else(|| self.0.first()).cloned()
    }
}
