//! A strict reader of HTTP/1.1 messages (RFC 9112): the judge of what a proxy sends.
//!
//! It is written from the RFC, shares nothing with the proxy's own parser, accepts what a sender may generate
//! and nothing that a recipient may forgive. It is slow and plain on purpose.

mod content;
mod request;
mod response;

pub(crate) use request::is_authority;
pub use request::{Request, read_request};
pub use response::{Response, read_response};

use std::fmt;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Field lines in order: name in lower case, value.
pub type Lines = Vec<(String, Vec<u8>)>;

fn fault<T>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    Err(Fault(format!("{what}: {}", bytes.escape_ascii())))
}

/// What stands before content.
struct Head<'b> {
    start: &'b [u8],
    lines: Lines,
    length: usize,
}

/// Reads a start-line and field lines up to the empty line. `None` when that has not come, and nothing is
/// wrong so far.
fn read_head(bytes: &[u8]) -> Result<Option<Head<'_>>, Fault> {
    let mut lines: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    while let Some((line, length)) = read_line(&bytes[at..])? {
        at += length;
        match (line, lines.as_slice()) {
            (b"", []) => return fault("an empty line before a start-line", bytes),
            (b"", [start, fields @ ..]) => {
                let lines = fields.iter().map(|line| field(line)).collect::<Result<_, _>>()?;
                return Ok(Some(Head { start, lines, length: at }));
            }
            _ => lines.push(line),
        }
    }
    Ok(None)
}

/// A line that ends in CRLF, and its length with it (§2.2). Nothing else that could end a line is in it.
fn read_line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Fault> {
    for (at, byte) in bytes.iter().enumerate() {
        match (byte, bytes.get(at + 1)) {
            (b'\r', Some(b'\n')) => return Ok(Some((&bytes[..at], at + 2))),
            (b'\r', None) => return Ok(None),
            (b'\r' | b'\n' | 0..=8 | 11..=31 | 127, _) => {
                return fault("a control byte in a line", &bytes[..=at]);
            }
            _ => {}
        }
    }
    Ok(None)
}

/// `field-name ":" OWS field-value OWS` (§5).
fn field(line: &[u8]) -> Result<(String, Vec<u8>), Fault> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return fault("a field line without a colon", line);
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if !is_token(name) {
        return fault("a field name that is no token", line);
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn values<'l>(lines: &'l Lines, name: &str) -> Vec<&'l [u8]> {
    lines.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice()).collect()
}

/// How content is framed, as far as the fields say (§6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Unsaid,
    Length(u64),
    Chunked,
}

fn framing(lines: &Lines, version: &[u8]) -> Result<Framing, Fault> {
    match (values(lines, "transfer-encoding").as_slice(), values(lines, "content-length").as_slice()) {
        ([], []) => Ok(Framing::Unsaid),
        ([], [length]) => {
            let digits = length.iter().all(u8::is_ascii_digit);
            let number =
                std::str::from_utf8(length).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            number
                .map(Framing::Length)
                .ok_or_else(|| Fault(format!("Content-Length: {}", length.escape_ascii())))
        }
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && version == b"HTTP/1.1" => {
            Ok(Framing::Chunked)
        }
        (codings, lengths) => Err(Fault(format!(
            "{} with Transfer-Encoding {codings:?} and Content-Length {lengths:?}",
            version.escape_ascii()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<Option<Request>, Fault> {
        read_request(text.as_bytes())
    }

    #[test]
    fn a_request_with_content() {
        let text = "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET";
        let read = request(text).expect("valid").expect("a head");
        assert_eq!((read.line(), read.whole), ("POST /a?b".to_owned(), Some(text.len() - 3)));
        assert_eq!((read.host.as_slice(), read.content.as_slice()), (b"h".as_slice(), b"abc".as_slice()));
        let cut = request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabc").expect("valid");
        assert_eq!(cut.map(|request| request.whole), Some(None));
        assert_eq!(request("GET / HTTP/1.1\r\nHo"), Ok(None));
    }

    #[test]
    fn chunks() {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let text = format!("{head}3;a=b;c;d=\"e;\\\"f\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\nGET");
        let whole = request(&text).expect("valid").expect("a head");
        assert_eq!(whole.content, b"abc0123456789");
        assert_eq!(whole.trailers, [("t".to_owned(), b"u".to_vec())]);
        assert_eq!(whole.whole, Some(text.len() - 3));
        for broken in [
            "0x3\r\n",
            "3\nabc",
            "g\r\n",
            "-1\r\n",
            " 3\r\n",
            "1\r\nab",
            "0\r\nContent-Length: 3\r\n\r\n",
            "1;\r\n",
            "1;a=\r\n",
            "1;a=\"b\r\n",
            "1;a=\"b\"c\r\n",
            "1;a=b c\r\n",
            "1;a=\"\\\"\r\n",
        ] {
            assert!(request(&format!("{head}{broken}")).is_err(), "{broken}");
        }
        assert_eq!(request(&format!("{head}1\r\nab")).map_err(|_| ()), Err(()));
    }

    #[test]
    fn what_is_no_request() {
        for text in [
            "GET / HTTP/1.1\nHost: h\n\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: h\r\n\r\n",
            "G T / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET h HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /#f HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n a: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\na : b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\na: b\0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        ] {
            assert!(request(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn responses() {
        let read = |text: &str, method: &str| read_response(text.as_bytes(), method);
        let whole = |text: &str, method: &str| {
            read(text, method).map(|response| response.and_then(|response| response.whole)).map_err(|_| ())
        };
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "GET"), Ok(Some(40)));
        assert_eq!(whole("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "HEAD"), Ok(Some(38)));
        assert_eq!(whole("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\na", "GET"), Ok(None));
        assert_eq!(whole("HTTP/1.1 304 N\r\n\r\n", "GET"), Ok(Some(18)));
        let open = read("HTTP/1.1 200 OK\r\n\r\nabc", "GET").expect("valid").expect("a head");
        assert!(open.until_close && open.whole.is_none());
        for text in [
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 99 x\r\n\r\n",
            "HTTP/1.1 600 x\r\n\r\n",
            "HTTP/2.0 200 x\r\n\r\n",
            "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
            "ICY 200 OK\r\n\r\n",
        ] {
            assert!(read(text, "GET").is_err(), "{text:?}");
        }
    }
}
