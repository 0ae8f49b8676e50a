//! Credentials in heads, replaced by as many `x`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What a field's value is masked in.
#[derive(Clone, Copy)]
enum Part {
    /// Credentials behind the name of a scheme (RFC 9110 §11.4).
    Credentials,
    /// The values of `name=value` pairs (RFC 6265 §4.2.1).
    Pairs,
    /// The value of the first pair; attributes follow (RFC 6265 §4.1.1).
    FirstPair,
    /// Everything.
    Whole,
    /// The values in the query of a URL.
    Query,
}

const FIELDS: &[(&[u8], Part)] = &[
    (b"authorization", Part::Credentials),
    (b"proxy-authorization", Part::Credentials),
    (b"cookie", Part::Pairs),
    (b"set-cookie", Part::FirstPair),
    (b"x-api-key", Part::Whole),
    (b"api-key", Part::Whole),
    (b"x-auth-token", Part::Whole),
    (b"x-access-token", Part::Whole),
    (b"x-csrf-token", Part::Whole),
    (b"x-xsrf-token", Part::Whole),
    (b"referer", Part::Query),
    (b"location", Part::Query),
    (b"content-location", Part::Query),
];

/// Masks a head, a piece of one or a trailer section in place. What is masked already stays as it is.
pub(super) fn mask_head(head: &mut [u8]) {
    let mut before = None;
    for line in head.split_inclusive_mut(|byte| *byte == b'\n') {
        let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let Some(line) = line.get_mut(..end) else { continue };
        if let (Some(b' ' | b'\t'), Some(part)) = (line.first(), before) {
            // A folded line (RFC 9112 §5.2) goes on with the value.
            mask_value(line, part);
            continue;
        }
        before = mask_line(line);
    }
}

fn mask_line(line: &mut [u8]) -> Option<Part> {
    let colon = line.iter().position(|byte| *byte == b':');
    let name = colon.and_then(|at| line.get(..at)).unwrap_or_default();
    if let Some((_, part)) = FIELDS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) {
        mask_value(line.get_mut(name.len() + 1..)?, *part);
        return Some(*part);
    }
    // No field name has these: it is a start-line.
    if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b'/' | b'?')) {
        mask_query(line);
    }
    None
}

fn mask_value(value: &mut [u8], part: Part) {
    match part {
        Part::Credentials => mask_credentials(value),
        Part::Pairs => value.split_mut(|byte| *byte == b';').for_each(mask_pair),
        Part::FirstPair => value.split_mut(|byte| *byte == b';').take(1).for_each(mask_pair),
        Part::Whole => mask(value),
        Part::Query => mask_query(value),
    }
}

fn mask(bytes: &mut [u8]) {
    mask_but(bytes, b"");
}

/// What can't stand in a field value, or not in any, stays: the session refuses what it has refused.
fn mask_but(bytes: &mut [u8], kept: &[u8]) {
    for byte in bytes.iter_mut().filter(|byte| !kept.contains(byte)) {
        match byte {
            b'!'..=b'~' => *byte = b'x',
            0x80.. => *byte = 0xff,
            _ => {}
        }
    }
}

fn mask_pair(pair: &mut [u8]) {
    let name = pair.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
    if let Some(value) = pair.get_mut(name..) {
        mask_but(value, b"\"");
    }
}

/// The name of the scheme stays, and of `Basic` credentials the colon: they are still some (RFC 7617 §2).
fn mask_credentials(value: &mut [u8]) {
    let start = value.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
    let Some(value) = value.get_mut(start..) else { return };
    let Some(space) = value.iter().position(|byte| matches!(byte, b' ' | b'\t')) else { return mask(value) };
    let (scheme, credentials) = value.split_at_mut(space);
    let is_basic = scheme.eq_ignore_ascii_case(b"basic");
    if let Some(masked) = masked_basic(credentials.trim_ascii()).filter(|_| is_basic) {
        let start = credentials.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
        if let Some(place) = credentials.get_mut(start..start + masked.len()) {
            place.copy_from_slice(masked.as_bytes());
        }
        return;
    }
    mask_but(credentials, b",=\"");
}

fn masked_basic(credentials: &[u8]) -> Option<String> {
    let mut pair = STANDARD.decode(credentials).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    for (at, byte) in pair.iter_mut().enumerate() {
        if at != colon {
            *byte = b'x';
        }
    }
    Some(STANDARD.encode(pair))
}

/// Behind a `?`, up to a space or `#`: what follows a `=`, or the whole of a parameter without one.
fn mask_query(line: &mut [u8]) {
    let Some(start) = line.iter().position(|byte| *byte == b'?') else { return };
    let query = line.get_mut(start + 1..).unwrap_or_default();
    let end = query.iter().position(|byte| matches!(byte, b' ' | b'#')).unwrap_or(query.len());
    let query = query.get_mut(..end).unwrap_or_default();
    for parameter in query.split_mut(|byte| *byte == b'&') {
        let name = parameter.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
        if let Some(value) = parameter.get_mut(name..) {
            mask_parameter(value);
        }
    }
}

/// Letters and digits; an encoded byte becomes another one, and what is no URL stays none.
fn mask_parameter(value: &mut [u8]) {
    let mut at = 0;
    while let Some(rest) = value.get_mut(at..).filter(|rest| !rest.is_empty()) {
        at += match rest {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (*high, *low) = (b'7', b'8');
                3
            }
            [byte, ..] if byte.is_ascii_alphanumeric() => {
                *byte = b'x';
                1
            }
            [byte, ..] if !byte.is_ascii() => {
                *byte = 0xff;
                1
            }
            _ => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(head: &str) -> String {
        let mut once = head.as_bytes().to_vec();
        mask_head(&mut once);
        let mut twice = once.clone();
        mask_head(&mut twice);
        assert_eq!(once, twice, "what is masked stays");
        assert_eq!(once.len(), head.len());
        String::from_utf8(once).expect("text")
    }

    #[test]
    fn credentials_are_masked_and_the_rest_stays() {
        for (head, expected) in [
            ("GET /a?token=abc&v=1&flag#x HTTP/1.1\r\n", "GET /a?token=xxx&v=x&xxxx#x HTTP/1.1\r\n"),
            ("GET /?k=a%2Fb%z-1 HTTP/1.1\r\n", "GET /?k=x%78x%x-x HTTP/1.1\r\n"),
            ("GET /?k=%zf%fz%f HTTP/1.1\r\n", "GET /?k=%xx%xx%x HTTP/1.1\r\n"),
            ("GET /ab?flag HTTP/1.1\r\n", "GET /ab?xxxx HTTP/1.1\r\n"),
            ("Cookie: a=b\r\n\r\nX: y?z", "Cookie: a=x\r\n\r\nX: y?z"),
            ("Cookie: a=b\u{1}c!\r\n", "Cookie: a=x\u{1}xx\r\n"),
            ("GET http://h:80/?k=v HTTP/1.1\r\n", "GET http://h:80/?k=x HTTP/1.1\r\n"),
            ("GET /a:b?k=v HTTP/1.1\r\n", "GET /a:b?k=x HTTP/1.1\r\n"),
            ("AUTHORIZATION:Bearer abc.def\r\n", "AUTHORIZATION:Bearer xxxxxxx\r\n"),
            ("Authorization: Basic Ym9iOnB3\r\n", "Authorization: Basic eHh4Onh4\r\n"),
            ("Authorization: Basic Ym9i\r\n", "Authorization: Basic xxxx\r\n"),
            ("Authorization: secret\r\n", "Authorization: xxxxxx\r\n"),
            (
                "Proxy-Authorization: Digest a=\"bc\", d=e\r\n",
                "Proxy-Authorization: Digest x=\"xx\", x=x\r\n",
            ),
            ("Cookie: sid=31d4; lang=en\r\n", "Cookie: sid=xxxx; lang=xx\r\n"),
            ("Set-Cookie: sid=31d4; Path=/; Secure\r\n", "Set-Cookie: sid=xxxx; Path=/; Secure\r\n"),
            ("Location: https://h/cb?code=1#f\r\n", "Location: https://h/cb?code=x#f\r\n"),
            ("X-Api-Key: k1\r\n more\r\nAccept: a?b=c\r\n", "X-Api-Key: xx\r\n xxxx\r\nAccept: a?b=c\r\n"),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n"),
            ("Authoriz", "Authoriz"),
            // A piece of a head, without the end of its line.
            ("Accept: b\r\nCookie: a=bc", "Accept: b\r\nCookie: a=xx"),
            ("GET /?k=v", "GET /?k=x"),
        ] {
            assert_eq!(masked(head), expected);
        }
    }

    #[test]
    fn bytes_that_are_no_text_become_others_of_their_kind() {
        let mut head = b"GET /?k=\xe9a HTTP/1.1\r\nCookie: a=\xe9\x80b\r\n\r\n".to_vec();
        mask_head(&mut head);
        assert_eq!(head, b"GET /?k=\xffx HTTP/1.1\r\nCookie: a=\xff\xffx\r\n\r\n");
    }
}
