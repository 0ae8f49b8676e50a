//! What a router sees of a request.

use super::Heads;
use crate::{Version, template::Regex};

/// A request head, for those who route it.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a>(pub(crate) &'a Heads);

impl<'a> RequestHead<'a> {
    /// The method, a token (RFC 9110 §9.1).
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        self.0.request.method()
    }

    /// The request-target in origin-form, as received (RFC 9112 §3.2.1).
    #[must_use]
    pub fn target(&self) -> &'a [u8] {
        self.0.request.origin_target()
    }

    /// The path, percent-decoded, with `//`, `.` and `..` resolved: begins with a slash, or is `*`. Once it was
    /// rewritten, what it was rewritten to.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        self.0.path()
    }

    /// The query without its question mark; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &'a [u8] {
        self.0.query()
    }

    /// The host that the request is for, in lower case and without port; empty for an HTTP/1.0 request
    /// without `Host`.
    #[must_use]
    pub fn host(&self) -> &'a [u8] {
        self.0.request.host()
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.request.version
    }

    /// The values of a field in order; case of the name is ignored. White space around them is removed.
    pub fn field(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.request.fields.named(name.as_bytes())
    }

    /// Whether `regex` matches `subject`; if so, its groups are `$1` and so on for the rest of the exchange, and
    /// its named groups define their variables.
    #[must_use]
    pub fn matches(&self, regex: &Regex, subject: &[u8]) -> bool {
        self.0.memo.matches(regex, subject)
    }

    /// The number of the server that the request is for, in a table with several.
    pub(crate) fn server(&self, find: impl FnOnce() -> usize) -> usize {
        self.0.memo.server(find)
    }
}
