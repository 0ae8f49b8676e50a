//! Our reading of requests against two others that share no code with it: what the strict reader takes is forwarded as it
//! reads it, or refused for a reason that is no syntax; nothing is forwarded but what it takes, forgiven what the
//! specification forgives by name; and what is forwarded is what `httparse` reads, too.

use underpass_core::violation::Violation;

use super::{case, forgiven::mended};
use crate::{
    hostile::{Cut, Seen, Step, play},
    strict::{Fault, Request, read_request},
};

pub(super) fn check(bytes: &[u8]) {
    let seen = play(&case(vec![Step::Send(bytes.to_vec())], None, "client_max_body_size 0;"), Cut::Whole);
    against_strict(bytes, &seen);
    nothing_else_reaches(bytes, &seen);
    against_httparse(bytes, &seen);
}

/// The first request, where nothing has to be forgiven.
fn against_strict(bytes: &[u8], seen: &Seen) {
    let Ok(Some(request)) = read_request(bytes) else { return };
    if request.whole.is_none() {
        return;
    }
    // Who was answered by the gateway itself may have had another behind that reached the origin server.
    let reached = seen.requests.first().is_some_and(|reached| meaning(reached) == meaning(&request));
    let excused = seen.violations.iter().any(|violation| !is_syntax(*violation, bytes));
    // Nothing is forwarded of what asks how far it may go, or whether it may (E14).
    let answered = request.lines.iter().any(|(name, _)| name == "max-forwards");
    assert!(reached || excused || answered, "refused: {:?}\n{request:#?}", seen.violations);
}

/// Each request that reached the origin server is one that the strict reader finds in the client's bytes, in order, once
/// it is mended what a gateway forgives. So what it refuses is refused, and so is everything behind it.
fn nothing_else_reaches(bytes: &[u8], seen: &Seen) {
    let mut rest = bytes;
    let mut reached = seen.requests.iter().peekable();
    while let Some(next) = reached.peek() {
        let (head, length) = mended(rest);
        let request = match read_request(&[&head, &rest[length..]].concat()) {
            Ok(Some(request)) if request.whole.is_some() => request,
            Err(fault) if is_forgiven(&fault) => return,
            refused => panic!("nonetheless there came {next:#?}\nof {refused:#?}"),
        };
        // `$host` of who says none is the server's own.
        let same_host = request.host.is_empty() || next.host == name_of(&request.host);
        if same_host && meaning(next) == meaning(&request) {
            reached.next();
        }
        rest = &rest[length + request.whole.unwrap_or(0) - head.len()..];
    }
}

/// A host as `$host` has it: in lower case, without port and the dot of the root.
fn name_of(host: &[u8]) -> Vec<u8> {
    let end = match host.iter().position(|byte| *byte == b']') {
        Some(bracket) if host.starts_with(b"[") => bracket + 1,
        _ => host.iter().position(|byte| *byte == b':').unwrap_or(host.len()),
    };
    let name = host[..end].to_ascii_lowercase();
    // The root alone stays as it is.
    name.strip_suffix(b".").filter(|name| !name.is_empty()).map(<[u8]>::to_vec).unwrap_or(name)
}

/// What a gateway drops from chunked content (E2): trailer fields, and white space in extensions, which recipients know
/// (RFC 9112 §7.1.1).
fn is_forgiven(fault: &Fault) -> bool {
    let of = |what| fault.0.strip_prefix(what);
    of("a trailer field that must not be one").is_some()
        || of("a malformed chunk extension:").is_some_and(|line| line[1..].contains([' ', '\\']))
}

/// Whether it says of bytes that they are not HTTP, and not just that a limit is passed.
fn is_syntax(violation: Violation, bytes: &[u8]) -> bool {
    if violation == Violation::BadChunk && bytes.split(|byte| *byte == b'\n').any(is_beyond_limits) {
        return false;
    }
    matches!(
        violation,
        Violation::BadMethod
            | Violation::BadRequestLine
            | Violation::BadVersion
            | Violation::BareCr
            | Violation::BareLf
            | Violation::ControlByte
            | Violation::ObsFold
            | Violation::SpaceBeforeColon
            | Violation::BadFieldName
            | Violation::MissingColon
            | Violation::MissingHost
            | Violation::SeveralHosts
            | Violation::LengthAndCoding
            | Violation::BadLength
            | Violation::BadCoding
            | Violation::BadChunk
    )
}

/// A chunk's size with more than 16 digits, or long extensions (E2).
fn is_beyond_limits(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits > 16 || (digits > 0 && line.len() > 256)
}

fn meaning(request: &Request) -> (&str, &str, Vec<u8>) {
    (&request.method, &request.target, request.content.clone())
}

/// Each request that reached the origin server stands in the client's bytes, in order, as a lenient reader finds
/// them: nothing was made up, and nothing read that lies within another's content.
fn against_httparse(bytes: &[u8], seen: &Seen) {
    let mut rest = bytes;
    for reached in &seen.requests {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 256];
            let mut head = httparse::Request::new(&mut fields);
            let length = match head.parse(rest) {
                Ok(httparse::Status::Complete(length)) => length,
                // What it doesn't take is not compared.
                Ok(httparse::Status::Partial) | Err(_) => return,
            };
            let value = |name: &str| {
                let found = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
                found.map(|field| field.value.trim_ascii())
            };
            let method = head.method.unwrap_or_default();
            // Where content ends in chunks is the strict reader's part.
            if value("transfer-encoding").is_some() {
                return;
            }
            let content =
                match value("content-length").map(|text| std::str::from_utf8(text).ok()?.parse().ok()) {
                    None => 0,
                    Some(Some(length)) => length,
                    Some(None) => return,
                };
            let Some((content, behind)) = rest[length..].split_at_checked(content) else { return };
            rest = behind;
            if method == reached.method {
                assert_eq!(content.escape_ascii().to_string(), reached.content.escape_ascii().to_string());
                break;
            }
            // Answered by the gateway itself, or refused: then nothing behind it reached anybody.
        }
    }
}
