//! What a location adds to responses, and what it answers with: `add_header`, `expires`, `error_page`, `types`.

use std::{collections::HashMap, sync::Arc};

use super::InvalidFieldName;
use crate::{ids::LogId, template::Template};

/// Fields that a location adds to responses, its own and forwarded ones.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Additions {
    /// `add_header` lines of one level, in the order of the file.
    pub headers: Vec<AddedField>,
    /// `add_trailer` lines of one level: trailer fields, sent where the response is chunked.
    pub trailers: Vec<AddedField>,
    /// `expires`.
    pub expires: Option<Expires>,
}

/// One `add_header` or `add_trailer`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddedField {
    /// Field name, as written.
    pub name: Box<str>,
    /// Field value; empty after evaluation means: no such line.
    pub value: Template,
    /// `always`: whatever the status code. Without it only with 200, 201, 204, 206, 301, 302, 303, 304, 307
    /// and 308.
    pub always: bool,
}

impl AddedField {
    /// Adds the field `name`.
    ///
    /// # Errors
    /// When `name` is not a token (RFC 9110 §5.1).
    pub fn new(name: &str, value: Template, always: bool) -> Result<Self, InvalidFieldName> {
        if name.is_empty() || !name.bytes().all(crate::http1::is_token_byte) {
            return Err(InvalidFieldName);
        }
        Ok(Self { name: name.into(), value, always })
    }
}

/// `expires`: the fields `Expires` and `Cache-Control`, on the status codes that `add_header` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expires {
    /// So many seconds from now; a negative number forbids keeping the response (`no-cache`).
    After(i64),
    /// `epoch`: 1 January 1970, `no-cache`.
    Epoch,
    /// `max`: 31 December 2037, ten years.
    Max,
}

/// One `error_page`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorPage {
    /// The status codes that it is for, 300..=599.
    pub statuses: Vec<u16>,
    /// Which status code the client gets.
    pub status: ErrorStatus,
    /// What answers instead.
    pub target: ErrorTarget,
}

impl ErrorPage {
    /// A page for these status codes.
    #[must_use]
    pub fn new(statuses: Vec<u16>, status: ErrorStatus, target: ErrorTarget) -> Self {
        Self { statuses, status, target }
    }
}

/// The status code of a response made by an `error_page`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStatus {
    /// The one that the page is for. For a redirect: 302.
    Kept,
    /// `=`: that of the response that the target gives.
    Taken,
    /// `=CODE`, 200..=599; any other is shown as 500.
    Fixed(u16),
}

/// Where an `error_page` leads to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ErrorTarget {
    /// `/path`: the request becomes a GET (a HEAD stays one) for this path, and a location is searched anew.
    Uri(Template),
    /// `@name`: the request as it is goes to this location.
    Named(Box<str>),
    /// `http://…` or `https://…`: the client is sent there.
    Url(Template),
}

/// `types` and `default_type`: the media type of content of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentTypes {
    /// By the extension of the path, in lower case and without its dot.
    pub by_extension: HashMap<Box<[u8]>, Box<str>>,
    /// Where no extension fits.
    pub default: Box<str>,
}

/// nginx's: `text/html`, `image/gif`, `image/jpeg` for their extensions, else `text/plain`.
impl Default for ContentTypes {
    fn default() -> Self {
        let known: [(&[u8], &str); 3] =
            [(b"html", "text/html"), (b"gif", "image/gif"), (b"jpg", "image/jpeg")];
        let by_extension = known.into_iter().map(|(extension, kind)| (extension.into(), kind.into()));
        Self { by_extension: by_extension.collect(), default: "text/plain".into() }
    }
}

impl ContentTypes {
    /// Bytes of the longest extension that is looked at.
    const LONGEST: usize = 32;

    /// The type of what stands at `path`.
    #[must_use]
    pub fn of(&self, path: &[u8]) -> &str {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let extension = memchr::memrchr(b'.', name).and_then(|dot| name.get(dot + 1..)).unwrap_or_default();
        let mut lower = [0; Self::LONGEST];
        let lower = lower.get_mut(..extension.len()).unwrap_or_default();
        lower.copy_from_slice(extension.get(..lower.len()).unwrap_or_default());
        lower.make_ascii_lowercase();
        self.by_extension.get(&*lower).unwrap_or(&self.default)
    }
}

/// Where events of a location's requests go, instead of the error log of the process: `error_log` in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorLogs {
    /// Each log, and the least severity of its events.
    pub sinks: Arc<[(LogId, crate::Severity)]>,
}

impl ErrorLogs {
    /// Events from a severity on to a log, for each of these.
    #[must_use]
    pub fn new(sinks: Vec<(LogId, crate::Severity)>) -> Self {
        Self { sinks: sinks.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_goes_by_the_extension() {
        let types = ContentTypes::default();
        for (path, expected) in [
            ("/a.html", "text/html"),
            ("/a.HTML", "text/html"),
            ("/a.b/c", "text/plain"),
            ("/a.html.gif", "image/gif"),
            ("/html", "text/plain"),
            ("/a.", "text/plain"),
            ("/a.htmlhtmlhtmlhtmlhtmlhtmlhtmlhtmlhtml", "text/plain"),
        ] {
            assert_eq!(types.of(path.as_bytes()), expected, "{path}");
        }
    }
}
