//! The origin server's response head, as the client gets it.

use super::{crosses, write_line};
use crate::{
    config::Via,
    http1::{ConnectionOptions, Known, Response, Version},
    record::Record,
    time::{Civil, Now, write_padded},
};

/// What we say of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Persistence {
    /// It ends after this response.
    Close,
    /// It persists.
    Keep,
}

/// How the forwarded head differs from the received one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    /// The status code, which an error page may have chosen.
    pub(crate) status: u16,
    /// The content goes out in chunks.
    pub(crate) chunked: bool,
    /// `Content-Length` is shown as received.
    pub(crate) length: bool,
    /// `Content-Length: 0` stands in for whatever was there (205; E12).
    pub(crate) empty: bool,
    pub(crate) persistence: Persistence,
}

/// Writes the head of the origin server's final response, or its 101.
pub(crate) fn write_response(
    record: &Record,
    response: &Response,
    shape: ResponseHead,
    now: Now,
    out: &mut Vec<u8>,
) {
    let keeps_upgrade = matches!(shape.status, 101 | 426) && response.fields.has(Known::Upgrade);
    let is_own = shape.status != response.status;
    let phrase = if is_own { super::reason(shape.status).as_bytes() } else { response.reason() };
    write_status_line(shape.status, phrase, out);
    write_lines(response, shape.length, keeps_upgrade, out);
    // RFC 9110 §6.6.1: a recipient with a clock adds the date that a response lacks.
    if response.status >= 200 && !response.fields.has(Known::Date) {
        write_date(now, out);
    }
    if record.proxy().is_some_and(|proxy| proxy.via == Via::Both) {
        out.extend_from_slice(if response.version == Version::Http10 { b"Via: 1.0 " } else { b"Via: 1.1 " });
        out.extend_from_slice(record.config.identity.pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if shape.empty {
        write_line(out, b"Content-Length", b"0");
    }
    if shape.chunked {
        write_line(out, b"Transfer-Encoding", b"chunked");
    }
    if response.status == 101 {
        write_line(out, b"Connection", b"upgrade");
    } else {
        write_connection(record, shape.persistence, keeps_upgrade, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the head of an interim response (RFC 9110 §15.2); it has no framing and no persistence.
pub(crate) fn write_interim(response: &Response, out: &mut Vec<u8>) {
    write_status_line(response.status, response.reason(), out);
    write_lines(response, false, false, out);
    out.extend_from_slice(b"\r\n");
}

fn write_lines(response: &Response, length: bool, upgrade: bool, out: &mut Vec<u8>) {
    let fields = &response.fields;
    let nominated = ConnectionOptions::of(fields).others;
    for field in fields.iter() {
        let passes = match field.known {
            Known::ContentLength => length,
            Known::Upgrade => upgrade,
            Known::XAccel => false,
            known => crosses(fields, field.name, known, nominated),
        };
        if passes {
            write_line(out, field.name, field.value);
        }
    }
}

pub(super) fn write_status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_padded(out, u64::from(status), 3);
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_date(now: Now, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Date: ");
    Civil::of(now.unix_ms, 0).write_imf(out);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9112 §9.3: persistence is said where the client's version doesn't imply it.
pub(super) fn write_connection(record: &Record, persistence: Persistence, upgrade: bool, out: &mut Vec<u8>) {
    let is_http10 = record.heads.as_ref().is_some_and(|heads| heads.request.version == Version::Http10);
    let value: &[u8] = match (persistence, upgrade) {
        (Persistence::Close, false) => b"close",
        (Persistence::Close, true) => b"upgrade, close",
        (Persistence::Keep, true) => b"upgrade",
        (Persistence::Keep, false) if is_http10 => b"keep-alive",
        (Persistence::Keep, false) => return,
    };
    write_line(out, b"Connection", value);
}
