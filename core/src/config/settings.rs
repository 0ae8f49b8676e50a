//! Limits and timeouts towards the client.

use core::time::Duration;
use std::sync::Arc;

use crate::{Network, Networks};

/// Bytes of a head that nobody may exceed, whatever is configured: 1 GiB.
pub const MAX_HEAD: usize = 1 << 30;

/// What bounds a client's connection and its requests. Defaults are nginx's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a field for each directive that is on or off")]
pub struct Settings {
    /// `client_header_timeout`: for a whole head, from its first byte (the first request: from accept). 60 s.
    pub client_header_timeout: Duration,
    /// `client_body_timeout`: between two pieces of request content. 60 s.
    pub client_body_timeout: Duration,
    /// `client_max_body_size`: bytes of request content, 0 for no limit. 1 MiB.
    pub client_max_body_size: u64,
    /// `send_timeout`: between two writes that the client takes bytes of. 60 s.
    pub send_timeout: Duration,
    /// `auth_delay`: for how long the answer to missing or wrong credentials is held back. Zero.
    pub auth_delay: Duration,
    /// `keepalive_timeout`: for the next request to begin; zero turns persistence off. 75 s.
    pub keepalive_timeout: Duration,
    /// `keepalive_requests`: requests on one connection. 1000.
    pub keepalive_requests: u64,
    /// `keepalive_time`: age of a connection past which no further request is read from it. 1 h.
    pub keepalive_time: Duration,
    /// `lingering_time`: for how long what a client still sends is read and dropped before closing. 30 s.
    pub lingering_time: Duration,
    /// `lingering_timeout`: between two pieces of what is dropped. 5 s.
    pub lingering_timeout: Duration,
    /// `reset_timedout_connection`: a timer that expires closes with a reset. Off.
    pub reset_timedout_connection: bool,
    /// `underscores_in_headers`: field names with `_` pass instead of being dropped. Off.
    pub underscores_in_headers: bool,
    /// `allow_bare_lf`: a single LF ends a line of a head, as RFC 9112 §2.2 allows. On.
    pub allow_bare_lf: bool,
    /// `merge_slashes`: several slashes in a row count as one where a location is searched. On.
    pub merge_slashes: bool,
    /// `client_header_buffer_size`: lines that end within so many bytes from the beginning of a request head may have
    /// any length. 1 KiB.
    pub client_header_start: usize,
    /// `large_client_header_buffers`: bytes of one line of a request head, its line end included. 8 KiB.
    pub client_header_line: usize,
    /// `large_client_header_buffers`: bytes of a whole request head, its empty line included; a start that is larger
    /// than one of these lines comes on top. 32 KiB, at most [`MAX_HEAD`]. A client whose head is longer than an IO
    /// buffer has memory for it until it is whole, refused, or too late (`client_header_timeout`).
    pub client_header_size: usize,
    /// `lingering_close`. On.
    pub lingering_close: LingeringClose,
    /// `server_tokens`: what `Server` says in our own responses. On.
    pub server_tokens: ServerTokens,
    /// `absolute_redirect`: a `Location` of ours has scheme and host. On.
    pub absolute_redirect: bool,
    /// `port_in_redirect`: and the port that we listen on. On.
    pub port_in_redirect: bool,
    /// `server_name_in_redirect`: and the first `server_name` instead of the host that was asked for. Off.
    pub server_name_in_redirect: bool,
    /// `resolver_timeout`: for looking a name up. 30 s.
    pub resolver_timeout: Duration,
    /// `set_real_ip_from`, `real_ip_header`, `real_ip_recursive`; absent: the client is who connected.
    pub real_ip: Option<Arc<RealIp>>,
    /// `max_headers`: field lines in a request's header section. 1000.
    pub max_headers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_header_timeout: Duration::from_secs(60),
            client_body_timeout: Duration::from_secs(60),
            client_max_body_size: 1 << 20,
            send_timeout: Duration::from_secs(60),
            auth_delay: Duration::ZERO,
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 1000,
            keepalive_time: Duration::from_secs(3600),
            lingering_time: Duration::from_secs(30),
            lingering_timeout: Duration::from_secs(5),
            reset_timedout_connection: false,
            underscores_in_headers: false,
            allow_bare_lf: true,
            merge_slashes: true,
            client_header_start: 1 << 10,
            client_header_line: 8 << 10,
            client_header_size: 32 << 10,
            lingering_close: LingeringClose::On,
            server_tokens: ServerTokens::On,
            absolute_redirect: true,
            port_in_redirect: true,
            server_name_in_redirect: false,
            resolver_timeout: Duration::from_secs(30),
            real_ip: None,
            max_headers: 1000,
        }
    }
}

impl Settings {
    /// Bytes that a request head may have.
    pub(crate) fn head_limit(&self) -> usize {
        // As nginx, whose first buffer comes beside the large ones; the usual one is too small to count.
        let start = Some(self.client_header_start).filter(|start| *start > self.client_header_line);
        self.client_header_size.saturating_add(start.unwrap_or(0)).min(MAX_HEAD)
    }
}

/// `lingering_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LingeringClose {
    /// A connection is closed at once, whatever the client may still be sending.
    Off,
    /// What the client still sends is read and dropped first, where it may be sending.
    On,
    /// Always.
    Always,
}

/// `server_tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerTokens {
    /// Name and version.
    On,
    /// The name alone.
    Off,
    /// This text; empty: no `Server` at all.
    Text(Box<str>),
}

/// Who the client is behind other proxies: `$remote_addr` and what rests on it then mean the address that a
/// trusted proxy tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RealIp {
    /// `set_real_ip_from`: the proxies that are believed.
    pub trusted: Networks,
    /// `set_real_ip_from unix:`: so are all that connect through a Unix domain socket.
    pub trusts_unix: bool,
    /// `real_ip_header`.
    pub source: RealIpSource,
    /// `real_ip_recursive`: of several addresses, the last that is not trusted itself. Off: the last.
    pub recursive: bool,
}

impl RealIp {
    /// Believes nobody yet; takes `X-Real-IP`, as nginx.
    #[must_use]
    pub fn new(trusted: Vec<Network>) -> Self {
        Self {
            trusted: trusted.into_iter().collect(),
            trusts_unix: false,
            source: RealIpSource::Field("X-Real-IP".into()),
            recursive: false,
        }
    }
}

/// `real_ip_header`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RealIpSource {
    /// A field of the request; `X-Forwarded-For` holds a list.
    Field(Box<str>),
    /// The PROXY protocol header that the connection began with.
    ProxyProtocol,
}
