//! What a snapshot shows of a session: to people, and to whoever compares two of them.

use std::time::Duration;

use underpass_core::{Side, Timer};
use underpass_testkit::session_world::{Connect, Snapshot, World};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";

fn of(world: &World) -> Snapshot {
    world.session.snapshot(world.now().tick)
}

/// Whether a field has this value, where only `Debug` shows it.
fn has(world: &World, field: &str) -> bool {
    format!("{:?}", of(world)).contains(&format!(" {field},"))
}

#[test]
fn the_state_has_its_name() {
    let mut world = World::proxy();
    world.connects.push_back(Connect::Hang);
    let mut states = Vec::new();
    let mut look = |world: &World| {
        let snapshot = of(world);
        states.push((snapshot.exchange(), snapshot.is_tunnel(), snapshot.is_closed()));
    };
    look(&world);
    world.client_sends(&UPGRADE[..20]);
    look(&world);
    world.client_sends(&UPGRADE[20..]);
    look(&world);
    world.answer_dial(Connect::Accept);
    look(&world);
    world.origin_sends(SWITCH);
    look(&world);
    world.client_ends();
    world.origin_ends();
    look(&world);
    let expected = ["Idle", "Receiving", "Dialling", "Awaiting", "Tunnelling", "Closed"];
    assert_eq!(states, expected.map(|name| (name.to_owned(), name == "Tunnelling", name == "Closed")));
}

#[test]
fn what_is_buffered_is_what_is_not_sent_on_understood_or_not() {
    let mut world = World::proxy();
    world.client_sends(PUT);
    world.origin().set_window(0);
    world.client_sends("abcdeGET");
    assert_eq!(of(&world).buffered(Side::Downstream), 8);
    assert_eq!(of(&world).buffered(Side::Upstream), 0);
    world.origin().set_window(2);
    world.run();
    assert_eq!(of(&world).buffered(Side::Downstream), 6);
}

#[test]
fn whether_anything_was_sent_or_received_decides_who_is_asked_again() {
    // E10: these are in no total, since only whether there was anything counts.
    let mut world = World::proxy();
    world.connects.push_back(Connect::Hang);
    world.client_sends(PUT.replacen("PUT", "POST", 1));
    assert!(has(&world, "nothing_sent: true") && has(&world, "nothing_received: true"));
    world.answer_dial(Connect::Accept);
    assert!(has(&world, "nothing_sent: false") && has(&world, "content_lost: false"));
    world.client_sends("abc");
    assert!(has(&world, "content_lost: true") && has(&world, "nothing_received: true"));
    world.origin_sends("HTTP/1.1 100 Continue\r\n\r\n");
    assert!(has(&world, "nothing_received: false"));
}

#[test]
fn in_words_it_tells_the_states_what_waits_and_the_timers() {
    let mut world = World::proxy();
    world.client_sends(PUT);
    world.origin().set_window(0);
    world.client_sends("abcdeGET");
    world.elapse(Duration::from_secs(1));
    assert_eq!(
        of(&world).to_string(),
        "Awaiting, client Open Complete 3 unread 5 to forward, upstream Open Head, UpstreamSend in 59s"
    );
    assert_eq!(of(&world).timers(), [(Timer::UpstreamSend, 59_000_000_000)]);
    let mut world = World::proxy();
    assert_eq!(of(&world).to_string(), "Idle, client Open Head, ClientHeader in 60s");
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.client_sends(GET);
    world.drain(None);
    assert_eq!(
        of(&world).to_string(),
        "Tunnelling, client Open Flowing, upstream Open Flowing, TunnelIdle in 60s, draining"
    );
}

#[test]
fn the_rows_that_were_taken_have_their_names() {
    let mut world = World::proxy();
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.client_ends();
    let taken = world.session.rows_taken().names();
    if !cfg!(debug_assertions) {
        assert_eq!(taken, [""; 0], "they are for tests of what tests cover");
        return;
    }
    assert_eq!(
        taken,
        [
            "phase: Greeting + Greeted => Idle",
            "phase: Idle + HeadBegun => Receiving",
            "phase: Receiving + HeadEnded => Exchange",
            "phase: Exchange + Open => Tunnelling",
            "exchange: Read + HeadComplete => Routing",
            "exchange: Routing + Dial => Dialling",
            "exchange: Dialling + Connected => Awaiting",
            "exchange: Awaiting + Switch => Switching",
            "exchange: Switching + Open => Tunnelling",
            "connection: Absent + Established => Open",
            "connection: Open + PeerEnd => PeerEnded",
            "connection: Open + OurEnd => WeEnded",
            "message: Head + HeadAlone => Complete",
            "message: Complete + Switch => Switched",
            "tunnel: Flowing + SourceEnded => Ending",
            "tunnel: Ending + Delivered => Over",
        ]
    );
}
