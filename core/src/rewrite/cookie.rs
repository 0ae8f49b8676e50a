//! `proxy_cookie_flags`: attributes that the client's cookies get, and lose (J5).

use std::ops::Range;

use crate::{
    RequestHead,
    config::{CookieFlag, CookieFlags, SameSite, Substituted},
    http1::trim,
    record::Record,
    time::Now,
};

/// Gives the cookie in `out`, from `start` to the end, the flags of the first rule for its name. As in nginx, a cookie
/// without `=` has none, and what is changed is written anew: a semicolon and a space between its parts.
pub(super) fn set_flags(record: &Record, now: Now, rules: &[CookieFlags], start: usize, out: &mut Vec<u8>) {
    let Some((name, Some(_))) = out.get(start..).map(|cookie| pair(first(cookie))) else { return };
    let Some(rule) = rules.iter().find(|rule| fits(record, now, &rule.cookie, name)) else { return };
    let mut edit = Edit::default();
    for template in &rule.flags {
        record.with_value(template, now, |text| {
            if let Some(flag) = CookieFlag::parse(text) {
                edit.add(flag);
            }
        });
    }
    if edit != Edit::default() {
        edit.apply(start, out);
    }
}

fn fits(record: &Record, now: Now, cookie: &Substituted, name: &[u8]) -> bool {
    match cookie {
        Substituted::Text(text) => record.with_value(text, now, |text| name.eq_ignore_ascii_case(text)),
        Substituted::Regex(regex) => {
            record.heads.as_ref().is_some_and(|heads| RequestHead(heads).matches(regex, name))
        }
    }
}

/// What becomes of each attribute; absent: nothing. Where a file asks for one and against it, it is there (nginx).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edit {
    secure: Option<bool>,
    http_only: Option<bool>,
    same_site: Option<Option<SameSite>>,
}

impl Edit {
    fn add(&mut self, flag: CookieFlag) {
        match flag {
            CookieFlag::Secure(on) => self.secure = self.secure.max(Some(on)),
            CookieFlag::HttpOnly(on) => self.http_only = self.http_only.max(Some(on)),
            CookieFlag::SameSite(value) => self.same_site = self.same_site.max(Some(value)),
        }
    }

    /// Writes the cookie anew behind itself, then takes the old one away.
    fn apply(mut self, start: usize, out: &mut Vec<u8>) {
        let end = out.len();
        let same_site = self.same_site;
        let mut at = start;
        while at <= end {
            let part = at..at + first(out.get(at..end).unwrap_or_default()).len();
            self.write_part(part.clone(), at == start, same_site, out);
            at = part.end + 1;
        }
        for (wanted, attribute) in [
            (self.secure == Some(true), b"; Secure".as_slice()),
            (self.http_only == Some(true), b"; HttpOnly"),
            (matches!(self.same_site, Some(Some(_))), b"; "),
        ] {
            out.extend_from_slice(if wanted { attribute } else { b"" });
        }
        if let Some(Some(value)) = self.same_site {
            write_same_site(value, out);
        }
        out.drain(start..end);
    }

    /// Writes one part as it becomes; what it was to get, it has then.
    fn write_part(
        &mut self,
        part: Range<usize>,
        is_first: bool,
        same_site: Option<Option<SameSite>>,
        out: &mut Vec<u8>,
    ) {
        let (name, _) = pair(out.get(part.clone()).unwrap_or_default());
        let is = |attribute: &[u8]| !is_first && name.eq_ignore_ascii_case(attribute);
        let (is_secure, is_http_only, is_same_site) = (is(b"secure"), is(b"httponly"), is(b"samesite"));
        let edited = match (is_secure, is_http_only) {
            (true, _) => Some(&mut self.secure),
            (_, true) => Some(&mut self.http_only),
            _ => None,
        };
        match edited {
            Some(Some(false)) => return,
            Some(done) => *done = None,
            None => {}
        }
        match same_site {
            Some(None) if is_same_site => return,
            Some(Some(value)) if is_same_site => {
                // RFC 6265bis: of several the last one counts, so none is left as it was.
                self.same_site = None;
                out.extend_from_slice(b"; ");
                return write_same_site(value, out);
            }
            _ => {}
        }
        if !is_first {
            out.extend_from_slice(b"; ");
        }
        let bytes = out.get(part.clone()).unwrap_or_default();
        let equals = memchr::memchr(b'=', bytes).map(|at| part.start + at);
        let name = trimmed(part.start..equals.unwrap_or(part.end), out);
        out.extend_from_within(name);
        if let Some(equals) = equals {
            let value = trimmed(equals + 1..part.end, out);
            out.push(b'=');
            out.extend_from_within(value);
        }
    }
}

/// The range without the white space at its ends.
fn trimmed(range: Range<usize>, bytes: &[u8]) -> Range<usize> {
    let text = bytes.get(range.clone()).unwrap_or_default();
    let start = range.start + (text.len() - text.trim_ascii_start().len());
    start..start + text.trim_ascii().len()
}

fn write_same_site(value: SameSite, out: &mut Vec<u8>) {
    out.extend_from_slice(match value {
        SameSite::Strict => b"SameSite=Strict",
        SameSite::Lax => b"SameSite=Lax",
        SameSite::None => b"SameSite=None",
    });
}

/// What stands before the first semicolon.
fn first(cookie: &[u8]) -> &[u8] {
    cookie.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// Name and value of a part, without the white space around them.
fn pair(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', part).and_then(|at| part.split_at_checked(at)) {
        Some((name, value)) => (trim(name), value.get(1..).map(trim)),
        None => (trim(part), None),
    }
}
