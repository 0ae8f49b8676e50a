//! A response head (RFC 9112 §4).

use super::{
    Fields, Parsed, Version,
    fields::{FEW_LINES, Span},
    scan::{Scan, head_end},
};
use crate::violation::Violation;

/// A response head as received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) fields: Fields,
    pub(crate) version: Version,
    pub(crate) status: u16,
    reason: Span,
}

impl Response {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        (self.version, self.status, self.reason) = Default::default();
    }

    /// Reads a response head from the front of `bytes`; at most `limit` bytes of it (E3).
    pub(crate) fn parse(&mut self, bytes: &[u8], scan: &mut Scan, limit: usize) -> Result<Parsed, Violation> {
        // Most that are short come in one piece with nothing behind them: reading finds where they end, without a search.
        let comes_whole = scan.is_new() && bytes.len() <= limit && bytes.ends_with(b"\r\n\r\n");
        if comes_whole && self.read(bytes, FEW_LINES) == Ok(bytes.len()) {
            return Ok(Parsed::Complete(bytes.len()));
        }
        let Some(whole) = head_end(bytes, scan) else {
            // Not even a status line: no need to wait for an end that will hardly come.
            let shortest = bytes.len().min(5);
            if bytes.get(..shortest) != b"HTTP/".get(..shortest) {
                return Err(Violation::OriginHead);
            }
            return if bytes.len() >= limit {
                Err(Violation::OriginHeadTooLarge)
            } else {
                Ok(Parsed::Partial)
            };
        };
        let end = whole.upto();
        if end > limit {
            return Err(Violation::OriginHeadTooLarge);
        }
        self.read(bytes.get(..end).unwrap_or_default(), whole.lines())?;
        Ok(Parsed::Complete(end))
    }

    /// Reads `head`, of which at most so many lines are fields. Says where it ends.
    fn read(&mut self, head: &[u8], max_lines: usize) -> Result<usize, Violation> {
        self.clear();
        check_start(head)?;
        self.version = if head.get(7) == Some(&b'0') { Version::Http10 } else { Version::Http11 };
        self.fields.copy(head);
        // The parser knows no later minor version; to us they are 1.1 (RFC 9110 §6.2).
        if let (Version::Http11, Some(minor)) = (self.version, self.fields.bytes_mut().get_mut(7)) {
            *minor = b'1';
        }
        let end;
        (self.status, self.reason, end) = self.fields.parse_response(max_lines)?;
        if !(100..600).contains(&self.status) {
            return Err(Violation::OriginStatus);
        }
        Ok(end)
    }

    pub(crate) fn reason(&self) -> &[u8] {
        self.reason.of(self.fields.bytes())
    }
}

/// The version, which the parser below takes for a matter of syntax.
fn check_start(head: &[u8]) -> Result<(), Violation> {
    match head {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9', b' ', ..] => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b' ', ..] => {
            Err(Violation::OriginVersion)
        }
        _ => Err(Violation::OriginHead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Known;

    #[test]
    fn a_head_may_be_as_long_as_the_limit() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        let parse = |limit| Response::default().parse(head, &mut Scan::default(), limit);
        assert!(matches!(parse(head.len()), Ok(Parsed::Complete(length)) if length == head.len()));
        assert!(matches!(parse(head.len() - 1), Err(Violation::OriginHeadTooLarge)));
    }

    fn parse(head: &str) -> Result<Response, Violation> {
        let mut response = Response::default();
        let mut scanned = Scan::default();
        match response.parse(head.as_bytes(), &mut scanned, 4096)? {
            Parsed::Complete(length) => assert_eq!(length, head.len()),
            Parsed::Partial => panic!("{head:?} is complete"),
        }
        Ok(response)
    }

    #[test]
    fn ordinary_and_lenient() {
        let response =
            parse("HTTP/1.1 404 Not Here\r\nServer : x\r\nA: b\r\n c\r\n\td\r\n\r\n").expect("accepted");
        assert_eq!((response.status, response.reason()), (404, b"Not Here".as_slice()));
        assert_eq!(response.fields.named(b"server").next(), Some(b"x".as_slice()));
        assert_eq!(response.fields.named(b"a").next(), Some(b"b c d".as_slice()));
        assert_eq!(parse("HTTP/1.3 200 OK\r\n\r\n").map(|response| response.version), Ok(Version::Http11));
        assert_eq!(parse("HTTP/1.0 200\r\n\r\n").map(|response| response.version), Ok(Version::Http10));
        assert!(!response.fields.has(Known::Host));
    }

    #[test]
    fn refusals() {
        for (head, violation) in [
            ("HTTP/1.1 99 x\r\n\r\n", Violation::OriginHead),
            ("HTTP/1.1 099 x\r\n\r\n", Violation::OriginStatus),
            ("HTTP/1.1 600 x\r\n\r\n", Violation::OriginStatus),
            ("HTTP/2.0 200 x\r\n\r\n", Violation::OriginVersion),
            ("HTTP/1.1\t200 x\r\n\r\n", Violation::OriginHead),
            ("HTTP/1.1\r\n\r\n", Violation::OriginHead),
            ("HTTP/1.1  200 x\r\n\r\n", Violation::OriginHead),
            ("ICY 200 OK\r\n\r\n", Violation::OriginHead),
            ("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", Violation::OriginHead),
            ("HTTP/1.1 200 OK\r\nA@: b\r\n\r\n", Violation::OriginFieldName),
            ("HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", Violation::OriginHead),
            ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", Violation::OriginHead),
        ] {
            assert_eq!(parse(head).err(), Some(violation), "{head:?}");
        }
    }

    /// What is in a head is the same whether it comes whole or some of it was there before.
    #[test]
    fn a_head_that_comes_whole_is_read_as_one_that_has_begun() {
        let many = |lines: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(lines));
        for head in [
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\nA: b\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\nServer : x\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.3 200 OK\r\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA@: b\r\n\r\n",
            "HTTP/1.1 999 OK\r\nA: b\r\n\r\n",
            "\r\n\r\n",
            &many(24),
            &many(25),
        ] {
            for limit in [head.len() - 1, head.len()] {
                let parsed = |mut scan: Scan| {
                    let mut response = Response::default();
                    let parsed = response.parse(head.as_bytes(), &mut scan, limit);
                    let pairs: Vec<_> = response
                        .fields
                        .pairs()
                        .map(|(name, value)| (name.to_vec(), value.to_vec()))
                        .collect();
                    (parsed, response.status, response.version, response.reason().to_vec(), pairs)
                };
                let mut begun = Scan::default();
                assert_eq!(head_end(&head.as_bytes()[..1], &mut begun), None);
                assert_eq!(parsed(Scan::default()), parsed(begun), "{head:?}");
            }
        }
    }

    #[test]
    fn limits() {
        let mut response = Response::default();
        let parse =
            |bytes: &[u8], limit, response: &mut Response| response.parse(bytes, &mut Scan::default(), limit);
        assert_eq!(parse(b"hello", 100, &mut response), Err(Violation::OriginHead));
        assert_eq!(parse(b"HTT", 100, &mut response), Ok(Parsed::Partial));
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nA: b", 20, &mut response), Err(Violation::OriginHeadTooLarge));
        assert_eq!(
            parse(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 20, &mut response),
            Err(Violation::OriginHeadTooLarge)
        );
    }
}
