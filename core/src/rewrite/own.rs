//! Responses of our own (E11).

use super::{
    additions::{Added, has_trailers, write_trailers},
    reason::reason,
    redirect::write_location,
    response::{Persistence, write_connection, write_date, write_status_line},
    write_line,
};
use crate::{
    config::ServerTokens,
    record::Record,
    time::{Now, write_decimal},
};

/// A response of our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnResponse<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a [u8],
    pub(crate) content: &'a [u8],
    pub(crate) persistence: Persistence,
    /// To a HEAD request: the length is shown, the content isn't sent.
    pub(crate) to_head: bool,
}

/// Writes a response of our own, head and content (E11); says where the head ends. Of what the location adds,
/// lines that could break out are left out: whether there are any is asked before.
pub(crate) fn write_own(record: &Record, own: OwnResponse<'_>, now: Now, out: &mut Vec<u8>) -> usize {
    write_status_line(own.status, reason(own.status).as_bytes(), out);
    write_server(record, out);
    write_date(now, out);
    let has_content = !matches!(own.status, 204 | 205 | 304);
    let with_trailers =
        has_content && !own.to_head && record.client_speaks_http11() && has_trailers(record, own.status);
    if has_content {
        write_line(out, b"Content-Type", own.content_type);
    }
    if with_trailers {
        write_line(out, b"Transfer-Encoding", b"chunked");
    } else if has_content {
        out.extend_from_slice(b"Content-Length: ");
        write_decimal(out, own.content.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    if own.status == 205 {
        // RFC 9110 §15.3.6: it has to be seen that there is none.
        write_line(out, b"Content-Length", b"0");
    }
    write_location(record, out);
    match own.status {
        401 if write_received_challenges(record, out) => {}
        401 => write_challenge(record, b"WWW-Authenticate", now, out),
        407 => write_challenge(record, b"Proxy-Authenticate", now, out),
        405 if record.tunnel_pass().is_some() => write_line(out, b"Allow", b"CONNECT"),
        405 => write_line(out, b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
        426 => {
            write_line(out, b"Upgrade", b"websocket");
            write_line(out, b"Sec-WebSocket-Version", b"13");
        }
        503 => {
            if let Some(seconds) = record.heads.as_ref().and_then(|heads| heads.detour.retry_after) {
                out.extend_from_slice(b"Retry-After: ");
                write_decimal(out, u64::from(seconds));
                out.extend_from_slice(b"\r\n");
            }
        }
        _ => {}
    }
    if let Some(added) = Added::to(record, own.status) {
        let _left_out = added.write(record, now, out);
    }
    write_connection(record, own.persistence, own.status == 426, out);
    out.extend_from_slice(b"\r\n");
    let head_end = out.len();
    if with_trailers {
        write_chunks(record, own.content, now, out);
    } else if has_content && !own.to_head {
        out.extend_from_slice(own.content);
    }
    head_end
}

/// Writes content as one chunk, with the trailer section that the location adds (RFC 9112 §7.1).
fn write_chunks(record: &Record, content: &[u8], now: Now, out: &mut Vec<u8>) {
    use std::io::Write as _;
    if !content.is_empty() {
        // Writing into memory doesn't fail.
        let _ = write!(out, "{:x}\r\n", content.len());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    let _left_out = write_trailers(record, now, out);
    out.extend_from_slice(b"\r\n");
}

/// `Server`, as `server_tokens` has it.
fn write_server(record: &Record, out: &mut Vec<u8>) {
    let name = &*record.config.identity.server;
    let shown = match &record.settings().server_tokens {
        ServerTokens::On => name,
        ServerTokens::Off => name.split('/').next().unwrap_or_default(),
        ServerTokens::Text(text) => text,
    };
    if !shown.is_empty() {
        write_line(out, b"Server", shown.as_bytes());
    }
}

/// Writes the head that opens a CONNECT's tunnel (RFC 9110 §9.3.6).
pub(crate) fn write_established(record: &Record, now: Now, out: &mut Vec<u8>) {
    write_status_line(200, b"Connection established", out);
    write_server(record, out);
    write_date(now, out);
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

/// Passes on what an intercepted 401 asked for (RFC 9110 §11.6.1); says whether there was anything.
fn write_received_challenges(record: &Record, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let intercepted = record.heads.as_ref().filter(|heads| heads.detour.intercepted == Some(401));
    for value in intercepted.iter().flat_map(|heads| heads.response.fields.named(b"www-authenticate")) {
        write_line(out, b"WWW-Authenticate", value);
    }
    out.len() > start
}
