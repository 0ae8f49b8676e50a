//! The origin server's response head, as the client gets it.

use super::{
    additions::Added, crosses, redirect::write_location, run::Run, substitution::Substitutions, write_line,
};
use crate::{
    config::{ResponseRewriting, Via},
    http1::{Field, Known, Response, Version, is_same_name},
    record::Record,
    time::{Civil, Now, write_padded},
    violation::Violation,
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
///
/// # Errors
/// When a template of the location evaluates to what can't stand in a field line (B6).
pub(crate) fn write_response(
    record: &Record,
    response: &Response,
    shape: ResponseHead,
    now: Now,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    let keeps_upgrade = matches!(shape.status, 101 | 426) && response.fields.has(Known::Upgrade);
    let added = Added::to(record, shape.status);
    let is_own = shape.status != response.status;
    let phrase = if is_own { super::reason(shape.status).as_bytes() } else { response.reason() };
    write_status_line(shape.status, phrase, out);
    let lines = Lines::new(record, added);
    let (mut dated, mut leads) = (false, false);
    let mut run = Run::of(&response.fields);
    for field in response.fields.iter().filter(|field| lines.passes(*field, shape.length, keeps_upgrade)) {
        lines.write(field, now, &mut run, out)?;
        dated |= field.known() == Known::Date;
        leads |= is_same_name(field.name(), b"Location");
    }
    run.flush(out);
    if !leads {
        // RFC 9110 §10.2.2: there is one at most; what the page says itself is the later word.
        write_location(record, out);
    }
    // RFC 9110 §6.6.1: a recipient with a clock adds the date that a response lacks.
    if response.status >= 200 && !dated {
        write_date(now, out);
    }
    if record.proxy().is_some_and(|proxy| proxy.via == Via::Both) {
        out.extend_from_slice(if response.version == Version::Http10 { b"Via: 1.0 " } else { b"Via: 1.1 " });
        out.extend_from_slice(record.config.identity.pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if let Some(added) = added {
        added.write(record, now, out)?;
    }
    if shape.empty {
        write_line(out, b"Content-Length", b"0");
    }
    if shape.chunked {
        write_line(out, b"Transfer-Encoding", b"chunked");
    }
    if response.status == 101 {
        write_line(out, b"Connection", b"Upgrade");
    } else {
        write_connection(record, shape.persistence, keeps_upgrade, out);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Writes the head of an interim response (RFC 9110 §15.2); it has no framing and no persistence.
pub(crate) fn write_interim(record: &Record, response: &Response, out: &mut Vec<u8>) {
    write_status_line(response.status, response.reason(), out);
    let lines = Lines::new(record, None);
    let mut run = Run::of(&response.fields);
    for field in response.fields.iter().filter(|field| lines.passes(*field, false, false)) {
        run.push(field, out);
    }
    run.flush(out);
    out.extend_from_slice(b"\r\n");
}

/// The origin server's lines, as the location has them.
struct Lines<'a> {
    record: &'a Record,
    /// Absent when the location changes nothing in response heads.
    rewriting: Option<&'a ResponseRewriting>,
    added: Option<Added<'a>>,
}

impl<'a> Lines<'a> {
    fn new(record: &'a Record, added: Option<Added<'a>>) -> Self {
        let rewriting = record.proxy().map(|proxy| &proxy.response).filter(|rewriting| changes(rewriting));
        Self { record, rewriting, added }
    }

    fn passes(&self, field: Field<'_>, length: bool, upgrade: bool) -> bool {
        match field.known() {
            Known::ContentLength => length,
            Known::Upgrade => upgrade,
            known => {
                crosses(field)
                    && self.rewriting.map_or(known != Known::XAccel, |rewriting| shows(rewriting, field))
                    && !self.added.is_some_and(|added| added.replaces(field.name()))
            }
        }
    }

    /// Writes a line in its place and under its name (B3), its value as the location has it.
    fn write(
        &self,
        field: Field<'_>,
        now: Now,
        run: &mut Run<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let Some(rewriting) = self.rewriting else {
            run.push(field, out);
            return Ok(());
        };
        let ResponseRewriting { redirects, .. } = rewriting;
        let is = |name: &[u8]| is_same_name(field.name(), name);
        run.flush(out);
        let mut substitutions = Substitutions { record: self.record, now, out };
        if !redirects.is_empty() && is(b"Location") {
            substitutions.location(field, redirects)
        } else if !redirects.is_empty() && is(b"Refresh") {
            substitutions.refresh(field, redirects)
        } else if field.known() == Known::SetCookie && changes_cookies(rewriting) {
            substitutions.cookie(field, rewriting)
        } else {
            write_line(out, field.name(), field.value());
            Ok(())
        }
    }
}

fn changes(rewriting: &ResponseRewriting) -> bool {
    let ResponseRewriting { redirects, hide, pass, .. } = rewriting;
    changes_cookies(rewriting) || !(redirects.is_empty() && hide.is_empty() && pass.is_empty())
}

fn changes_cookies(rewriting: &ResponseRewriting) -> bool {
    let ResponseRewriting { cookie_domains, cookie_paths, cookie_flags, .. } = rewriting;
    !(cookie_domains.is_empty() && cookie_paths.is_empty() && cookie_flags.is_empty())
}

/// `proxy_hide_header` and, stronger, `proxy_pass_header`. What only we are meant to read goes on only when it is
/// named there (E14).
pub(super) fn shows(rewriting: &ResponseRewriting, field: Field<'_>) -> bool {
    let named = |names: &[Box<str>]| names.iter().any(|name| is_same_name(field.name(), name.as_bytes()));
    !(field.known() == Known::XAccel || named(&rewriting.hide)) || named(&rewriting.pass)
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
        (Persistence::Close, true) => b"Upgrade, close",
        (Persistence::Keep, true) if is_http10 => b"Upgrade, keep-alive",
        (Persistence::Keep, true) => b"Upgrade",
        (Persistence::Keep, false) if is_http10 => b"keep-alive",
        (Persistence::Keep, false) => return,
    };
    write_line(out, b"Connection", value);
}
