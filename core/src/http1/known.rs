//! The fields that mean something to a gateway, and what may become of them.

use crate::violation::Violation;

/// Fields that mean something to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Authorization,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentRange,
    ContentType,
    Cookie,
    Date,
    Expect,
    Host,
    Http2Settings,
    IfModifiedSince,
    IfRange,
    IfUnmodifiedSince,
    KeepAlive,
    MaxForwards,
    Origin,
    ProxyAuthorization,
    ProxyConnection,
    SecWebSocketAccept,
    SecWebSocketKey,
    SecWebSocketVersion,
    SecWebSocket,
    SetCookie,
    Te,
    TransferEncoding,
    Trailer,
    Upgrade,
    Via,
    XAccel,
    Other,
}

impl Known {
    /// Which field `name` is; case is ignored (RFC 9110 §5.1).
    pub(crate) fn of(name: &[u8]) -> Self {
        const NAMES: [(&[u8], Known); 28] = [
            (b"te", Known::Te),
            (b"via", Known::Via),
            (b"host", Known::Host),
            (b"date", Known::Date),
            (b"x-pad", Known::XAccel),
            (b"cookie", Known::Cookie),
            (b"expect", Known::Expect),
            (b"origin", Known::Origin),
            (b"upgrade", Known::Upgrade),
            (b"if-range", Known::IfRange),
            (b"trailer", Known::Trailer),
            (b"connection", Known::Connection),
            (b"keep-alive", Known::KeepAlive),
            (b"set-cookie", Known::SetCookie),
            (b"content-type", Known::ContentType),
            (b"max-forwards", Known::MaxForwards),
            (b"authorization", Known::Authorization),
            (b"content-range", Known::ContentRange),
            (b"content-length", Known::ContentLength),
            (b"http2-settings", Known::Http2Settings),
            (b"content-encoding", Known::ContentEncoding),
            (b"proxy-connection", Known::ProxyConnection),
            (b"transfer-encoding", Known::TransferEncoding),
            (b"if-modified-since", Known::IfModifiedSince),
            (b"sec-websocket-key", Known::SecWebSocketKey),
            (b"if-unmodified-since", Known::IfUnmodifiedSince),
            (b"proxy-authorization", Known::ProxyAuthorization),
            (b"sec-websocket-accept", Known::SecWebSocketAccept),
        ];
        let found =
            NAMES.iter().find(|(known, _)| known.len() == name.len() && name.eq_ignore_ascii_case(known));
        if let Some((_, known)) = found {
            return *known;
        }
        let begins =
            |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if name.eq_ignore_ascii_case(b"sec-websocket-version") {
            Self::SecWebSocketVersion
        } else if begins(b"sec-websocket-") {
            Self::SecWebSocket
        } else if begins(b"x-accel-") {
            Self::XAccel
        } else {
            Self::Other
        }
    }

    /// Whether the field ends at us, whatever `Connection` says (B1; RFC 9110 §7.6.1).
    pub(crate) const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
        )
    }

    /// What a second line of the field breaks in a request, where the field is no list, so that two lines can't be
    /// joined (RFC 9110 §5.3), and recipients are known to differ in which of them they read. nginx refuses the same,
    /// and besides `If-Match`, `If-None-Match` and `Expect`, which are lists. `Host` and framing have rules of their own.
    pub(crate) const fn repeated(self) -> Option<Violation> {
        match self {
            Self::Authorization => Some(Violation::SeveralAuthorizations),
            Self::IfModifiedSince => Some(Violation::SeveralModifiedSince),
            Self::IfUnmodifiedSince => Some(Violation::SeveralUnmodifiedSince),
            Self::IfRange => Some(Violation::SeveralIfRanges),
            Self::ContentRange => Some(Violation::SeveralContentRanges),
            _ => None,
        }
    }

    /// Whether framing, routing or authentication rest on the field, so that no `Connection` may name it (B1).
    pub(crate) const fn is_load_bearing(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::ContentLength
                | Self::ContentType
                | Self::ContentEncoding
                | Self::Cookie
                | Self::SetCookie
                | Self::Authorization
                | Self::Origin
                | Self::SecWebSocket
                | Self::SecWebSocketAccept
                | Self::SecWebSocketKey
                | Self::SecWebSocketVersion
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields() {
        assert_eq!(Known::of(b"CONNECTION"), Known::Connection);
        assert_eq!(Known::of(b"Sec-WebSocket-Version"), Known::SecWebSocketVersion);
        assert_eq!(Known::of(b"sec-websocket-protocol"), Known::SecWebSocket);
        assert_eq!(Known::of(b"X-Accel-Redirect"), Known::XAccel);
        assert_eq!(Known::of(b"X-Other"), Known::Other);
    }
}
