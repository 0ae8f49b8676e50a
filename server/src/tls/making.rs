//! From the directives and the files to settings.

use std::collections::HashSet;

use underpass_core::config::VerifyClient;
use underpass_nginx_config::{
    ClientVerification, CredentialFiles, NamedFile, ServerTls, TlsVersions, UpstreamTls, Written,
};
use underpass_tls::{
    Certificate, Chosen, ClientOptions, ClientSettings, ClientTrust, Credential, CredentialError, Protocols,
    ServerOptions, ServerSettings, TicketKey, Tickets, Trust, cipher_list, curve_list,
};

use super::{
    doubts,
    files::{Reader, refused},
    kept::{Kept, seconds},
};
use crate::process::Trouble;

/// Makes settings, and collects what there is to say of them.
#[derive(Clone, Debug)]
pub(super) struct Making {
    reader: Reader,
    earlier: Kept,
    kept: Kept,
    warnings: Vec<String>,
    told: HashSet<String>,
    /// The authorities of the system, once somebody has asked for them.
    system: Option<Trust>,
}

impl Making {
    pub(super) fn new(reader: Reader, earlier: Kept) -> Self {
        Self {
            reader,
            earlier,
            kept: Kept::default(),
            warnings: Vec::new(),
            told: HashSet::new(),
            system: None,
        }
    }

    /// What the next configuration goes on with, and the warnings.
    pub(super) fn end(self) -> (Kept, Vec<String>) {
        (self.kept, self.warnings)
    }

    /// Who reads the files.
    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What the first certificate of a file says of itself, if it can be read.
    pub(super) fn leaf(&self, files: &CredentialFiles) -> Option<Certificate> {
        let pem = self.reader.read(&files.certificate.path).ok()?;
        Certificate::all_from_pem(&pem).into_iter().next()
    }

    /// Warns once of the same thing.
    pub(super) fn warn(&mut self, warning: String) {
        if self.told.insert(warning.clone()) {
            self.warnings.push(warning);
        }
    }

    /// The settings of a server; absent when it has no certificate.
    pub(super) fn server(&mut self, server: &ServerTls) -> Result<Option<ServerSettings>, Trouble> {
        if server.credentials.is_empty() {
            return Ok(None);
        }
        let mut credentials = Vec::new();
        for files in &server.credentials {
            credentials.push(self.credential(files)?);
        }
        if let (Some(file), Some(first)) = (&server.stapling_file, credentials.first_mut()) {
            let response = self.reader.named("OCSP response", file)?;
            let stapled = first.clone().with_ocsp(response);
            *first = stapled.map_err(|error| refused("OCSP response", file, &error))?;
        }
        let ciphers = self.ciphers("ssl_ciphers", server.ciphers.as_ref(), server.versions)?;
        let groups = self.groups(server.curves.as_ref())?;
        let random = |_| Trouble::new("the system gives no random bytes for the keys of session tickets");
        let (sessions, random_tickets) = self.kept.of(&self.earlier, server).map_err(random)?;
        let tickets = match server.session_tickets {
            false => Tickets::off(),
            true if server.ticket_keys.is_empty() => random_tickets,
            true => Tickets::with_keys(self.ticket_keys(server)?, seconds(server.session_timeout)),
        };
        let options = ServerOptions {
            credentials,
            protocols: protocols(server.versions),
            ciphers,
            groups,
            prefer_own_ciphers: server.prefer_server_ciphers,
            verify: self.verification(&server.verify)?,
            tickets,
            sessions,
            alpn: ALPN.iter().map(|name| name.to_vec()).collect(),
            keep_offered_ciphers: server.shows_ciphers,
            record_size: Some((server.buffer_size.saturating_add(RECORD_HEADER)).clamp(64, LONGEST_RECORD)),
        };
        let failed = |error| Trouble::new(format!("TLS can't be set up: {error} in {}", server.position));
        options.settings().map(Some).map_err(failed)
    }

    /// The settings towards origin servers.
    pub(super) fn client(&mut self, tls: &UpstreamTls) -> Result<ClientSettings, Trouble> {
        let credential = tls.credential.as_ref().map(|files| self.credential(files)).transpose()?;
        let ciphers = self.ciphers("proxy_ssl_ciphers", tls.ciphers.as_ref(), tls.versions)?;
        let trust = if tls.verify { Some(self.trust_of_servers(tls)?) } else { None };
        let options = ClientOptions {
            trust,
            send_name: tls.send_name,
            credential,
            protocols: protocols(tls.versions),
            ciphers,
            groups: Vec::new(),
            sessions: if tls.session_reuse { UPSTREAM_SESSIONS } else { 0 },
            alpn: Vec::new(),
        };
        options
            .settings()
            .map_err(|error| Trouble::new(format!("TLS to origin servers can't be set up: {error}")))
    }

    fn credential(&mut self, files: &CredentialFiles) -> Result<Credential, Trouble> {
        let CredentialFiles { certificate, key, .. } = files;
        let chain = self.reader.named("certificate", certificate)?;
        let secret = self.reader.named("certificate key", key)?;
        let credential = Credential::from_pem(&chain, &secret).map_err(|error| match error {
            CredentialError::Mismatch | CredentialError::OtherKind { .. } => Trouble::new(format!(
                "certificate \"{}\" and key \"{}\": {error} in {}",
                certificate.path.display(),
                key.path.display(),
                certificate.position
            )),
            CredentialError::NoKey
            | CredentialError::EncryptedKey
            | CredentialError::KeyPem(_)
            | CredentialError::Key(_) => refused("certificate key", key, &error),
            error => refused("certificate", certificate, &error),
        })?;
        doubts::of_credential(files, &chain).into_iter().for_each(|doubt| self.warn(doubt));
        Ok(credential)
    }

    fn ticket_keys(&self, server: &ServerTls) -> Result<Vec<TicketKey>, Trouble> {
        let key = |file: &NamedFile| {
            let bytes = self.reader.named("session ticket key", file)?;
            TicketKey::from_bytes(&bytes)
                .ok_or_else(|| refused("session ticket key", file, &"it must be 48 or 80 bytes"))
        };
        server.ticket_keys.iter().map(key).collect()
    }

    fn verification(&self, verify: &ClientVerification) -> Result<ClientTrust, Trouble> {
        if verify.mode == VerifyClient::Off {
            return Ok(ClientTrust::Off);
        }
        let trust = match (&verify.authorities, &verify.trusted) {
            (Some(authorities), Some(trusted)) => Some(self.trust(authorities)?.and(&self.trust(trusted)?)),
            (Some(one), None) | (None, Some(one)) => Some(self.trust(one)?),
            (None, None) => None,
        };
        let trust = trust.map(|trust| self.bounded(trust, verify.depth, verify.crl.as_ref())).transpose()?;
        Ok(match (verify.mode, trust) {
            (VerifyClient::On, Some(trust)) => ClientTrust::On(trust),
            (VerifyClient::Optional, Some(trust)) => ClientTrust::Optional(trust),
            (_, trust) => ClientTrust::OptionalNoCa(trust),
        })
    }

    fn trust_of_servers(&mut self, tls: &UpstreamTls) -> Result<Trust, Trouble> {
        let trust = match &tls.trusted {
            Some(file) => self.trust(file)?,
            None => self.system_trust()?,
        };
        self.bounded(trust, tls.depth, tls.crl.as_ref())
    }

    fn trust(&self, file: &NamedFile) -> Result<Trust, Trouble> {
        let pem = self.reader.named("trusted certificates", file)?;
        Trust::from_pem(&pem).map_err(|error| refused("trusted certificates", file, &error))
    }

    fn bounded(&self, trust: Trust, depth: u32, crl: Option<&NamedFile>) -> Result<Trust, Trouble> {
        let trust = trust.with_depth(usize::try_from(depth).unwrap_or(usize::MAX));
        let Some(file) = crl else { return Ok(trust) };
        let lists = self.reader.named("revocation lists", file)?;
        trust.with_crls(&lists).map_err(|error| refused("revocation lists", file, &error))
    }

    fn system_trust(&mut self) -> Result<Trust, Trouble> {
        if let Some(known) = &self.system {
            return Ok(known.clone());
        }
        let found = rustls_native_certs::load_native_certs();
        let trust = Trust::from_system(found.certs.iter().map(|certificate| certificate.to_vec()));
        let trust = trust.map_err(|_| {
            Trouble::new(
                "the system has no store of authorities to verify origin servers with: install one (Debian: \
                 ca-certificates), or name a file with \"proxy_ssl_trusted_certificate\"",
            )
        })?;
        self.system = Some(trust.clone());
        Ok(trust)
    }

    /// The names of the suites that a list leaves; none for all.
    fn ciphers(
        &mut self,
        directive: &str,
        list: Option<&Written>,
        versions: TlsVersions,
    ) -> Result<Vec<String>, Trouble> {
        let Some(list) = list else { return Ok(Vec::new()) };
        let Chosen { names, lacking, .. } = cipher_list(&list.text);
        self.note_lacking(directive, list, &lacking);
        // It says nothing of TLS 1.3.
        if names.is_empty() && versions != TlsVersions::Tls13 {
            return Err(Trouble::new(format!(
                "\"{directive}\" leaves no cipher suite of this version in {}",
                list.position
            )));
        }
        Ok(names)
    }

    fn groups(&mut self, list: Option<&Written>) -> Result<Vec<String>, Trouble> {
        let Some(list) = list else { return Ok(Vec::new()) };
        let Chosen { names, lacking, .. } = curve_list(&list.text);
        self.note_lacking("ssl_ecdh_curve", list, &lacking);
        if names.is_empty() {
            let message = format!("\"ssl_ecdh_curve\" leaves no curve of this version in {}", list.position);
            return Err(Trouble::new(message));
        }
        Ok(names)
    }

    fn note_lacking(&mut self, directive: &str, list: &Written, lacking: &[String]) {
        if !lacking.is_empty() && self.told.insert(format!("{directive} {}", list.text)) {
            let lacking = lacking.join(", ");
            self.warn(format!(
                "\"{directive}\" names what this version lacks: {lacking} in {}",
                list.position
            ));
        }
    }
}

/// What is spoken inside (RFC 7301).
const ALPN: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// How many origin servers' sessions are kept for each set of settings.
const UPSTREAM_SESSIONS: usize = 256;

/// Type, version, length (RFC 8446 §5.1).
const RECORD_HEADER: usize = 5;

/// The longest record that the library sends.
const LONGEST_RECORD: usize = (16 << 10) + RECORD_HEADER;

fn protocols(versions: TlsVersions) -> Protocols {
    match versions {
        TlsVersions::Tls12 => Protocols::Tls12,
        TlsVersions::Tls13 => Protocols::Tls13,
        TlsVersions::Both => Protocols::Both,
    }
}
