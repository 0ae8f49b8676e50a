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
        let alike: &[(&[u8], Self)] = match name.len() {
            2 => &[(b"te", Self::Te)],
            3 => &[(b"via", Self::Via)],
            4 => &[(b"host", Self::Host), (b"date", Self::Date)],
            5 => &[(b"x-pad", Self::XAccel)],
            6 => &[(b"cookie", Self::Cookie), (b"expect", Self::Expect), (b"origin", Self::Origin)],
            7 => &[(b"upgrade", Self::Upgrade), (b"trailer", Self::Trailer)],
            8 => &[(b"if-range", Self::IfRange)],
            10 => &[
                (b"connection", Self::Connection),
                (b"keep-alive", Self::KeepAlive),
                (b"set-cookie", Self::SetCookie),
            ],
            12 => &[(b"content-type", Self::ContentType), (b"max-forwards", Self::MaxForwards)],
            13 => &[(b"authorization", Self::Authorization), (b"content-range", Self::ContentRange)],
            14 => &[(b"content-length", Self::ContentLength), (b"http2-settings", Self::Http2Settings)],
            16 => {
                &[(b"content-encoding", Self::ContentEncoding), (b"proxy-connection", Self::ProxyConnection)]
            }
            17 => &[
                (b"transfer-encoding", Self::TransferEncoding),
                (b"sec-websocket-key", Self::SecWebSocketKey),
                (b"if-modified-since", Self::IfModifiedSince),
            ],
            19 => &[
                (b"proxy-authorization", Self::ProxyAuthorization),
                (b"if-unmodified-since", Self::IfUnmodifiedSince),
            ],
            20 => &[(b"sec-websocket-accept", Self::SecWebSocketAccept)],
            21 => &[(b"sec-websocket-version", Self::SecWebSocketVersion)],
            _ => &[],
        };
        // The last byte tells most of them apart.
        let last = name.last().map_or(0, u8::to_ascii_lowercase);
        let is_it = |known: &[u8]| known.last() == Some(&last) && name.eq_ignore_ascii_case(known);
        if let Some((_, known)) = alike.iter().find(|(known, _)| is_it(known)) {
            return *known;
        }
        let begins =
            |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        match name.first() {
            Some(b's' | b'S') if begins(b"sec-websocket-") => Self::SecWebSocket,
            Some(b'x' | b'X') if begins(b"x-accel-") => Self::XAccel,
            _ => Self::Other,
        }
    }

    /// A bit of its own.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
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
    pub(crate) const fn must_not_be_nominated(self) -> bool {
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
