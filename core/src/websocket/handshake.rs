//! The opening handshake of WebSocket, on names and values of fields (RFC 6455 §4).
//!
//! The functions here judge what was received, whatever read it: they take field lines as pairs of name and value,
//! know no configuration and keep nothing. [`check_request`] is for whoever answers a client, [`check_answer`] for
//! whoever asked an origin server, and [`accept_key`] for both.
//!
//! ```
//! use underpass_core::{Version, websocket::handshake::{accept_key, check_answer, check_request}};
//!
//! fn lines<'a>(fields: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
//!     fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
//! }
//!
//! let request = [
//!     ("Host", "example.com"),
//!     ("Connection", "keep-alive, Upgrade"),
//!     ("Upgrade", "websocket"),
//!     ("Sec-WebSocket-Version", "13"),
//!     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
//!     ("Sec-WebSocket-Protocol", "chat, superchat"),
//! ];
//! let key = check_request(b"GET", Version::Http11, lines(&request))?;
//! let accept = String::from_utf8(accept_key(key).to_vec())?;
//! assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
//!
//! let answer = [
//!     ("Upgrade", "websocket"),
//!     ("Connection", "Upgrade"),
//!     ("Sec-WebSocket-Accept", &accept),
//!     ("Sec-WebSocket-Protocol", "chat"),
//! ];
//! let agreed = check_answer(lines(&request), 101, Version::Http11, lines(&answer))?;
//! assert_eq!(agreed.subprotocol, Some(b"chat".as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod request;

use crate::http1::{is_same_name, trim};
use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use answer::{Agreed, AnswerViolation, check_answer};
pub(crate) use answer::{check_accept, check_subprotocol};
pub(crate) use request::check_offer;
pub use request::{OfferViolation, RequestViolation, check_request};

/// How many characters a value of `Sec-WebSocket-Accept` has: 20 bytes in base64.
const ACCEPT: usize = 28;

/// The value of `Sec-WebSocket-Accept` that belongs to a value of `Sec-WebSocket-Key`, in ASCII (RFC 6455 §4.2.2
/// item 5.4). The key counts as it was received, without white space around it; whether it is a good one is not looked
/// at.
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT] {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut digest = sha1_smol::Sha1::new();
    digest.update(key);
    digest.update(GUID);
    let mut text = [0; ACCEPT];
    // 20 bytes are 28 characters of base64; were it otherwise, the answer would match nothing.
    if STANDARD.encode_slice(digest.digest().bytes(), &mut text).is_err() {
        text = [0; ACCEPT];
    }
    text
}

/// A field line, as the functions here take it: its name, in any case, and its value.
type Line<'a> = (&'a [u8], &'a [u8]);

/// The values of a field in their order, without white space around them.
fn values<'a>(
    lines: impl IntoIterator<Item = Line<'a>, IntoIter: Clone>,
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> + Clone {
    let named = move |(found, value): Line<'a>| is_same_name(found, name.as_bytes()).then(|| trim(value));
    lines.into_iter().filter_map(named)
}

/// The value of a field that has to be there once.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
