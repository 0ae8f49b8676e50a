//! Records, as far as they can be seen from outside: five bytes of header say how long one is.
//!
//! The library is given whole records only. It would look at an incomplete one again with each byte that comes.

use crate::TlsError;

/// Type, version and length (RFC 8446 §5.1).
pub(crate) const HEADER: usize = 5;

/// The longest content of a record that isn't encrypted (RFC 8446 §5.1).
pub(crate) const CLEAR_MAX: usize = 1 << 14;

/// The longest content of a record at all (RFC 5246 §6.2.3). TLS 1.3 allows less, 2^14 + 256 (RFC 8446 §5.2): the library
/// says so once it has opened the record, since only then an encrypted alert can answer it.
pub(crate) const SEALED_MAX: usize = (1 << 14) + 2048;

pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// What the beginning of some bytes says of the record there.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    /// A whole record of so many bytes, header included.
    Whole(usize),
    /// So many bytes are missing until more can be said: of the header, or of the content.
    Missing(usize),
    /// No record begins like that.
    Bad(TlsError),
}

/// Looks at a header. The cost doesn't depend on how many bytes there are.
pub(crate) fn look(bytes: &[u8], longest: usize) -> Seen {
    let Some(&[_, major, _, high, low]) = bytes.first_chunk::<HEADER>() else {
        return Seen::Missing(HEADER - bytes.len());
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if major != 3 {
        return Seen::Bad(TlsError::NotTls);
    }
    if length > longest {
        return Seen::Bad(TlsError::RecordTooLong { length });
    }
    match (HEADER + length).checked_sub(bytes.len()) {
        None | Some(0) => Seen::Whole(HEADER + length),
        Some(missing) => Seen::Missing(missing),
    }
}

/// What a client that doesn't speak TLS is told apart by: its very first byte.
///
/// The types of records are control characters, of which no method begins with one; an empty line may stand before a request
/// (RFC 9112 §2.2). A hello of SSL 2.0 has its top bit set (RFC 5246 appendix E.2).
pub(crate) fn first(byte: u8) -> Result<(), TlsError> {
    match byte {
        CHANGE_CIPHER_SPEC..=24 => Ok(()),
        b'\r' | b'\n' | b'!'..=b'~' => Err(TlsError::PlainHttp),
        0x80.. => Err(TlsError::OldHello),
        _ => Err(TlsError::NotTls),
    }
}

/// A fatal alert in clear, for as long as there are no keys (RFC 8446 §6).
pub(crate) fn clear_alert(alert: u8, send: &mut Vec<u8>) {
    send.extend_from_slice(&[ALERT, 3, 3, 0, 2, 2, alert]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_how_much_is_missing() {
        assert_eq!(look(&[], CLEAR_MAX), Seen::Missing(5));
        assert_eq!(look(&[22, 3, 1, 0], CLEAR_MAX), Seen::Missing(1));
        assert_eq!(look(&[22, 3, 1, 0, 3], CLEAR_MAX), Seen::Missing(3));
        assert_eq!(look(&[22, 3, 1, 0, 3, 0, 0], CLEAR_MAX), Seen::Missing(1));
        assert_eq!(look(&[22, 3, 1, 0, 2, 0, 0, 9, 9], CLEAR_MAX), Seen::Whole(7));
    }

    #[test]
    fn the_longest_record_is_whole_and_one_byte_more_is_refused() {
        assert_eq!(look(&[22, 3, 3, 0x40, 0], CLEAR_MAX), Seen::Missing(1 << 14));
        assert_eq!(
            look(&[22, 3, 3, 0x40, 1], CLEAR_MAX),
            Seen::Bad(TlsError::RecordTooLong { length: 16_385 })
        );
        assert_eq!(look(&[23, 3, 3, 0x48, 0], SEALED_MAX), Seen::Missing(18_432));
        assert_eq!(
            look(&[23, 3, 3, 0x48, 1], SEALED_MAX),
            Seen::Bad(TlsError::RecordTooLong { length: 18_433 })
        );
        assert_eq!(look(&[23, 2, 0, 0, 0], SEALED_MAX), Seen::Bad(TlsError::NotTls));
    }

    #[test]
    fn the_first_byte_tells_http_from_tls() {
        for byte in *b"GPHDOCTgxyz\r\n" {
            assert_eq!(first(byte), Err(TlsError::PlainHttp), "{byte}");
        }
        assert_eq!(first(HANDSHAKE), Ok(()));
        assert_eq!(first(ALERT), Ok(()));
        assert_eq!(first(0x80), Err(TlsError::OldHello));
        assert_eq!(first(0), Err(TlsError::NotTls));
        assert_eq!(first(b' '), Err(TlsError::NotTls));
    }
}
