//! The response head that the client gets: the origin server's, or our own.

use super::{crosses, write_line};
use crate::{
    config::Via,
    http1::{ConnectionOptions, Known, Response, Version},
    record::Record,
    time::{Civil, Now, write_decimal, write_padded},
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
    let keeps_upgrade = matches!(response.status, 101 | 426) && response.fields.has(Known::Upgrade);
    write_status_line(response.status, response.reason(), out);
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

/// A response of our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnResponse<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a [u8],
    pub(crate) content: &'a [u8],
    pub(crate) location: Option<&'a [u8]>,
    pub(crate) persistence: Persistence,
    /// To a HEAD request: the length is shown, the content isn't sent.
    pub(crate) to_head: bool,
}

/// Writes a response of our own, head and content (E11); says where the head ends.
pub(crate) fn write_own(record: &Record, own: OwnResponse<'_>, now: Now, out: &mut Vec<u8>) -> usize {
    write_status_line(own.status, reason(own.status).as_bytes(), out);
    write_line(out, b"Server", record.config.identity.server.as_bytes());
    write_date(now, out);
    let has_content = !matches!(own.status, 204 | 304);
    if has_content {
        write_line(out, b"Content-Type", own.content_type);
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(out, own.content.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(location) = own.location {
        write_line(out, b"Location", location);
    }
    match own.status {
        401 => write_challenge(record, b"WWW-Authenticate", now, out),
        407 => write_challenge(record, b"Proxy-Authenticate", now, out),
        405 if record.tunnel_pass().is_some() => write_line(out, b"Allow", b"CONNECT"),
        405 => write_line(out, b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
        426 => {
            write_line(out, b"Upgrade", b"websocket");
            write_line(out, b"Sec-WebSocket-Version", b"13");
        }
        _ => {}
    }
    write_connection(record, own.persistence, own.status == 426, out);
    out.extend_from_slice(b"\r\n");
    let head_end = out.len();
    if has_content && !own.to_head {
        out.extend_from_slice(own.content);
    }
    head_end
}

/// Writes the head that opens a CONNECT's tunnel (RFC 9110 §9.3.6).
pub(crate) fn write_established(record: &Record, now: Now, out: &mut Vec<u8>) {
    write_status_line(200, b"Connection established", out);
    write_line(out, b"Server", record.config.identity.server.as_bytes());
    write_date(now, out);
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_padded(out, u64::from(status), 3);
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

fn write_date(now: Now, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Date: ");
    Civil::of(now.unix_ms, 0).write_imf(out);
    out.extend_from_slice(b"\r\n");
}

/// Asks for Basic credentials (RFC 7617 §2); the realm is a quoted string (RFC 9110 §5.6.4).
fn write_challenge(record: &Record, name: &[u8], now: Now, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": Basic realm=\"");
    let start = out.len();
    if let Some(realm) = record.location().and_then(|location| location.realm.as_ref()) {
        record.evaluate(realm, now, out);
    }
    let realm = out.split_off(start);
    for byte in realm.into_iter().filter(|byte| matches!(byte, b'\t' | b' '..=0x7e | 0x80..)) {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.extend_from_slice(b"\"\r\n");
}

/// RFC 9112 §9.3: persistence is said where the client's version doesn't imply it.
fn write_connection(record: &Record, persistence: Persistence, upgrade: bool, out: &mut Vec<u8>) {
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

/// The phrase that goes with a status code (RFC 9110 §15).
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "",
    }
}
