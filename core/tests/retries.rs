//! Requests that have content are tried again while all of it is still held (E10).

mod common;

use std::time::Duration;

use underpass_core::Side;
use underpass_testkit::session_world::{World, config_of};

use common::text;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const NO: &str = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";

/// A group of two peers with these lines in the location that forwards to it.
fn world(in_location: &str) -> World {
    group("server 127.0.0.1:9000 max_fails=0; server 127.0.0.1:9001 max_fails=0;", in_location)
}

/// One peer, to which there is a connection in the pool.
fn pooled(in_location: &str) -> World {
    let mut world = group("server 127.0.0.1:9000;", in_location);
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.origin_sends(OK);
    assert!(world.origins[0].idle);
    world
}

fn group(peers: &str, in_location: &str) -> World {
    World::with_buffers(
        config_of(&format!(
            "http {{ access_log off; upstream g {{ {peers} }}
             server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://g; {in_location} }}
             location @second {{ proxy_pass http://g; }} }} }}"
        )),
        4096,
    )
}

fn request(method: &str, framing: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")
}

/// What came behind the head on a connection to an origin server.
fn content(world: &World, number: usize) -> String {
    let received = text(world.origins[number].end.received());
    let (_, content) = received.rsplit_once("Via: 1.1 underpass\r\n\r\n").expect("a head");
    content.to_owned()
}

fn statuses(world: &World) -> Vec<u16> {
    world.exchanges.iter().map(|exchange| exchange.status).collect()
}

/// How a connection turns out to be of no use.
fn fails(world: &mut World, how: usize) {
    match how {
        0 => world.origin_ends(),
        1 => {
            world.origin().reset();
            world.run();
        }
        _ => {
            world.origin().refuse();
            world.run();
        }
    }
}

const FRAMINGS: [(&str, &str, &str); 2] = [
    ("Content-Length: 10", "0123456789", "0123456789"),
    (
        "Transfer-Encoding: chunked",
        "3\r\n012\r\n7;x=y\r\n3456789\r\n0\r\nX-Sum: z\r\n\r\n",
        "a\r\n0123456789\r\n0\r\nX-Sum: z\r\n\r\n",
    ),
];

#[test]
fn a_stale_connection_is_replaced_with_the_content() {
    for (framing, sent, expected) in FRAMINGS {
        for cut in 0..=sent.len() {
            for how in 0..2 {
                let mut world = pooled("");
                world.client_sends(request("PUT", framing));
                world.client_sends(&sent[..cut]);
                fails(&mut world, how);
                world.client_sends(&sent[cut..]);
                assert_eq!(world.origins.len(), 2, "{framing}, {how}, cut at {cut}");
                let joined = content(&world, 1).replace("\r\n", "").replace("a0123456789", "0123456789");
                assert!(joined.contains('0') && joined.contains('9'), "{joined}");
                if cut == sent.len() {
                    assert_eq!(content(&world, 1), expected, "{framing}, {how}");
                }
                world.origin_sends(OK);
                assert_eq!(statuses(&world), [200, 200], "{framing}, {how}, cut at {cut}");
                // The next request isn't in the way, and nothing is left over of this one.
                world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                world.origin_sends(OK);
                assert_eq!(statuses(&world).len(), 3);
            }
        }
    }
}

#[test]
fn another_peer_gets_it_whole() {
    for (framing, sent, expected) in FRAMINGS {
        for how in 0..4 {
            let mut world = world("proxy_next_upstream error timeout http_503; proxy_read_timeout 3s;");
            world.client_sends(request("PUT", framing) + sent);
            assert_eq!(content(&world, 0), expected);
            match how {
                2 => world.origin_sends(NO),
                3 => world.elapse(Duration::from_secs(3)),
                how => fails(&mut world, how),
            }
            assert_eq!((world.origins.len(), content(&world, 1).as_str()), (2, expected), "{framing}, {how}");
            world.origin_sends(OK);
            assert_eq!(statuses(&world), [200]);
        }
    }
}

#[test]
fn what_is_not_idempotent_only_where_that_is_wanted() {
    for (method, switch, status) in [
        ("POST", "non_idempotent", 200),
        ("POST", "", 503),
        ("PATCH", "non_idempotent", 200),
        ("PUT", "", 200),
        ("DELETE", "", 200),
    ] {
        let mut world = world(&format!("proxy_next_upstream error http_503 {switch};"));
        world.client_sends(request(method, "Content-Length: 2") + "ab");
        world.origin_sends(NO);
        if status == 200 {
            assert_eq!(content(&world, 1), "ab", "{method} {switch}");
            world.origin_sends(OK);
        }
        assert_eq!(statuses(&world), [status], "{method} {switch}");
    }
    // A stale connection is no exception (RFC 9110 §9.2.2).
    for (switch, status) in [("non_idempotent", 200), ("", 502)] {
        let mut world = pooled(&format!("proxy_next_upstream error {switch};"));
        world.client_sends(request("POST", "Content-Length: 2") + "ab");
        world.origin_ends();
        if status == 200 {
            assert_eq!(content(&world, 1), "ab");
            world.origin_sends(OK);
        }
        assert_eq!(statuses(&world), [200, status], "{switch:?}");
    }
}

#[test]
fn what_a_peer_takes_no_more_of_goes_to_another() {
    for (framing, sent, expected) in FRAMINGS {
        for cut in [0, sent.len() / 2] {
            let mut world = world("");
            world.client_sends(request("PUT", framing));
            world.client_sends(&sent[..cut]);
            // It closes while the rest comes: it may have answered, but hasn't.
            world.origin().refuse();
            world.client_sends(&sent[cut..]);
            assert_eq!(world.origins.len(), 1, "its answer is waited for");
            world.origin_ends();
            assert_eq!((world.origins.len(), content(&world, 1).as_str()), (2, expected), "{framing}, {cut}");
            world.origin_sends(OK);
            assert_eq!(statuses(&world), [200], "{framing}, {cut}");
        }
    }
}

/// A reset that a write was told of says nothing of the next connection, whose end ends content (E9).
#[test]
fn the_next_peer_may_end_its_content_with_its_connection() {
    let mut world = world("");
    world.client_sends(request("PUT", "Content-Length: 2") + "a");
    world.origin().reset_behind();
    world.client_sends("b");
    assert_eq!((world.origins.len(), content(&world, 1).as_str()), (2, "ab"));
    world.origin_sends("HTTP/1.1 200 OK\r\n\r\nwhole");
    world.origin_ends();
    let received = text(world.client.received());
    assert!(received.ends_with("\r\n5\r\nwhole\r\n0\r\n\r\n"), "{received}");
}

#[test]
fn more_than_a_buffer_holds_is_not_kept() {
    for (length, again) in [(700, true), (4096, true), (5000, false), (20_000, false)] {
        let mut world = world("");
        world.client_sends(request("PUT", &format!("Content-Length: {length}")));
        let sent = "x".repeat(length);
        for piece in sent.as_bytes().chunks(100) {
            world.client_sends(piece);
        }
        assert_eq!(content(&world, 0), sent, "it streams all the same");
        world.origin_ends();
        assert_eq!(world.origins.len(), if again { 2 } else { 1 }, "{length}");
        if again {
            assert_eq!(content(&world, 1), sent);
            world.origin_sends(OK);
        }
        assert_eq!(statuses(&world), [if again { 200 } else { 502 }], "{length}");
    }
}

/// However much has come when the origin server ends: the next one gets all of it, or isn't asked.
#[test]
fn what_was_let_go_is_lost_before_the_rest_comes() {
    // One of these fills the buffer at once.
    let asked = (4090..4100).map(|length| {
        let mut world = world("");
        world.client_sends(request("PUT", "Content-Length: 5000"));
        let sent = "x".repeat(length);
        world.client_sends(&sent);
        assert_eq!(content(&world, 0), sent);
        world.origin_ends();
        let is_asked = world.origins.len() == 2;
        assert_eq!(if is_asked { content(&world, 1) } else { sent.clone() }, sent, "{} bytes", sent.len());
        is_asked
    });
    let asked: Vec<_> = asked.collect();
    assert!(asked.contains(&true) && asked.contains(&false), "a buffer holds some of it");
}

#[test]
fn what_stands_behind_it_waits_for_its_turn() {
    let mut world = pooled("");
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    world.client_sends(request("PUT", "Content-Length: 500") + &"x".repeat(500) + next);
    // No room is left for all of what follows until the answer has come.
    for _ in 0..20 {
        world.client_sends(next);
    }
    world.origin_ends();
    assert_eq!(content(&world, 1), "x".repeat(500));
    for _ in 0..22 {
        world.origin_sends(OK);
    }
    assert_eq!(statuses(&world), [200; 23]);
}

#[test]
fn a_client_that_expects_100_is_told_once() {
    let mut world = world("");
    world.client_sends(request("PUT", "Content-Length: 2\r\nExpect: 100-continue"));
    world.client_sends("ab");
    world.origin_ends();
    assert_eq!(content(&world, 1), "ab");
    world.origin_sends(OK);
    assert_eq!(text(world.client.received()).matches("100 Continue").count(), 1);
    assert_eq!(statuses(&world), [200]);
}

#[test]
fn a_named_location_gets_it_too() {
    let mut world = world("proxy_intercept_errors on; error_page 404 502 = @second;");
    world.client_sends(request("PUT", "Content-Length: 2") + "ab");
    world.origin_sends("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!([content(&world, 0), content(&world, 1)], ["ab", "ab"]);
    world.origin_sends(OK);
    assert_eq!(statuses(&world), [200]);
}

#[test]
fn nothing_is_kept_behind_the_final_head() {
    let mut world = world("");
    world.client_sends(request("PUT", "Content-Length: 4096"));
    world.client_sends("x".repeat(4096));
    let reads = |world: &World| world.wait().expect("it is not over").reads(Side::Downstream);
    assert!(!reads(&world), "the content is held in all of the buffer");
    world.origin_sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(reads(&world));
}
