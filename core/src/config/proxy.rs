//! How a location forwards: nginx's `proxy_*` directives.

use core::time::Duration;
use std::{net::SocketAddr, sync::Arc};

use super::{CookieFlags, ProxyTls, Substitution, Upgrade};
use crate::{
    Version,
    http1::{Known, is_same_name},
    shared::{GroupId, Peers},
    template::{Template, Variable},
};

/// `proxy_pass` and what goes with it.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a field for each directive that is on or off")]
pub struct Proxy {
    /// Where requests go.
    pub target: Target,
    /// The URI part of `proxy_pass`, which replaces what the location matched. Absent: the
    /// request-target is forwarded as received.
    pub uri: Option<ProxyUri>,
    /// `$proxy_host`: name and port as written in `proxy_pass`, the port only when it isn't 80.
    pub host: Arc<str>,
    /// `$proxy_port`.
    pub port: Arc<str>,
    /// `proxy_http_version`. 1.1 (nginx since 1.29.7); 1.0 knows no persistence unless configured, and no upgrade (E15).
    pub http_version: Version,
    /// `proxy_set_header` lines in the order of the file, those of one level only (B2).
    pub set_headers: Vec<SetHeader>,
    /// `proxy_connect_timeout`. 60 s.
    pub connect_timeout: Duration,
    /// `proxy_send_timeout`: between two writes that the origin server takes bytes of. 60 s.
    pub send_timeout: Duration,
    /// `proxy_read_timeout`: for the response head, between two pieces of its content, and the idle
    /// timer of a tunnel. 60 s.
    pub read_timeout: Duration,
    /// `proxy_ignore_client_abort` (A13). Off.
    pub ignore_client_abort: bool,
    /// `proxy_via` (B4). On requests.
    pub via: Via,
    /// `proxy_buffer_size`: bytes of a response head, each interim one by itself; at most
    /// [`MAX_HEAD`](super::MAX_HEAD). 16 KiB.
    pub buffer_size: usize,
    /// When another peer is tried (E10).
    pub next_upstream: NextUpstream,
    /// What may become a tunnel, and how it lives.
    pub upgrade: Upgrade,
    /// `proxy_method`; absent: the client's.
    pub method: Option<Template>,
    /// `proxy_set_body`: goes upstream instead of the client's content, which is read and dropped.
    pub set_body: Option<Template>,
    /// `proxy_pass_request_headers`: whether the client's field lines go on. On.
    pub pass_request_headers: bool,
    /// `proxy_pass_request_body`: whether the client's content goes on. On.
    pub pass_request_body: bool,
    /// `proxy_pass_trailers`: whether trailer sections go on, in either direction. On.
    pub pass_trailers: bool,
    /// `proxy_limit_rate`: bytes a second that are read of a response, a number as in
    /// [`Rates`](super::Rates); absent: as fast as they come.
    pub limit_rate: Option<Template>,
    /// Whether the origin server's `X-Accel-Limit-Rate` comes before `limit_rate`; not with `proxy_ignore_headers` for
    /// it. On.
    pub obeys_limit_rate: bool,
    /// What the client gets of the response's head.
    pub response: ResponseRewriting,
    /// `proxy_bind`, `proxy_socket_keepalive`.
    pub socket: SocketOptions,
    /// `proxy_protocol`: a connection begins with a PROXY protocol header that tells of the client. Such a
    /// connection is never pooled. Off.
    pub proxy_protocol: bool,
    /// How connections are secured, where the URL is `https://…` or may come to that. Absent: they are in clear.
    pub tls: Option<ProxyTls>,
}

impl Proxy {
    /// Forwards to `target`, with nginx's defaults. `host` is `$proxy_host`.
    #[must_use]
    pub fn new(target: Target, host: &str) -> Self {
        let port =
            host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']')).unwrap_or("80");
        Self {
            target,
            uri: None,
            host: host.into(),
            port: port.into(),
            http_version: Version::Http11,
            set_headers: Vec::new(),
            connect_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            read_timeout: Duration::from_secs(60),
            ignore_client_abort: false,
            via: Via::Request,
            buffer_size: 16 << 10,
            next_upstream: NextUpstream::default(),
            upgrade: Upgrade::default(),
            method: None,
            set_body: None,
            pass_request_headers: true,
            pass_request_body: true,
            pass_trailers: true,
            limit_rate: None,
            obeys_limit_rate: true,
            response: ResponseRewriting::default(),
            socket: SocketOptions::default(),
            proxy_protocol: false,
            tls: None,
        }
    }
}

impl Proxy {
    /// Whether the client's content is read and dropped.
    pub(crate) fn drops_content(&self) -> bool {
        self.set_body.is_some() || !self.pass_request_body
    }
}

/// Where a request goes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// A group of peers whose addresses are known.
    Group(GroupId),
    /// A name that is looked up for each exchange ([`crate::Output::Resolve`]), and the port there. The
    /// group gives settings and limits; its own list of peers may be empty.
    Name {
        /// The name.
        name: Arc<str>,
        /// The port.
        port: u16,
        /// The group whose settings hold.
        group: GroupId,
    },
    /// A URL with variables in it, evaluated for each exchange: an `upstream` by its name, an address, or a
    /// name that is looked up. With a URI in it, that is the request-target, as it stands.
    Template {
        /// `http://HOST[:PORT][URI]`, or `https://…` where the location has settings for that.
        url: Template,
        /// The group whose settings hold where the host names no group.
        group: GroupId,
    },
    /// Peers that somebody else finds, chosen for each try.
    Peers {
        /// The embedder's own peers, which are asked for each try.
        peers: Arc<dyn Peers>,
        /// The group whose settings hold; its own list of peers may be empty.
        group: GroupId,
    },
}

/// How the head of a response is changed on its way to the client.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ResponseRewriting {
    /// `proxy_redirect`: the first that fits changes `Location` and `Refresh`.
    pub redirects: Vec<Substitution>,
    /// `proxy_cookie_domain`: the first that fits changes the `Domain` of a `Set-Cookie`.
    pub cookie_domains: Vec<Substitution>,
    /// `proxy_cookie_path`, likewise.
    pub cookie_paths: Vec<Substitution>,
    /// `proxy_cookie_flags`: the first for a cookie's name sets its flags.
    pub cookie_flags: Vec<CookieFlags>,
    /// `proxy_hide_header`: names of fields that don't go on.
    pub hide: Vec<Box<str>>,
    /// `proxy_pass_header`: names of fields that go on although they are hidden by default (`X-Accel-*`).
    pub pass: Vec<Box<str>>,
    /// `proxy_intercept_errors`: a status code of 300 or above is answered by the location's `error_page`,
    /// where it has one for it. Off.
    pub intercept_errors: bool,
}

/// Options of the sockets to origin servers.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SocketOptions {
    /// `proxy_bind`: the address that connections come from.
    pub bind: Bind,
    /// `proxy_socket_keepalive`: the system probes idle connections. Off.
    pub keepalive: bool,
    /// `tunnel_socket_rcvbuf`: bytes of the system's receive buffer; absent: the system's choice.
    pub receive_buffer: Option<u32>,
    /// `tunnel_socket_sndbuf`: likewise, to send.
    pub send_buffer: Option<u32>,
}

/// `proxy_bind`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Bind {
    /// The system chooses.
    #[default]
    Any,
    /// This address; port 0: any port.
    Address(SocketAddr),
    /// An address with variables in it; evaluated to nothing, the system chooses.
    Template(Template),
}

/// The URI part of `proxy_pass`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyUri {
    /// What the location matched: so many bytes of the normalised path are replaced.
    pub matched: usize,
    /// What stands in their place.
    pub replacement: Box<[u8]>,
}

impl ProxyUri {
    /// Replaces the first `matched` bytes of the normalised path.
    #[must_use]
    pub fn new(matched: usize, replacement: &[u8]) -> Self {
        Self { matched, replacement: replacement.into() }
    }
}

/// One `proxy_set_header`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetHeader {
    name: Box<str>,
    known: Known,
    /// Field value; empty after evaluation means: no such line.
    pub value: Template,
}

impl SetHeader {
    /// Sets the field `name`.
    ///
    /// # Errors
    /// When `name` is not a token (RFC 9110 §5.1).
    pub fn new(name: &str, value: Template) -> Result<Self, InvalidFieldName> {
        if name.is_empty() || !name.bytes().all(crate::http1::is_token_byte) {
            return Err(InvalidFieldName);
        }
        Ok(Self::of(name, value))
    }

    /// The two lines of nginx's page: `Upgrade $http_upgrade` and `Connection "Upgrade"`, which is spelled here as in the
    /// examples of RFC 6455, for origin servers that compare it letter by letter.
    #[must_use]
    pub fn websocket_recipe() -> Vec<Self> {
        let upgrade = Template::variable(Variable::Http("upgrade".into()));
        vec![Self::of("Upgrade", upgrade), Self::of("Connection", Template::literal("Upgrade"))]
    }

    fn of(name: &str, value: Template) -> Self {
        Self { name: name.into(), known: Known::of(name.as_bytes()), value }
    }

    /// The field's name, as written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which field it is: nobody asks for that again while requests come.
    pub(crate) fn known(&self) -> Known {
        self.known
    }

    /// Whether it sets the field of this name.
    pub(crate) fn sets(&self, known: Known, name: &[u8]) -> bool {
        self.known == known && (!known.is_several() || is_same_name(self.name.as_bytes(), name))
    }
}

/// A field name that is not a token (RFC 9110 §5.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidFieldName;

impl std::fmt::Display for InvalidFieldName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a field name consists of letters, digits and !#$%&'*+-.^_`|~ only")
    }
}

impl std::error::Error for InvalidFieldName {}

/// `proxy_via`: where we add ourselves to `Via` (B4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// On requests, as RFC 9110 §7.6.3 demands of a gateway.
    Request,
    /// On requests and responses.
    Both,
    /// Nowhere.
    Off,
}

/// `proxy_next_upstream`, `_tries`, `_timeout` (E10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a field for each directive that is on or off")]
pub struct NextUpstream {
    /// After an error on the way: connect refused, closed, reset. On.
    pub error: bool,
    /// After a timeout. On.
    pub timeout: bool,
    /// After a response head that can't be forwarded: `invalid_header`. Off.
    pub invalid_header: bool,
    /// After a final response with one of these status codes: `http_500`, `http_404` and so on.
    pub statuses: Vec<u16>,
    /// Requests whose method isn't idempotent, too. Off.
    pub non_idempotent: bool,
    /// At most so many tries in all, 0 for as many as there are peers.
    pub tries: u32,
    /// No further try after this time; zero for no bound.
    pub within: Duration,
}

impl Default for NextUpstream {
    fn default() -> Self {
        Self {
            error: true,
            timeout: true,
            invalid_header: false,
            statuses: Vec::new(),
            non_idempotent: false,
            tries: 0,
            within: Duration::ZERO,
        }
    }
}
