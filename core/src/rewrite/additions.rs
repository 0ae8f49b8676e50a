//! What a location adds to responses, forwarded ones and its own: `add_header`, `expires`, `add_trailer`.

use super::{check_value, trim_value, write_line};
use crate::{
    config::{AddedField, Additions, Expires},
    http1::Known,
    record::Record,
    time::{Civil, Now, write_decimal},
    violation::Violation,
};

/// What a location adds to a response with a certain status code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Added<'a> {
    additions: &'a Additions,
    /// The status code is one of those that get what isn't marked `always`.
    usual: bool,
}

impl<'a> Added<'a> {
    /// What the location adds to a response with this status code; absent when it adds nothing to any.
    pub(super) fn to(record: &'a Record, status: u16) -> Option<Self> {
        let additions = &*record.location.as_ref()?.additions;
        let usual = matches!(status, 200 | 201 | 204 | 206 | 301..=304 | 307 | 308);
        let adds =
            !additions.headers.is_empty() || !additions.trailers.is_empty() || additions.expires.is_some();
        adds.then_some(Self { additions, usual })
    }

    /// Whether a received line makes place for ours: what `expires` says is said once, and so are a validator
    /// and a date of the representation (nginx does likewise).
    pub(super) fn replaces(self, name: &[u8]) -> bool {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let expires = self.usual && self.additions.expires.is_some();
        let sets =
            |known: &str| is(known) && self.headers().any(|field| field.name.eq_ignore_ascii_case(known));
        (expires && (is("Expires") || is("Cache-Control"))) || sets("ETag") || sets("Last-Modified")
    }

    fn headers(self) -> impl Iterator<Item = &'a AddedField> {
        self.additions.headers.iter().filter(move |field| self.usual || field.always)
    }

    fn trailers(self) -> impl Iterator<Item = &'a AddedField> {
        self.additions.trailers.iter().filter(move |field| self.usual || field.always)
    }

    /// Writes the field lines. One that could break out of its line is left out, and is an error.
    pub(super) fn write(self, record: &Record, now: Now, out: &mut Vec<u8>) -> Result<(), Violation> {
        if let Some(expires) = self.additions.expires.filter(|_| self.usual) {
            write_expires(expires, now, out);
        }
        write_fields(self.headers(), record, now, out)
    }
}

/// Whether a response with this status code gets trailer fields of ours, where it is chunked.
pub(crate) fn has_trailers(record: &Record, status: u16) -> bool {
    Added::to(record, status).is_some_and(|added| added.trailers().next().is_some())
}

/// Writes the trailer fields that the location adds. One that could break out of its line is left out, and is an
/// error.
pub(crate) fn write_trailers(record: &Record, now: Now, out: &mut Vec<u8>) -> Result<(), Violation> {
    let Some(added) = Added::to(record, record.status) else { return Ok(()) };
    write_fields(added.trailers(), record, now, out)
}

/// Whether all that the location adds to a response with this status code can stand in it (B6).
pub(crate) fn check_additions(
    record: &Record,
    status: u16,
    now: Now,
    scratch: &mut Vec<u8>,
) -> Result<(), Violation> {
    let Some(added) = Added::to(record, status) else { return Ok(()) };
    scratch.clear();
    let outcome = write_fields(added.headers(), record, now, scratch)
        .and_then(|()| write_fields(added.trailers(), record, now, scratch));
    scratch.clear();
    outcome
}

fn write_fields<'a>(
    fields: impl Iterator<Item = &'a AddedField>,
    record: &Record,
    now: Now,
    out: &mut Vec<u8>,
) -> Result<(), Violation> {
    let mut outcome = Ok(());
    for field in fields.filter(|field| may_be_added(field.name.as_bytes())) {
        let start = out.len();
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b": ");
        let from = out.len();
        record.write_template(&field.value, now, out);
        let checked = check_value(record, &field.value, out.get(from..).unwrap_or_default());
        trim_value(out, from);
        if checked.is_err() || out.len() == from {
            out.truncate(start);
        } else {
            out.extend_from_slice(b"\r\n");
        }
        outcome = outcome.and(checked);
    }
    outcome
}

/// Framing and what is said of this hop are our own words (E1, B1).
fn may_be_added(name: &[u8]) -> bool {
    let known = Known::of(name);
    !(known == Known::ContentLength || known.is_hop_by_hop())
}

fn write_expires(expires: Expires, now: Now, out: &mut Vec<u8>) {
    const NO_CACHE: &[u8] = b"no-cache";
    match expires {
        // nginx's moments: a second behind the first that there is, and one before 32-bit clocks end.
        Expires::Epoch => {
            write_line(out, b"Expires", b"Thu, 01 Jan 1970 00:00:01 GMT");
            write_line(out, b"Cache-Control", NO_CACHE);
        }
        Expires::Max => {
            write_line(out, b"Expires", b"Thu, 31 Dec 2037 23:55:55 GMT");
            write_line(out, b"Cache-Control", b"max-age=315360000");
        }
        Expires::After(seconds) => {
            let span = seconds.unsigned_abs().saturating_mul(1000);
            // A four-digit year is all that the field has room for (RFC 9110 §5.6.7).
            let latest = 253_402_300_799_000;
            let moment =
                if seconds < 0 { now.unix_ms.saturating_sub(span) } else { now.unix_ms.saturating_add(span) };
            out.extend_from_slice(b"Expires: ");
            Civil::of(moment.min(latest), 0).write_imf(out);
            out.extend_from_slice(b"\r\nCache-Control: ");
            match u64::try_from(seconds) {
                Ok(seconds) => {
                    out.extend_from_slice(b"max-age=");
                    write_decimal(out, seconds);
                }
                Err(_) => out.extend_from_slice(NO_CACHE),
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}
