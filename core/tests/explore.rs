//! Every state that a session can reach under a small alphabet, and what has to hold in each.

use underpass_core::Outcome;
use underpass_testkit::{
    explore::{Alphabet, Explored, History, explore},
    sim::{Connect, World, config_of},
};

const UPGRADE: &[u8] = b"GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const PLAIN: &[u8] = b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n";
const BAD: &[u8] = b"GET /b HTTP/1.1\r\nHost : a\r\n\r\n";

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const OTHER_SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: bar\r\nConnection: upgrade\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
const OK_AND_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
const ERROR: &[u8] = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
const UNTIL_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const FORWARDED_UPGRADE: &[u8] =
    b"GET /u HTTP/1.1\r\nUpgrade: foo\r\nConnection: upgrade\r\nHost: 127.0.0.1:9000\r\nVia: 1.1 underpass\r\n\r\n";
const FORWARDED_PLAIN: &[u8] = b"GET /p HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nVia: 1.1 underpass\r\n\r\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";

#[test]
fn one_exchange_with_everything_that_can_happen_to_it() {
    let alphabet = Alphabet {
        client: vec![UPGRADE, PLAIN, BAD],
        origin: vec![SWITCH, OTHER_SWITCH, OK, UNTIL_CLOSE, CONTINUE],
        client_messages: 1,
        origin_messages: 2,
        bytes: 1,
        stalls: 1,
        drains: true,
        depth: 40,
    };
    assert!(report("one exchange", &explore(&start(), &alphabet, &holds)).closed);
}

#[test]
fn two_exchanges_on_one_connection() {
    let alphabet = Alphabet {
        client: vec![UPGRADE, PLAIN],
        origin: vec![SWITCH, OK, OK_AND_CLOSE],
        client_messages: 2,
        origin_messages: 2,
        bytes: 1,
        stalls: 1,
        drains: true,
        depth: 40,
    };
    assert!(report("two exchanges", &explore(&start(), &alphabet, &holds)).closed);
}

#[test]
fn an_exchange_that_another_location_takes_over() {
    let alphabet = Alphabet {
        client: vec![UPGRADE, PLAIN],
        origin: vec![SWITCH, OK, ERROR],
        client_messages: 1,
        origin_messages: 2,
        bytes: 1,
        stalls: 1,
        drains: true,
        depth: 40,
    };
    let start = start_with(
        "proxy_intercept_errors on; error_page 500 502 504 = @second;",
        "location @second { proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; }",
    );
    assert!(report("two locations", &explore(&start, &alphabet, &holds)).closed);
}

#[test]
fn a_tunnel_with_three_bytes_each_way() {
    let mut world = start();
    world.connects_else = Connect::Accept;
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    assert!(world.session.snapshot(world.now().tick).is_tunnel());
    let alphabet = Alphabet {
        client: Vec::new(),
        origin: Vec::new(),
        client_messages: 0,
        origin_messages: 0,
        bytes: 3,
        stalls: 2,
        drains: true,
        depth: 40,
    };
    let in_tunnel = |world: &World, history: &History| {
        let mut history = history.clone();
        history.from_client.splice(0..0, UPGRADE.iter().copied());
        if history.from_origins.is_empty() {
            history.from_origins.push(Vec::new());
        }
        history.from_origins[0].splice(0..0, SWITCH.iter().copied());
        holds(world, &history);
    };
    assert!(report("a tunnel", &explore(&world, &alphabet, &in_tunnel)).closed);
}

fn start() -> World {
    start_with("", "")
}

/// The same with more in its location, and behind it.
fn start_with(in_location: &str, behind: &str) -> World {
    // One length for most timers: what matters is which runs, and equal lengths keep the states few.
    let config = config_of(&format!(
        "http {{ access_log off; server {{ listen 127.0.0.1:8080; client_header_timeout 1s; send_timeout 1s;
         keepalive_timeout 1s; proxy_connect_timeout 1s; proxy_send_timeout 1s; proxy_read_timeout 1s;
         location / {{ proxy_pass http://127.0.0.1:9000;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; {in_location} }} {behind} }} }}",
    ));
    let mut world = World::with_buffers(config, 1024);
    world.connects_else = Connect::Hang;
    world.run();
    world
}

fn report(name: &str, explored: &Explored) -> Explored {
    println!("{name}: {explored}");
    *explored
}

/// What holds in every state.
fn holds(world: &World, history: &History) {
    let snapshot = world.session.snapshot(world.now().tick);
    assert_eq!(snapshot.is_closed(), world.done, "a closed session is done");
    if !world.done {
        assert!(world.deadline().is_some(), "a session waits without a deadline: {snapshot:?}");
    }
    let opened =
        snapshot.is_tunnel() || world.exchanges.last().is_some_and(|exchange| exchange.tunnel.is_some());
    for (index, origin) in world.origins.iter().enumerate() {
        let is_tunnel = opened && index + 1 == world.origins.len();
        goes_upstream(origin.end.received(), is_tunnel, &history.from_client);
    }
    if opened {
        let origin = world.origins.last().expect("a tunnel has two ends");
        let said = history.from_origins.last().expect("somebody has opened it");
        assert!(contains(origin.end.received(), FORWARDED_UPGRADE), "a tunnel whose upgrade went nowhere");
        assert!(contains(said, SWITCH), "a tunnel without a 101 that fits");
        assert!(contains(&history.from_client, UPGRADE), "a tunnel that nobody asked for");
        comes_downstream(world.client.received(), said);
        let exchange = world.exchanges.last().filter(|exchange| exchange.outcome == Outcome::Complete);
        if let Some((from_client, from_origin, _, cut)) = exchange.and_then(|exchange| exchange.tunnel) {
            assert!(!cut, "a cut tunnel is not complete");
            // The record's counts say where each stream begins: right behind its head, on either side.
            let stream = |bytes: &[u8], count: u64, head: &[u8]| {
                let (front, stream) = bytes.split_at(bytes.len() - count as usize);
                assert!(front.ends_with(head), "the record doesn't count all that was sent");
                stream.to_vec()
            };
            let up = stream(&history.from_client, from_client, UPGRADE);
            let down = stream(said, from_origin, SWITCH);
            assert_eq!(stream(origin.end.received(), from_client, FORWARDED_UPGRADE), up);
            assert_eq!(stream(world.client.received(), from_origin, SWITCHED), down);
        }
    } else {
        assert!(!at_head(world.client.received()).starts_with(SWITCHED), "a 101 without a tunnel");
    }
}

/// Upstream go heads that the client has sent; and behind the head of an upgrade what the client sent behind
/// it, but only in a tunnel.
fn goes_upstream(received: &[u8], is_tunnel: bool, from_client: &[u8]) {
    let mut rest = received;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix(FORWARDED_UPGRADE) {
            if is_tunnel {
                // An earlier upgrade on this connection may have been refused.
                let mut asked =
                    from_client.windows(UPGRADE.len()).enumerate().filter(|(_, part)| *part == UPGRADE);
                let sent = asked.any(|(at, _)| from_client[at + UPGRADE.len()..].starts_with(tail));
                assert!(sent, "{tail:?} is not what the client sent");
                return;
            }
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix(FORWARDED_PLAIN) {
            rest = tail;
        } else {
            let begun = FORWARDED_PLAIN.starts_with(rest) || FORWARDED_UPGRADE.starts_with(rest);
            assert!(begun, "neither head: {}", rest.escape_ascii());
            return;
        }
    }
}

/// Behind the 101 that the client got stand the bytes that its origin server sent behind its own.
fn comes_downstream(received: &[u8], said: &[u8]) {
    let Some(tail) = at_head(received).strip_prefix(SWITCHED) else { return };
    let at = position(said, SWITCH).expect("a 101 was sent") + SWITCH.len();
    assert!(said[at..].starts_with(tail), "{tail:?} is not what the origin server sent");
}

/// What stands behind the complete responses in front: interim ones, and those of one byte of content.
fn at_head(received: &[u8]) -> &[u8] {
    let mut rest = received;
    while let Some(end) = position(rest, b"\r\n\r\n") {
        let (head, behind) = rest.split_at(end + 4);
        rest = match () {
            () if head.starts_with(b"HTTP/1.1 100 ") => behind,
            () if head.starts_with(b"HTTP/1.1 200 ") && contains(head, b"\r\nContent-Length: 1\r\n") => {
                behind.get(1..).unwrap_or_default()
            }
            () => return rest,
        };
    }
    rest
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    position(bytes, part).is_some()
}
