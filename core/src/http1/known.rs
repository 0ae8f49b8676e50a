//! The fields that mean something to a gateway, and what may become of them.

use super::{begins_with_name, is_same_name};
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
        let first = name.first().map_or(0, |byte| byte | 0x20);
        // No two of them have the same length and the same first letter: there is one at most to compare with.
        match (name.len(), first) {
            (2, b't') if is(name, b"te") => Self::Te,
            (3, b'v') if is(name, b"via") => Self::Via,
            (4, b'd') if is(name, b"date") => Self::Date,
            (4, b'h') if is(name, b"host") => Self::Host,
            (5, b'x') if is(name, b"x-pad") => Self::XAccel,
            (6, b'c') if is(name, b"cookie") => Self::Cookie,
            (6, b'e') if is(name, b"expect") => Self::Expect,
            (6, b'o') if is(name, b"origin") => Self::Origin,
            (7, b't') if is(name, b"trailer") => Self::Trailer,
            (7, b'u') if is(name, b"upgrade") => Self::Upgrade,
            (8, b'i') if is(name, b"if-range") => Self::IfRange,
            (10, b'c') if is(name, b"connection") => Self::Connection,
            (10, b'k') if is(name, b"keep-alive") => Self::KeepAlive,
            (10, b's') if is(name, b"set-cookie") => Self::SetCookie,
            (12, b'c') if is(name, b"content-type") => Self::ContentType,
            (12, b'm') if is(name, b"max-forwards") => Self::MaxForwards,
            (13, b'a') if is(name, b"authorization") => Self::Authorization,
            (13, b'c') if is(name, b"content-range") => Self::ContentRange,
            (14, b'c') if is(name, b"content-length") => Self::ContentLength,
            (14, b'h') if is(name, b"http2-settings") => Self::Http2Settings,
            (16, b'c') if is(name, b"content-encoding") => Self::ContentEncoding,
            (16, b'p') if is(name, b"proxy-connection") => Self::ProxyConnection,
            (17, b'i') if is(name, b"if-modified-since") => Self::IfModifiedSince,
            (17, b's') if is(name, b"sec-websocket-key") => Self::SecWebSocketKey,
            (17, b't') if is(name, b"transfer-encoding") => Self::TransferEncoding,
            (19, b'i') if is(name, b"if-unmodified-since") => Self::IfUnmodifiedSince,
            (19, b'p') if is(name, b"proxy-authorization") => Self::ProxyAuthorization,
            (20, b's') if is(name, b"sec-websocket-accept") => Self::SecWebSocketAccept,
            (21, b's') if is(name, b"sec-websocket-version") => Self::SecWebSocketVersion,
            (_, b's') if begins_with_name(name, b"sec-websocket-") => Self::SecWebSocket,
            (_, b'x') if begins_with_name(name, b"x-accel-") => Self::XAccel,
            _ => Self::Other,
        }
    }

    /// Whether it stands for more than one name.
    pub(crate) const fn is_several(self) -> bool {
        matches!(self, Self::SecWebSocket | Self::XAccel | Self::Other)
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

/// The comparison with a name of this length.
fn is<const LENGTH: usize>(name: &[u8], known: &[u8; LENGTH]) -> bool {
    <&[u8; LENGTH]>::try_from(name).is_ok_and(|name| is_same_name(name, known))
}

/// How many there are.
pub(super) const COUNT: usize = Known::Other as usize + 1;

/// Some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownSet(u32);

impl KnownSet {
    pub(crate) const fn insert(&mut self, known: Known) {
        self.0 |= Self::of(known).0;
    }

    pub(crate) const fn has(self, known: Known) -> bool {
        self.0 & Self::of(known).0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn without(self, known: Known) -> Self {
        Self(self.0 & !Self::of(known).0)
    }

    const fn of(known: Known) -> Self {
        Self(1 << known as u32)
    }
}

impl FromIterator<Known> for KnownSet {
    fn from_iter<I: IntoIterator<Item = Known>>(all: I) -> Self {
        let mut set = Self::default();
        all.into_iter().for_each(|known| set.insert(known));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[(&[u8], Known)] = &[
        (b"te", Known::Te),
        (b"via", Known::Via),
        (b"date", Known::Date),
        (b"host", Known::Host),
        (b"x-pad", Known::XAccel),
        (b"cookie", Known::Cookie),
        (b"expect", Known::Expect),
        (b"origin", Known::Origin),
        (b"trailer", Known::Trailer),
        (b"upgrade", Known::Upgrade),
        (b"if-range", Known::IfRange),
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
        (b"if-modified-since", Known::IfModifiedSince),
        (b"sec-websocket-key", Known::SecWebSocketKey),
        (b"transfer-encoding", Known::TransferEncoding),
        (b"if-unmodified-since", Known::IfUnmodifiedSince),
        (b"proxy-authorization", Known::ProxyAuthorization),
        (b"sec-websocket-accept", Known::SecWebSocketAccept),
        (b"sec-websocket-version", Known::SecWebSocketVersion),
    ];

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let set: KnownSet = [Known::Authorization, Known::Other].into_iter().collect();
        assert!(set.has(Known::Authorization) && set.has(Known::Other) && !set.has(Known::Via));
        assert!(!set.without(Known::Other).has(Known::Other) && set.without(Known::Via) == set);
        assert!(set.without(Known::Other).without(Known::Authorization).is_empty() && !set.is_empty());
        assert_eq!(COUNT, Known::Other as usize + 1, "it is the last");
        const { assert!(COUNT <= 32, "each has a bit") };
    }

    #[test]
    fn names_of_fields() {
        assert_eq!(Known::of(b"CONNECTION"), Known::Connection);
        assert_eq!(Known::of(b"Sec-WebSocket-Version"), Known::SecWebSocketVersion);
        assert_eq!(Known::of(b"sec-websocket-protocol"), Known::SecWebSocket);
        assert_eq!(Known::of(b"X-Accel-Redirect"), Known::XAccel);
        assert_eq!(Known::of(b"X-Other"), Known::Other);
        for (name, known) in NAMES {
            let mut other = name.to_vec();
            other[name.len() - 1] = b'_';
            for spelling in [name.to_vec(), name.to_ascii_uppercase()] {
                assert_eq!(Known::of(&spelling), *known, "{}", name.escape_ascii());
            }
            let prefixed = [Known::SecWebSocket, Known::XAccel, Known::Other];
            assert!(prefixed.contains(&Known::of(&other)), "{}", other.escape_ascii());
            assert!(prefixed.contains(&Known::of(&name[..name.len() - 1])), "{}", name.escape_ascii());
        }
    }
}
