//! What an origin server answers (RFC 6455 §4.1, §4.2.2).

use std::fmt;

use super::{Line, accept_key, only, values};
use crate::{
    Version,
    http1::{ConnectionOptions, Protocol, elements, listed, trim},
};

const SUBPROTOCOL: &str = "sec-websocket-protocol";

/// What a client and a server have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Agreed<'a> {
    /// The subprotocol that the server chose; absent when it chose none.
    pub subprotocol: Option<&'a [u8]>,
}

/// Checks whether a response opens the WebSocket that a request asked for (RFC 6455 §4.1, behind the list of what a
/// request is made of). Neither head needs to have been checked before; the version of HTTP is the response's.
///
/// What was offered (key, subprotocols, extensions) is read from the request.
///
/// # Errors
/// The first thing that is missing or wrong, in the order of [`AnswerViolation`]. [`AnswerViolation::Connection`] is the last:
/// whoever forgives it knows that all else fits.
pub fn check_answer<'a, 'b>(
    request: impl IntoIterator<Item = (&'a [u8], &'a [u8]), IntoIter: Clone>,
    status: u16,
    version: Version,
    response: impl IntoIterator<Item = (&'b [u8], &'b [u8]), IntoIter: Clone>,
) -> Result<Agreed<'b>, AnswerViolation> {
    let (request, response) = (request.into_iter(), response.into_iter());
    if status != 101 {
        return Err(AnswerViolation::Status);
    }
    if version != Version::Http11 {
        return Err(AnswerViolation::Http10);
    }
    check_upgrade(response.clone())?;
    let key = only(values(request.clone(), "sec-websocket-key"));
    check_accept(key, only(values(response.clone(), "sec-websocket-accept")))?;
    let subprotocol = check_subprotocol(request.clone(), response.clone())?;
    check_extensions(request, response.clone())?;
    if !ConnectionOptions::read(values(response, "connection")).upgrade {
        return Err(AnswerViolation::Connection);
    }
    Ok(Agreed { subprotocol })
}

/// One `Upgrade`, and in it `websocket` alone (§4.1 item 2).
fn check_upgrade<'a>(
    response: impl IntoIterator<Item = Line<'a>, IntoIter: Clone>,
) -> Result<(), AnswerViolation> {
    let lines = values(response, "upgrade");
    let websockets = listed(lines.clone()).filter(Protocol::is_websocket).count();
    match (websockets, elements(lines.clone()).count(), lines.clone().count()) {
        (1, 1, 1) => Ok(()),
        (0, ..) => Err(AnswerViolation::Upgrade),
        (1, 1, _) => Err(AnswerViolation::SeveralUpgrades),
        (1, ..) => Err(AnswerViolation::OtherProtocol),
        _ => Err(AnswerViolation::SeveralUpgrades),
    }
}

/// The one `Sec-WebSocket-Accept` that belongs to the request's key (§4.1 item 4): each is there when there is one line
/// of its.
pub(crate) fn check_accept(key: Option<&[u8]>, accept: Option<&[u8]>) -> Result<(), AnswerViolation> {
    match (key, accept) {
        (Some(key), Some(accept)) if accept == accept_key(key) => Ok(()),
        _ => Err(AnswerViolation::Accept),
    }
}

/// At most one subprotocol, of those that were offered; its case counts (§4.1 item 6, §11.3.4).
///
/// The list is split at plain commas: it has no quoted strings, though clients send what looks like one.
pub(crate) fn check_subprotocol<'a, 'b>(
    request: impl IntoIterator<Item = Line<'a>, IntoIter: Clone>,
    response: impl IntoIterator<Item = Line<'b>, IntoIter: Clone>,
) -> Result<Option<&'b [u8]>, AnswerViolation> {
    let mut lines = values(response, SUBPROTOCOL);
    let Some(chosen) = lines.next() else { return Ok(None) };
    if lines.next().is_some() || chosen.contains(&b',') {
        return Err(AnswerViolation::SeveralSubprotocols);
    }
    let mut offered =
        values(request, SUBPROTOCOL).flat_map(|line| line.split(|byte| *byte == b',')).map(trim);
    if !chosen.is_empty() && offered.any(|offer| offer == chosen) {
        Ok(Some(chosen))
    } else {
        Err(AnswerViolation::Subprotocol)
    }
}

/// Only extensions that were offered; what their parameters say is theirs (§4.1 item 5, §9.1).
fn check_extensions<'a, 'b>(
    request: impl IntoIterator<Item = Line<'a>, IntoIter: Clone>,
    response: impl IntoIterator<Item = Line<'b>, IntoIter: Clone>,
) -> Result<(), AnswerViolation> {
    const NAME: &str = "sec-websocket-extensions";
    let offered = elements(values(request, NAME)).map(extension);
    let mut chosen = elements(values(response, NAME)).map(extension);
    let was_offered = |name: &[u8]| offered.clone().any(|offer| offer.eq_ignore_ascii_case(name));
    if chosen.all(was_offered) { Ok(()) } else { Err(AnswerViolation::Extension) }
}

/// The name of an extension, without its parameters.
fn extension(element: &[u8]) -> &[u8] {
    trim(element.split(|byte| *byte == b';').next().unwrap_or_default())
}

/// Why a response doesn't open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnswerViolation {
    /// The status code is not 101: it is an ordinary response.
    Status,
    /// It is HTTP/1.0, which knows no 101.
    Http10,
    /// `Upgrade` doesn't name `websocket`.
    Upgrade,
    /// There are several `Upgrade`, or `websocket` stands in it twice.
    SeveralUpgrades,
    /// `Upgrade` names another protocol, too.
    OtherProtocol,
    /// There is not one `Sec-WebSocket-Accept`, or it is not the hash of the key.
    Accept,
    /// More than one subprotocol was chosen.
    SeveralSubprotocols,
    /// The subprotocol is none that was offered.
    Subprotocol,
    /// An extension is none that was offered.
    Extension,
    /// `Connection` doesn't hold `upgrade`; everything else fits.
    Connection,
}

impl AnswerViolation {
    /// All of them, for tables and tests.
    pub const ALL: &'static [Self] = &[
        Self::Status,
        Self::Http10,
        Self::Upgrade,
        Self::SeveralUpgrades,
        Self::OtherProtocol,
        Self::Accept,
        Self::SeveralSubprotocols,
        Self::Subprotocol,
        Self::Extension,
        Self::Connection,
    ];

    /// The clause, as `RFC 6455 §4.1`.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::SeveralUpgrades => "RFC 6455 §4.2.2",
            Self::SeveralSubprotocols => "RFC 6455 §11.3.4",
            _ => "RFC 6455 §4.1",
        }
    }

    /// What is wrong, in one sentence without a full stop.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Status => "the status code is not 101",
            Self::Http10 => "a 101 in HTTP/1.0",
            Self::Upgrade => "the Upgrade of a 101 does not name websocket",
            Self::SeveralUpgrades => "a 101 has several Upgrade, or names websocket twice",
            Self::OtherProtocol => "the Upgrade of a 101 names another protocol beside websocket",
            Self::Accept => "Sec-WebSocket-Accept is not the hash of the key",
            Self::SeveralSubprotocols => "a 101 has several Sec-WebSocket-Protocol",
            Self::Subprotocol => "Sec-WebSocket-Protocol is none that was offered",
            Self::Extension => "Sec-WebSocket-Extensions names one that was not offered",
            Self::Connection => "the Connection of a 101 does not hold upgrade",
        }
    }
}

/// The sentence with the clause.
impl fmt::Display for AnswerViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.sentence(), self.section())
    }
}

impl std::error::Error for AnswerViolation {}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [(&str, &str); 4] = [
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Protocol", "V2"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x"),
    ];
    const ACCEPT: (&str, &str) = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const UPGRADE: (&str, &str) = ("upgrade", "WebSocket");
    const CONNECTION: (&str, &str) = ("Connection", "Upgrade");

    fn lines<'a>(fields: &'a [(&str, &str)]) -> impl Iterator<Item = Line<'a>> + Clone {
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }

    fn fault(response: &[(&str, &str)]) -> Option<AnswerViolation> {
        check_answer(lines(&REQUEST), 101, Version::Http11, lines(response)).err()
    }

    #[test]
    fn what_fits_is_agreed_on() {
        let answer = [ACCEPT, UPGRADE, CONNECTION];
        let check = |status, version| check_answer(lines(&REQUEST), status, version, lines(&answer));
        assert_eq!(check(101, Version::Http11), Ok(Agreed { subprotocol: None }));
        assert_eq!(check(200, Version::Http11), Err(AnswerViolation::Status));
        assert_eq!(check(101, Version::Http10), Err(AnswerViolation::Http10));
        for chosen in ["chat", "superchat", "V2"] {
            let subprotocol = ("sec-websocket-protocol", chosen);
            let answer = [ACCEPT, UPGRADE, CONNECTION, subprotocol];
            let agreed = check_answer(lines(&REQUEST), 101, Version::Http11, lines(&answer));
            assert_eq!(agreed, Ok(Agreed { subprotocol: Some(chosen.as_bytes()) }));
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let upgrade = |value| ("Upgrade", value);
        let accept = |value| ("Sec-WebSocket-Accept", value);
        let connection = |value| ("Connection", value);
        let subprotocol = |value| ("Sec-WebSocket-Protocol", value);
        let extensions = |value| ("Sec-WebSocket-Extensions", value);
        let with =
            |lines: &[(&'static str, &'static str)]| fault(&[&[ACCEPT, UPGRADE, CONNECTION], lines].concat());
        assert_eq!(fault(&[ACCEPT, CONNECTION]), Some(AnswerViolation::Upgrade));
        for (value, expected) in [
            ("", AnswerViolation::Upgrade),
            ("foo", AnswerViolation::Upgrade),
            ("websocket/13", AnswerViolation::Upgrade),
            ("websocket, websocket", AnswerViolation::SeveralUpgrades),
            ("websocket, foo", AnswerViolation::OtherProtocol),
            ("websocket, b@d", AnswerViolation::OtherProtocol),
        ] {
            assert_eq!(fault(&[ACCEPT, CONNECTION, upgrade(value)]), Some(expected), "{value}");
        }
        assert_eq!(with(&[upgrade("websocket")]), Some(AnswerViolation::SeveralUpgrades));
        assert_eq!(with(&[upgrade("")]), Some(AnswerViolation::SeveralUpgrades));
        assert_eq!(with(&[upgrade("foo")]), Some(AnswerViolation::OtherProtocol));
        assert_eq!(fault(&[UPGRADE, CONNECTION]), Some(AnswerViolation::Accept));
        assert_eq!(with(&[ACCEPT]), Some(AnswerViolation::Accept));
        for value in ["", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo"] {
            assert_eq!(
                fault(&[UPGRADE, CONNECTION, accept(value)]),
                Some(AnswerViolation::Accept),
                "{value}"
            );
        }
        for value in ["", "Chat", "v2", "chats", "cha t", "\"chat\""] {
            assert_eq!(with(&[subprotocol(value)]), Some(AnswerViolation::Subprotocol), "{value}");
        }
        for lines in [&[subprotocol("chat"), subprotocol("chat")][..], &[subprotocol("chat, V2")]] {
            assert_eq!(with(lines), Some(AnswerViolation::SeveralSubprotocols));
        }
        assert_eq!(with(&[extensions("X, permessage-deflate;a=\"b,c\"")]), None);
        assert_eq!(with(&[extensions("x"), extensions("y; z")]), Some(AnswerViolation::Extension));
        assert_eq!(fault(&[ACCEPT, UPGRADE]), Some(AnswerViolation::Connection));
        assert_eq!(fault(&[ACCEPT, UPGRADE, connection("close")]), Some(AnswerViolation::Connection));
        assert_eq!(fault(&[ACCEPT, UPGRADE, connection("x"), connection("y, UPGRADE")]), None);
    }

    #[test]
    fn the_connection_is_what_is_said_last() {
        for line in [("Upgrade", "foo"), ("Sec-WebSocket-Protocol", "no"), ("Sec-WebSocket-Extensions", "no")]
        {
            assert_ne!(fault(&[ACCEPT, UPGRADE, line]), Some(AnswerViolation::Connection), "{line:?}");
        }
        let without_key = check_answer(lines(&[]), 101, Version::Http11, lines(&[UPGRADE, ACCEPT]));
        assert_eq!(without_key, Err(AnswerViolation::Accept));
    }

    #[test]
    fn sentences_have_a_clause() {
        for fault in AnswerViolation::ALL {
            assert!(fault.section().starts_with("RFC 6455 "));
            assert_eq!(fault.to_string(), format!("{} ({})", fault.sentence(), fault.section()));
        }
    }
}
