//! The same bytes have the same effect, however they are cut and in whatever order they are reported.

use super::case;
use crate::hostile::{Cut, Seen, Step, play};

/// The first byte says how the rest is cut, the second whose bytes they are.
pub(super) fn check(bytes: &[u8]) {
    let &[seed, whose, ref sent @ ..] = bytes else { return };
    let sent = sent.to_vec();
    let case = if whose.is_multiple_of(2) {
        case(vec![Step::Send(sent)], None, "")
    } else {
        let ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n".to_vec();
        case(vec![Step::Send(ask)], Some(vec![Step::Send(sent), Step::End]), "")
    };
    let whole = effect(&play(&case, Cut::Whole));
    for cut in [Cut::Random(seed.into()), Cut::Bytes] {
        let other = effect(&play(&case, cut));
        assert!(whole == other, "in one piece\n{whole:#?}\n{cut:?}\n{other:#?}");
    }
}

/// What doesn't rest on when bytes come. What does: where chunks end, which follow what was read at once; how much of
/// a request was forwarded before a fault in its content was seen; whether content was waited for (A10); whether
/// bytes behind a refused upgrade had come when the refusal was written (A7).
fn effect(seen: &Seen) -> impl PartialEq + std::fmt::Debug + use<> {
    let request = |request: &crate::strict::Request| {
        (request.line(), request.host.clone(), request.lines.clone(), request.content.clone())
    };
    let client = without_chunks(&seen.client.0);
    let requests: Vec<_> = seen.requests.iter().map(request).collect();
    (
        (client.escape_ascii().to_string(), seen.client.1),
        requests,
        seen.up.escape_ascii().to_string(),
        seen.violations.clone(),
    )
}

/// The responses with the content of each joined.
fn without_chunks(bytes: &[u8]) -> Vec<u8> {
    let (mut rest, mut joined) = (bytes, Vec::new());
    while let Ok(Some(mut response)) = crate::strict::read_response(rest, "GET") {
        if response.status == 100 {
            rest = &rest[response.whole.unwrap_or(rest.len())..];
            continue;
        }
        response.lines.retain(|(name, _)| name != "connection");
        joined.extend_from_slice(format!("{} {:?}\n", response.status, response.lines).as_bytes());
        joined.extend_from_slice(&response.content);
        joined
            .extend_from_slice(format!("{:?} {}\n", response.trailers, response.whole.is_some()).as_bytes());
        match response.whole {
            Some(length) if response.status != 101 => rest = &rest[length..],
            Some(length) => return [&joined, &rest[length..]].concat(),
            None => return joined,
        }
    }
    [&joined, rest].concat()
}
