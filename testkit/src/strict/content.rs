//! Content as it is framed on the wire (RFC 9112 §6 and §7).

use super::{Fault, Framing, Lines, fault, field, is_token, read_line};

/// Content that was read off a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) trailers: Lines,
    /// Length on the wire; `None` when more is to come.
    pub(super) whole: Option<usize>,
}

/// Reads content from the front of `bytes`.
pub(super) fn read_content(bytes: &[u8], framing: Framing) -> Result<Content, Fault> {
    match framing {
        Framing::Unsaid => Ok(Content { whole: Some(0), ..Content::default() }),
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let whole = bytes.get(..length);
            Ok(Content {
                bytes: whole.unwrap_or(bytes).to_vec(),
                whole: whole.map(<[u8]>::len),
                ..Content::default()
            })
        }
        Framing::Chunked => read_chunks(bytes),
    }
}

/// §7.1.
fn read_chunks(bytes: &[u8]) -> Result<Content, Fault> {
    let mut content = Content::default();
    let mut at = 0;
    while let Some((line, length)) = read_line(&bytes[at..])? {
        at += length;
        let size = chunk_size(line)?;
        if size == 0 {
            return read_trailers(bytes, at, content);
        }
        let end = at.saturating_add(size);
        content.bytes.extend_from_slice(bytes.get(at..end.min(bytes.len())).unwrap_or_default());
        match bytes.get(end..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(content),
            [b'\r', b'\n', ..] => at = end + 2,
            rest => return fault("chunk data without CRLF behind it", rest),
        }
    }
    Ok(content)
}

fn read_trailers(bytes: &[u8], mut at: usize, mut content: Content) -> Result<Content, Fault> {
    while let Some((line, length)) = read_line(&bytes[at..])? {
        at += length;
        if line.is_empty() {
            content.whole = Some(at);
            break;
        }
        let (name, value) = field(line)?;
        // RFC 9110 §6.5.1: what frames, routes or is about this hop has no business here.
        if ["content-length", "transfer-encoding", "host", "connection", "te", "trailer", "upgrade"]
            .contains(&name.as_str())
        {
            return fault("a trailer field that must not be one", line);
        }
        content.trailers.push((name, value));
    }
    Ok(content)
}

/// `1*HEXDIG *( ";" token [ "=" ( token / quoted-string ) ] )` (§7.1), without the white space that only recipients
/// know.
fn chunk_size(line: &[u8]) -> Result<usize, Fault> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    if !are_extensions(extensions) {
        return fault("a malformed chunk extension", line);
    }
    let text = std::str::from_utf8(size).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    text.ok_or_else(|| Fault(format!("a malformed chunk size: {}", line.escape_ascii())))
}

fn are_extensions(mut text: &[u8]) -> bool {
    while let [b';', rest @ ..] = text {
        let Some(rest) = behind_token(rest) else { return false };
        text = match rest {
            [b'=', b'"', quoted @ ..] => match behind_quote(quoted) {
                Some(rest) => rest,
                None => return false,
            },
            [b'=', value @ ..] => match behind_token(value) {
                Some(rest) => rest,
                None => return false,
            },
            rest => rest,
        };
    }
    text.is_empty()
}

fn behind_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_token(std::slice::from_ref(byte))).count();
    Some(&text[length..]).filter(|_| length > 0)
}

/// RFC 9110 §5.6.4.
fn behind_quote(text: &[u8]) -> Option<&[u8]> {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !escaped => return Some(&text[at + 1..]),
            b'\\' if !escaped => escaped = true,
            b'\t' | b' '..=b'~' | 0x80.. => escaped = false,
            _ => return None,
        }
    }
    None
}
