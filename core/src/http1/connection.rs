//! The `Connection` field (RFC 9110 §7.6.1, 9112 §9.3).

use super::{Known, Version, is_same_name, list::all_elements};

/// What a `Connection` list says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of connection options")]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) te: bool,
    /// It nominates further fields.
    pub(crate) others: bool,
    /// It nominates a field that must not be dropped (B1).
    pub(crate) forbidden: bool,
    /// It has more empty elements than anybody writes by accident (E14).
    pub(crate) overlong: bool,
}

impl ConnectionOptions {
    /// Reads the list in `lines`: any case, any number of lines.
    pub(crate) fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut options = Self::default();
        let mut empty = 0;
        for option in all_elements(lines) {
            let is = |name: &[u8]| is_same_name(option, name);
            if option.is_empty() {
                empty += 1;
                options.overlong = empty > 16;
            } else if is(b"close") {
                options.close = true;
            } else if is(b"keep-alive") {
                options.keep_alive = true;
            } else if is(b"upgrade") {
                options.upgrade = true;
            } else if is(b"te") {
                options.te = true;
            } else {
                options.others = true;
                options.forbidden |= Known::of(option).must_not_be_nominated();
            }
        }
        options
    }

    /// Whether the sender of a message of `version` will keep the connection open (RFC 9112 §9.3).
    pub(crate) fn persists(self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_any_case() {
        let lines = [b"keep-alive, Upgrade".as_slice(), b"X-Foo"];
        let options = ConnectionOptions::read(lines.iter().copied());
        assert!(options.keep_alive && options.upgrade && options.others);
        assert!(!options.close && !options.forbidden && !options.te);
        assert!(ConnectionOptions::read([b"cookie".as_slice()].iter().copied()).forbidden);
        let commas = [b",".repeat(17)];
        assert!(ConnectionOptions::read(commas.iter().map(Vec::as_slice)).overlong);
    }

    #[test]
    fn persistence() {
        let read = |text: &'static [u8]| ConnectionOptions::read([text].into_iter());
        assert!(read(b"").persists(Version::Http11));
        assert!(!read(b"").persists(Version::Http10));
        assert!(read(b"keep-alive").persists(Version::Http10));
        assert!(!read(b"close, keep-alive").persists(Version::Http11));
    }
}
