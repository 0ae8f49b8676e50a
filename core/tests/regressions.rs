//! Faults that were found once, each with the shortest sequence that showed it.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use underpass_core::{
    Address, Buffers, ClientInfo, Connected, Ending, Event, Fault, Now, Outcome, Output, Session, Side, Tick,
    Turn, config::Config,
};
use underpass_testkit::session_world::{World, config_of};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_end_inside_a_pipelined_request_aborts_it() {
    let mut world = World::proxy();
    world.client_sends(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    );
    world.client_ends();
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    while !world.is_out() && world.elapse_to_deadline() {}
    assert!(text(world.client.received()).starts_with("HTTP/1.1 200 OK"));
    assert!(world.client.saw().is_some(), "the session has ended");
}

#[test]
fn content_behind_a_response_that_says_close_goes_nowhere() {
    let mut world = World::proxy();
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    world.origin_sends("HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc");
    world.client_sends("6\r\nSECOND\r\n");
    let got = text(world.origin().received());
    assert!(got.ends_with("5\r\nhello\r\n"), "{got}");
}

#[test]
fn chunk_framing_does_not_count_as_content() {
    let mut world = World::new(config_of(
        "events {} http { client_max_body_size 10;
         server { listen 80; location / { proxy_pass http://127.0.0.1:9000; } } }",
    ));
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    world.client_sends("1\r\nx\r\n".repeat(10));
    world.client_sends("0\r\n\r\n");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(text(world.client.received()).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn a_client_that_ends_behind_early_tunnel_bytes_aborts_its_upgrade() {
    let mut world = World::proxy();
    world.client_sends(format!("{UPGRADE}early"));
    world.client_ends();
    assert!(world.origin().saw().is_some(), "the origin server's connection is closed");
    assert_eq!(world.client.received(), b"");
}

#[test]
fn a_cut_that_only_a_reset_can_tell_is_told_by_drain_too() {
    let mut world = World::proxy();
    world.client_sends("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    world.origin_sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    world.drain(Some(Duration::from_secs(5)));
    world.elapse(Duration::from_secs(6));
    assert_eq!(world.client.saw(), Some(Ending::Reset));
}

#[test]
fn a_tail_on_its_way_outlives_the_reading_of_what_nobody_wants() {
    let mut world = World::proxy();
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.client.set_window(0);
    world.origin_sends([b'x'; 9000]);
    world.origin().reset();
    world.client_sends("what the origin server won't read");
    for _ in 0..20 {
        world.elapse(Duration::from_secs(2));
        world.client.set_window(500);
        world.client_sends(".");
    }
    let tail = world.client.received().iter().filter(|byte| **byte == b'x').count();
    assert_eq!(tail, 9000);
}

/// A session by itself, with a request of its client on a connection from the pool.
fn on_pooled_connection(request: &[u8], turn: &mut Turn<'_>) -> Session {
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let config = Arc::new(Config::proxy_to(Address::Ip(peer), "b"));
    let address = Address::Ip(peer);
    let client = ClientInfo::new(address.clone(), address, 1, [0; 16]);
    let mut session = Session::new(config, client, turn.now);
    let space = session.receive_space(session.connection(Side::Downstream), turn).expect("bytes are wanted");
    space[..request.len()].copy_from_slice(request);
    session.handle_received(session.connection(Side::Downstream), Ok(request.len()), turn);
    connect(&mut session, true, turn);
    session
}

fn connect(session: &mut Session, reused: bool, turn: &mut Turn<'_>) {
    loop {
        match session.poll_output() {
            Output::Connect(dial) => {
                assert_eq!(dial.may_reuse(), reused);
                let choice = session.choose(&dial, turn.now.tick).expect("a peer");
                let _lease = session.handle_chosen(&dial, choice, turn);
                let connected = if reused { Connected::Reused } else { Connected::Fresh };
                return session.handle_connected(dial, Ok(connected), turn);
            }
            Output::Wait(_) | Output::Done => panic!("a dial is due"),
            _ => {}
        }
    }
}

#[test]
fn a_request_keeps_its_content_when_its_pooled_connection_was_stale() {
    let now = Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 };
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now, buffers: &mut buffers };
    let request = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let mut session = on_pooled_connection(request, turn);
    session.handle_sent(session.connection(Side::Upstream), Err(Fault::from(ErrorKind::BrokenPipe)), turn);
    connect(&mut session, false, turn);
    let sent = session
        .transmit(session.connection(Side::Upstream))
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect::<Vec<u8>>();
    assert!(text(&sent).ends_with("\r\n\r\nhello"), "{}", text(&sent));
    assert_eq!(session.record().outcome(), Outcome::Open);
}

#[test]
fn a_trailer_that_was_dropped_was_not_sent() {
    let mut world = World::new(config_of(
        "events {} http { log_format t '$sent_trailer_x/$sent_trailer_authorization/$upstream_trailer_authorization';
         access_log /log t;
         server { listen 80; location / { proxy_pass http://127.0.0.1:9000; } } }",
    ));
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.origin_sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\nAuthorization: z\r\n\r\n");
    assert!(text(world.client.received()).ends_with("1\r\na\r\n0\r\nX: y\r\n\r\n"));
    assert_eq!(world.log, ["y/-/z"]);
}

#[test]
fn a_trailer_that_is_dropped_is_noted() {
    for (trailers, noted) in [("X: y", 0), ("Authorization: z", 1), ("Authorization: z\r\nX: y", 1)] {
        let mut world = World::proxy();
        world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.origin_sends(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n\r\n"
        ));
        let notes = world.notes.iter().filter(|(event, _)| *event == Event::TrailerDropped).count();
        assert_eq!(notes, noted, "{trailers:?}");
    }
}

#[test]
fn a_reset_is_noticed_though_nothing_more_is_read() {
    let mut world = World::proxy();
    world.client_sends(UPGRADE);
    world.client_sends(vec![b'x'; 64 << 10]);
    let (session, mut turn) = world.parts();
    assert!(
        session.receive_space(session.connection(Side::Downstream), &mut turn).is_none(),
        "the buffer is full"
    );
    session.handle_received(
        session.connection(Side::Downstream),
        Err(Fault::from(ErrorKind::ConnectionReset)),
        &mut turn,
    );
    assert_eq!((session.record().status(), session.record().outcome()), (499, Outcome::ClientLeft));
}

#[test]
fn would_block_behind_an_end_is_no_failure() {
    let mut world = World::proxy();
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.client_ends();
    let (session, mut turn) = world.parts();
    session.handle_received(session.connection(Side::Downstream), Err(Fault::WOULD_BLOCK), &mut turn);
    world.origin_sends("still here");
    assert!(world.client.received().ends_with(b"still here"));
}

#[test]
fn what_is_wanted_does_not_change_by_asking() {
    let mut world = World::proxy();
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // The buffer is full, and all that can be sent of it is the interim response in front.
    let (session, mut turn) = world.parts();
    let space =
        session.receive_space(session.connection(Side::Upstream), &mut turn).expect("a response is wanted");
    let head = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    space.fill(b'H');
    space[..head.len()].copy_from_slice(head);
    let length = space.len();
    session.handle_received(session.connection(Side::Upstream), Ok(length), &mut turn);
    let mut wait = || match session.poll_output() {
        Output::Wait(wait) => wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(), wait());
}
