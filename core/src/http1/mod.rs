//! The wire syntax of one HTTP/1.1 message (RFC 9112): heads, fields, targets, framing, chunks.
//!
//! Parsing keeps what was received byte for byte; meaning is read off it by the functions here, each in
//! one place. Nothing in this room knows of sessions, timers or configuration.

mod bytes;
mod case;
mod chunked;
mod connection;
mod diagnosis;
mod fields;
mod framing;
mod known;
mod list;
mod names;
mod request;
mod response;
mod scan;
mod target;
mod upgrade;
mod version;

pub(crate) use bytes::{ByteSet, byte_set};
pub(crate) use case::{begins_with_name, has_byte, is_same_name};
pub(crate) use chunked::{Broken, ChunkedDecoder, Progress};
pub(crate) use connection::ConnectionOptions;
pub(crate) use fields::{Field, Fields, Span};
pub(crate) use framing::{Framing, ResponseFraming, request_framing, response_framing};
pub(crate) use known::{Known, KnownSet};
pub(crate) use list::elements;
pub(crate) use request::{Parsed, Request, most_of_request};
pub(crate) use response::Response;
pub(crate) use scan::Scan;
#[cfg(test)]
pub(crate) use scan::head_end;
pub(crate) use target::{
    authority, write_encoded_argument, write_encoded_path, write_encoded_query, write_encoded_target,
    write_encoded_uri, write_redirection,
};
pub(crate) use upgrade::{Protocol, listed, protocol, protocols};
pub use version::Version;

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

const TOKEN: ByteSet = byte_set!(is_token_byte);

/// Whether `text` is a token.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && TOKEN.holds(text)
}

/// Whether `byte` may stand in a field value (RFC 9110 §5.5).
pub(crate) const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff)
}

const VALUE: ByteSet = byte_set!(is_value_byte);

/// Whether `text` may be a field value.
pub(crate) fn is_value(text: &[u8]) -> bool {
    VALUE.holds(text)
}

/// `text` without white space at its ends (OWS, RFC 9110 §5.6.3).
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    // Nearly always there is none: a parser has taken it away, or nobody has written any.
    if let ([first, ..], [.., last]) = (text, text)
        && !(is_ows(first) || is_ows(last))
    {
        return text;
    }
    let start = text.iter().position(|byte| !is_ows(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_ows(byte)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}
