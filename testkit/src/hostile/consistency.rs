//! What holds of any bytes, whatever they mean.

use super::{Hostile, Seen, play::is_ordinary};
use crate::strict::{Request, read_response};

/// Says what is wrong; nothing when all is well: what the origin server got are well-formed requests, what the
/// client got are well-formed responses, and each ordinary answer went to the client once, in order and whole.
/// Methods are not known, so there must be no HEAD.
#[must_use]
pub fn consistency(case: &Hostile, seen: &Seen) -> Vec<String> {
    let mut problems: Vec<_> = seen
        .faults
        .iter()
        .map(|fault| format!("the origin server can't read what it got: {fault}"))
        .collect();
    let ordinary: Vec<_> =
        seen.requests.iter().enumerate().filter(|(_, request)| is_ordinary(case, request)).collect();
    let mut answered = 0;
    let mut rest = seen.client.0.as_slice();
    while !rest.is_empty() {
        let response = match read_response(rest, "GET") {
            Ok(Some(response)) => response,
            Ok(None) => break,
            Err(fault) => {
                problems.push(format!("the client can't read what it got: {fault}"));
                break;
            }
        };
        if response.status == 101 {
            if !seen.requests.last().is_some_and(Request::offers_upgrade) {
                problems.push("a tunnel opened that nobody asked for".to_owned());
            }
            break;
        }
        let number = response.lines.iter().find(|(name, _)| name == "x-answer").map(|(_, number)| number);
        if let Some(number) = number {
            let expected = ordinary.get(answered).map(|(number, request)| {
                (number.to_string().into_bytes(), format!("answer to {}", request.line()).into_bytes())
            });
            // A line is characters up to U+00FF, an answer bytes; those outside of ASCII are left out here.
            let content: Vec<u8> = response.content.iter().copied().filter(u8::is_ascii).collect();
            match expected {
                Some((expected, text)) if *number == expected && response.whole.is_some() => {
                    let text: Vec<u8> = text.into_iter().filter(u8::is_ascii).collect();
                    if !text.is_empty() && content != text {
                        problems.push(format!("another answer: {}", content.escape_ascii()));
                    }
                }
                _ => problems.push(format!("answer {} came out of order or cut", number.escape_ascii())),
            }
            answered += 1;
        }
        rest = response.whole.and_then(|length| rest.get(length..)).unwrap_or_default();
    }
    if answered != ordinary.len() {
        problems.push(format!("{answered} of {} answers came to the client", ordinary.len()));
    }
    problems
}
