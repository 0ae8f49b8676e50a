//! Heads and chunked content: whatever a peer sends, the other end gets well-formed messages, and each once.

use super::{case, expect_none};
use crate::{
    hostile::{Cut, Step, consistency, play},
    strict::read_request,
};

/// The bytes are what a client sends.
pub(super) fn check_request(bytes: &[u8]) {
    // Whether a response has content follows from the method, and consistency is asked without it.
    if holds_head(bytes) {
        return;
    }
    let case = case(vec![Step::Send(bytes.to_vec())], None, "");
    let seen = play(&case, Cut::Whole);
    expect_none(&consistency(&case, &seen), &seen);
}

/// The bytes are how the origin server answers a GET, behind which another request waits.
pub(super) fn check_response(bytes: &[u8]) {
    let asked = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let answer = vec![Step::Send(bytes.to_vec()), Step::End];
    let case = case(vec![Step::Send(asked)], Some(answer), "");
    let seen = play(&case, Cut::Whole);
    // The hostile answer may end the connection before the next request was answered, or even read. What must
    // hold is that the next one gets its own answer or none.
    let problems: Vec<_> =
        consistency(&case, &seen).into_iter().filter(|problem| !problem.contains("answers came")).collect();
    expect_none(&problems, &seen);
}

/// The bytes stand where chunked content begins: in a request, then in a response.
pub(super) fn check_chunked(bytes: &[u8]) {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sent = [head.as_slice(), bytes].concat();
    // What the strict reader takes for whole content reaches the origin server as it is.
    let read = read_request(&sent);
    if !holds_head(bytes) {
        let case = case(vec![Step::Send(sent)], None, "client_max_body_size 0;");
        let seen = play(&case, Cut::Whole);
        expect_none(&consistency(&case, &seen), &seen);
        if let Ok(Some(request)) = read
            && request.whole.is_some()
        {
            let got = seen.requests.first().map(|request| request.content.as_slice());
            let refused = !seen.violations.is_empty();
            assert!(got == Some(&request.content) || (got.is_none() && refused), "{seen:#?}");
        }
    }
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check_response(&[head.as_slice(), bytes].concat());
}

/// Whether a `HEAD` may be among the requests.
pub(super) fn holds_head(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == b"HEAD")
}
