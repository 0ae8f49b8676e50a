//! The variables of nginx that mean something here (B5).

use std::fmt;

/// Index of a `map`, `geo` or `split_clients` in [`crate::config::Config::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapId(pub usize);

/// Number of a variable that `set` or a named group of a regular expression defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SetId(pub usize);

macro_rules! variables {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A variable, resolved when the configuration is made.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Variable {
            $($(#[$doc])* $variant,)*
            /// `$http_NAME`: all values of a request field joined by `, ` (cookies: `; `). The name in lower
            /// case with dashes.
            Http(Box<str>),
            /// `$sent_http_NAME`: a field of the response that the client gets.
            SentHttp(Box<str>),
            /// `$upstream_http_NAME`: a field of the origin server's response.
            UpstreamHttp(Box<str>),
            /// `$sent_trailer_NAME`.
            SentTrailer(Box<str>),
            /// `$upstream_trailer_NAME`.
            UpstreamTrailer(Box<str>),
            /// `$arg_NAME`: the first such argument of the query, name compared ignoring case.
            Arg(Box<str>),
            /// `$cookie_NAME`.
            Cookie(Box<str>),
            /// `$1` to `$9`: a group of the last regular expression that matched.
            Capture(u8),
            /// A variable that a `map`, `geo` or `split_clients` defines.
            Map(MapId),
            /// A variable that `set` or a named group of a regular expression defines; empty before.
            Set(SetId),
            /// Another `$ssl_*`: empty, whatever happens.
            Ssl(Box<str>),
            /// A variable of nginx that is empty here, whatever happens.
            Empty(Box<str>),
        }

        impl Variable {
            /// The variable that is called `name` everywhere.
            #[must_use]
            pub(crate) fn built_in(name: &str) -> Option<Self> {
                Some(match name {
                    $($name => Self::$variant,)*
                    _ => return Self::with_prefix(name),
                })
            }

            pub(crate) fn plain_name(&self) -> Option<&'static str> {
                Some(match self {
                    $(Self::$variant => $name,)*
                    _ => return None,
                })
            }

            /// Every built-in variable without a parameter.
            #[must_use]
            pub fn plain() -> &'static [&'static str] {
                &[$($name),*]
            }
        }
    };
}

variables! {
    /// The client's address without port.
    RemoteAddr = "remote_addr",
    /// The client's port.
    RemotePort = "remote_port",
    /// User name of Basic authentication.
    RemoteUser = "remote_user",
    /// The client's address in network byte order.
    BinaryRemoteAddr = "binary_remote_addr",
    /// The address of the connection itself, whatever was learned of the client later.
    RealipRemoteAddr = "realip_remote_addr",
    /// The port that belongs to it.
    RealipRemotePort = "realip_remote_port",
    /// The client's address in a PROXY protocol header; empty without one.
    ProxyProtocolAddr = "proxy_protocol_addr",
    /// The client's port there.
    ProxyProtocolPort = "proxy_protocol_port",
    /// Our address.
    ServerAddr = "server_addr",
    /// Our port.
    ServerPort = "server_port",
    /// First name of the virtual server.
    ServerName = "server_name",
    /// Host of the request (target, else `Host`, else server name), lower case, without port.
    Host = "host",
    /// Name and port as in `proxy_pass`.
    ProxyHost = "proxy_host",
    /// Port of `proxy_pass`.
    ProxyPort = "proxy_port",
    /// `X-Forwarded-For` of the request with the client's address appended.
    ProxyAddXForwardedFor = "proxy_add_x_forwarded_for",
    /// `https` with TLS, else `http`.
    Scheme = "scheme",
    /// `on` with TLS, else empty.
    Https = "https",
    /// `TLSv1.2` or `TLSv1.3`; like all that is said of TLS here, empty without it.
    SslProtocol = "ssl_protocol",
    /// The cipher suite.
    SslCipher = "ssl_cipher",
    /// The cipher suites that the client offered, with colons between.
    SslCiphers = "ssl_ciphers",
    /// The group in which keys were exchanged.
    SslCurve = "ssl_curve",
    /// The name that the client looked for in its handshake.
    SslServerName = "ssl_server_name",
    /// Empty: sessions have no numbers here.
    SslSessionId = "ssl_session_id",
    /// `r` when a session was resumed, else `.`.
    SslSessionReused = "ssl_session_reused",
    /// What was agreed to be spoken inside of TLS.
    SslAlpnProtocol = "ssl_alpn_protocol",
    /// `NONE`, `SUCCESS`, or `FAILED:` and why: what the verification of the client's certificate came to.
    SslClientVerify = "ssl_client_verify",
    /// Whose the client's certificate is (RFC 2253).
    SslClientSDn = "ssl_client_s_dn",
    /// Who has issued it.
    SslClientIDn = "ssl_client_i_dn",
    /// Its serial number in hexadecimal digits.
    SslClientSerial = "ssl_client_serial",
    /// Its SHA-1 in hexadecimal digits.
    SslClientFingerprint = "ssl_client_fingerprint",
    /// When it begins to be valid.
    SslClientVStart = "ssl_client_v_start",
    /// When it ends to be.
    SslClientVEnd = "ssl_client_v_end",
    /// For how many days it still is.
    SslClientVRemain = "ssl_client_v_remain",
    /// The certificate as PEM, with a tab in front of each line but the first.
    SslClientCert = "ssl_client_cert",
    /// The certificate as PEM.
    SslClientRawCert = "ssl_client_raw_cert",
    /// The certificate as PEM, percent-encoded.
    SslClientEscapedCert = "ssl_client_escaped_cert",
    /// The method.
    RequestMethod = "request_method",
    /// The request-target as received (absolute-form: path and query).
    RequestUri = "request_uri",
    /// The normalised path.
    Uri = "uri",
    /// The same.
    DocumentUri = "document_uri",
    /// The query.
    Args = "args",
    /// The same.
    QueryString = "query_string",
    /// `?` when there is a query, else empty.
    IsArgs = "is_args",
    /// The request line.
    Request = "request",
    /// 32 hexadecimal digits, unique.
    RequestId = "request_id",
    /// Port in the request's authority.
    RequestPort = "request_port",
    /// `:` when there is one, else empty.
    IsRequestPort = "is_request_port",
    /// `HTTP/1.0` or `HTTP/1.1`.
    ServerProtocol = "server_protocol",
    /// Serial number of the connection.
    Connection = "connection",
    /// Number of requests on it so far.
    ConnectionRequests = "connection_requests",
    /// Its age in seconds, with milliseconds.
    ConnectionTime = "connection_time",
    /// `Content-Length` of the request.
    ContentLength = "content_length",
    /// `Content-Type` of the request.
    ContentType = "content_type",
    /// Name of this machine.
    Hostname = "hostname",
    /// Number of this process.
    Pid = "pid",
    /// Seconds since 1970, with milliseconds.
    Msec = "msec",
    /// Local time, `2026-11-21T02:35:21+00:00`.
    TimeIso8601 = "time_iso8601",
    /// Local time, `21/Nov/2026:02:35:21 +0000`.
    TimeLocal = "time_local",
    /// Our version, under nginx's name.
    NginxVersion = "nginx_version",
    /// Status code of the response.
    Status = "status",
    /// Seconds since the first byte of the request.
    RequestTime = "request_time",
    /// Bytes sent to the client.
    BytesSent = "bytes_sent",
    /// The same without the head.
    BodyBytesSent = "body_bytes_sent",
    /// Bytes of the request, head and content.
    RequestLength = "request_length",
    /// `OK` when the exchange was completed, else empty.
    RequestCompletion = "request_completion",
    /// `p` when the request was pipelined, else `.`.
    Pipe = "pipe",
    /// `-`: we don't compress.
    GzipRatio = "gzip_ratio",
    /// Address of the origin server, those of earlier tries before it.
    UpstreamAddr = "upstream_addr",
    /// Status of its response.
    UpstreamStatus = "upstream_status",
    /// Seconds to connect.
    UpstreamConnectTime = "upstream_connect_time",
    /// Seconds to the response head.
    UpstreamHeaderTime = "upstream_header_time",
    /// Seconds to the end of the response.
    UpstreamResponseTime = "upstream_response_time",
    /// Bytes sent to the origin server.
    UpstreamBytesSent = "upstream_bytes_sent",
    /// Bytes received from it.
    UpstreamBytesReceived = "upstream_bytes_received",
    /// Empty: there is no cache.
    UpstreamCacheStatus = "upstream_cache_status",
    /// What a line about a tunnel tells: `open`, `progress` or `close`. Like all that is said of tunnels here, empty where
    /// there is none (G9).
    TunnelEvent = "tunnel_event",
    /// 32 hexadecimal digits, the same in every line about the tunnel, and those of [`RequestId`](Self::RequestId).
    TunnelId = "tunnel_id",
    /// What the 101 has switched to, in lower case; `connect` where the client asked with CONNECT.
    TunnelProtocol = "tunnel_protocol",
    /// The subprotocol that the 101 has chosen.
    TunnelSubprotocol = "tunnel_subprotocol",
    /// Its age in seconds, with milliseconds.
    TunnelDuration = "tunnel_duration",
    /// What ended it ([`EndedBy::word`](crate::EndedBy::word)).
    TunnelEndedBy = "tunnel_ended_by",
    /// How it ended ([`EndedHow::word`](crate::EndedHow::word)).
    TunnelEndedHow = "tunnel_ended_how",
    /// The code of the Close that the client has sent; 1005 when that had none.
    TunnelCloseClient = "tunnel_close_client",
    /// The code of the Close that the origin server has sent.
    TunnelCloseUpstream = "tunnel_close_upstream",
    /// Bytes that came from the client.
    TunnelClientBytes = "tunnel_client_bytes",
    /// Frames of WebSocket that came from it, without Pongs to Pings of ours; empty where nobody looks for frames.
    TunnelClientFrames = "tunnel_client_frames",
    /// Messages that came from it whole.
    TunnelClientMessages = "tunnel_client_messages",
    /// Bytes that came from the origin server.
    TunnelUpstreamBytes = "tunnel_upstream_bytes",
    /// Frames that came from it, likewise.
    TunnelUpstreamFrames = "tunnel_upstream_frames",
    /// Messages that came from it whole.
    TunnelUpstreamMessages = "tunnel_upstream_messages",
    /// The longest time in which nothing came from the client, in seconds with milliseconds.
    TunnelClientSilence = "tunnel_client_silence",
    /// The longest time in which nothing came from the origin server.
    TunnelUpstreamSilence = "tunnel_upstream_silence",
    /// How long the client's last answer to a Ping of ours took, in milliseconds.
    TunnelClientPing = "tunnel_client_ping",
    /// How long the origin server's took.
    TunnelUpstreamPing = "tunnel_upstream_ping",
    /// For how long, in all, bytes waited because the client took none, in seconds with milliseconds.
    TunnelClientBlocked = "tunnel_client_blocked",
    /// For how long they waited because the origin server took none.
    TunnelUpstreamBlocked = "tunnel_upstream_blocked",
}

impl Variable {
    /// What is said of a tunnel (G9), in the order in which it is shown.
    pub(crate) const OF_TUNNEL: [Self; 21] = [
        Self::TunnelEvent,
        Self::TunnelId,
        Self::TunnelProtocol,
        Self::TunnelSubprotocol,
        Self::TunnelDuration,
        Self::TunnelEndedBy,
        Self::TunnelEndedHow,
        Self::TunnelCloseClient,
        Self::TunnelCloseUpstream,
        Self::TunnelClientBytes,
        Self::TunnelClientFrames,
        Self::TunnelClientMessages,
        Self::TunnelUpstreamBytes,
        Self::TunnelUpstreamFrames,
        Self::TunnelUpstreamMessages,
        Self::TunnelClientSilence,
        Self::TunnelUpstreamSilence,
        Self::TunnelClientPing,
        Self::TunnelUpstreamPing,
        Self::TunnelClientBlocked,
        Self::TunnelUpstreamBlocked,
    ];

    /// Whether it always has a value, be it an empty one: in a log nginx shows `-` only for what isn't there.
    pub(crate) fn is_always_there(&self) -> bool {
        matches!(
            self,
            Self::Map(_)
                | Self::Set(_)
                | Self::IsArgs
                | Self::IsRequestPort
                | Self::RequestPort
                | Self::Https
                | Self::RequestCompletion
                | Self::ServerName
                | Self::Uri
                | Self::DocumentUri
        )
    }

    fn with_prefix(name: &str) -> Option<Self> {
        // In the names of fields, nginx writes `_` for `-`.
        let field = |rest: &str| rest.replace('_', "-").to_ascii_lowercase().into_boxed_str();
        if let [digit @ b'1'..=b'9'] = name.as_bytes() {
            return Some(Self::Capture(digit - b'0'));
        }
        type Make = fn(Box<str>) -> Variable;
        // The longer prefix before the shorter.
        let kinds: [(&str, Make); 5] = [
            ("upstream_http_", Self::UpstreamHttp),
            ("upstream_trailer_", Self::UpstreamTrailer),
            ("sent_http_", Self::SentHttp),
            ("sent_trailer_", Self::SentTrailer),
            ("http_", Self::Http),
        ];
        for (prefix, variable) in kinds {
            if let Some(rest) = name.strip_prefix(prefix).filter(|rest| !rest.is_empty()) {
                return Some(variable(field(rest)));
            }
        }
        let rest_of = |prefix| name.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty());
        rest_of("arg_")
            .map(|rest| Self::Arg(rest.into()))
            .or_else(|| rest_of("cookie_").map(|rest| Self::Cookie(rest.into())))
            .or_else(|| rest_of("ssl_").map(|rest| Self::Ssl(rest.into())))
    }
}

/// The name, without the dollar sign.
impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let underscored = |name: &str| name.replace('-', "_");
        match self {
            Self::Http(name) => write!(f, "http_{}", underscored(name)),
            Self::SentHttp(name) => write!(f, "sent_http_{}", underscored(name)),
            Self::UpstreamHttp(name) => write!(f, "upstream_http_{}", underscored(name)),
            Self::SentTrailer(name) => write!(f, "sent_trailer_{}", underscored(name)),
            Self::UpstreamTrailer(name) => write!(f, "upstream_trailer_{}", underscored(name)),
            Self::Arg(name) => write!(f, "arg_{name}"),
            Self::Cookie(name) => write!(f, "cookie_{name}"),
            Self::Capture(index) => write!(f, "{index}"),
            Self::Map(MapId(index)) => write!(f, "map_{index}"),
            Self::Set(SetId(index)) => write!(f, "set_{index}"),
            Self::Ssl(name) => write!(f, "ssl_{name}"),
            Self::Empty(name) => f.write_str(name),
            plain => f.write_str(plain.plain_name().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_said_of_tunnels_is_listed() {
        let named = Variable::plain().iter().filter(|name| name.starts_with("tunnel_"));
        let listed = Variable::OF_TUNNEL.iter().map(ToString::to_string);
        assert!(named.copied().eq(listed.collect::<Vec<_>>()));
    }

    #[test]
    fn names_and_variables_correspond() {
        let with_prefix = [
            "http_user_agent",
            "sent_http_x",
            "upstream_http_x_y",
            "sent_trailer_t",
            "upstream_trailer_t",
            "arg_Name",
            "cookie_A_b",
            "9",
            "ssl_protocol",
            "ssl_early_data",
        ];
        for name in Variable::plain().iter().copied().chain(with_prefix) {
            assert_eq!(Variable::built_in(name).map(|v| v.to_string()).as_deref(), Some(name));
        }
        for name in ["", "http_", "0", "10", "arg_", "hosts"] {
            assert_eq!(Variable::built_in(name), None, "{name}");
        }
    }
}
