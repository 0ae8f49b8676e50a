//! Demands of rules D, E and F of `docs/design/behaviour.md` that no case of `testdata/` shows.

mod common;

use std::time::Duration;

use common::{
    demands::{INSTANT, asking},
    text,
};
use underpass_core::{
    Admission, Buffers, Connected, Disposal, Ending, Event, Outcome, Output, Refusal, Side, Timer, Verdict,
    shared::KeepAlive,
};
use underpass_testkit::session_world::{Connect, World, config_of};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n";
const CONNECT: &str = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

fn server(text: &str) -> World {
    World::new(config_of(&format!("http {{ access_log off; server {{ listen 127.0.0.1:8080; {text} }} }}")))
}

fn proxy(in_server: &str, in_location: &str) -> World {
    server(&format!("{in_server} location / {{ proxy_pass http://127.0.0.1:9000; {in_location} }}"))
}

fn got(world: &World) -> String {
    text(world.client.received())
}

fn status(world: &World) -> String {
    got(world).get(9..12).unwrap_or_default().to_owned()
}

#[test]
fn tunnels_have_timers_of_their_own() {
    let tunnel = "location / { tunnel_pass 127.0.0.1:9000; tunnel_connect_timeout 2s; tunnel_read_timeout 9s;
                  tunnel_send_timeout 3s; tunnel_send_lowat 1k; tunnel_buffer_size 8k; }";
    let mut silent = server(tunnel);
    silent.connects_else = Connect::Hang;
    silent.client_sends(CONNECT);
    silent.elapse(2 * SECOND - Duration::from_nanos(1));
    assert_eq!(status(&silent), "");
    silent.elapse(Duration::from_nanos(1));
    assert_eq!(status(&silent), "504");
    for (stalls, timer, span) in [(false, Timer::TunnelIdle, 9), (true, Timer::UpstreamSend, 3)] {
        let mut world = server(tunnel);
        world.client_sends(CONNECT);
        if stalls {
            world.origin().set_window(0);
            world.client_sends("stuck");
        }
        world.elapse(span * SECOND - Duration::from_nanos(1));
        assert!(!world.done);
        world.elapse(Duration::from_nanos(1));
        assert!(world.done && world.notes.iter().any(|(event, _)| *event == Event::TimedOut(timer)));
    }
}

#[test]
fn another_address_of_a_tunnel_is_tried_unless_that_is_off() {
    for (more, expected, dials) in [("", "200", 1), ("tunnel_next_upstream off;", "502", 0)] {
        let mut world = server(&format!("resolver 127.0.0.1; location / {{ tunnel_pass; {more} }}"));
        world.addresses = Some(Ok([[9, 9, 9, 1], [9, 9, 9, 2]].map(Into::into).to_vec()));
        world.connects.push_back(Connect::Refuse);
        world.client_sends(CONNECT);
        assert_eq!((status(&world).as_str(), world.origins.len()), (expected, dials), "{more}");
    }
}

#[test]
fn a_target_in_absolute_form_is_routed_by_its_own_host() {
    let mut world = World::new(config_of(
        "http { access_log off; server { listen 127.0.0.1:8080; server_name a; return 200 a; }
         server { listen 127.0.0.1:8080; server_name b; return 200 '$host $http_host'; } }",
    ));
    world.client_sends("GET http://B:81/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(got(&world).ends_with("\r\n\r\nb B:81"), "{}", got(&world));
}

#[test]
fn a_head_has_as_many_lines_as_max_headers_says() {
    for (directive, lines, expected) in [
        ("", 999, "200"),
        ("", 1000, "431"),
        ("max_headers 2000;", 1999, "200"),
        ("max_headers 2000;", 2000, "431"),
        ("max_headers 300;", 299, "200"),
        ("max_headers 300;", 300, "431"),
    ] {
        let mut world = server(&format!("{directive} location / {{ return 200; }}"));
        // `Host` is a line, too.
        world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "b:\r\n".repeat(lines)));
        assert_eq!(status(&world), expected, "{directive} {lines}");
    }
}

#[test]
fn a_response_has_as_many_lines_as_fit_into_its_buffer() {
    let mut world = proxy("", "");
    world.client_sends(GET);
    world.origin_sends(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "b:\r\n".repeat(3000)));
    assert_eq!(status(&world), "200");
    assert_eq!(got(&world).matches("b: \r\n").count(), 3000);
}

/// Many lines are found by an index, few are not: what is nominated doesn't cross either way.
#[test]
fn what_connection_nominates_does_not_cross_among_many_lines() {
    for others in [0, 100] {
        let others: String = (0..others).map(|number| format!("y{number}: 1\r\n")).collect();
        let lines = format!("x-one: 1\r\n{others}X-Two: 2\r\nx-three: 3\r\nX-ONE: 4\r\n");
        let nominations = "Connection: x-TWO,, keep-alive\r\nConnection: X-One\r\n";
        let mut world = proxy("", "");
        world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\n{nominations}{lines}\r\n"));
        let forwarded = String::from_utf8_lossy(world.origin().received()).to_ascii_lowercase();
        world.origin_sends(format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}{nominations}\r\n"));
        for head in [forwarded, got(&world).to_ascii_lowercase()] {
            let names: Vec<&str> = head.lines().filter(|line| line.starts_with("x-")).collect();
            assert_eq!(names, ["x-three: 3"], "{head}");
            assert_eq!(head.matches("\r\ny").count(), others.lines().count());
        }
    }
}

#[test]
fn fields_and_response_heads_have_the_limits_that_are_configured() {
    let fields = "X: y\r\n".repeat(4);
    for (limit, expected) in [(5, "200"), (4, "431")] {
        let mut world = server(&format!("max_headers {limit}; location / {{ return 200; }}"));
        world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(status(&world), expected, "max_headers {limit}");
    }
    for (limit, expected) in [("6k", "200"), ("4k", "502")] {
        let mut world = proxy("", &format!("proxy_buffer_size {limit};"));
        world.client_sends(GET);
        world
            .origin_sends(format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "y".repeat(5000)));
        assert_eq!(status(&world), expected, "proxy_buffer_size {limit}");
    }
}

#[test]
fn io_buffers_have_one_size() {
    assert_eq!(Buffers::SIZE, 16 * 1024);
    let mut world = World::proxy();
    world.client_sends(GET);
    for side in Side::BOTH {
        let (session, mut turn) = world.parts();
        assert_eq!(
            session.receive_space(session.connection(side), &mut turn).map(|space| space.len()),
            Some(Buffers::SIZE)
        );
    }
}

#[test]
fn an_old_connection_is_not_kept() {
    let mut world = proxy("keepalive_time 10s;", "");
    for (after, closes) in [(0, false), (9, false), (1, true)] {
        world.elapse(after * SECOND);
        let before = got(&world).len();
        world.client_sends(GET);
        world.origin_sends(OK);
        assert_eq!(got(&world)[before..].contains("\r\nConnection: close\r\n"), closes, "{after}");
    }
}

#[test]
fn the_locations_of_a_request_bound_its_connection_and_its_server_only_where_it_answers() {
    let blocks =
        "location /more { keepalive_requests 9; keepalive_time 1h; keepalive_timeout 60s; return 204; }
        location /same { return 204; }
        location /led { rewrite ^ /more last; }
        location /one { keepalive_requests 1; rewrite ^ /more last; }
        location /page { keepalive_requests 9; error_page 404 /one; return 404; }
        location /named { keepalive_requests 9; error_page 404 @named; return 404; }
        location @named { keepalive_requests 1; return 204; }
        if ($arg_by = server) { return 204; }";
    let persists = |in_server: &str, target: &str, after: Duration| {
        let mut world = server(&format!("{in_server} {blocks}"));
        world.elapse(after);
        world.client_sends(asking(target));
        let closes = got(&world).contains("\r\nConnection: close\r\n");
        assert_eq!(world.client.saw().is_some(), closes, "{in_server} {target}");
        !closes
    };
    for limit in ["keepalive_requests 1;", "keepalive_timeout 0;", "keepalive_time 1s;"] {
        assert!(persists(limit, "/more", SECOND), "a location may allow more: {limit}");
        assert!(!persists(limit, "/same", SECOND), "what it doesn't say it inherits: {limit}");
        assert!(!persists(limit, "/more?by=server", SECOND), "the server answers itself: {limit}");
        assert!(!persists(limit, "/led", SECOND), "each location on the way counts: {limit}");
        assert!(!persists(limit, "/", SECOND), "no location is there: {limit}");
    }
    for target in ["/one", "/page", "/named"] {
        assert!(!persists("", target, Duration::ZERO), "one location on the way allows less: {target}");
    }
    assert!(persists("", "/led", SECOND));
}

#[test]
fn an_idle_connection_has_the_time_that_the_last_location_gives_it() {
    let mut world = server(
        "keepalive_timeout 0; location /a { keepalive_timeout 9s; return 204; }
         location /b { keepalive_timeout 99s; return 204; }",
    );
    for (target, idle) in [("/a", 9), ("/b", 99)] {
        world.client_sends(asking(target));
        world.elapse(idle * SECOND - INSTANT);
        assert_eq!(world.client.saw(), None, "{target}");
    }
    world.elapse(INSTANT);
    assert_eq!(world.client.saw(), Some(Ending::Fin));
}

#[test]
fn the_pool_is_on_and_has_nginxs_limits() {
    let pool = KeepAlive::default();
    assert_eq!((pool.connections, pool.requests), (32, 1000));
    assert_eq!((pool.time, pool.timeout), (3600 * SECOND, 60 * SECOND));
}

#[test]
fn what_came_before_our_head_answers_nothing() {
    let mut world = World::proxy();
    world.client_sends(GET);
    world.origin_sends(OK);
    let before = got(&world).len();
    // Its connection is taken from the pool, and something lies there before a byte was written.
    let (session, mut turn) = world.parts();
    let space =
        session.receive_space(session.connection(Side::Downstream), &mut turn).expect("a request is wanted");
    space[..GET.len()].copy_from_slice(GET.as_bytes());
    session.handle_received(session.connection(Side::Downstream), Ok(GET.len()), &mut turn);
    let dial = loop {
        match session.poll_output() {
            Output::Connect(dial) => break dial,
            output => assert!(!matches!(output, Output::Wait(_) | Output::Done), "it dials"),
        }
    };
    assert!(dial.may_reuse());
    session.handle_connected(dial, Ok(Connected::Reused), &mut turn);
    let space =
        session.receive_space(session.connection(Side::Upstream), &mut turn).expect("a response is wanted");
    space[..OK.len()].copy_from_slice(OK.as_bytes());
    session.handle_received(session.connection(Side::Upstream), Ok(OK.len()), &mut turn);
    let again = loop {
        match session.poll_output() {
            Output::Connect(dial) => break dial,
            output => assert!(!matches!(output, Output::Wait(_) | Output::Done), "a fresh one is dialled"),
        }
    };
    assert!(!again.may_reuse());
    assert_eq!(got(&world).len(), before);
}

#[test]
fn content_goes_on_until_an_early_response_is_complete() {
    let mut world = World::proxy();
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhi");
    assert!(got(&world).ends_with("\r\n\r\nhi"));
    world.client_sends("def");
    assert!(text(world.origin().received()).ends_with("abcdef"));
    world.origin_sends("ho");
    assert!(got(&world).ends_with("\r\n\r\nhiho"));
    // What follows can't be told from the content: neither connection is used again, and the client's lingers.
    assert_eq!(world.releases, [(Verdict::Success, Disposal::Close(Ending::Fin))]);
    world.client_sends(["ghi", GET].concat());
    assert_eq!((world.exchanges.len(), world.origins.len()), (1, 1));
    assert_eq!(world.client.unread(), b"", "it is read, so that the response isn't destroyed");
    assert_eq!(world.client.saw(), Some(Ending::Fin));
}

#[test]
fn nothing_is_tried_again_once_the_client_has_a_byte() {
    let two = "upstream two { server 127.0.0.1:9000; server 127.0.0.1:9001; }";
    for (response, dials) in [("", 2), ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 1)] {
        let mut world = World::new(config_of(&format!(
            "http {{ access_log off; {two} server {{ listen 127.0.0.1:8080;
             location / {{ proxy_pass http://two; }} }} }}"
        )));
        world.client_sends(GET);
        world.origin_sends(response);
        world.origin().reset();
        world.run();
        assert_eq!(world.origins.len(), dials, "{response:?}");
    }
}

#[test]
fn what_is_not_idempotent_goes_twice_only_where_that_is_wanted() {
    let two = "upstream two { server 127.0.0.1:9000; server 127.0.0.1:9001; }";
    let mut dials = Vec::new();
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "LOCK", "FOO"] {
        for more in ["", "non_idempotent"] {
            let mut world = World::new(config_of(&format!(
                "http {{ access_log off; {two} server {{ listen 127.0.0.1:8080;
                 location / {{ proxy_pass http://two; proxy_next_upstream error timeout {more}; }} }} }}"
            )));
            world.client_sends(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            world.origin_ends();
            dials.push(world.origins.len());
        }
    }
    assert_eq!(dials, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn our_own_responses_have_what_their_code_demands() {
    let refused = |location: &str, request: &str, refusal| {
        let mut world = server(&format!("location / {{ {location} allow 10.0.0.0/8; deny all; }}"));
        world.admission = Some(Admission::Refused(refusal));
        world.client_sends(request);
        got(&world)
    };
    let to_origin = "proxy_pass http://127.0.0.1:9000; auth_basic realm; auth_basic_user_file /f;";
    let answer = refused(to_origin, GET, Refusal::Unauthorized);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("\r\nWWW-Authenticate: Basic realm=\"realm\"\r\n"), "{answer}");
    let answer = refused(
        "tunnel_pass 127.0.0.1:9000; auth_basic realm; auth_basic_user_file /f;",
        CONNECT,
        Refusal::Unauthorized,
    );
    assert!(answer.starts_with("HTTP/1.1 407 "), "{answer}");
    assert!(answer.contains("\r\nProxy-Authenticate: Basic realm=\"realm\"\r\n"), "{answer}");
    // Nobody knows when a limit will have room again.
    let answer = refused(to_origin, GET, Refusal::Limited(503));
    assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("Retry-After"), "{answer}");
    for (request, expected, field) in [
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405", "\r\nAllow: "),
        (CONNECT, "405", "\r\nAllow: "),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Version: 8\r\n\r\n",
            "426",
            "\r\nUpgrade: websocket\r\n",
        ),
    ] {
        let mut world =
            proxy("", "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;");
        world.client_sends(request);
        assert_eq!(status(&world), expected);
        assert!(got(&world).contains(field), "{}", got(&world));
    }
}

#[test]
fn what_an_interim_response_and_a_204_say_of_their_length_stays_here() {
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut world = World::proxy();
        world.client_sends(GET);
        world.origin_sends(format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n{framing}\r\n\r\n"));
        assert_eq!(got(&world), "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
        world.origin_sends(format!("HTTP/1.1 204 No Content\r\nDate: now\r\n{framing}\r\n\r\n"));
        assert!(
            got(&world).ends_with("\r\n\r\nHTTP/1.1 204 No Content\r\nDate: now\r\n\r\n"),
            "{}",
            got(&world)
        );
    }
}

#[test]
fn a_client_of_http_1_0_gets_neither_chunks_nor_trailers() {
    let mut world = World::proxy();
    world.client_sends("GET / HTTP/1.0\r\n\r\n");
    world.origin_sends(
        "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
    );
    assert_eq!(got(&world), "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\na");
}

#[test]
fn responses_have_our_version() {
    for version in ["1.0", "1.1", "1.9"] {
        let mut world = World::proxy();
        world.client_sends(GET);
        world.origin_sends(format!("HTTP/{version} 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(got(&world).starts_with("HTTP/1.1 200 OK\r\n"), "{version}");
    }
}

#[test]
fn an_origin_server_of_http_1_0_is_told_close_unless_otherwise_configured() {
    for (more, sent) in [
        ("", "Connection: close\r\n"),
        ("proxy_set_header Connection keep-alive;", "Connection: keep-alive\r\n"),
    ] {
        let mut world = proxy("", &format!("proxy_http_version 1.0; {more}"));
        world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = text(world.origin().received());
        assert!(head.starts_with("GET / HTTP/1.0\r\n") && head.contains(sent), "{head}");
    }
}

#[test]
fn a_reset_is_no_end_of_content() {
    // E9; RFC 9112 section 8: where the end of the connection is the end of the content, only an orderly one is.
    for (response, ends) in [
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", false),
    ] {
        let mut world = World::proxy();
        world.client_sends(GET);
        world.origin_sends(response);
        if ends {
            world.origin_ends();
        } else {
            world.origin().reset();
            world.run();
        }
        let outcome = if ends { Outcome::Complete } else { Outcome::Cut };
        assert_eq!(world.exchanges[0].outcome, outcome, "{response:?}");
        assert_eq!(world.client.received().ends_with(b"\r\n0\r\n\r\n"), ends, "{response:?}");
        let failed = |(event, _): &(Event, String)| matches!(event, Event::UpstreamFailed(_));
        assert_eq!(world.notes.iter().any(failed), !ends, "{:?}", world.notes);
    }
}
