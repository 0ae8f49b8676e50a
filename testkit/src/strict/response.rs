//! A response as a client that forgives nothing reads it (RFC 9112 §4).

use super::{Fault, Framing, Head, Lines, content::read_content, fault, framing, read_head};

/// A response, or as much of it as has come behind its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The field lines.
    pub lines: Lines,
    /// The content so far.
    pub content: Vec<u8>,
    /// The trailer section.
    pub trailers: Lines,
    /// Length of the whole message; `None` when more is to come.
    pub whole: Option<usize>,
    /// It ends with the connection.
    pub until_close: bool,
}

impl Response {
    /// Whether another response to the same request follows (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// Reads a response to `method` from the front of `bytes`; `None` while its head isn't whole.
///
/// # Errors
/// When the bytes can't be, or can't become, a response.
pub fn read_response(bytes: &[u8], method: &str) -> Result<Option<Response>, Fault> {
    let Some(Head { start, lines, length }) = read_head(bytes)? else { return Ok(None) };
    let parts: Vec<_> = start.splitn(3, |byte| *byte == b' ').collect();
    let &[version, code, _] = parts.as_slice() else { return fault("a status line", start) };
    let status = std::str::from_utf8(code).ok().filter(|code| code.len() == 3).and_then(|c| c.parse().ok());
    let status: u16 = match status {
        Some(status) if (100..600).contains(&status) && matches!(version, b"HTTP/1.0" | b"HTTP/1.1") => {
            status
        }
        _ => return fault("a status line", start),
    };
    let said = framing(&lines, version)?;
    // RFC 9110 §8.6, RFC 9112 §6.1: these say nothing of framing.
    let opens_tunnel = method == "CONNECT" && matches!(status, 200..=299);
    if (status < 200 || status == 204 || opens_tunnel) && said != Framing::Unsaid {
        return fault("framing fields where none may be", &bytes[..length]);
    }
    let has_content = status >= 200 && !matches!(status, 204 | 304) && method != "HEAD";
    let framing = if has_content { said } else { Framing::Unsaid };
    let mut content = read_content(&bytes[length..], framing)?;
    let until_close = has_content && said == Framing::Unsaid;
    if until_close {
        content.bytes = bytes[length..].to_vec();
        content.whole = None;
    }
    Ok(Some(Response {
        status,
        content: content.bytes,
        trailers: content.trailers,
        whole: content.whole.map(|behind| length + behind),
        until_close,
        lines,
    }))
}
