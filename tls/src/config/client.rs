use std::{net::IpAddr, sync::Arc};

use rustls::{ClientConfig, client::Resumption, pki_types::ServerName, sign::SingleCertAndKey};

use super::{Credential, Protocols, SettingsError, Trust, suites, verify::CheckServer};
use crate::TlsError;

/// What a client's settings are made of. The default verifies nobody, as nginx's `proxy_ssl_verify off` does.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Whose certificates are believed; `None`: nobody is verified.
    pub trust: Option<Trust>,
    /// Whether the name is sent to the server (`proxy_ssl_server_name`). An address never is (RFC 6066 §3).
    pub send_name: bool,
    /// Our own certificate, for servers that ask for one.
    pub credential: Option<Credential>,
    /// Versions (`proxy_ssl_protocols`).
    pub protocols: Protocols,
    /// Cipher suites by OpenSSL's names, in order (`proxy_ssl_ciphers`); empty: all.
    pub ciphers: Vec<String>,
    /// Groups by OpenSSL's names, in order; empty: all.
    pub groups: Vec<String>,
    /// How many servers' sessions are kept to be resumed (`proxy_ssl_session_reuse`); 0: none. They are kept by name.
    pub sessions: usize,
    /// Protocols to be spoken inside, by their ALPN names, the favourite first; empty: the extension isn't sent.
    pub alpn: Vec<Vec<u8>>,
}

impl ClientOptions {
    /// Makes settings, to be shared by any number of connections. Sessions are shared by what shares settings, only.
    ///
    /// # Errors
    /// What is unknown, or a revocation list that can't be read.
    pub fn settings(&self) -> Result<ClientSettings, SettingsError> {
        let builder = ClientConfig::builder_with_provider(suites::restricted(&self.ciphers, &self.groups)?)
            .with_protocol_versions(self.protocols.versions())?
            .dangerous();
        let check = match &self.trust {
            None => CheckServer::nobody(),
            Some(trust) => CheckServer::by(trust)?,
        };
        let builder = builder.with_custom_certificate_verifier(Arc::new(check));
        let mut config = match &self.credential {
            None => builder.with_no_client_auth(),
            Some(credential) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&credential.0))))
            }
        };
        config.enable_sni = self.send_name;
        config.alpn_protocols.clone_from(&self.alpn);
        config.resumption = Resumption::disabled();
        // Names that are none for the library would share one another's sessions.
        let nameless = self.trust.is_none().then(|| Arc::new(config.clone()));
        if self.sessions > 0 {
            config.resumption = Resumption::in_memory_sessions(self.sessions);
        }
        Ok(ClientSettings { config: Arc::new(config), nameless })
    }
}

/// How a client's end of connections behaves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    config: Arc<ClientConfig>,
    /// For what is no name of DNS, where nobody is verified.
    nameless: Option<Arc<ClientConfig>>,
}

impl ClientSettings {
    pub(crate) fn for_name(&self, name: &str) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsError> {
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        if let Some(address) = address {
            return Ok((Arc::clone(&self.config), ServerName::IpAddress(address.into())));
        }
        match (ServerName::try_from(name), &self.nameless) {
            (Ok(known), _) => Ok((Arc::clone(&self.config), known.to_owned())),
            // An address is never sent, and nobody compares it.
            (Err(_), Some(config)) => {
                let nobody = ServerName::IpAddress(IpAddr::from([0; 4]).into());
                Ok((Arc::clone(config), nobody))
            }
            (Err(_), None) => Err(rustls::Error::General(format!("\"{name}\" is no name to verify")).into()),
        }
    }
}
