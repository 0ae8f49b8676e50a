//! The `Upgrade` field (RFC 9110 §7.8).

use super::{Fields, Known, elements, is_token};

/// A protocol of an `Upgrade` list: a name, and perhaps a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) version: Option<&'a [u8]>,
}

impl Protocol<'_> {
    /// Names and versions are compared ignoring case, so that no spelling slips past a rule (A5).
    pub(crate) fn is(&self, other: &Protocol<'_>) -> bool {
        let same_version = match (self.version, other.version) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            (None, None) => true,
            _ => false,
        };
        same_version && self.name.eq_ignore_ascii_case(other.name)
    }

    /// Writes it as it was received.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        if let Some(version) = self.version {
            out.push(b'/');
            out.extend_from_slice(version);
        }
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.version.is_none() && self.name.eq_ignore_ascii_case(b"websocket")
    }
}

/// Reads one element of an `Upgrade` list; `None` when it is malformed.
pub(crate) fn protocol(element: &[u8]) -> Option<Protocol<'_>> {
    let slash = memchr::memchr(b'/', element);
    let name = element.get(..slash.unwrap_or(element.len()))?;
    let version = slash.and_then(|at| element.get(at + 1..));
    (is_token(name) && version.is_none_or(is_token)).then_some(Protocol { name, version })
}

/// The well-formed protocols of all `Upgrade` lines, in order of preference.
pub(crate) fn protocols(fields: &Fields) -> impl Iterator<Item = Protocol<'_>> + Clone {
    listed(fields.values(Known::Upgrade))
}

/// The well-formed protocols of the `Upgrade` list in `lines`.
pub(crate) fn listed<'a>(
    lines: impl Iterator<Item = &'a [u8]> + Clone,
) -> impl Iterator<Item = Protocol<'a>> + Clone {
    elements(lines).filter_map(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions() {
        let lines = [b"WebSocket, foo/2".as_slice(), b"b@d, h2c, x/"];
        let found: Vec<_> = listed(lines.iter().copied()).map(|p| (p.name, p.version)).collect();
        assert_eq!(found, [(b"WebSocket".as_slice(), None), (b"foo", Some(b"2".as_slice())), (b"h2c", None)]);
        let websocket = protocol(b"WEBsocket").expect("valid");
        assert!(websocket.is_websocket());
        assert!(protocol(b"websocket").is_some_and(|other| websocket.is(&other)));
        assert!(!protocol(b"websocket/1").is_some_and(|other| websocket.is(&other)));
    }
}
