//! `ssl_…`: what a server says of TLS, and what stands in it for more than one module.

use std::{collections::hash_map::Entry, sync::Arc};

use underpass_core::{
    config::{TlsJudgeId, TlsRules, VerifyClient},
    template::Escape,
};

use super::{
    Builder,
    access::LEAST,
    level::{Level, value_or_default},
    names::Name,
};
use crate::{
    directives::Context,
    error::{ConfigNote, Error, Position},
    syntax::{Directive, Word},
    tls::{ClientVerification, CredentialFiles, NamedFile, ServerTls, SessionCache, TlsVersions, Written},
    values,
};

impl Builder<'_> {
    /// What holds for the server whose block stands at `position`.
    pub(super) fn server_tls(
        &mut self,
        level: &Level<'_>,
        names: &[Name],
        position: &Position,
    ) -> Result<Arc<ServerTls>, Error> {
        Ok(Arc::new(ServerTls {
            position: position.clone(),
            names: names.iter().map(|name| name.name.clone()).collect(),
            credentials: self.credentials(level)?,
            reject: level.flag("ssl_reject_handshake")?,
            versions: self.tls_versions(level, "ssl_protocols")?,
            ciphers: written(level, "ssl_ciphers"),
            curves: written(level, "ssl_ecdh_curve").filter(|curves| curves.text != "auto"),
            prefer_server_ciphers: level.flag("ssl_prefer_server_ciphers")?,
            session_cache: self.session_cache(level)?,
            session_timeout: level.value("ssl_session_timeout", values::seconds)?,
            session_tickets: level.flag("ssl_session_tickets")?,
            ticket_keys: level
                .nearest(&["ssl_session_ticket_key"])
                .map(|directive| self.named_file(directive.argument(0)))
                .collect::<Result<_, _>>()?,
            verify: self.client_verification(level, position)?,
            stapling_file: self.stapling_file(level)?,
            buffer_size: level
                .value("ssl_buffer_size", |text| values::size(text).and_then(|size| size.try_into().ok()))?,
            watch: level.flag("ssl_certificate_watch")?,
            shows_ciphers: self.shows_ciphers,
        }))
    }

    /// Each certificate with the key that stands at the same place in the list of keys. As in nginx, the two lists are inherited
    /// each by itself.
    fn credentials(&self, level: &Level<'_>) -> Result<Vec<CredentialFiles>, Error> {
        let mut keys = level.nearest(&["ssl_certificate_key"]);
        let pair = |directive: &Directive| self.credential(directive.argument(0), keys.next());
        level.nearest(&["ssl_certificate"]).map(pair).collect()
    }

    /// The certificate that `word` names, with the key of the directive `key`.
    pub(super) fn credential(&self, word: &Word, key: Option<&Directive>) -> Result<CredentialFiles, Error> {
        let certificate = self.named_file(word)?;
        let Some(key) = key else {
            let name = "ssl_certificate_key";
            let message = format!("no \"{name}\" is defined for certificate \"{}\"", word.text);
            return Err(Error::new(&word.position, message));
        };
        Ok(CredentialFiles { certificate, key: self.named_file(key.argument(0))? })
    }

    /// Reads a directive, so that a mistake is found where nobody uses what it says.
    pub(super) fn check_tls(&mut self, directive: &Directive) -> Result<(), Error> {
        let name = directive.name.text.as_str();
        let Some(word) = directive.arguments.first() else { return Ok(()) };
        match name {
            "ssl_protocols" | "proxy_ssl_protocols" => drop(self.versions_of(directive)?),
            "ssl_session_cache" => drop(self.cache_of(directive)?),
            "ssl_session_timeout" => _ = value_or_default(name, Some(word), Context::Http, values::seconds)?,
            "ssl_verify_depth" | "proxy_ssl_verify_depth" => {
                _ = value_or_default(name, Some(word), Context::Http, depth)?;
            }
            "proxy_ssl_name" => drop(self.template(word, Escape::None)?),
            "ssl_certificate"
            | "ssl_certificate_key"
            | "ssl_client_certificate"
            | "ssl_crl"
            | "ssl_session_ticket_key"
            | "ssl_stapling_file"
            | "ssl_trusted_certificate"
            | "proxy_ssl_certificate"
            | "proxy_ssl_certificate_key"
            | "proxy_ssl_crl"
            | "proxy_ssl_trusted_certificate" => drop(self.named_file(word)?),
            _ => {}
        }
        Ok(())
    }

    /// A file of TLS: what is relative begins in the folder of the main file.
    pub(super) fn named_file(&self, word: &Word) -> Result<NamedFile, Error> {
        let text = &word.text;
        let error = |message: &str, hint| Err(Error::new(&word.position, message).hint(hint));
        if text.starts_with("data:") || text.contains('$') {
            let hint = "name a file: it is read when the configuration is, and \"ssl_certificate_watch on\" takes a \
                        changed one";
            return error("certificates and keys in variables are not in this version", hint);
        }
        if text.starts_with("engine:") || text.starts_with("store:") {
            return error("keys of engines and stores are not in this version", "name a file in PEM");
        }
        Ok(NamedFile { path: self.folder.join(text), position: word.position.clone() })
    }

    /// `ssl_protocols` or `proxy_ssl_protocols`. Older versions than ours are noted beside them, and an error alone.
    pub(super) fn tls_versions(
        &mut self,
        level: &Level<'_>,
        name: &'static str,
    ) -> Result<TlsVersions, Error> {
        level
            .innermost(name)
            .map_or_else(|| Ok(TlsVersions::default()), |directive| self.versions_of(directive))
    }

    fn versions_of(&mut self, directive: &Directive) -> Result<TlsVersions, Error> {
        let name = &directive.name.text;
        let has = |version: &str| directive.arguments.iter().any(|word| word.text == version);
        let versions = match (has("tlsv1.2"), has("tlsv1.3")) {
            (true, true) => TlsVersions::Both,
            (true, false) => TlsVersions::Tls12,
            (false, true) => TlsVersions::Tls13,
            (false, false) => {
                let message = format!("\"{name}\" names no version that is spoken here");
                let hint =
                    format!("write \"{name} TLSv1.2 TLSv1.3;\": RFC 8996 has done away with older ones");
                return Err(Error::new(&directive.argument(0).position, message).hint(hint));
            }
        };
        let old = directive.arguments.iter().find(|word| !matches!(&*word.text, "tlsv1.2" | "tlsv1.3"));
        if let Some(word) = old {
            let message =
                format!("\"{name}\" has versions that are never spoken: TLS 1.2 is the oldest here");
            self.note_once(name.clone(), ConfigNote::new(&word.position, message));
        }
        Ok(versions)
    }

    fn client_verification(
        &self,
        level: &Level<'_>,
        position: &Position,
    ) -> Result<ClientVerification, Error> {
        let file = |name| level.innermost(name).map(|line| self.named_file(line.argument(0))).transpose();
        let mode = level.value("ssl_verify_client", |text| {
            Some(match text {
                "off" => VerifyClient::Off,
                "on" => VerifyClient::On,
                "optional" => VerifyClient::Optional,
                "optional_no_ca" => VerifyClient::OptionalNoCa,
                _ => return None,
            })
        })?;
        let verify = ClientVerification {
            mode,
            authorities: file("ssl_client_certificate")?,
            trusted: file("ssl_trusted_certificate")?,
            depth: level.value("ssl_verify_depth", depth)?,
            crl: file("ssl_crl")?,
        };
        let needs_authorities = matches!(mode, VerifyClient::On | VerifyClient::Optional);
        if needs_authorities && verify.authorities.is_none() && verify.trusted.is_none() {
            let message = "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client";
            let line = level.innermost("ssl_verify_client").map(|line| &line.name.position);
            return Err(Error::new(line.unwrap_or(position), message));
        }
        Ok(verify)
    }

    /// What sessions decide by: equal numbers stand for equal judges.
    pub(super) fn tls_rules(&mut self, verify: &ClientVerification) -> TlsRules {
        let judge = ClientVerification { mode: VerifyClient::Off, ..verify.clone() };
        let number = self.judges.iter().position(|known| *known == judge).unwrap_or_else(|| {
            self.judges.push(judge);
            self.judges.len() - 1
        });
        TlsRules::new(verify.mode, TlsJudgeId(u32::try_from(number).unwrap_or(u32::MAX)))
    }

    fn stapling_file(&mut self, level: &Level<'_>) -> Result<Option<NamedFile>, Error> {
        let file = level.innermost("ssl_stapling_file");
        let file = file.map(|line| self.named_file(line.argument(0))).transpose()?;
        let Some(on) = level.innermost("ssl_stapling").filter(|_| level.flag("ssl_stapling") == Ok(true))
        else {
            return Ok(None);
        };
        if file.is_none() {
            let message =
                "\"ssl_stapling\" has no effect without \"ssl_stapling_file\": no response is fetched";
            self.note_once("ssl_stapling".to_owned(), ConfigNote::new(&on.name.position, message));
        }
        Ok(file)
    }

    /// `ssl_session_cache`. Of `builtin` and `shared` together the second counts: there is one process.
    fn session_cache(&mut self, level: &Level<'_>) -> Result<SessionCache, Error> {
        let directive = level.innermost("ssl_session_cache");
        directive.map_or_else(|| Ok(SessionCache::default()), |directive| self.cache_of(directive))
    }

    fn cache_of(&mut self, directive: &Directive) -> Result<SessionCache, Error> {
        let mut cache = SessionCache::default();
        for word in &directive.arguments {
            let invalid = || {
                Error::new(&word.position, format!("invalid session cache \"{}\"", word.text))
                    .hint("it is off, none, builtin, builtin:SESSIONS or shared:NAME:SIZE")
            };
            match word.text.split_once(':') {
                None if matches!(&*word.text, "off" | "none") => {}
                None if word.text == "builtin" => own(&mut cache, BUILTIN),
                Some(("builtin", number)) => {
                    let sessions = values::number(number).and_then(|number| number.try_into().ok());
                    own(&mut cache, sessions.ok_or_else(invalid)?);
                }
                Some(("shared", zone)) => {
                    let (zone, size) = zone.split_once(':').ok_or_else(invalid)?;
                    let bytes = values::size(size).filter(|_| !zone.is_empty()).ok_or_else(invalid)?;
                    if bytes < LEAST {
                        let message = format!("session cache \"{}\" is too small", word.text);
                        return Err(Error::new(&word.position, message).hint("32k are the least"));
                    }
                    let size = bytes.try_into().map_err(|_| invalid())?;
                    self.declare_session_zone(zone, size, word)?;
                    cache = SessionCache::Shared { zone: zone.to_owned(), size };
                }
                _ => return Err(invalid()),
            }
        }
        Ok(cache)
    }

    fn declare_session_zone(&mut self, zone: &str, size: usize, word: &Word) -> Result<(), Error> {
        match self.session_zones.entry(zone.to_owned()) {
            Entry::Occupied(known) if *known.get() != size => {
                let message = format!(
                    "the size {size} of shared memory zone \"{zone}\" conflicts with already declared size {}",
                    known.get()
                );
                Err(Error::new(&word.position, message))
            }
            entry => {
                entry.or_insert(size);
                Ok(())
            }
        }
    }
}

/// Whether a variable stands in one of these lines, or inside of them. A text that only looks like it counts as well.
pub(super) fn mentions(block: &[Directive], variable: &str) -> bool {
    let is_in = |word: &Word| {
        let text = word.text.to_ascii_lowercase();
        text.match_indices(variable).any(|(at, _)| text[..at].ends_with(['$', '{']))
    };
    block.iter().any(|directive| {
        [&directive.name].into_iter().chain(&directive.arguments).any(is_in)
            || mentions(directive.inside(), variable)
    })
}

/// How many sessions OpenSSL keeps for a `builtin` that doesn't say.
const BUILTIN: usize = 20_480;

fn own(cache: &mut SessionCache, sessions: usize) {
    if !matches!(cache, SessionCache::Shared { .. }) {
        *cache = SessionCache::Own { sessions };
    }
}

pub(super) fn depth(text: &str) -> Option<u32> {
    values::number(text).and_then(|number| number.try_into().ok())
}

/// The parameter of the innermost directive of this name.
pub(super) fn written(level: &Level<'_>, name: &str) -> Option<Written> {
    let word = level.innermost(name)?.argument(0);
    Some(Written { text: word.text.clone(), position: word.position.clone() })
}

/// nginx's message for a socket with `ssl` whose server has no certificate.
pub(super) fn no_certificate(server: &ServerTls) -> Error {
    let message = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive";
    Error::new(&server.position, message)
}
