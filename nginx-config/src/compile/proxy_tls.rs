//! `proxy_ssl_…`: TLS towards origin servers.

use underpass_core::{
    config::{PeerName, ProxyTls, TlsSettingsId},
    template::Escape,
};

use super::{
    Builder,
    level::Level,
    tls::{depth, written},
};
use crate::{
    error::Error,
    tls::{CredentialFiles, UpstreamTls},
};

impl Builder<'_> {
    /// How connections of a location are secured.
    pub(super) fn proxy_tls(&mut self, level: &Level<'_>) -> Result<ProxyTls, Error> {
        let settings = self.upstream_tls(level)?;
        let Some(directive) = level.innermost("proxy_ssl_name") else { return Ok(ProxyTls::new(settings)) };
        let word = directive.argument(0);
        if !word.text.contains('$') {
            return Ok(ProxyTls::named(settings, &word.text));
        }
        let mut tls = ProxyTls::new(settings);
        tls.name = PeerName::Template(self.template(word, Escape::None)?);
        Ok(tls)
    }

    /// The number of what holds on this level among [`crate::Loaded::upstream_tls`]. Equal settings have one number, so that
    /// connections and sessions are shared between them, and between no others (H4).
    fn upstream_tls(&mut self, level: &Level<'_>) -> Result<TlsSettingsId, Error> {
        let file = |name| level.innermost(name).map(|line| self.named_file(line.argument(0))).transpose();
        let trusted = file("proxy_ssl_trusted_certificate")?;
        let crl = file("proxy_ssl_crl")?;
        let tls = UpstreamTls {
            versions: self.tls_versions(level, "proxy_ssl_protocols")?,
            ciphers: written(level, "proxy_ssl_ciphers"),
            verify: level.flag("proxy_ssl_verify")?,
            trusted,
            depth: level.value("proxy_ssl_verify_depth", depth)?,
            crl,
            credential: self.upstream_credential(level)?,
            session_reuse: level.flag("proxy_ssl_session_reuse")?,
            send_name: level.flag("proxy_ssl_server_name")?,
        };
        let number = self.upstream_tls.iter().position(|known| *known == tls).unwrap_or_else(|| {
            self.upstream_tls.push(tls);
            self.upstream_tls.len() - 1
        });
        Ok(TlsSettingsId(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    fn upstream_credential(&self, level: &Level<'_>) -> Result<Option<CredentialFiles>, Error> {
        let words = |name| level.innermost(name).map(|line| line.argument(0));
        let Some(certificate) = words("proxy_ssl_certificate").filter(|word| !word.text.is_empty()) else {
            return Ok(None);
        };
        let Some(key) = words("proxy_ssl_certificate_key") else {
            let message = format!(
                "no \"proxy_ssl_certificate_key\" is defined for certificate \"{}\"",
                certificate.text
            );
            return Err(Error::new(&certificate.position, message));
        };
        Ok(Some(CredentialFiles { certificate: self.named_file(certificate)?, key: self.named_file(key)? }))
    }
}
