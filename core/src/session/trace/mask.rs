//! Values in heads, replaced by as many `x`, but for those that are nobody's secret.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::told::{Part, SUBPROTOCOLS, is_scheme, part_of};

/// The value of a field as a trace tells it, without what must be no secret of anybody's: as long as it was, and of
/// the same kind, so that a session that passes it on takes the same way. Control characters stay, and may stand for
/// what isn't known yet.
#[must_use]
pub fn mask_field(name: &str, value: &str) -> String {
    masked(value, |bytes| mask_value(bytes, part_of(name.as_bytes())))
}

/// A URL, or a part of one, without what a trace masks in it: user, values of the query, fragment.
#[must_use]
pub fn mask_url(url: &str) -> String {
    masked(url, mask_target)
}

/// A text of which a trace tells the length, and where it has spaces.
#[must_use]
pub fn mask_text(text: &str) -> String {
    masked(text, mask)
}

/// Text that was none of ASCII becomes text that is.
fn masked(text: &str, mask: impl FnOnce(&mut [u8])) -> String {
    let mut bytes = text.as_bytes().to_vec();
    mask(&mut bytes);
    bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'x');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Masks a head, or a piece of one, in place. What is masked already stays as it is.
pub(super) fn mask_head(head: &mut [u8]) {
    mask_lines(head, true);
}

/// Masks a trailer section, or a piece of one.
pub(super) fn mask_trailers(trailers: &mut [u8]) {
    mask_lines(trailers, false);
}

fn mask_lines(lines: &mut [u8], has_start_line: bool) {
    let mut rest = lines;
    let mut is_first = has_start_line;
    while !rest.is_empty() {
        let own = line_length(rest);
        let mut length = own;
        // A value goes on in folded lines (RFC 9112 §5.2).
        while let Some([b' ' | b'\t', ..]) = rest.get(length..) {
            length += line_length(rest.get(length..).unwrap_or_default());
        }
        let Some((line, behind)) = std::mem::take(&mut rest).split_at_mut_checked(length) else { return };
        rest = behind;
        // What comes behind an empty line may be another head.
        is_first = match line.trim_ascii_end() {
            [] => has_start_line,
            _ => {
                mask_line(line, own, is_first);
                false
            }
        };
    }
}

fn line_length(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

/// A line that is no field is a start-line, or what a peer has sent instead of a field. `own` is its length without
/// folded lines.
fn mask_line(line: &mut [u8], own: usize, is_first: bool) {
    let colon = line.iter().take(own).position(|byte| *byte == b':');
    let name = colon.and_then(|at| line.get(..at)).unwrap_or_default();
    // White space in front of the colon is refused (RFC 9112 §5.1), and no way around the mask.
    let known = name.trim_ascii();
    let is_start = known.is_empty() || known.iter().any(|byte| matches!(byte, b' ' | b'/' | b'?'));
    if is_first && is_start {
        let (start, folded) = line.split_at_mut(own);
        mask_start_line(start);
        return mask(folded);
    }
    let part = part_of(known);
    let value = if known.is_empty() { 0 } else { name.len() + 1 };
    if let Some(value) = line.get_mut(value..) {
        mask_value(value, part);
    }
}

/// The target of a request is a URL, or begins with a path; a status line has nothing to mask.
fn mask_start_line(line: &mut [u8]) {
    if let Some(scheme) = memchr::memmem::find(line, b"://") {
        mask_userinfo(line, scheme + 3);
    }
    // What has spaces in it is refused, and no way around the mask.
    let end = memchr::memmem::rfind(line, b" HTTP/").unwrap_or(line.len());
    if let Some(target) = line.get_mut(..end) {
        mask_behind_path(target);
    }
}

fn mask_value(value: &mut [u8], part: Part) {
    match part {
        Part::All => {}
        Part::Scheme => mask_credentials(value),
        Part::Names => value.split_mut(|byte| *byte == b';').for_each(mask_pair),
        Part::Attributes => value.split_mut(|byte| *byte == b';').take(1).for_each(mask_pair),
        Part::Url => mask_target(value),
        Part::Subprotocols => value.split_mut(|byte| *byte == b',').for_each(mask_subprotocol),
        Part::Length => mask(value),
    }
}

fn mask_subprotocol(name: &mut [u8]) {
    let is_known = SUBPROTOCOLS.iter().any(|known| name.trim_ascii().eq_ignore_ascii_case(known.as_bytes()));
    if !is_known {
        mask(name);
    }
}

/// User and password of a URL, its query, its fragment.
fn mask_target(url: &mut [u8]) {
    let start = url.iter().position(|byte| *byte != b' ').unwrap_or(0);
    // A reference without a scheme (RFC 3986 §4.2) may have an authority, too.
    let is_relative = url.get(start..).is_some_and(|url| url.starts_with(b"//"));
    let scheme = memchr::memmem::find(url, b"://").map(|at| at + 3);
    if let Some(authority) = if is_relative { Some(start + 2) } else { scheme } {
        mask_userinfo(url, authority);
    }
    mask_behind_path(url);
}

/// The query, and the fragment.
fn mask_behind_path(url: &mut [u8]) {
    mask_query(url);
    let fragment = url.iter().position(|byte| *byte == b'#').map(|at| at + 1);
    if let Some(fragment) = fragment.and_then(|at| url.get_mut(at..)) {
        mask_parameter(fragment);
    }
}

/// What stands in front of the `@` of the authority that begins here (RFC 3986 §3.2.1).
fn mask_userinfo(url: &mut [u8], start: usize) {
    let authority = url.get_mut(start..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b' ');
    let end = authority.iter().position(ends).unwrap_or(authority.len());
    let authority = authority.get_mut(..end).unwrap_or_default();
    let user = authority.iter().rposition(|byte| *byte == b'@').unwrap_or(0);
    if let Some(user) = authority.get_mut(..user) {
        mask_but(user, b":@");
    }
}

/// What may stand behind the size of a chunk (RFC 9112 §7.1.1) has no meaning here, but somebody's value.
pub(super) fn mask_extension(line: &mut [u8]) {
    let extension = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    let extension = line.get_mut(extension..).unwrap_or_default();
    extension.iter_mut().filter(|byte| byte.is_ascii_alphanumeric()).for_each(|byte| *byte = b'x');
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
    let start = value.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(value.len());
    let Some(value) = value.get_mut(start..) else { return };
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (scheme, credentials) = value.split_at_mut(end);
    if !std::str::from_utf8(scheme).is_ok_and(is_scheme) {
        return mask(value);
    }
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

/// Behind a `?`, up to a `#`: what follows a `=`, or the whole of a parameter without one.
fn mask_query(line: &mut [u8]) {
    let Some(start) = line.iter().position(|byte| *byte == b'?') else { return };
    let query = line.get_mut(start + 1..).unwrap_or_default();
    let end = query.iter().position(|byte| *byte == b'#').unwrap_or(query.len());
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
    fn what_may_be_a_secret_is_masked_and_the_rest_stays() {
        for (head, expected) in [
            ("GET /a?token=abc&v=1&flag#y HTTP/1.1\r\n", "GET /a?token=xxx&v=x&xxxx#x HTTP/1.1\r\n"),
            ("GET /?k=a%2Fb%z-1 HTTP/1.1\r\n", "GET /?k=x%78x%x-x HTTP/1.1\r\n"),
            ("GET /?k=%zf%fz%f HTTP/1.1\r\n", "GET /?k=%xx%xx%x HTTP/1.1\r\n"),
            ("GET /ab?flag HTTP/1.1\r\n", "GET /ab?xxxx HTTP/1.1\r\n"),
            ("Cookie: a=b\r\n\r\nX: y?z", "Cookie: a=x\r\n\r\nX: xxx"),
            ("Cookie: a=b\u{1}c!\r\n", "Cookie: a=x\u{1}xx\r\n"),
            ("GET http://h:80/?k=v HTTP/1.1\r\n", "GET http://h:80/?k=x HTTP/1.1\r\n"),
            ("GET /a:b?k=v HTTP/1.1\r\n", "GET /a:b?k=x HTTP/1.1\r\n"),
            ("AUTHORIZATION:Bearer abc.def\r\n", "AUTHORIZATION:Bearer xxxxxxx\r\n"),
            ("Authorization: Basic Ym9iOnB3\r\n", "Authorization: Basic eHh4Onh4\r\n"),
            ("Authorization: Basic Ym9i\r\n", "Authorization: Basic xxxx\r\n"),
            ("Authorization: secret\r\n", "Authorization: xxxxxx\r\n"),
            ("Authorization: secret, too\r\n", "Authorization: xxxxxxx xxx\r\n"),
            (
                "Proxy-Authorization: Digest a=\"bc\", d=e\r\n",
                "Proxy-Authorization: Digest x=\"xx\", x=x\r\n",
            ),
            ("Cookie: sid=31d4; lang=en\r\n", "Cookie: sid=xxxx; lang=xx\r\n"),
            ("Set-Cookie: sid=31d4; Path=/; Secure\r\n", "Set-Cookie: sid=xxxx; Path=/; Secure\r\n"),
            ("Location: https://h/cb?code=1#f\r\n", "Location: https://h/cb?code=x#x\r\n"),
            ("Location: https://me:pw@h/cb#a=b%20c\r\n", "Location: https://xx:xx@h/cb#x=x%78x\r\n"),
            ("Location: //me@h/a@b\r\n", "Location: //xx@h/a@b\r\n"),
            ("GET http://me:pw@h/ HTTP/1.1\r\n", "GET http://xx:xx@h/ HTTP/1.1\r\n"),
            ("X-Api-Key: k1\r\n more\r\nAccept: a?b=c\r\n", "X-Api-Key: xx\r\n xxxx\r\nAccept: a?b=c\r\n"),
            ("PRIVATE-TOKEN: glpat-1\r\n", "PRIVATE-TOKEN: xxxxxxx\r\n"),
            ("Authorization : Bearer abc\r\n", "Authorization : Bearer xxx\r\n"),
            ("GET / HTTP/1.1\r\nCookie\t: a=bc\r\n", "GET / HTTP/1.1\r\nCookie\t: a=xx\r\n"),
            ("GET / HTTP/1.1\r\nsome thing: abc\r\n", "GET / HTTP/1.1\r\nsome thing: xxx\r\n"),
            ("GET / HTTP/1.1\r\n Cookie: a=bc\r\n", "GET / HTTP/1.1\r\n xxxxxxx xxxx\r\n"),
            ("GET / HTTP/1.1\r\nno field at all\r\n", "GET / HTTP/1.1\r\nxx xxxxx xx xxx\r\n"),
            ("\r\nGET http://me:pw@h/ HTTP/1.1\r\n", "\r\nGET http://xx:xx@h/ HTTP/1.1\r\n"),
            ("GET /?a=b c?d=e HTTP/1.1\r\n", "GET /?a=x x?x=x HTTP/1.1\r\n"),
            ("GET //me@h/ HTTP/1.1\r\n", "GET //me@h/ HTTP/1.1\r\n"),
            ("GET /a HTTP/1.1\r\nHost: a\r\n b\r\n", "GET /a HTTP/1.1\r\nHost: a\r\n b\r\n"),
            ("Authorization: Basic\r\n Ym9iOnB3\r\n", "Authorization: Basic\r\n eHh4Onh4\r\n"),
            ("Cookie: a=b;\r\n c=d\r\n", "Cookie: a=x;\r\n c=x\r\n"),
            ("WWW-Authenticate: Negotiate YII=\r\n", "WWW-Authenticate: Negotiate xxx=\r\n"),
            (
                "Sec-WebSocket-Protocol: chat, bearer.abc , V4.channel.k8s.io\r\n",
                "Sec-WebSocket-Protocol: chat, xxxxxxxxxx , V4.channel.k8s.io\r\n",
            ),
            ("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n", "HTTP/1.1 200 OK\r\nETag: xxx\r\n"),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n"),
            ("Authoriz", "Authoriz"),
            ("GET / HTTP/1.1\r\nAuthoriz", "GET / HTTP/1.1\r\nxxxxxxxx"),
            // A piece of a head, without the end of its line.
            ("Accept: b\r\nCookie: a=bc", "Accept: b\r\nCookie: a=xx"),
            ("GET /?k=v", "GET /?k=x"),
        ] {
            assert_eq!(masked(head), expected);
        }
    }

    #[test]
    fn values_of_a_configuration_are_masked_as_their_field_is() {
        for (name, value, expected) in [
            ("Authorization", "Bearer abc\u{1}d", "Bearer xxx\u{1}x"),
            ("authorization", "Basic Ym9iOnB3", "Basic eHh4Onh4"),
            ("X-Secret", "a b\u{e9}", "x xxx"),
            ("Host", "a.test", "a.test"),
            ("Location", "/a?b=c", "/a?b=x"),
        ] {
            assert_eq!(mask_field(name, value), expected);
        }
        assert_eq!(mask_url("http://a:b@c/d?e=f#g"), "http://x:x@c/d?e=x#x");
        assert_eq!(mask_text("some text"), "xxxx xxxx");
    }

    #[test]
    fn bytes_that_are_no_text_become_others_of_their_kind() {
        let mut head = b"GET /?k=\xe9a HTTP/1.1\r\nCookie: a=\xe9\x80b\r\n\r\n".to_vec();
        mask_head(&mut head);
        assert_eq!(head, b"GET /?k=\xffx HTTP/1.1\r\nCookie: a=\xff\xffx\r\n\r\n");
    }
}
