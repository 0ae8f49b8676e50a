//! Field values of a response that name the origin server, as the client should see them: `proxy_redirect`,
//! `proxy_cookie_domain`, `proxy_cookie_path`; and what flags its cookies have, `proxy_cookie_flags`.

use super::{check_value, cookie::set_flags, redirect::write_own_origin};
use crate::{
    RequestHead,
    config::{ResponseRewriting, Substituted, Substitution},
    http1::{Field, trim, write_encoded_uri},
    record::Record,
    template::Template,
    time::Now,
    violation::Violation,
};

/// A place where values are changed.
#[derive(Debug)]
pub(super) struct Substitutions<'a> {
    pub(super) record: &'a Record,
    pub(super) now: Now,
    pub(super) out: &'a mut Vec<u8>,
}

/// What a text has to be for its substitution to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// The start of a reference; what is put there is percent-encoded where it has to be (B6).
    Reference,
    /// The start of a path.
    Path,
    /// A whole domain, whatever its case; a dot in front stays.
    Domain,
}

impl Substitutions<'_> {
    /// Writes `Location`, changed by the first substitution that fits.
    pub(super) fn location(&mut self, field: Field<'_>, list: &[Substitution]) -> Result<(), Violation> {
        self.begin(field.name());
        let start = self.out.len();
        let changed = self.substitute(list, field.value(), Fit::Reference)?;
        // As nginx: a path that we have put there is completed like one of our own redirects.
        if changed && self.out.get(start) == Some(&b'/') {
            let length = self.out.len() - start;
            write_own_origin(self.record, self.out);
            if let Some(written) = self.out.get_mut(start..) {
                written.rotate_left(length);
            }
        }
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Writes `Refresh` (`0; url=REFERENCE`); the URL in it is changed by the first substitution that fits.
    pub(super) fn refresh(&mut self, field: Field<'_>, list: &[Substitution]) -> Result<(), Violation> {
        self.begin(field.name());
        let value = field.value();
        let mut windows = value.windows(4);
        let found = windows.position(|window| window.eq_ignore_ascii_case(b"url="));
        let (before, url) = value.split_at(found.map_or(value.len(), |at| at + 4));
        self.out.extend_from_slice(before);
        if found.is_some() {
            self.substitute(list, url, Fit::Reference)?;
        }
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Writes `Set-Cookie`, whose attributes `Domain` and `Path` (RFC 6265 §4.1.2) are changed by the first
    /// substitution of their kind that fits, and which gets its flags after that.
    pub(super) fn cookie(
        &mut self,
        field: Field<'_>,
        rewriting: &ResponseRewriting,
    ) -> Result<(), Violation> {
        let ResponseRewriting { cookie_domains: domains, cookie_paths: paths, cookie_flags, .. } = rewriting;
        self.begin(field.name());
        let start = self.out.len();
        for (index, part) in field.value().split(|byte| *byte == b';').enumerate() {
            if index > 0 {
                self.out.push(b';');
            }
            let equals = memchr::memchr(b'=', part).filter(|_| index > 0);
            let Some((name, value)) = equals.and_then(|at| part.split_at_checked(at + 1)) else {
                self.out.extend_from_slice(part);
                continue;
            };
            self.out.extend_from_slice(name);
            let attribute = trim(name.strip_suffix(b"=").unwrap_or(name));
            if attribute.eq_ignore_ascii_case(b"domain") {
                self.substitute(domains, trim(value), Fit::Domain)?;
            } else if attribute.eq_ignore_ascii_case(b"path") {
                self.substitute(paths, trim(value), Fit::Path)?;
            } else {
                self.out.extend_from_slice(value);
            }
        }
        set_flags(self.record, self.now, cookie_flags, start, self.out);
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn begin(&mut self, name: &[u8]) {
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
    }

    /// Writes `value` as the first substitution that fits has it, else as it is. Says whether one fitted.
    fn substitute(&mut self, list: &[Substitution], value: &[u8], fit: Fit) -> Result<bool, Violation> {
        for substitution in list {
            let Some((kept, rest)) = self.fitting(&substitution.from, value, fit) else { continue };
            self.out.extend_from_slice(kept);
            self.replacement(&substitution.to, fit)?;
            self.out.extend_from_slice(rest);
            return Ok(true);
        }
        self.out.extend_from_slice(value);
        Ok(false)
    }

    /// What stays in front and behind, when `from` fits.
    fn fitting<'v>(&self, from: &Substituted, value: &'v [u8], fit: Fit) -> Option<(&'v [u8], &'v [u8])> {
        let text = match from {
            Substituted::Regex(regex) => {
                let heads = self.record.heads.as_ref()?;
                return RequestHead(heads).matches(regex, value).then_some((b"", b""));
            }
            Substituted::Text(text) => text,
        };
        self.record.with_value(text, self.now, |text| match fit {
            Fit::Reference | Fit::Path => value.strip_prefix(text).map(|rest| (b"".as_slice(), rest)),
            Fit::Domain => {
                let (dot, domain) = value.split_at(usize::from(value.starts_with(b".")));
                domain.eq_ignore_ascii_case(without_dot(text)).then_some((dot, b"".as_slice()))
            }
        })
    }

    fn replacement(&mut self, template: &Template, fit: Fit) -> Result<(), Violation> {
        let (record, now) = (self.record, self.now);
        record.with_value(template, now, |value| {
            match fit {
                Fit::Reference => write_encoded_uri(value, self.out),
                Fit::Path => self.out.extend_from_slice(value),
                Fit::Domain => self.out.extend_from_slice(without_dot(value)),
            }
            if fit == Fit::Reference { Ok(()) } else { check_value(record, template, value) }
        })
    }
}

fn without_dot(domain: &[u8]) -> &[u8] {
    domain.strip_prefix(b".").unwrap_or(domain)
}
