//! Every reason to refuse a message, in one table (behaviour F).

use std::fmt;

/// Who broke a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Culprit {
    /// The client.
    Client,
    /// The origin server.
    Origin,
    /// Our own configuration.
    Configuration,
}

macro_rules! violations {
    ($($(#[$doc:meta])* $variant:ident: $status:literal, $culprit:ident, $section:literal, $rule:literal, $switch:expr, $sentence:literal;)+) => {
        /// A rule that a message broke. Each has a status, the clause it rests on, the side at fault, and the
        /// switch that relaxes it, if there is one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Violation { $(#[doc = $sentence] $(#[$doc])* $variant,)+ }

        impl Violation {
            /// All of them, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The status code of our answer to the client.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Who is at fault.
            #[must_use]
            pub const fn culprit(self) -> Culprit {
                match self { $(Self::$variant => Culprit::$culprit,)+ }
            }

            /// The clause, as `RFC 9112 §3.2`, or the directive.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)+ }
            }

            /// The rule in `docs/design/behaviour.md`.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule,)+ }
            }

            /// The directive that relaxes the rule.
            #[must_use]
            pub const fn switch(self) -> Option<&'static str> {
                match self { $(Self::$variant => $switch,)+ }
            }

            /// What is wrong, in one sentence without a full stop.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

violations! {
    BadMethod: 400, Client, "RFC 9110 §9.1", "E3", None, "the method is not a token";
    BadRequestLine: 400, Client, "RFC 9112 §3", "E3", None, "the request line is not method, target and version with single spaces";
    BadVersion: 400, Client, "RFC 9112 §2.3", "E3", None, "the protocol version is malformed";
    UnsupportedVersion: 505, Client, "RFC 9110 §15.6.6", "E3", None, "the major version is not 1";
    BadTarget: 400, Client, "RFC 9112 §3.2", "E4", None, "the request-target holds a byte or a form that is not allowed";
    WrongScheme: 421, Client, "RFC 9110 §7.4", "E4", None, "the request-target asks for https over cleartext";
    PlainHttp: 400, Client, "RFC 9110 §4.2.2", "H2", None, "The plain HTTP request was sent to HTTPS port";
    BadCertificate: 400, Client, "RFC 9110 §15.5.1", "H2", Some("ssl_verify_client"), "The SSL certificate error";
    NoCertificate: 400, Client, "RFC 9110 §15.5.1", "H2", Some("ssl_verify_client"), "No required SSL certificate was sent";
    Misdirected: 421, Client, "RFC 9110 §7.4", "H2", None, "the request is for another server than the handshake, which wants another certificate";
    BareCr: 400, Client, "RFC 9112 §2.2", "E3", None, "a CR without LF in the head";
    BareLf: 400, Client, "RFC 9112 §2.2", "E3", Some("allow_bare_lf on"), "a line of the head ends in LF without CR";
    ControlByte: 400, Client, "RFC 9110 §5.5", "E3", None, "a control byte in the head";
    ObsFold: 400, Client, "RFC 9112 §5.2", "E3", None, "a folded field line, or white space before the first one";
    SpaceBeforeColon: 400, Client, "RFC 9112 §5.1", "E3", None, "white space between a field name and the colon";
    BadFieldName: 400, Client, "RFC 9110 §5.1", "B3", None, "a field name is empty or not a token";
    MissingColon: 400, Client, "RFC 9112 §5", "E3", None, "a field line without a colon";
    TooManyFields: 431, Client, "RFC 6585 §5", "E5", Some("max_headers"), "too many field lines";
    HeadTooLarge: 431, Client, "RFC 6585 §5", "E5", Some("large_client_header_buffers"), "the header section is too large";
    TargetTooLong: 414, Client, "RFC 9110 §15.5.15", "E5", Some("large_client_header_buffers"), "the request line is too long";
    ListTooEmpty: 400, Client, "RFC 9110 §5.6.1", "E14", None, "more than 16 empty elements in a list";
    MissingHost: 400, Client, "RFC 9112 §3.2", "E4", None, "an HTTP/1.1 request without Host";
    SeveralHosts: 400, Client, "RFC 9112 §3.2", "E4", None, "more than one Host";
    BadHost: 400, Client, "RFC 9112 §3.2", "E4", None, "Host is empty or malformed";
    SeveralAuthorizations: 400, Client, "RFC 9110 §11.6.2", "B3", None, "more than one Authorization";
    SeveralModifiedSince: 400, Client, "RFC 9110 §13.1.3", "B3", None, "more than one If-Modified-Since";
    SeveralUnmodifiedSince: 400, Client, "RFC 9110 §13.1.4", "B3", None, "more than one If-Unmodified-Since";
    SeveralIfRanges: 400, Client, "RFC 9110 §13.1.5", "B3", None, "more than one If-Range";
    SeveralContentRanges: 400, Client, "RFC 9110 §14.4", "B3", None, "more than one Content-Range";
    LengthAndCoding: 400, Client, "RFC 9112 §6.3", "E1", None, "both Transfer-Encoding and Content-Length";
    BadLength: 400, Client, "RFC 9112 §6.3", "E1", None, "Content-Length is not one number, or there are several";
    BadCoding: 400, Client, "RFC 9112 §6.1", "E1", None, "Transfer-Encoding is not just chunked";
    UnknownCoding: 501, Client, "RFC 9112 §6.1", "E1", None, "a transfer coding before chunked";
    BadChunk: 400, Client, "RFC 9112 §7.1", "E2", None, "malformed chunked framing";
    BadTrailer: 400, Client, "RFC 9112 §7.1.2", "E2", None, "a malformed trailer section";
    ContentTooLarge: 413, Client, "RFC 9110 §15.5.14", "E5", Some("client_max_body_size"), "the content is larger than client_max_body_size";
    NominatedField: 400, Client, "RFC 9110 §7.6.1", "B1", None, "Connection names a field that framing, routing or authentication rest on";
    UnmetExpectation: 417, Client, "RFC 9110 §10.1.1", "A10", None, "an expectation other than 100-continue";
    ConnectRefused: 405, Client, "RFC 9110 §9.3.6", "D1", Some("tunnel_pass"), "CONNECT is not configured here";
    BadProxyHeader: 400, Client, "RFC 9112 §2.2", "F", Some("listen … proxy_protocol"), "the connection does not begin with a PROXY protocol header";
    ProxyUnauthorized: 407, Client, "RFC 9110 §15.5.8", "E11", None, "credentials for the proxy are missing or wrong";
    TunnelMethod: 405, Client, "RFC 9110 §9.3.6", "D1", None, "only CONNECT is answered here";
    ConnectContent: 400, Client, "RFC 9110 §9.3.6", "D2", None, "a CONNECT has content";
    DestinationDenied: 403, Client, "RFC 9110 §9.3.6", "D4", Some("tunnel_allow"), "the destination is not one that clients may reach";
    TraceRefused: 405, Client, "RFC 9110 §9.3.8", "E14", None, "TRACE is not answered";
    Loop: 508, Client, "RFC 9110 §7.6.3", "E14", None, "the request has passed this gateway more than 8 times";
    WebSocketMethod: 400, Client, "RFC 6455 §4.2.1", "A6", Some("upgrade_websocket_validation off"), "a WebSocket handshake has to be a GET";
    WebSocketKey: 400, Client, "RFC 6455 §4.2.1", "A6", Some("upgrade_websocket_validation off"), "Sec-WebSocket-Key has to be there once and hold 16 bytes in base64";
    WebSocketVersion: 426, Client, "RFC 6455 §4.4", "A6", Some("upgrade_websocket_validation off"), "Sec-WebSocket-Version has to be 13";
    WebSocketVersions: 400, Client, "RFC 6455 §4.2.1", "A6", Some("upgrade_websocket_validation off"), "Sec-WebSocket-Version has to be there once";
    HeaderTimeout: 408, Client, "RFC 9110 §15.5.9", "E6", Some("client_header_timeout"), "the request head took longer than client_header_timeout";
    BodyTimeout: 408, Client, "RFC 9110 §15.5.9", "E6", Some("client_body_timeout"), "the request content stalled for longer than client_body_timeout";
    TemplateControl: 400, Configuration, "RFC 9110 §5.5", "B6", None, "a template evaluated to a value with CR, LF or NUL";
    TemplateHost: 400, Configuration, "RFC 9112 §3.2", "B2", None, "a template evaluated to a Host that is malformed";
    TemplateMethod: 400, Configuration, "RFC 9110 §9.1", "B6", None, "a template evaluated to no method that can be sent";
    TemplateTarget: 500, Configuration, "RFC 9110 §15.6.1", "B6", None, "a template evaluated to no address that requests can be forwarded to";
    TemplateBind: 500, Configuration, "RFC 9110 §15.6.1", "B6", None, "a template evaluated to no address that connections can come from";
    NoContentLength: 411, Client, "RFC 9110 §15.5.12", "E15", Some("proxy_http_version 1.1"), "content of unknown length can't go to an HTTP/1.0 origin server";
    RewriteCycle: 500, Configuration, "RFC 9110 §15.6.1", "E11", None, "rewrite or internal redirection cycle";
    EmptyUri: 500, Configuration, "RFC 9110 §15.6.1", "E11", None, "the rewritten URI has a zero length";
    UnknownLocation: 500, Configuration, "RFC 9110 §15.6.1", "E11", None, "an error page is a named location that is not there";
    NotImplemented: 501, Configuration, "RFC 9110 §15.6.2", "E11", None, "the location's directive is not in this version";
    Forbidden: 403, Client, "RFC 9110 §15.5.4", "E11", None, "access was refused";
    Unauthorized: 401, Client, "RFC 9110 §15.5.2", "E11", None, "credentials are missing or wrong";
    Limited: 503, Client, "RFC 9110 §15.6.4", "E13", None, "a limit was reached";
    TooManyTunnels: 503, Client, "RFC 9110 §15.6.4", "G8", Some("upgrade_max_tunnels"), "there are as many tunnels as may be";
    Leaving: 503, Client, "RFC 9110 §15.6.4", "G6", None, "the gateway goes away, and begins no tunnel any more";
    TooManyNames: 503, Client, "RFC 9110 §15.6.4", "E13", None, "too many names are being looked up, of this client or together";
    OriginHead: 502, Origin, "RFC 9112 §4", "E3", None, "the response head is malformed";
    OriginHeadTooLarge: 502, Origin, "RFC 9112 §4", "E3", Some("proxy_buffer_size"), "the response head is larger than proxy_buffer_size";
    OriginStatus: 502, Origin, "RFC 9110 §15", "E3", None, "the status code is outside of 100-599";
    OriginVersion: 502, Origin, "RFC 9112 §2.3", "E3", None, "the response's major version is not 1";
    OriginFieldName: 502, Origin, "RFC 9110 §5.1", "B3", None, "a field name of the response is not a token";
    OriginLength: 502, Origin, "RFC 9112 §6.3", "E1", None, "Content-Length of the response is not one number";
    OriginCoding: 502, Origin, "RFC 9112 §6.1", "E1", None, "Transfer-Encoding of the response is not just chunked";
    OriginLengthAndCoding: 502, Origin, "RFC 9112 §6.3", "E1", None, "the response has both Transfer-Encoding and Content-Length";
    OriginNominatedField: 502, Origin, "RFC 9110 §7.6.1", "B1", None, "Connection of the response names a field that can't be dropped";
    OriginChunk: 502, Origin, "RFC 9112 §7.1", "E2", None, "malformed chunked framing in the response";
    OriginTrailer: 502, Origin, "RFC 9112 §7.1.2", "E2", None, "a malformed trailer section in the response";
    TooManyInterim: 502, Origin, "RFC 9110 §15.2", "A10", None, "more than 100 interim responses";
    UnaskedSwitch: 502, Origin, "RFC 9110 §15.2.2", "A5", None, "101 to a request that asked for no upgrade";
    SwitchVersion: 502, Origin, "RFC 9110 §7.8", "A5", None, "a 101 in HTTP/1.0";
    SwitchWithoutOption: 502, Origin, "RFC 9110 §7.8", "A5", Some("upgrade_lenient_101 on"), "a 101 whose Connection lacks the option upgrade";
    SeveralUpgrades: 502, Origin, "RFC 9110 §7.8", "A5", None, "a 101 with more than one Upgrade";
    RepeatedProtocol: 502, Origin, "RFC 9110 §7.8", "A5", None, "a 101 that names a protocol twice";
    BadSwitch: 502, Origin, "RFC 9110 §7.8", "A5", None, "a 101 that does not name protocols that were offered";
    BadAccept: 502, Origin, "RFC 6455 §4.1", "A6", Some("upgrade_websocket_validation off"), "Sec-WebSocket-Accept is not the hash of the key";
    SeveralSubprotocols: 502, Origin, "RFC 6455 §11.3.4", "A5", Some("upgrade_websocket_validation off"), "a 101 with more than one Sec-WebSocket-Protocol";
    UnofferedSubprotocol: 502, Origin, "RFC 6455 §4.1", "A5", Some("upgrade_websocket_validation off"), "a 101 with a Sec-WebSocket-Protocol that the client did not offer";
    OriginClosed: 502, Origin, "RFC 9110 §15.6.3", "E13", None, "the origin server closed the connection before its response head was complete";
    OriginFailed: 502, Origin, "RFC 9110 §15.6.3", "E13", None, "the connection to the origin server failed";
    ConnectFailed: 502, Origin, "RFC 9110 §15.6.3", "E13", None, "no connection to the origin server could be made";
    OriginHandshake: 502, Origin, "RFC 9110 §15.6.3", "H4", None, "there was no TLS handshake with the origin server";
    LocalFault: 500, Configuration, "RFC 9110 §15.6.1", "E13", None, "the gateway could not make a connection";
    NoPeer: 502, Origin, "RFC 9110 §15.6.3", "E13", None, "no live peer is left";
    UnknownName: 502, Origin, "RFC 9110 §15.6.3", "E13", None, "the origin server's name could not be resolved";
    ConnectTimeout: 504, Origin, "RFC 9110 §15.6.5", "E13", Some("proxy_connect_timeout"), "connecting took longer than proxy_connect_timeout";
    SendTimeout: 504, Origin, "RFC 9110 §15.6.5", "E13", Some("proxy_send_timeout"), "the origin server took no bytes for longer than proxy_send_timeout";
    ReadTimeout: 504, Origin, "RFC 9110 §15.6.5", "E13", Some("proxy_read_timeout"), "the response took longer than proxy_read_timeout";
    HandshakeTimeout: 504, Origin, "RFC 9110 §15.6.5", "A12", Some("upgrade_handshake_timeout"), "the upgrade took longer than its handshake timeout";
}

impl Violation {
    /// The status code by which `error_page` finds a page for it: nginx has numbers of its own for what is a 400 (H2).
    pub(crate) const fn page(self) -> u16 {
        match self {
            Self::BadCertificate => 495,
            Self::NoCertificate => 496,
            Self::PlainHttp => 497,
            other => other.status(),
        }
    }

    /// Appends what a client may know of it: the sentence, the clause, the switch.
    pub(crate) fn explain(self, out: &mut Vec<u8>) {
        let (source, number) = self.section().split_once('§').unwrap_or_else(|| (self.section(), ""));
        let section = if number.is_empty() { "" } else { "section " };
        for text in ["\n", self.sentence(), " (", source, section, number, ")\n"] {
            out.extend_from_slice(text.as_bytes());
        }
        if let Some(switch) = self.switch() {
            for text in ["see: ", switch, "\n"] {
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The sentence with the clause and the switch, as the error log has it.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, rule {}", self.sentence(), self.section(), self.rule())?;
        match self.switch() {
            Some(switch) => write!(f, "; see {switch})"),
            None => f.write_str(")"),
        }
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        for violation in Violation::ALL {
            assert!((400..600).contains(&violation.status()), "{violation:?}");
            assert!(violation.section().starts_with("RFC "), "{violation:?}");
            assert!(!violation.sentence().ends_with('.'), "{violation:?}");
            let letter = violation.rule().as_bytes().first().copied();
            assert!(letter.is_some_and(|letter| (b'A'..=b'H').contains(&letter)), "{violation:?}");
            if violation.culprit() == Culprit::Origin {
                assert!((500..600).contains(&violation.status()), "{violation:?}");
            }
        }
    }
}
