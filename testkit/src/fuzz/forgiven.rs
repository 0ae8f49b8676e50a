//! What a gateway forgives in a request's head, by name, so that the reader that forgives nothing can judge the rest.

use crate::strict::is_authority;

/// The head at the front of `bytes` as a sender should have written it, and the length of what it was made of.
/// What is no head yet, or has other faults, keeps them.
///
/// Forgiven are empty lines in front, LF for CRLF, and minor versions above 1 (E3; RFC 9112 §2.2 and §2.3). A target in
/// absolute-form says the host, whatever a well-formed `Host` says (E4; §3.2.2).
pub(super) fn mended(bytes: &[u8]) -> (Vec<u8>, usize) {
    let Some((mut lines, length)) = lines(bytes) else { return (bytes.to_vec(), bytes.len()) };
    let parts: Vec<_> = lines[0].split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
    if let [method, target, version] = parts.as_slice() {
        let version: &[u8] = if let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] = version[..] {
            b"HTTP/1.1"
        } else {
            version
        };
        let target = match origin_form(method, target) {
            Some((authority, path)) if replace_host(&mut lines, authority, version) => path,
            _ => target.clone(),
        };
        lines[0] = [method, target.as_slice(), version].join(&b' ');
    }
    lines.push(Vec::new());
    (lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"].concat()).collect(), length)
}

/// The lines before the empty one, without what ends them.
fn lines(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut lines = Vec::new();
    let mut at = 0;
    loop {
        let length = bytes[at..].iter().position(|byte| *byte == b'\n')?;
        let line = &bytes[at..at + length];
        at += length + 1;
        match (line.strip_suffix(b"\r").unwrap_or(line), lines.is_empty()) {
            (b"", true) => {}
            (b"", false) => return Some((lines, at)),
            (line, _) => lines.push(line.to_vec()),
        }
    }
}

/// The authority of a target in absolute-form, and what it is to an origin server (§3.2.1, §3.2.4).
fn origin_form<'t>(method: &[u8], target: &'t [u8]) -> Option<(&'t [u8], Vec<u8>)> {
    let (scheme, rest) = target.split_at_checked(b"http://".len())?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = match path {
        b"" if method == b"OPTIONS" => b"*".to_vec(),
        b"" | [b'?', ..] => [b"/", path].concat(),
        _ => path.to_vec(),
    };
    Some((authority, path))
}

/// Whether there was one well-formed `Host`, or in HTTP/1.0 none; then it says this.
fn replace_host(lines: &mut Vec<Vec<u8>>, authority: &[u8], version: &[u8]) -> bool {
    let is_host = |line: &[u8]| line.len() > 5 && line[..5].eq_ignore_ascii_case(b"host:");
    let said: Vec<_> = (1..lines.len()).filter(|at| is_host(&lines[*at])).collect();
    let host = [b"Host: ", authority].concat();
    match said[..] {
        [at] if is_authority(lines[at][5..].trim_ascii()) => lines[at] = host,
        [] if version == b"HTTP/1.0" => lines.push(host),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgiven() {
        for (sent, wanted) in [
            ("\r\n\nGET / HTTP/1.7\nHost: a\r\n\nrest", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("GET http://b HTTP/1.1\r\nhost: a\r\n\r\nrest", "GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
            ("GET HTTP://b?c HTTP/1.0\r\n\r\nrest", "GET /?c HTTP/1.0\r\nHost: b\r\n\r\n"),
            ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\nrest", "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"),
        ] {
            let (head, length) = mended(sent.as_bytes());
            assert_eq!(
                (head.escape_ascii().to_string(), &sent[length..]),
                (wanted.as_bytes().escape_ascii().to_string(), "rest")
            );
        }
    }

    #[test]
    fn what_keeps_its_faults() {
        for sent in [
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            "GET / HTTP/2.1\r\nHost: a\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET http://b/ HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(mended(sent.as_bytes()), (sent.as_bytes().to_vec(), sent.len()), "{sent:?}");
        }
    }
}
