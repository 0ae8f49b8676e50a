//! The request-target and the authority (RFC 9112 §3.2, RFC 9110 §4.2.1).

use super::{ByteSet, byte_set};
use crate::violation::Violation;

/// The parts of an authority: ranges of the text it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// Host without port; brackets of an IPv6 address included.
    pub(crate) host: &'a [u8],
    /// The digits behind the colon, when there are any.
    pub(crate) port: Option<&'a [u8]>,
}

/// Reads `uri-host [":" port]`; no userinfo (RFC 9110 §4.2.4). `None` when it is malformed or empty.
pub(crate) fn authority(text: &[u8]) -> Option<Authority<'_>> {
    let host_end = match text.first()? {
        b'[' => memchr::memchr(b']', text)? + 1,
        _ => memchr::memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_end)?;
    let literal = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
    if !literal.map_or_else(|| is_name(host), is_ip_literal) {
        return None;
    }
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            let number = std::str::from_utf8(digits).ok()?.parse::<u16>().ok()?;
            (number > 0).then_some(Some(digits))?
        }
        _ => return None,
    };
    Some(Authority { host, port })
}

/// Whether `host` is a name (RFC 3986 §3.2.2: `reg-name`, an IPv4 address too) with labels in it: one dot may stand at
/// its end, as behind a fully qualified name, but no two follow each other (nginx).
fn is_name(host: &[u8]) -> bool {
    const NAME: ByteSet = byte_set!(is_name_byte);
    !matches!(host, b"" | b".")
        && NAME.holds(host)
        && !host.windows(2).any(|pair| pair == b"..")
        && is_decodable(host)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')')
        || matches!(byte, b'*' | b'+' | b',' | b';' | b'=')
}

/// Whether `text` may stand in brackets: an IPv6 address, or one of a later version (RFC 3986 §3.2.2: `IPvFuture`).
fn is_ip_literal(text: &[u8]) -> bool {
    let [b'v' | b'V', future @ ..] = text else {
        return std::str::from_utf8(text).is_ok_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok());
    };
    let may_stand = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(byte);
    let dot = memchr::memchr(b'.', future).and_then(|at| future.split_at_checked(at));
    dot.is_some_and(|(version, address)| {
        !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && address.len() > 1
            && address.iter().all(may_stand)
    })
}

/// Whether two hexadecimal digits stand behind each percent sign (RFC 3986 §2.1).
fn is_decodable(text: &[u8]) -> bool {
    let digits =
        |rest: &[u8]| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    memchr::memchr_iter(b'%', text).all(|at| text.get(at + 1..).is_some_and(digits))
}

/// Whether a request-target may hold `byte`: visible characters but `#`, and what browsers leave raw (E4).
pub(crate) const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0x80..=0xff) && byte != b'#'
}

/// Appends the normalised form of `path`: percent-decoded, `.` and `..` resolved, `//` merged where that is
/// wanted (nginx's `$uri`). Routing uses this copy; the target is forwarded as received.
pub(crate) fn normalise_path(path: &[u8], merges: bool, out: &mut Vec<u8>) -> Result<(), Violation> {
    let start = out.len();
    let plain = |pair: &[u8]| !(pair.starts_with(b"%") || merges && pair == b"//" || pair == b"/.");
    if path.windows(2).all(plain) && !path.ends_with(b"%") {
        out.extend_from_slice(path);
        return Ok(());
    }
    let mut rest = path;
    while let [byte, behind @ ..] = rest {
        let (byte, behind) = match (byte, behind) {
            (b'%', [high, low, behind @ ..]) => (decode(*high, *low)?, behind),
            (b'%', _) => return Err(Violation::BadTarget),
            _ => (*byte, behind),
        };
        if byte == 0 {
            return Err(Violation::BadTarget);
        }
        if byte == b'/' {
            close_segment(out, start, merges)?;
        } else {
            out.push(byte);
        }
        rest = behind;
    }
    if matches!(last_segment(out, start), b"." | b"..") {
        close_segment(out, start, merges)?;
    }
    Ok(())
}

/// A segment has ended with a slash: resolves it when it was `.`, `..` or, where slashes are merged, empty.
fn close_segment(out: &mut Vec<u8>, start: usize, merges: bool) -> Result<(), Violation> {
    let segment = last_segment(out, start);
    let length = segment.len();
    match segment {
        _ if out.len() == start => out.push(b'/'),
        b"" if merges => {}
        b"." => out.truncate(out.len() - 1),
        b".." => {
            out.truncate(out.len() - length - 1);
            // A path that climbs above the root is an attack, not a path.
            if out.len() == start {
                return Err(Violation::BadTarget);
            }
            let parent = last_segment(out, start).len();
            out.truncate(out.len() - parent);
        }
        _ => out.push(b'/'),
    }
    Ok(())
}

/// What stands behind the last slash.
fn last_segment(out: &[u8], start: usize) -> &[u8] {
    let written = out.get(start..).unwrap_or_default();
    memchr::memrchr(b'/', written).and_then(|at| written.get(at + 1..)).unwrap_or_default()
}

fn decode(high: u8, low: u8) -> Result<u8, Violation> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(Violation::BadTarget),
    }
}

/// Appends a path from a template so that it can stand in a request-target or `Location` (B6): every byte
/// outside 0x21-0x7E is percent-encoded, and what would change the path's meaning if it stood for itself.
pub(crate) fn write_encoded_path(path: &[u8], out: &mut Vec<u8>) {
    for &byte in path {
        match byte {
            b'%' | b'?' | b'#' => write_percent(byte, out),
            0x21..=0x7e => out.push(byte),
            _ => write_percent(byte, out),
        }
    }
}

/// Appends text from a template that may be a whole URI: only what can't stand in one is percent-encoded.
pub(crate) fn write_encoded_uri(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            0x21..=0x7e => out.push(byte),
            _ => write_percent(byte, out),
        }
    }
}

/// Appends a query so that it can stand in a request-target.
pub(crate) fn write_encoded_query(query: &[u8], out: &mut Vec<u8>) {
    for &byte in query {
        match byte {
            b'#' => write_percent(byte, out),
            0x21..=0x7e => out.push(byte),
            _ => write_percent(byte, out),
        }
    }
}

/// Appends text so that it is one argument of a query, whatever is in it.
pub(crate) fn write_encoded_argument(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'#' | b'%' | b'&' | b'+' | b';' | b'?' => write_percent(byte, out),
            0x21..=0x7e => out.push(byte),
            _ => write_percent(byte, out),
        }
    }
}

/// Appends a URI that a `rewrite` has made for a client: escapes in its path that aren't needed there are taken
/// away. Unlike in nginx, that of a question mark stays: it is part of the path.
pub(crate) fn write_redirection(uri: &[u8], out: &mut Vec<u8>) {
    let end = memchr::memchr(b'?', uri).unwrap_or(uri.len());
    let (mut rest, query) = uri.split_at_checked(end).unwrap_or_default();
    while let [byte, behind @ ..] = rest {
        let decoded = match rest {
            [b'%', high, low, ..] => decode(*high, *low).ok(),
            _ => None,
        };
        match decoded.filter(|byte| matches!(byte, 0x26..=0x7e) && *byte != b'?') {
            Some(decoded) => {
                out.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out.extend_from_slice(query);
}

/// The same for a request-target, which has no fragment.
pub(crate) fn write_encoded_target(text: &[u8], out: &mut Vec<u8>) {
    for (index, part) in text.split(|byte| *byte == b'#').enumerate() {
        if index > 0 {
            write_percent(b'#', out);
        }
        write_encoded_uri(part, out);
    }
}

fn write_percent(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        let parts = |text: &'static str| authority(text.as_bytes()).map(|a| (a.host, a.port));
        assert_eq!(parts("example.com"), Some((b"example.com".as_slice(), None)));
        assert_eq!(parts("example.com:"), Some((b"example.com".as_slice(), None)));
        assert_eq!(parts("h:80"), Some((b"h".as_slice(), Some(b"80".as_slice()))));
        assert_eq!(parts("[::1]:8080"), Some((b"[::1]".as_slice(), Some(b"8080".as_slice()))));
        assert_eq!(parts("[::ffff:192.0.2.1]"), Some((b"[::ffff:192.0.2.1]".as_slice(), None)));
        for (text, host, port) in [
            ("x.", "x.", None),
            ("x.:80", "x.", Some("80")),
            (".x", ".x", None),
            ("[v1.a]", "[v1.a]", None),
            ("[VaF.fe80::a+en1]:80", "[VaF.fe80::a+en1]", Some("80")),
        ] {
            assert_eq!(parts(text), Some((host.as_bytes(), port.map(str::as_bytes))), "{text}");
        }
        assert_eq!(parts("a%2dB"), Some((b"a%2dB".as_slice(), None)));
        for bad in [
            "", ":80", "u@h", "h:0", "h:65536", "h:8x", "h:+80", "a b", "[::1", "[]", "[x]", "[::1]x", "h/p",
            "a:1:2", ".", "..", "..x", "x..", "x..y", ".:80", "x..:80",
        ]
        .into_iter()
        .chain(["[1.2.3.4]", "[:::]", "[1:2:3:4:5:6:7:8:9]", "[fe80::1%25a]", "a%", "a%4", "a%4g"])
        .chain(["[v1]", "[v.a]", "[vg.a]", "[v1.]", "[v1.a", "[v1.a]b", "[v1.%61]", "[v1.a/b]", "[v1.a@b]"])
        {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn paths() {
        let normal = |path: &str| {
            let mut out = b"kept".to_vec();
            normalise_path(path.as_bytes(), true, &mut out)
                .map(|()| String::from_utf8_lossy(&out[4..]).into_owned())
        };
        for (path, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//", "/"),
            ("/.", "/"),
            ("//a///b/", "/a/b/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/%61%2Fb", "/a/b"),
            ("/a%2e%2e/b", "/a../b"),
            ("/a/%2e%2e/b", "/b"),
            ("/.a/..b", "/.a/..b"),
            ("/a%20b", "/a b"),
        ] {
            assert_eq!(normal(path).as_deref(), Ok(expected), "{path}");
        }
        for bad in ["/..", "/a/../..", "/%", "/%1", "/%zz", "/%00", "/../a"] {
            assert_eq!(normal(bad), Err(Violation::BadTarget), "{bad}");
        }
    }

    #[test]
    fn slashes_may_stay() {
        for (path, expected) in [
            ("//a///b/", "//a///b/"),
            ("/a//../b", "/a/b"),
            ("/a/.//b", "/a//b"),
            ("/%2F", "//"),
            ("//..", "/"),
        ] {
            let mut out = Vec::new();
            assert_eq!(normalise_path(path.as_bytes(), false, &mut out), Ok(()), "{path}");
            assert_eq!(String::from_utf8_lossy(&out), expected, "{path}");
        }
        assert_eq!(normalise_path(b"//../..", false, &mut Vec::new()), Err(Violation::BadTarget));
    }

    #[test]
    fn encoding() {
        let mut out = Vec::new();
        write_encoded_path(b"/a b?\xc3%", &mut out);
        assert_eq!(out, b"/a%20b%3F%C3%25");
        out.clear();
        write_encoded_uri(b"http://h/a b?c\r\n", &mut out);
        assert_eq!(out, b"http://h/a%20b?c%0D%0A");
        out.clear();
        write_encoded_query(b"a=b&c#d e\xff", &mut out);
        assert_eq!(out, b"a=b&c%23d%20e%FF");
        out.clear();
        write_encoded_argument(b"a&b=c+d;e?f%g h", &mut out);
        assert_eq!(out, b"a%26b=c%2Bd%3Be%3Ff%25g%20h");
        out.clear();
        write_redirection(b"/a%26b%20c%3Fd%C3%2fe%?f%26%g", &mut out);
        assert_eq!(out, b"/a&b%20c%3Fd%C3/e%?f%26%g");
    }
}
