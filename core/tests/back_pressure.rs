//! A side that takes nothing stops the other; nothing grows (A8, A10, C4, E2, E8).

use underpass_core::{Ending, Outcome, Side};
use underpass_testkit::session_world::{World, config_of};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const MEGABYTE: usize = 1 << 20;

/// What one buffer holds, and the peer's bytes that wait elsewhere.
fn assert_stopped(world: &World, from: Side, unread: usize, sent: usize) {
    let held = world.session.snapshot(world.now().tick).buffered(from);
    let size = world.buffers().size();
    assert!(held <= size + 256, "{held} bytes are held in buffers of {size}");
    assert!(unread >= sent - 2 * size, "{} bytes were read with nobody to take them", sent - unread);
}

#[test]
fn in_a_tunnel_both_ways() {
    let mut world = World::proxy();
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.client.set_window(0);
    world.origin().set_window(0);
    let bytes: Vec<u8> = (0..MEGABYTE).map(|n| (n % 251) as u8).collect();
    world.client_sends(&bytes);
    world.origin_sends(&bytes);
    let unread = [world.client.unread().len(), world.origin().unread().len()];
    assert_stopped(&world, Side::Downstream, unread[0], MEGABYTE);
    assert_stopped(&world, Side::Upstream, unread[1], MEGABYTE);
    // Each direction goes on by itself.
    world.client.set_window(usize::MAX);
    world.run();
    assert!(world.client.received().ends_with(&bytes) && world.client.received().len() < MEGABYTE + 200);
    assert_stopped(&world, Side::Downstream, world.client.unread().len(), MEGABYTE);
    world.origin().set_window(usize::MAX);
    world.run();
    assert!(world.origin().received().ends_with(&bytes));
}

#[test]
fn behind_an_upgrade_that_is_not_answered() {
    let mut world = World::proxy();
    let bytes = vec![b'x'; MEGABYTE];
    world.client_sends([UPGRADE.as_bytes(), &bytes].concat());
    assert_stopped(&world, Side::Downstream, world.client.unread().len(), MEGABYTE);
    assert!(
        world.wait().is_some_and(|wait| !wait.reads(Side::Downstream)),
        "past one buffer the client is not read"
    );
    let mut answered = world.fork().expect("nothing is out");
    answered.origin_sends(SWITCH);
    assert!(answered.origin().received().ends_with(&bytes), "all of it was for the tunnel");
    // A reset is noticed all the same.
    world.client.reset();
    world.run();
    assert!(world.done);
    assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft);
    assert_eq!(world.origin().saw(), Some(Ending::Fin));
}

#[test]
fn with_the_content_of_requests_and_responses() {
    let mut world = World::new(config_of(
        "http { access_log off; client_max_body_size 0; server { listen 127.0.0.1:8080; location / {
         proxy_pass http://127.0.0.1:9000; } } }",
    ));
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MEGABYTE}\r\n\r\n");
    world.client_sends(head);
    world.origin().set_window(0);
    let bytes = vec![b'x'; MEGABYTE];
    world.client_sends(&bytes);
    assert_stopped(&world, Side::Downstream, world.client.unread().len(), MEGABYTE);
    world.origin().set_window(usize::MAX);
    world.run();
    assert!(world.origin().received().ends_with(&bytes));
    world.client.set_window(0);
    world.origin_sends(format!("HTTP/1.1 200 OK\r\nContent-Length: {MEGABYTE}\r\n\r\n"));
    world.origin_sends(&bytes);
    let unread = world.origin().unread().len();
    assert_stopped(&world, Side::Upstream, unread, MEGABYTE);
    world.client.set_window(usize::MAX);
    world.run();
    assert!(world.client.received().ends_with(&bytes));
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
}

#[test]
fn with_pipelined_requests_behind_a_response_that_stalls() {
    let mut world = World::proxy();
    let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(40_000);
    world.client_sends(&requests);
    assert_stopped(&world, Side::Downstream, world.client.unread().len(), requests.len());
    assert_eq!(world.origins.len(), 1, "one request after the other");
}

#[test]
fn with_chunks_of_one_byte() {
    let mut world = World::proxy();
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let chunks = "1\r\nx\r\n".repeat(2_000);
    world.origin_sends(
        ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunks, "0\r\n\r\n"].concat(),
    );
    let text = String::from_utf8_lossy(world.client.received()).into_owned();
    let (_, content) = text.split_once("\r\n\r\n").expect("a head");
    assert!(content.len() < 2_200, "small chunks are joined, not passed on: {} bytes", content.len());
    assert_eq!(content.matches('x').count(), 2_000);
}

#[test]
fn with_interim_responses_without_an_end() {
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for (count, status) in [(100, "200"), (101, "502")] {
        let mut world = World::proxy();
        world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.origin_sends([&hints.repeat(count), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"].concat());
        let text = String::from_utf8_lossy(world.client.received()).into_owned();
        let last = text.replace(hints, "");
        assert!(last.starts_with(&format!("HTTP/1.1 {status} ")), "after {count}: {last}");
    }
}

#[test]
fn with_interim_responses_for_a_client_that_takes_none() {
    let mut world = World::proxy();
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.client.set_window(0);
    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n", "a".repeat(2_000)).repeat(80);
    world.origin_sends(&hints);
    let unread = world.origin().unread().len();
    assert_stopped(&world, Side::Upstream, unread, hints.len());
    world.client.set_window(usize::MAX);
    world.run();
    assert_eq!(world.client.received(), hints.as_bytes());
}

#[test]
fn behind_the_last_request_of_a_connection_but_not_behind_a_refused_one() {
    // E7: what stands behind a whole request is looked at as far as one buffer goes. What stands behind one that was
    // refused is nobody's: the client may read its answer only when it has sent all.
    let bytes = vec![b'x'; MEGABYTE];
    for (request, is_whole) in
        [("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true), ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", false)]
    {
        let mut world = World::new(config_of(
            "http { access_log off; keepalive_requests 1; server { listen 127.0.0.1:8080; return 204; } }",
        ));
        world.client.set_window(0);
        world.client_sends(request);
        world.client_sends(&bytes);
        if is_whole {
            assert_stopped(&world, Side::Downstream, world.client.unread().len(), MEGABYTE);
        } else {
            assert_eq!(world.client.unread(), b"");
        }
        assert_eq!(world.exchanges, []);
        world.client.set_window(usize::MAX);
        world.run();
        assert_eq!((world.exchanges.len(), world.client.unread().len()), (1, 0));
    }
}
