//! What a configuration says of TLS. It is plain data: the files that it names are read by whoever serves.

use core::time::Duration;
use std::{path::PathBuf, sync::Arc};

use underpass_core::config::{ServerName, ServerTable, VerifyClient};

use crate::error::Position;

/// TLS of a listening socket: `listen … ssl`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenerTls {
    /// The servers of the socket, which a client's name chooses one of
    /// ([`named_in_handshake`](ServerTable::named_in_handshake)).
    pub table: Arc<ServerTable>,
    /// What each of them says of TLS, in their order.
    pub servers: Vec<Arc<ServerTls>>,
    /// The number of the default server in `servers`. It answers clients that send no name or one of nobody.
    pub default: usize,
}

/// What a `server` says of TLS: the directives `ssl_…` that hold there.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a field for each directive that is on or off")]
pub struct ServerTls {
    /// Where the `server` stands.
    pub position: Position,
    /// Its names.
    pub names: Vec<ServerName>,
    /// `ssl_certificate` and `ssl_certificate_key`, each certificate with its key; there is one for each kind of key.
    pub credentials: Vec<CredentialFiles>,
    /// `ssl_reject_handshake`: clients that look for this server are refused. Off.
    pub reject: bool,
    /// `ssl_protocols`. Both.
    pub versions: TlsVersions,
    /// `ssl_ciphers`, as OpenSSL writes such lists; absent: all that the library has.
    pub ciphers: Option<Written>,
    /// `ssl_ecdh_curve`: names with colons between; absent, as with `auto`: all that the library has.
    pub curves: Option<Written>,
    /// `ssl_prefer_server_ciphers`: our order of cipher suites counts, not the client's. Off.
    pub prefer_server_ciphers: bool,
    /// `ssl_session_cache`. Off.
    pub session_cache: SessionCache,
    /// `ssl_session_timeout`: how long a session may be resumed. 5 minutes.
    pub session_timeout: Duration,
    /// `ssl_session_tickets`: clients keep the state of their sessions, sealed. On.
    pub session_tickets: bool,
    /// `ssl_session_ticket_key`: the first seals tickets, each opens them; none: random keys that change.
    pub ticket_keys: Vec<NamedFile>,
    /// Whether clients are asked for a certificate, and what is done with it.
    pub verify: ClientVerification,
    /// `ssl_stapling_file`, where `ssl_stapling` is on: an OCSP response in DER.
    pub stapling_file: Option<NamedFile>,
    /// `ssl_buffer_size`: the most bytes that go out in one record. 16 KiB.
    pub buffer_size: usize,
    /// `ssl_certificate_watch`: changed certificates are taken without a reload (H7). Off.
    pub watch: bool,
    /// Whether `$ssl_ciphers` stands anywhere in the file: then each connection keeps what its client offers.
    pub shows_ciphers: bool,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CredentialFiles {
    /// The certificate, and the chain behind it, in PEM.
    pub certificate: NamedFile,
    /// The private key, in PEM.
    pub key: NamedFile,
}

/// `ssl_verify_client` and what goes with it. Equal are two that take the same certificates (H2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ClientVerification {
    /// `ssl_verify_client`. Off.
    pub mode: VerifyClient,
    /// `ssl_client_certificate`: the authorities that are believed, and whose names clients are sent.
    pub authorities: Option<NamedFile>,
    /// `ssl_trusted_certificate`: authorities that are believed, too, and not named to clients.
    pub trusted: Option<NamedFile>,
    /// `ssl_verify_depth`: how many certificates may stand between the client's and the authority's. 1.
    pub depth: u32,
    /// `ssl_crl`: lists of revoked certificates.
    pub crl: Option<NamedFile>,
}

/// `ssl_session_cache`: where the sessions of clients are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionCache {
    /// `none`, `off`: nowhere.
    #[default]
    Off,
    /// `builtin`: for this server.
    Own {
        /// How many.
        sessions: usize,
    },
    /// `shared`: in memory of this name, which a reload keeps.
    Shared {
        /// The name of the zone.
        zone: String,
        /// The memory of the zone, in bytes.
        size: usize,
    },
}

/// What a location says of TLS towards origin servers: the directives `proxy_ssl_…`. Equal are two by which connections and
/// sessions may be shared (H4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UpstreamTls {
    /// `proxy_ssl_protocols`. Both.
    pub versions: TlsVersions,
    /// `proxy_ssl_ciphers`, as OpenSSL writes such lists; absent: all that the library has.
    pub ciphers: Option<Written>,
    /// `proxy_ssl_verify`: whether an origin server has to show who it is. Off.
    pub verify: bool,
    /// `proxy_ssl_trusted_certificate`: the authorities that are believed; absent: those of the system.
    pub trusted: Option<NamedFile>,
    /// `proxy_ssl_verify_depth`: how many certificates may stand between the server's and the authority's. 1.
    pub depth: u32,
    /// `proxy_ssl_crl`: lists of revoked certificates.
    pub crl: Option<NamedFile>,
    /// `proxy_ssl_certificate` and `proxy_ssl_certificate_key`: who we are to the origin server.
    pub credential: Option<CredentialFiles>,
    /// `proxy_ssl_session_reuse`: sessions are resumed. On.
    pub session_reuse: bool,
    /// `proxy_ssl_server_name`: the name is sent to the origin server. Off.
    pub send_name: bool,
}

/// Versions of TLS: there is no older one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersions {
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
    /// The newer that the peer speaks, too.
    #[default]
    Both,
}

/// A file, and the directive that names it. Equal are two of one path, wherever they are named.
#[derive(Clone, Debug, Eq)]
#[non_exhaustive]
pub struct NamedFile {
    /// The path; what was relative is behind the folder of the main configuration file.
    pub path: PathBuf,
    /// Where it is named.
    pub position: Position,
}

/// A parameter as it was written, and where. Equal are two of one text, wherever they stand.
#[derive(Clone, Debug, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub position: Position,
}

impl PartialEq for NamedFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl std::hash::Hash for NamedFile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::hash::Hash for Written {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
