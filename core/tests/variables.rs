//! What variables show (B5), where a case of its own decides it.

use underpass_core::Outcome;
use underpass_testkit::session_world::{Connect, World, config_of};

const OK: &str = "HTTP/1.1 200 OK\r\nX: yes\r\nContent-Length: 1\r\n\r\nx";

/// A server with these lines, that logs this.
fn world(format: &str, server: &str) -> World {
    World::new(config_of(&format!(
        "http {{ log_format f '{format}'; map $sent_http_y $of_ours {{ default no; yes 1; }}
         upstream two {{ server 127.0.0.1:9000; server 127.0.0.1:9001; }}
         server {{ listen 127.0.0.1:8080; server_name named.example; access_log log f; {server} }} }}"
    )))
}

/// What is logged of a request with these field lines.
fn logged(format: &str, lines: &str) -> String {
    let mut world = world(format, "return 204;");
    world.client_sends(format!("GET /p HTTP/1.1\r\n{lines}\r\n"));
    world.log.pop().expect("a line")
}

const PASS: &str = "location / { proxy_pass http://two; }";
const GET: &str = "GET /p?q HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_exchange_that_was_not_completed_says_so() {
    let mut world = world("$request_completion $upstream_status $upstream_addr", PASS);
    world.client_sends(GET);
    world.client_ends();
    assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft);
    assert_eq!(world.log, [" - 127.0.0.1:9000"], "nor had the peer answered");
}

#[test]
fn whose_password_it_is() {
    for (lines, user) in [
        ("Authorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n", "user"),
        ("Authorization: bAsIc  dXNlcjpwYXNzOndvcmQ= \r\n", "user"),
        ("Authorization: Basic dXNlcg==\r\n", "-"),
        ("Authorization: Basic dXNlcjp!\r\n", "-"),
        ("Authorization: Bearer dXNlcjpwYXNz\r\n", "-"),
        ("Authorization: Basic\r\n", "-"),
        ("Authorization: Basic dXNlcjpw\r\nAuthorization: Basic dXNlcjpw\r\n", "-"),
        ("Proxy-Authorization: Basic dXNlcjpw\r\n", "-"),
        ("", "-"),
    ] {
        assert_eq!(
            logged("a $remote_user b", &format!("Host: h\r\n{lines}")),
            format!("a {user} b"),
            "{lines}"
        );
    }
}

#[test]
fn credentials_are_given_whole_or_not_at_all() {
    for (line, expected) in [
        ("Authorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n", Some("user:pass:word")),
        ("Authorization: Basic dXNlcjpwYXNz!\r\n", None),
        ("Authorization: Digest dXNlcjpwYXNz\r\n", None),
        ("", None),
    ] {
        let mut world = world("", PASS);
        world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
        let mut out = b"before ".to_vec();
        assert_eq!(world.session.record().write_credentials(&mut out), expected.is_some(), "{line}");
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("before {}", expected.unwrap_or_default()),
            "{line}"
        );
    }
}

#[test]
fn the_host_and_the_port_that_were_asked_for() {
    let format = "$host <$is_request_port$request_port>";
    assert_eq!(logged(format, "Host: A.example:81\r\n"), "a.example <:81>");
    assert_eq!(logged(format, "Host: a.example\r\n"), "a.example <>");
    let mut old = world("$host $http_host", "return 204;");
    old.client_sends("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(old.log, ["named.example -"]);
}

#[test]
fn lines_of_one_name_are_joined() {
    assert_eq!(
        logged("$http_cookie|$cookie_b", "Host: a\r\nCookie: a=1\r\nCookie: b=2; c=3\r\n"),
        "a=1; b=2; c=3|2"
    );
    assert_eq!(logged("$http_x", "Host: a\r\nX: 1\r\nX: 2\r\n"), "1, 2");
    let forwarded = "a $proxy_add_x_forwarded_for";
    assert_eq!(logged(forwarded, "Host: a\r\n"), "a 127.0.0.1");
    assert_eq!(
        logged(forwarded, "Host: a\r\nX-Forwarded-For: b\r\nX-Forwarded-For: c\r\n"),
        "a b, c, 127.0.0.1"
    );
}

#[test]
fn a_field_of_the_response_is_the_origin_server_s_before_our_head_is_written() {
    let mut world = world(
        "$of_ours",
        "location / { proxy_pass http://two; add_header X-Copy $sent_http_x; add_header Y $sent_http_x; }",
    );
    world.client_sends(GET);
    world.origin_sends(OK);
    let got = String::from_utf8_lossy(world.client.received()).into_owned();
    assert!(got.contains("\r\nX-Copy: yes\r\n"), "{got}");
    assert_eq!(world.log, ["1"], "the map goes by the line that we have added");
}

#[test]
fn each_request_has_an_id_of_its_own() {
    let mut world = world("$request_id $request_id", "return 204;");
    world.client_sends(GET.repeat(2));
    let ids: Vec<Vec<_>> = world.log.iter().map(|line| line.split(' ').collect()).collect();
    for id in ids.iter().flatten() {
        assert_eq!(
            (id.len(), id.bytes().all(|byte| b"0123456789abcdef".contains(&byte))),
            (32, true),
            "{id}"
        );
    }
    assert_eq!((ids[0][0], ids[1][0]), (ids[0][1], ids[1][1]), "wherever it is shown");
    assert_ne!(ids[0][0], ids[1][0]);
}

#[test]
fn an_address_in_four_bytes() {
    assert_eq!(logged("$binary_remote_addr", "Host: a\r\n"), "\\x7F\\x00\\x00\\x01");
}

#[test]
fn local_time_is_told_with_its_offset() {
    let mut world = world("$time_local $time_iso8601", PASS);
    world.client_sends(GET);
    for (offset, expected) in [
        (0, "06/Nov/1994:08:49:37 +0000 1994-11-06T08:49:37+00:00"),
        (-210, "06/Nov/1994:05:19:37 -0330 1994-11-06T05:19:37-03:30"),
        (345, "06/Nov/1994:14:34:37 +0545 1994-11-06T14:34:37+05:45"),
        (-720, "05/Nov/1994:20:49:37 -1200 1994-11-05T20:49:37-12:00"),
    ] {
        let mut now = world.now();
        now.utc_offset_min = offset;
        let mut lines = Vec::new();
        let mut write = |_, line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        world.session.record().write_lines(now, &mut Vec::new(), &mut write);
        assert_eq!(lines, [expected]);
    }
}

#[test]
fn of_several_attempts_only_what_is_of_an_attempt_is_a_list() {
    let upgrading = "location / { proxy_pass http://two; proxy_set_header Upgrade $http_upgrade;
                     proxy_set_header Connection upgrade; }";
    let mut world = world("$bytes_sent|$request_time|$upstream_bytes_received", upgrading);
    world.connects.push_back(Connect::Refuse);
    let switch = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
    world.origin_sends(switch);
    world.client_ends();
    world.origin_ends();
    assert_eq!(world.log, [format!("{}|0.000|0, {}", world.client.received().len(), switch.len())]);
}

#[test]
fn a_record_tells_what_was_asked_and_how_much_was_sent() {
    let mut world = world("", PASS);
    assert_eq!(world.session.record().request_line(), b"");
    world.client_sends(GET);
    assert_eq!(world.session.record().request_line(), b"GET /p?q HTTP/1.1");
    let mut line = b"* ".to_vec();
    world.session.record().write_remark("said by a shell", &mut line);
    assert_eq!(
        String::from_utf8_lossy(&line),
        "* said by a shell, client: 127.0.0.1, server: named.example, request: \"GET /p?q HTTP/1.1\", \
         upstream: \"http://127.0.0.1:9000\", host: \"a\""
    );
    world.origin_sends(OK);
    assert_eq!(world.exchanges[0].bytes_sent, world.client.received().len() as u64);
}
