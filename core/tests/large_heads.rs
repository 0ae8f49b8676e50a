//! Heads larger than an IO buffer (rules E5 and K6): their limits, every cut, what stands behind them, retries and
//! error pages, traces, and the memory that they give back.

mod common;

use common::{
    demands::{KEY, RECIPE, SECOND},
    text,
};
use underpass_core::trace::{Configuration, Replay, Setting, read};
use underpass_testkit::session_world::{Effect, World, config_of};

/// Of the smallest IO buffers.
const BUFFER: usize = 4096;

const OK: &str = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nok";

fn configuration(in_server: &str, in_location: &str) -> String {
    format!(
        "http {{ access_log off; upstream two {{ server 127.0.0.1:9000; server 127.0.0.1:9001; }}
         server {{ listen 127.0.0.1:8080; {in_server}
         location / {{ proxy_pass http://127.0.0.1:9000; {RECIPE} {in_location} }}
         location /two {{ proxy_pass http://two; {in_location} }} }} }}"
    )
}

fn world(in_server: &str, in_location: &str) -> World {
    World::new(config_of(&configuration(in_server, in_location)))
}

fn got(world: &World) -> String {
    text(world.client.received())
}

fn status(world: &World) -> String {
    got(world).get(9..12).unwrap_or_default().to_owned()
}

/// A request whose head has so many bytes, in lines of `line` bytes each at most.
fn head(start: &str, line: usize, length: usize) -> String {
    let mut head = format!("{start}\r\nHost: a\r\n");
    while head.len() + 2 < length {
        // No line is so short that it would be none.
        let left = length - head.len() - 2;
        let next = if left < line + 6 && left > line { left - 6 } else { left.min(line) };
        head += &format!("X: {}\r\n", "y".repeat(next - 5));
    }
    head + "\r\n"
}

fn request(line: usize, length: usize) -> String {
    head("GET / HTTP/1.1", line, length)
}

fn response(length: usize) -> String {
    let rest = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nX: \r\n\r\n".len();
    format!("HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\nX: {}\r\n\r\n", "y".repeat(length - rest))
}

#[test]
fn a_request_head_has_the_sizes_that_are_configured() {
    let k = 1024;
    for (directives, line, length, expected) in [
        ("", 8 * k, 32 * k, "200"),
        ("", 8 * k, 32 * k + 1, "431"),
        ("", 8 * k + 1, 20 * k, "431"),
        ("large_client_header_buffers 4 32k;", 32 * k, 20 * k, "200"),
        ("large_client_header_buffers 4 32k;", 32 * k, 128 * k, "200"),
        ("large_client_header_buffers 4 32k;", 32 * k, 128 * k + 1, "431"),
        ("large_client_header_buffers 4 32k;", 32 * k + 1, 40 * k, "431"),
        ("large_client_header_buffers 2 1m;", 1024 * k, 1500 * k, "200"),
        // As in nginx, the first buffer takes longer lines than those that follow.
        ("client_header_buffer_size 50k;", 40 * k, 41 * k, "200"),
        ("client_header_buffer_size 50k;", 8 * k, 82 * k, "200"),
        ("client_header_buffer_size 50k;", 8 * k, 82 * k + 1, "431"),
        ("client_header_buffer_size 50k; large_client_header_buffers 8 8k;", 50 * k, 51 * k, "431"),
        ("client_header_buffer_size 4k; large_client_header_buffers 2 1k;", 3 * k, 4 * k, "200"),
        ("client_header_buffer_size 8k;", 8 * k, 32 * k + 1, "431"),
    ] {
        let mut world = world(directives, "");
        let sent = request(line, length);
        assert_eq!(sent.len(), length, "{directives} {line} {length}");
        world.client_sends(&sent);
        if expected == "200" {
            let received = text(world.origin().received());
            for line in sent.lines().filter(|line| line.starts_with('X')) {
                assert!(received.contains(line), "{directives} {line}");
            }
            world.origin_sends(OK);
        }
        assert_eq!(status(&world), expected, "{directives} {line} {length}");
    }
}

#[test]
fn a_request_line_has_the_size_that_is_configured() {
    for (directives, length, expected) in [
        ("large_client_header_buffers 4 32k;", 32 << 10, "200"),
        ("large_client_header_buffers 4 32k;", (32 << 10) + 1, "414"),
        ("client_header_buffer_size 40k;", 40 << 10, "200"),
        ("client_header_buffer_size 40k;", (40 << 10) + 1, "414"),
    ] {
        let mut world = world(directives, "");
        let path = "x".repeat(length - "GET / HTTP/1.1\r\n".len());
        world.client_sends(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        if expected == "200" {
            assert!(text(world.origin().received()).starts_with(&format!("GET /{path} HTTP/1.1\r\n")));
            world.origin_sends(OK);
        }
        assert_eq!(status(&world), expected, "{directives} {length}");
    }
}

#[test]
fn a_response_head_has_the_size_that_is_configured() {
    for (directive, length, expected) in [
        ("", 16 << 10, "200"),
        ("", (16 << 10) + 1, "502"),
        ("proxy_buffer_size 32k;", 32 << 10, "200"),
        ("proxy_buffer_size 32k;", (32 << 10) + 1, "502"),
        ("proxy_buffer_size 1m;", 1 << 20, "200"),
    ] {
        let mut world = world("", directive);
        world.client_sends(request(100, 200));
        let sent = response(length);
        assert_eq!(sent.len(), length);
        world.origin_sends(format!("{sent}ok"));
        assert_eq!(status(&world), expected, "{directive} {length}");
        if expected == "200" {
            let line = sent.lines().find(|line| line.starts_with('X')).expect("a line");
            assert!(got(&world).contains(line) && got(&world).ends_with("\r\n\r\nok"));
        }
    }
}

/// The sizes of the pieces in which a head comes here.
const PIECES: &[usize] = &[97, BUFFER - 1, BUFFER, BUFFER + 1, usize::MAX];

const LIMITS: &str = "large_client_header_buffers 4 16k;";

fn small(in_location: &str) -> World {
    World::with_buffers(config_of(&configuration(LIMITS, in_location)), BUFFER)
}

/// Plays with the client's bytes in pieces of one size and the origin server's in pieces of another. With the last
/// piece of each the session has had all of it.
fn play(client: &str, origins: &[&str], sizes: (usize, usize)) -> Effect {
    let mut world = small("proxy_buffer_size 32k;");
    for piece in client.as_bytes().chunks(sizes.0) {
        world.client_sends(piece);
    }
    for origin in origins {
        for piece in origin.as_bytes().chunks(sizes.1) {
            world.origin_sends(piece);
        }
    }
    world.client_ends();
    while !world.done {
        assert!(world.elapse_to_deadline(), "it never ends");
    }
    world.result()
}

fn in_every_cut(client: &str, origins: &[&str]) -> Effect {
    let whole = play(client, origins, (usize::MAX, usize::MAX));
    for size in PIECES {
        for sizes in [(*size, usize::MAX), (usize::MAX, *size), (*size, *size)] {
            assert_eq!(play(client, origins, sizes), whole, "in pieces of {sizes:?}");
        }
    }
    whole
}

#[test]
fn content_stands_behind_large_heads_in_every_cut() {
    let start = "POST / HTTP/1.1\r\nContent-Length: 6000";
    let content = "z".repeat(6000);
    let client = format!("{}{content}", head(start, 9000, 10_000));
    let origin = format!("{}ok", response(12_000));
    let effect = in_every_cut(&client, &[&origin]);
    let sent = &effect.origins[0].0;
    assert!(sent.ends_with(&format!("\\r\\n\\r\\n{content}")), "{}", sent.len());
    assert!(effect.client.0.ends_with("\\r\\n\\r\\nok"));
    assert_eq!(effect.exchanges.len(), 1);
}

#[test]
fn requests_are_pipelined_behind_and_in_front_of_large_heads_in_every_cut() {
    let client =
        [request(100, 200), request(9000, 10_000), request(100, 200), request(16_000, 20_000)].concat();
    let (short, long) = (format!("{}ok", response(100)), format!("{}ok", response(12_288)));
    let effect = in_every_cut(&client, &[&short, &long, &long, &short]);
    let statuses: Vec<_> = effect.exchanges.iter().map(|exchange| exchange.status).collect();
    assert_eq!(statuses, [200; 4]);
}

#[test]
fn a_tunnel_opens_behind_large_heads_in_every_cut() {
    let start = format!("GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n{}", KEY.trim_end());
    let client = format!("{}up{}", head(&start, 9000, 10_000), "u".repeat(3000));
    let origin = format!(
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX: {}\r\n\r\ndown{}",
        "y".repeat(10_000),
        "d".repeat(3000),
    );
    let effect = in_every_cut(&client, &[&origin]);
    assert!(effect.origins[0].0.ends_with(&format!("\\r\\n\\r\\nup{}", "u".repeat(3000))));
    assert!(effect.client.0.ends_with(&format!("\\r\\n\\r\\ndown{}", "d".repeat(3000))));
    assert_eq!(effect.exchanges[0].status, 101);
}

#[test]
fn heads_that_are_too_large_are_so_in_every_cut() {
    for (client, origin, expected) in [
        (request(100, 66_000), String::new(), 431),
        (request(16_385, 20_000), String::new(), 431),
        (format!("GET /{}", "x".repeat(20_000)), String::new(), 414),
        (request(9000, 20_000), response(32_769), 502),
    ] {
        // An origin server that goes on behind what was refused is reset.
        let outcome = |sizes| {
            let effect = play(&client, &[&origin], sizes);
            (effect.client, effect.exchanges)
        };
        for size in PIECES {
            let (client, exchanges) = outcome((*size, *size));
            assert_eq!((client.0, exchanges[0].status), (outcome((usize::MAX, usize::MAX)).0.0, expected));
        }
    }
}

#[test]
fn trailers_stand_behind_large_heads() {
    let start = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked";
    let trailer = format!("T: {}\r\n", "t".repeat(4000));
    let mut world = small("");
    world.client_sends(head(start, 9000, 10_000) + "3\r\nabc\r\n0\r\n" + &trailer + "\r\n");
    let sent = text(world.origin().received());
    assert!(sent.ends_with(&format!("3\r\nabc\r\n0\r\n{trailer}\r\n")), "{}", sent.len());
    // Where a section is longer than 4 KiB it is refused, however long heads may be.
    let mut world = small("");
    world.client_sends(head(start, 9000, 10_000) + "0\r\n" + &trailer + &trailer + "\r\n");
    assert_eq!(status(&world), "400");
}

#[test]
fn a_large_head_is_written_anew_for_each_peer() {
    let mut world = small("proxy_next_upstream error invalid_header;");
    let sent = head("PUT /two HTTP/1.1\r\nContent-Length: 3", 9000, 20_000);
    world.client_sends(format!("{sent}abc"));
    world.origin_sends(response(20_000));
    world.origin_sends(OK);
    assert_eq!((status(&world).as_str(), world.origins.len()), ("200", 2));
    let received = |number: usize| text(world.origins[number].end.received());
    assert_eq!(received(0), received(1));
    assert!(received(0).len() > 20_000 && received(0).ends_with("abc"));
}

#[test]
fn a_large_head_goes_to_an_error_page() {
    let mut world = small(
        "proxy_intercept_errors on; proxy_buffer_size 32k; error_page 500 = /page;
         proxy_set_header X $http_x$http_x;",
    );
    world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(16_000)));
    let line = format!("X: {}\r\n", "y".repeat(32_000));
    assert!(
        text(world.origin().received()).contains(&line),
        "what is forwarded may be longer than what came"
    );
    world.origin_sends(format!("HTTP/1.1 500 Oh\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "z".repeat(20_000)));
    world.origin_sends(OK);
    assert_eq!(status(&world), "200");
    let received = text(world.origins[0].end.received());
    assert_eq!(received.matches(&line).count(), 2);
    assert!(received.contains("GET /page HTTP/1.1\r\n"));
}

#[test]
fn a_large_head_that_is_slow_is_answered_as_others_are() {
    let mut world = small("");
    world.client_sends(&request(9000, 20_000)[..19_000]);
    world.elapse(59 * SECOND);
    world.client_sends("y");
    assert_eq!(status(&world), "", "it has its time");
    world.elapse(SECOND);
    assert_eq!(status(&world), "408");
}

#[test]
fn traces_of_large_heads_are_led_through_again() {
    let text = configuration(LIMITS, "proxy_buffer_size 32k;");
    for plain in [false, true] {
        let setting = Setting { configuration: Configuration::new(&text), buffer_size: BUFFER, plain };
        let mut world = World::traced(config_of(&text), &setting);
        for piece in request(9000, 20_000).as_bytes().chunks(5000) {
            world.client_sends(piece);
        }
        for piece in format!("{}ok", response(30_000)).as_bytes().chunks(5000) {
            world.origin_sends(piece);
        }
        world.client_ends();
        while !world.done && world.elapse_to_deadline() {}
        let mut trace = setting.configuration.lines().into_bytes();
        trace.extend(world.session.take_lines().expect("a trace"));
        let recordings = read(&trace).expect("what was written can be read");
        let mut replay = Replay::new(&recordings[0], config_of(&recordings[0].configuration));
        let mut steps = 0;
        for step in &mut replay {
            assert_eq!(step.divergence, None, "{}", step.told);
            steps += 1;
        }
        assert!(steps > 10 && !replay.is_cut());
        assert_eq!(replay.session().record().status(), 200);
    }
}
