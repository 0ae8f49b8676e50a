//! Limits and timeouts towards the client.

use core::time::Duration;

/// What bounds a client's connection and its requests. Defaults are nginx's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// `client_header_timeout`: for a whole head, from its first byte (the first request: from accept). 60 s.
    pub client_header_timeout: Duration,
    /// `client_body_timeout`: between two pieces of request content. 60 s.
    pub client_body_timeout: Duration,
    /// `client_max_body_size`: bytes of request content, 0 for no limit. 1 MiB.
    pub client_max_body_size: u64,
    /// `send_timeout`: between two writes that the client takes bytes of. 60 s.
    pub send_timeout: Duration,
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
    /// `max_headers`: field lines in a request's header section. 1000 in nginx; ours are bounded by the
    /// buffer as well.
    pub max_headers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_header_timeout: Duration::from_secs(60),
            client_body_timeout: Duration::from_secs(60),
            client_max_body_size: 1 << 20,
            send_timeout: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 1000,
            keepalive_time: Duration::from_secs(3600),
            lingering_time: Duration::from_secs(30),
            lingering_timeout: Duration::from_secs(5),
            reset_timedout_connection: false,
            underscores_in_headers: false,
            allow_bare_lf: true,
            max_headers: 1000,
        }
    }
}
