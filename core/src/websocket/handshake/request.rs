//! What a client asks (RFC 6455 §4.2.1).

use std::fmt;

use super::{only, values};
use crate::{
    Version,
    http1::{ByteSet, ConnectionOptions, byte_set, listed},
    violation::Violation,
};

/// Checks a request that asks for WebSocket (RFC 6455 §4.2.1 items 1 to 6), and returns the value of its
/// `Sec-WebSocket-Key`, for [`accept_key`](super::accept_key).
///
/// The request-target is left to whoever routes by it, `Origin` to whoever decides by it (§10.2).
///
/// # Errors
/// The first thing that is missing or wrong, in the order of [`RequestViolation`].
pub fn check_request<'a>(
    method: &[u8],
    version: Version,
    lines: impl IntoIterator<Item = (&'a [u8], &'a [u8]), IntoIter: Clone>,
) -> Result<&'a [u8], RequestViolation> {
    let lines = lines.into_iter();
    if version != Version::Http11 {
        return Err(RequestViolation::Http10);
    }
    if only(values(lines.clone(), "host")).is_none_or(<[u8]>::is_empty) {
        return Err(RequestViolation::Host);
    }
    if !listed(values(lines.clone(), "upgrade")).any(|protocol| protocol.is_websocket()) {
        return Err(RequestViolation::Upgrade);
    }
    if !ConnectionOptions::read(values(lines.clone(), "connection")).upgrade {
        return Err(RequestViolation::Connection);
    }
    let version = only(values(lines.clone(), "sec-websocket-version"));
    Ok(check_offer(method, version, only(values(lines, "sec-websocket-key")))?)
}

/// Checks what is WebSocket's own in such a request (items 1, 5 and 6), and returns the key: `version` and `key` are there
/// when there is one line of theirs.
pub(crate) fn check_offer<'a>(
    method: &[u8],
    version: Option<&[u8]>,
    key: Option<&'a [u8]>,
) -> Result<&'a [u8], OfferViolation> {
    if method != b"GET" {
        return Err(OfferViolation::Method);
    }
    // The version before the key: a client of another version may have no key (§4.4).
    match version {
        Some(b"13") => {}
        Some(_) => return Err(OfferViolation::OtherVersion),
        None => return Err(OfferViolation::Version),
    }
    key.filter(|key| is_key(key)).ok_or(OfferViolation::Key)
}

/// Whether `text` is 16 bytes in base64 (RFC 4648 §4): 22 characters, the last of which has four bits that say nothing
/// (§3.5; the example of RFC 6455 §4.1 item 7 sets some), and two that pad them. What the bytes are, nobody asks.
fn is_key(text: &[u8]) -> bool {
    const DIGITS: ByteSet = byte_set!(is_digit);
    const fn is_digit(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
    }
    let digits = text.strip_suffix(b"==");
    digits.is_some_and(|digits| digits.len() == 22 && DIGITS.holds(digits))
}

/// Why a request doesn't open a WebSocket. The answer is a 400, or what another protocol makes of it; to
/// [`OfferViolation::OtherVersion`] it is a 426.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestViolation {
    /// It is HTTP/1.0, which knows no `Upgrade` (RFC 9110 §7.8).
    Http10,
    /// There is not one `Host`, or it is empty.
    Host,
    /// No `Upgrade` names `websocket`: the request is an ordinary one.
    Upgrade,
    /// `Connection` doesn't hold `upgrade`: the request is an ordinary one (RFC 9110 §7.8).
    Connection,
    /// It asks for WebSocket, and not as it has to.
    Offer(OfferViolation),
}

/// What is wrong with a request for WebSocket in what is WebSocket's own (RFC 6455 §4.2.1, §4.4). As a
/// [`Violation`] it has a status code and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OfferViolation {
    /// The method is not GET.
    Method,
    /// `Sec-WebSocket-Version` is not 13. The answer says `Sec-WebSocket-Version: 13` (§4.4).
    OtherVersion,
    /// There is not one `Sec-WebSocket-Version`.
    Version,
    /// There is not one `Sec-WebSocket-Key`, or it is not 16 bytes in base64.
    Key,
}

impl From<OfferViolation> for RequestViolation {
    fn from(fault: OfferViolation) -> Self {
        Self::Offer(fault)
    }
}

impl From<OfferViolation> for Violation {
    fn from(fault: OfferViolation) -> Self {
        match fault {
            OfferViolation::Method => Self::WebSocketMethod,
            OfferViolation::OtherVersion => Self::WebSocketVersion,
            OfferViolation::Version => Self::WebSocketVersions,
            OfferViolation::Key => Self::WebSocketKey,
        }
    }
}

impl fmt::Display for RequestViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "a WebSocket handshake has to be HTTP/1.1 (RFC 6455 §4.2.1)",
            Self::Host => "a WebSocket handshake has to have one Host (RFC 6455 §4.2.1)",
            Self::Upgrade => "no Upgrade names websocket (RFC 6455 §4.2.1)",
            Self::Connection => "Connection doesn't hold upgrade (RFC 6455 §4.2.1)",
            Self::Offer(fault) => return fault.fmt(f),
        })
    }
}

impl fmt::Display for OfferViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let violation = Violation::from(*self);
        write!(f, "{} ({})", violation.sentence(), violation.section())
    }
}

impl std::error::Error for RequestViolation {}

impl std::error::Error for OfferViolation {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::handshake::Line;
    use base64::{
        Engine as _, alphabet,
        engine::general_purpose::{GeneralPurpose, PAD},
    };

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const OTHERS: [(&str, &str); 3] =
        [("Host", "a"), ("Connection", "keep-alive, Upgrade"), ("UPGRADE", "WebSocket")];

    fn lines<'a>(fields: &'a [(&str, &str)]) -> impl Iterator<Item = Line<'a>> + Clone {
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }

    #[test]
    fn requests() {
        let check = |method: &str, fields: &[(&str, &str)]| {
            let value = |name| only(values(lines(fields), name));
            let (version, key) = (value("sec-websocket-version"), value("sec-websocket-key"));
            check_offer(method.as_bytes(), version, key).map(<[u8]>::to_vec)
        };
        let key = |text: &'static str| ("Sec-WebSocket-Key", text);
        assert_eq!(check("GET", &[KEY, VERSION]), Ok(KEY.1.into()));
        assert_eq!(check("GET", &[key(" dGhlIHNhbXBsZSBub25jZQ==\t"), VERSION]), Ok(KEY.1.into()));
        assert_eq!(check("POST", &[KEY, VERSION]), Err(OfferViolation::Method));
        assert_eq!(check("get", &[KEY, VERSION]), Err(OfferViolation::Method));
        assert_eq!(check("GET", &[VERSION]), Err(OfferViolation::Key));
        assert_eq!(check("GET", &[KEY, KEY, VERSION]), Err(OfferViolation::Key));
        assert_eq!(check("GET", &[key("dGhlIHNhbXBsZQ=="), VERSION]), Err(OfferViolation::Key));
        assert_eq!(check("GET", &[key("dGhlIHNhbXBsZSBub25jZTE="), VERSION]), Err(OfferViolation::Key));
        assert_eq!(check("GET", &[key("dGhlIHNhbXBsZSBub25jZQ"), VERSION]), Err(OfferViolation::Key));
        // The example of §4.1 item 7 has bits left over, as has a key that a client draws letter by letter.
        for left_over in ["AQIDBAUGBwgJCgsMDQ4PEC==", "dGhlIHNhbXBsZSBub25jZf=="] {
            assert_eq!(check("GET", &[key(left_over), VERSION]), Ok(left_over.into()));
        }
        assert_eq!(check("GET", &[KEY]), Err(OfferViolation::Version));
        assert_eq!(check("GET", &[KEY, VERSION, VERSION]), Err(OfferViolation::Version));
        assert_eq!(check("GET", &[("Sec-WebSocket-Version", "8")]), Err(OfferViolation::OtherVersion));
    }

    #[test]
    fn a_key_is_what_decodes_to_16_bytes() {
        let decoder = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));
        let good = b"dGhlIHNhbXBsZSBub25jZQ==";
        let alike = |text: &[u8]| {
            let is_decoded = decoder.decode(text).is_ok_and(|bytes| bytes.len() == 16);
            assert_eq!(is_key(text), is_decoded, "{}", text.escape_ascii());
            is_decoded
        };
        assert!(alike(good));
        for length in 0..32 {
            let text: Vec<u8> = good.iter().copied().cycle().take(length).collect();
            let padding: Vec<u8> = [vec![b'A'; length], b"==".to_vec()].concat();
            assert_eq!((alike(&text), alike(&padding)), (length == 24, length == 22));
        }
        for at in 0..good.len() {
            for byte in 0..=255 {
                let mut other = good.to_vec();
                other[at] = byte;
                alike(&other);
            }
        }
    }

    #[test]
    fn whole_requests() {
        let check = |version, fields: &[(&str, &str)]| check_request(b"GET", version, lines(fields)).err();
        let with = |extra: &[(&'static str, &'static str)], without: &str| -> Vec<(&str, &str)> {
            let all = OTHERS.iter().chain(&[KEY, VERSION]).chain(extra);
            all.filter(|(name, _)| !name.eq_ignore_ascii_case(without) || extra.iter().any(|e| e.0 == *name))
                .copied()
                .collect()
        };
        assert_eq!(check(Version::Http11, &with(&[], "")), None);
        assert_eq!(check(Version::Http10, &with(&[], "")), Some(RequestViolation::Http10));
        assert_eq!(check(Version::Http11, &with(&[], "host")), Some(RequestViolation::Host));
        assert_eq!(check(Version::Http11, &with(&[("Host", "b")], "")), Some(RequestViolation::Host));
        assert_eq!(check(Version::Http11, &with(&[("host", "")], "host")), Some(RequestViolation::Host));
        for (value, right) in [("foo, websocket", true), ("websocket/13", false), ("web socket", false)] {
            let fault = check(Version::Http11, &with(&[("upgrade", value)], "upgrade"));
            assert_eq!(fault, (!right).then_some(RequestViolation::Upgrade), "{value}");
        }
        assert_eq!(check(Version::Http11, &with(&[], "upgrade")), Some(RequestViolation::Upgrade));
        for (value, right) in [("upgrade", true), ("close", false), ("upgrades", false)] {
            let fault = check(Version::Http11, &with(&[("connection", value)], "connection"));
            assert_eq!(fault, (!right).then_some(RequestViolation::Connection), "{value}");
        }
        assert_eq!(check(Version::Http11, &OTHERS), Some(OfferViolation::Version.into()));
    }
}
