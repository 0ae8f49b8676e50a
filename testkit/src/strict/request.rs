//! A request as an origin server that forgives nothing reads it (RFC 9112 §3).

use super::{Fault, Head, Lines, content::read_content, fault, framing, is_token, read_head, values};

/// A request, or as much of it as has come behind its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target in origin-form, or `*`; each byte a character.
    pub target: String,
    /// The host that it is for.
    pub host: Vec<u8>,
    /// The field lines.
    pub lines: Lines,
    is_http11: bool,
    /// The content so far.
    pub content: Vec<u8>,
    /// The trailer section.
    pub trailers: Lines,
    /// Length of the whole message; `None` when more is to come.
    pub whole: Option<usize>,
}

impl Request {
    /// Method and target.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

impl Request {
    /// Whether it asks to switch protocols: HTTP/1.1, an `Upgrade` that names one, and the option that makes
    /// it count (RFC 9110 §7.8).
    #[must_use]
    pub fn offers_upgrade(&self) -> bool {
        let list = |name| values(&self.lines, name).join(&b',').to_ascii_lowercase();
        let elements = |text: &[u8]| -> Vec<Vec<u8>> {
            text.split(|byte| *byte == b',').map(|element| element.trim_ascii().to_vec()).collect()
        };
        let names_one = elements(&list("upgrade")).iter().any(|p| p.split(|b| *b == b'/').all(is_token));
        self.is_http11 && names_one && elements(&list("connection")).contains(&b"upgrade".to_vec())
    }
}

/// Reads a request from the front of `bytes`; `None` while its head isn't whole.
///
/// # Errors
/// When the bytes can't be, or can't become, a request.
pub fn read_request(bytes: &[u8]) -> Result<Option<Request>, Fault> {
    let Some(Head { start, lines, length }) = read_head(bytes)? else { return Ok(None) };
    let parts: Vec<_> = start.split(|byte| *byte == b' ').collect();
    let &[method, target, version] = parts.as_slice() else { return fault("a request line", start) };
    if !is_token(method) || !matches!(version, b"HTTP/1.0" | b"HTTP/1.1") {
        return fault("a request line", start);
    }
    let hosts = values(&lines, "host");
    let host = match hosts.as_slice() {
        [host] if is_authority(host) => *host,
        [] if version == b"HTTP/1.0" => b"",
        _ => return fault("not one well-formed Host", &bytes[..length]),
    };
    let target = origin_form(method, target, host)?;
    let content = read_content(&bytes[length..], framing(&lines, version)?)?;
    Ok(Some(Request {
        method: String::from_utf8_lossy(method).into_owned(),
        target: target.iter().map(|byte| char::from(*byte)).collect(),
        host: host.to_vec(),
        is_http11: version == b"HTTP/1.1",
        content: content.bytes,
        trailers: content.trailers,
        whole: content.whole.map(|behind| length + behind),
        lines,
    }))
}

/// The target without what absolute-form has in front (§3.2). Bytes that a URI can't hold but browsers send
/// are none of framing's business.
fn origin_form<'t>(method: &[u8], target: &'t [u8], host: &[u8]) -> Result<&'t [u8], Fault> {
    if target.iter().any(|byte| matches!(byte, 0..=b' ' | b'#' | 0x7f)) {
        return fault("a request-target", target);
    }
    match target {
        [b'/', ..] => Ok(target),
        b"*" if method == b"OPTIONS" => Ok(target),
        _ if method == b"CONNECT" && target.contains(&b':') && is_authority(target) => Ok(target),
        _ => {
            let scheme = |name: &[u8]| {
                target.split_at_checked(name.len()).filter(|(start, _)| start.eq_ignore_ascii_case(name))
            };
            let Some((_, rest)) = scheme(b"http://").or_else(|| scheme(b"https://")) else {
                return fault("a request-target", target);
            };
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            // §3.2.2: whoever forwards absolute-form makes Host say the same.
            if !rest[..end].eq_ignore_ascii_case(host) {
                return fault("Host and request-target disagree", target);
            }
            // §3.2.4: to OPTIONS, a URI without a path is an asterisk.
            let root: &[u8] = if method == b"OPTIONS" { b"*" } else { b"/" };
            Ok(if end == rest.len() { root } else { &rest[end..] })
        }
    }
}

/// RFC 9110 §7.2: a host, and perhaps a port.
pub(crate) fn is_authority(text: &[u8]) -> bool {
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
    !text.is_empty() && text.iter().all(is_host) && !text.starts_with(b":")
}
