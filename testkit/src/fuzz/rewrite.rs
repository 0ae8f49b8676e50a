//! Whatever a head holds and a location makes of it, what goes on is canonical: it reads, and forwarded once more
//! it means the same.

use super::{case, expect_none, heads::holds_head};
use crate::{
    hostile::{Cut, Step, consistency, play},
    strict::Request,
};

/// What a location may do, one bit each.
const DIRECTIVES: [&str; 24] = [
    "proxy_set_header X-Set $http_x_one;",
    "proxy_set_header Cookie \"\";",
    "proxy_set_header X-Args \"$args $uri\";",
    "proxy_set_header Host $http_host;",
    "proxy_set_header TE trailers;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header Host \"$http_x_one\";",
    "proxy_via off;",
    "proxy_http_version 1.0;",
    "proxy_method PUT;",
    "proxy_set_body \"$http_x_one body\";",
    "proxy_pass_request_headers off;",
    "proxy_pass_request_body off;",
    "proxy_hide_header X-Answer2;",
    "proxy_redirect http://a/ /;",
    "proxy_cookie_domain a b;",
    "add_header X-Add \"$http_x_one$request_uri\" always;",
    "add_trailer X-Trailer $http_x_one;",
    "expires 1h;",
    "underscores_in_headers on;",
    "rewrite ^/a(.*)$ /b$1 break;",
    "upgrade_websocket_validation off;",
    "set $v $http_x_one; proxy_set_header X-V $v;",
    "merge_slashes off;",
];

/// Field lines that a head may have and still be read (E5).
const MOST_LINES: usize = 256;

/// The first three bytes choose what the location does, the rest is what the client sends.
pub(super) fn check(bytes: &[u8]) {
    let Some((chosen, sent)) = bytes.split_at_checked(3) else { return };
    if holds_head(sent) {
        return;
    }
    let is_chosen = |at: usize| chosen[at / 8] >> (at % 8) & 1 == 1;
    let mut location = String::new();
    for (at, directive) in DIRECTIVES.iter().enumerate() {
        // The last of two that say the same stays away.
        let twice = at == 6 && is_chosen(3);
        if is_chosen(at) && !twice && !directive.starts_with("underscores") && !directive.starts_with("merge")
        {
            location += directive;
        }
    }
    // A level has its own set or those above, never both: the recipe's come along.
    let first = case(vec![Step::Send(sent.to_vec())], None, &location);
    let seen = play(&first, Cut::Whole);
    // Without the client's content a request is whole before the client's is: who leaves inside of it is owed no
    // answer (A13).
    let replaces_content = is_chosen(10) || is_chosen(12);
    let problems = consistency(&first, &seen);
    let owed = |problem: &String| !(replaces_content && problem.contains("answers came"));
    expect_none(&problems.into_iter().filter(owed).collect::<Vec<_>>(), &seen);
    for request in &seen.requests {
        forwards_the_same(request);
    }
}

/// A plain gateway forwards it as it is, but for what belongs to the hop.
fn forwards_the_same(request: &Request) {
    let mut text = format!("{} ", request.method).into_bytes();
    // A character of the target is a byte.
    text.extend(request.target.chars().filter_map(|char| u8::try_from(u32::from(char)).ok()));
    text.extend_from_slice(b" HTTP/1.1\r\n");
    let of_the_hop = ["connection", "upgrade", "transfer-encoding", "via", "content-length", "te"];
    for (name, value) in &request.lines {
        if !of_the_hop.contains(&name.as_str()) {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.extend_from_slice(b"\r\n");
        }
    }
    if request.lines.iter().all(|(name, _)| name != "host") {
        text.extend_from_slice(b"Host: a\r\n");
    }
    // With `Via` the first gateway, with a length the second client may have made it one line too many.
    if request.lines.len() + 2 > MOST_LINES {
        return;
    }
    text.extend_from_slice(format!("Content-Length: {}\r\n\r\n", request.content.len()).as_bytes());
    text.extend_from_slice(&request.content);
    let again = case(vec![Step::Send(text.clone())], None, "client_max_body_size 0;");
    let seen = play(&again, Cut::Whole);
    if request.method == "CONNECT" || request.method == "TRACE" {
        return;
    }
    let [second] = seen.requests.as_slice() else {
        panic!("not forwarded again: {} {:?}", text.escape_ascii(), seen.violations);
    };
    let meaning = |request: &Request| {
        let lines =
            request.lines.iter().filter(|(name, _)| !of_the_hop.contains(&name.as_str()) && name != "host");
        (request.line(), lines.cloned().collect::<Vec<_>>(), request.content.clone())
    };
    assert_eq!(meaning(request), meaning(second));
}
