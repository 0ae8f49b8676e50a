//! The `Upgrade` field (RFC 9110 §7.8).

use super::{Fields, Known, elements, is_same_name, is_token};

/// A protocol of an `Upgrade` list: a name, and perhaps a version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) version: Option<&'a [u8]>,
}

impl Protocol<'_> {
    /// Writes it as it was received.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name);
        if let Some(version) = self.version {
            out.push(b'/');
            out.extend_from_slice(version);
        }
    }

    pub(crate) fn is_websocket(&self) -> bool {
        self.version.is_none() && is_same_name(self.name, b"websocket")
    }
}

/// Reads one element of an `Upgrade` list; `None` when it is malformed.
pub(crate) fn protocol(element: &[u8]) -> Option<Protocol<'_>> {
    let slash = element.iter().position(|byte| *byte == b'/');
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
        assert!(protocol(b"WEBsocket").is_some_and(|websocket| websocket.is_websocket()));
        assert!(!protocol(b"websocket/1").is_some_and(|other| other.is_websocket()));
    }
}
