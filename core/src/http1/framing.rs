//! Where a message ends (RFC 9112 §6.3), in one place.

use super::{Fields, Known, Version, elements, is_same_name, list::empty_elements, trim};
use crate::violation::Violation;

/// How the content of a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Framing {
    /// There is none.
    Empty,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks.
    Chunked,
    /// All until the connection ends; responses only.
    UntilClose,
}

/// Framing of a response, and the `Content-Length` that it may show without having such content (HEAD, 304).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    pub(crate) content: Framing,
    pub(crate) shown_length: Option<u64>,
}

/// Framing of a request (E1).
pub(crate) fn request_framing(fields: &Fields, version: Version) -> Result<Framing, Violation> {
    let coded = fields.has(Known::TransferEncoding);
    let sized = fields.has(Known::ContentLength);
    // RFC 9112 §6.1: a server may reject what has both, and must then close; item 3 of §6.3 calls it an attack.
    if coded && sized {
        return Err(Violation::LengthAndCoding);
    }
    if coded {
        return match transfer_codings(fields) {
            // RFC 9112 §6.1: HTTP/1.0 has no transfer codings; its framing is faulty.
            _ if version == Version::Http10 => Err(Violation::BadCoding),
            Codings::Chunked => Ok(Framing::Chunked),
            Codings::OthersThenChunked => Err(Violation::UnknownCoding),
            Codings::Bad => Err(Violation::BadCoding),
        };
    }
    match content_length(fields) {
        Ok(None | Some(0)) => Ok(Framing::Empty),
        Ok(Some(length)) => Ok(Framing::Length(length)),
        Err(()) => Err(Violation::BadLength),
    }
}

/// Framing of a final response to a request; `to_head` when its method was HEAD (E1, E12).
pub(crate) fn response_framing(
    fields: &Fields,
    version: Version,
    status: u16,
    to_head: bool,
) -> Result<ResponseFraming, Violation> {
    let coded = fields.has(Known::TransferEncoding);
    let sized = fields.has(Known::ContentLength);
    if coded && sized {
        return Err(Violation::OriginLengthAndCoding);
    }
    if coded && (version == Version::Http10 || transfer_codings(fields) != Codings::Chunked) {
        return Err(Violation::OriginCoding);
    }
    let length = content_length(fields).map_err(|()| Violation::OriginLength)?;
    // RFC 9112 §6.3 item 1: these have no content, whatever their fields say. RFC 9110 §8.6: a 204 shows
    // no length either, to HEAD neither.
    if status == 204 {
        return Ok(ResponseFraming { content: Framing::Empty, shown_length: None });
    }
    if to_head || status == 304 {
        return Ok(ResponseFraming { content: Framing::Empty, shown_length: length });
    }
    let content = match length {
        _ if coded => Framing::Chunked,
        Some(0) => Framing::Empty,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    Ok(ResponseFraming { content, shown_length: length })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codings {
    Chunked,
    OthersThenChunked,
    Bad,
}

fn transfer_codings(fields: &Fields) -> Codings {
    let lines = fields.values(Known::TransferEncoding);
    if empty_elements(lines.clone()) > 0 {
        return Codings::Bad;
    }
    let is_chunked = |coding: &[u8]| is_same_name(coding, b"chunked");
    let mut earlier = 0;
    let mut last = None;
    for element in elements(lines) {
        // RFC 9112 §7: what parameters mean is for the coding to say; §7.1: `chunked` has none.
        let name_end = memchr::memchr(b';', element);
        let coding = trim(element.get(..name_end.unwrap_or(element.len())).unwrap_or_default());
        if last.is_some_and(is_chunked)
            || !super::is_token(coding)
            || (is_chunked(coding) && name_end.is_some())
        {
            return Codings::Bad;
        }
        earlier += usize::from(last.is_some());
        last = Some(coding);
    }
    match last {
        Some(coding) if is_chunked(coding) && earlier == 0 => Codings::Chunked,
        Some(coding) if is_chunked(coding) => Codings::OthersThenChunked,
        _ => Codings::Bad,
    }
}

/// The one `Content-Length`; `Err` for several, lists, signs, spaces inside, overflow (RFC 9110 §8.6).
fn content_length(fields: &Fields) -> Result<Option<u64>, ()> {
    let mut values = fields.values(Known::ContentLength);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    value
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .map(Some)
        .ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(section: &str) -> Fields {
        let mut fields = Fields::default();
        fields.copy(format!("{section}\r\n").as_bytes());
        fields.parse_request(0, 100).expect("well-formed");
        fields
    }

    #[test]
    fn requests() {
        use Violation::{BadCoding, BadLength, LengthAndCoding, UnknownCoding};
        for (section, expected) in [
            ("", Ok(Framing::Empty)),
            ("Content-Length: 0\r\n", Ok(Framing::Empty)),
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Content-Length: 18446744073709551615\r\n", Ok(Framing::Length(u64::MAX))),
            ("Content-Length: 18446744073709551616\r\n", Err(BadLength)),
            ("Content-Length: +5\r\n", Err(BadLength)),
            ("Content-Length: 5 5\r\n", Err(BadLength)),
            ("Content-Length: 5, 5\r\n", Err(BadLength)),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(BadLength)),
            ("Content-Length:\r\n", Err(BadLength)),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: \t CHUNKED \r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(LengthAndCoding)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(UnknownCoding)),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(UnknownCoding)),
            ("Transfer-Encoding: GZip ,\tCHUNKED\r\n", Err(UnknownCoding)),
            (
                "Transfer-Encoding: a\r\nTransfer-Encoding: b, c\r\ntransfer-encoding: Chunked\r\n",
                Err(UnknownCoding),
            ),
            ("Transfer-Encoding: gzip;level=9, chunked\r\n", Err(UnknownCoding)),
            ("Transfer-Encoding: a ; b=\"c, chunked\", chunked\r\n", Err(UnknownCoding)),
            ("Transfer-Encoding: gzip;level=9\r\nTransfer-Encoding: chunked\r\n", Err(UnknownCoding)),
            ("Transfer-Encoding: gzip;level=9\r\n", Err(BadCoding)),
            ("Transfer-Encoding: gzip, chunked;q=1\r\n", Err(BadCoding)),
            ("Transfer-Encoding: chunked;q=1, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: chunked;q=1, gzip, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: Chunked\r\nTransfer-Encoding: gzip\r\n", Err(BadCoding)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: ;a=b, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: a b;c=d, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: a=\"b\", chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: gzip;a=\"b, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(BadCoding)),
            ("Transfer-Encoding: gzip\r\n", Err(BadCoding)),
            ("Transfer-Encoding: , chunked\r\n", Err(BadCoding)),
            ("Transfer-Encoding: chunked;q=1\r\n", Err(BadCoding)),
            ("Transfer-Encoding:\r\n", Err(BadCoding)),
        ] {
            assert_eq!(request_framing(&fields(section), Version::Http11), expected, "{section:?}");
        }
        let chunked = fields("Transfer-Encoding: chunked\r\n");
        assert_eq!(request_framing(&chunked, Version::Http10), Err(BadCoding));
    }

    #[test]
    fn responses() {
        let read = |section: &str, status, to_head| {
            response_framing(&fields(section), Version::Http11, status, to_head)
        };
        let content =
            |section: &str, status, to_head| read(section, status, to_head).map(|framing| framing.content);
        assert_eq!(content("", 200, false), Ok(Framing::UntilClose));
        assert_eq!(content("Content-Length: 7\r\n", 200, false), Ok(Framing::Length(7)));
        assert_eq!(content("Transfer-Encoding: chunked\r\n", 200, false), Ok(Framing::Chunked));
        assert_eq!(content("Transfer-Encoding: gzip, chunked\r\n", 200, false), Err(Violation::OriginCoding));
        assert_eq!(content("Content-Length: x\r\n", 304, false), Err(Violation::OriginLength));
        let shown = ResponseFraming { content: Framing::Empty, shown_length: Some(7) };
        assert_eq!(read("Content-Length: 7\r\n", 200, true), Ok(shown));
        assert_eq!(read("Content-Length: 7\r\n", 304, false), Ok(shown));
        let none = ResponseFraming { content: Framing::Empty, shown_length: None };
        assert_eq!(read("Content-Length: 7\r\n", 204, false), Ok(none));
        assert_eq!(read("Content-Length: 7\r\n", 204, true), Ok(none));
    }
}
