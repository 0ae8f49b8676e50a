//! Every timer of a session: when it runs, what it does, to the nanosecond.

use std::time::Duration;

use underpass_core::{EndedBy, Ending, Event, Outcome, Side, Timer, TunnelSettings};
use underpass_testkit::session_world::{Connect, World, config_of, tunnel_settings};

const UPGRADE: &str = "GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A proxy with these lines in its server and its location.
fn proxy(server: &str, location: &str) -> World {
    let mut world = World::new(config_of(&format!(
        "http {{ access_log off; server {{ listen 127.0.0.1:8080; {server} location / {{
         proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection \"upgrade\"; {location} }} }} }}"
    )));
    world.run();
    world
}

fn tunnel(server: &str, location: &str) -> World {
    let mut world = proxy(server, location);
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    assert!(world.session.snapshot(world.now().tick).is_tunnel());
    world
}

/// The same cases hold for a session whose exchange has become a tunnel, and for a tunnel alone.
const OPENED: [fn(&str, &str) -> World; 2] = [tunnel, alone];

fn alone(server: &str, location: &str) -> World {
    let mut world = World::tunnel(tunnel_settings(&format!("{server} {location}")), [b"", b""]);
    world.run();
    world
}

/// Nothing happens in all of `span` but its last nanosecond.
fn last_moment(world: &mut World, span: Duration) {
    let (closed, sent) = (world.closed, world.client.received().len());
    let notes = world.notes.len();
    world.elapse(span.checked_sub(Duration::from_nanos(1)).expect("a span"));
    assert_eq!(
        (world.closed, world.client.received().len()),
        (closed, sent),
        "too early: {:?}",
        &world.notes[notes..]
    );
    world.elapse(Duration::from_nanos(1));
}

fn fired(world: &World, timer: Timer) -> bool {
    world.notes.iter().any(|(event, _)| *event == Event::TimedOut(timer))
}

fn answered(world: &World, status: &str) -> bool {
    let text = world.client.received();
    text.starts_with(b"HTTP/1.1 ") && text[9..].starts_with(status.as_bytes())
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_tunnel_that_waits_for_a_client_that_takes_nothing() {
    for tunnel in OPENED {
        let mut world = tunnel("send_timeout 1s;", "proxy_read_timeout 2s;");
        world.client.set_window(0);
        world.origin_sends("stuck");
        // C5: the idle timer stands still while this one runs; bytes the other way don't help.
        world.elapse(SECOND / 2);
        world.client_sends("other way");
        last_moment(&mut world, SECOND / 2);
        assert_eq!(world.closed, Some(Ending::Fin));
        assert_eq!(world.exchanges[0].outcome, Outcome::TimedOut(Timer::ClientSend));
        assert_eq!(
            world.exchanges[0].tunnel.and_then(|tunnel| tunnel.2),
            Some(EndedBy::Timer(Timer::ClientSend))
        );
        assert!(fired(&world, Timer::ClientSend) && world.done);
    }
}

#[test]
fn a_tunnel_that_waits_for_an_origin_server_that_takes_nothing() {
    for tunnel in OPENED {
        let mut world = tunnel("", "proxy_send_timeout 1s; proxy_read_timeout 2s;");
        world.origin().set_window(0);
        world.client_sends("stuck");
        last_moment(&mut world, SECOND);
        assert_eq!(world.exchanges[0].outcome, Outcome::TimedOut(Timer::UpstreamSend));
        assert!(world.done);
    }
}

#[test]
fn a_stall_that_ends_gives_the_idle_timer_its_whole_time() {
    for tunnel in OPENED {
        let mut world = tunnel("send_timeout 10s;", "proxy_read_timeout 2s;");
        world.client.set_window(0);
        world.origin_sends("stuck");
        world.elapse(5 * SECOND);
        assert!(!world.done, "the idle timer stands still");
        world.client.set_window(usize::MAX);
        world.run();
        last_moment(&mut world, 2 * SECOND);
        assert_eq!(world.exchanges[0].outcome, Outcome::TimedOut(Timer::TunnelIdle));
    }
}

#[test]
fn a_half_closed_tunnel_lives_by_its_own_bytes_and_no_longer_than_the_idle_timer() {
    for tunnel in OPENED {
        for (idle, least) in [(100, 60), (20, 20)] {
            let mut world = tunnel("", &format!("proxy_read_timeout {idle}s;"));
            world.client_ends();
            world.elapse(SECOND * (least - 1));
            world.origin_sends("restarts it");
            last_moment(&mut world, SECOND * least);
            assert!(world.done, "idle {idle} s");
        }
    }
}

#[test]
fn lingering_after_a_client_was_cut_off_is_bounded() {
    for tunnel in OPENED {
        let mut world = tunnel("", "proxy_read_timeout 100s;");
        // Nothing is ever acknowledged, as with a shell that can't tell.
        world.origin().set_window(0);
        world.client.reset();
        world.run();
        // C3: what the origin server still sends is read and dropped: 5 s between pieces, 30 s in all.
        for _ in 0..7 {
            world.elapse(4 * SECOND);
            assert!(!world.done);
            world.origin_sends("nobody is there");
        }
        last_moment(&mut world, 2 * SECOND);
        assert!(world.done);
        assert!(
            world.exchanges[0].tunnel.is_some_and(|tunnel| tunnel.3),
            "the record says that a stream was cut"
        );
        assert_eq!(world.session.snapshot(world.now().tick).buffered(Side::Upstream), 0);
    }
}

#[test]
fn nobody_lingers_behind_a_whole_answer_unless_something_came() {
    // C8, E11: a drain, and a connection that has had its last request.
    for (server, drains) in [("", true), ("keepalive_requests 1;", false), ("keepalive_timeout 0;", false)] {
        for behind in ["", "G"] {
            let mut world = proxy(server, "");
            world.client_sends(GET);
            if drains {
                world.drain(None);
            }
            world.client.set_window(0);
            world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            world.client.send(behind.as_bytes());
            world.client.set_window(usize::MAX);
            world.run();
            assert!(answered(&world, "200"), "{server}");
            assert_eq!(world.client.saw(), Some(Ending::Fin), "{server}");
            assert_eq!(world.done, behind.is_empty(), "{server}, {behind:?}");
            if !behind.is_empty() {
                last_moment(&mut world, 5 * SECOND);
                assert!(world.done);
            }
        }
    }
}

#[test]
fn lingering_after_a_refused_request_is_bounded() {
    let mut world = proxy("", "");
    world.client_sends("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    assert!(answered(&world, "400"));
    for _ in 0..7 {
        world.elapse(4 * SECOND);
        assert!(!world.done);
        world.client_sends("more");
    }
    last_moment(&mut world, 2 * SECOND);
    assert!(world.done && world.closed == Some(Ending::Fin));
    let mut world = proxy("", "");
    world.client_sends("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    last_moment(&mut world, 5 * SECOND);
    assert!(world.done);
}

#[test]
fn the_head_of_a_request() {
    let mut world = proxy("client_header_timeout 3s;", "");
    // Single bytes don't prolong it.
    for byte in ["G", "E"] {
        world.elapse(SECOND);
        world.client_sends(byte);
    }
    last_moment(&mut world, SECOND);
    assert!(answered(&world, "408"));
}

#[test]
fn the_head_of_a_later_request_has_its_time_from_its_first_byte() {
    let mut world = proxy("client_header_timeout 3s; keepalive_timeout 10s;", "");
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    world.elapse(9 * SECOND);
    let before = world.client.received().len();
    world.client_sends("G");
    last_moment(&mut world, 3 * SECOND);
    assert!(world.client.received()[before..].starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn a_pipelined_head_has_no_time_while_a_response_is_under_way() {
    let mut world = proxy("client_header_timeout 3s;", "");
    world.client_sends([GET, "GET /half"].concat());
    world.elapse(10 * SECOND);
    assert!(!answered(&world, "408"));
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let before = world.client.received().len();
    last_moment(&mut world, 3 * SECOND);
    assert!(world.client.received()[before..].starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn the_content_of_a_request() {
    let mut world = proxy("", "");
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    world.elapse(59 * SECOND);
    world.client_sends("d");
    last_moment(&mut world, 60 * SECOND);
    assert!(answered(&world, "408"));
    assert!(world.done || world.client.saw() == Some(Ending::Fin));
}

#[test]
fn an_origin_server_that_takes_no_request() {
    let mut world = proxy("", "proxy_send_timeout 2s;");
    world.connects_else = Connect::Hang;
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    world.elapse(SECOND);
    world.answer_dial(Connect::Accept);
    // It took the whole request: from here on its answer is waited for.
    assert!(!fired(&world, Timer::UpstreamSend));
    let mut world = proxy("", "proxy_send_timeout 2s;");
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    world.origin().set_window(0);
    world.client_sends("abc");
    last_moment(&mut world, 2 * SECOND);
    assert!(answered(&world, "504"));
}

#[test]
fn a_tunnel_is_not_idle_while_its_bytes_are_taken() {
    for tunnel in OPENED {
        let mut world = tunnel("", "proxy_read_timeout 2s;");
        world.origin().set_window(0);
        world.client_sends("abc");
        world.elapse(SECOND);
        world.origin().set_window(usize::MAX);
        world.run();
        assert!(world.origin().received().ends_with(b"abc"));
        last_moment(&mut world, 2 * SECOND);
        assert!(fired(&world, Timer::TunnelIdle));
    }
}

#[test]
fn nor_is_one_half_closed_in_vain_while_the_other_half_is_taken() {
    for tunnel in OPENED {
        let mut world = tunnel("", "proxy_read_timeout 2s;");
        world.client_ends();
        world.client.set_window(0);
        world.origin_sends("abc");
        world.elapse(SECOND);
        world.client.set_window(usize::MAX);
        world.run();
        assert!(world.client.received().ends_with(b"abc"));
        last_moment(&mut world, 2 * SECOND);
        assert!(world.done);
    }
}

#[test]
fn a_response_that_stalls_is_cut() {
    let mut world = proxy("", "proxy_read_timeout 2s;");
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    world.elapse(SECOND);
    world.origin_sends("c");
    world.elapse(2 * SECOND - Duration::from_nanos(1));
    assert!(!fired(&world, Timer::UpstreamRead));
    world.elapse(Duration::from_nanos(1));
    assert!(fired(&world, Timer::UpstreamRead));
    assert_eq!(world.exchanges[0].outcome, Outcome::Cut);
    assert!(world.client.saw().is_some());
}

#[test]
fn content_has_its_whole_time_behind_a_head() {
    let mut world = proxy("", "proxy_read_timeout 2s;");
    world.client_sends(GET);
    world.elapse(SECOND);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    world.elapse(2 * SECOND - Duration::from_nanos(1));
    assert!(!fired(&world, Timer::UpstreamRead), "the head was waited for until it came");
    world.elapse(Duration::from_nanos(1));
    assert!(fired(&world, Timer::UpstreamRead));
    assert_eq!(world.exchanges[0].outcome, Outcome::Cut);
}

#[test]
fn a_response_that_the_client_doesnt_take() {
    let mut world = proxy("send_timeout 2s;", "proxy_read_timeout 1s;");
    world.client.set_window(10);
    world.client_sends(GET);
    // The origin server is not to blame while the client stalls.
    world.origin_sends(["HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", &"x".repeat(40_000)].concat());
    last_moment(&mut world, 2 * SECOND);
    assert_eq!(world.exchanges[0].outcome, Outcome::TimedOut(Timer::ClientSend));
    assert!(world.done);
}

#[test]
fn a_reset_instead_of_an_end_where_that_is_configured() {
    let mut settings = TunnelSettings::default();
    settings.reset_timedout_connection = true;
    settings.idle_timeout = SECOND;
    let mut world = World::tunnel(settings, [b"ahead", b"behind"]);
    world.run();
    assert_eq!(world.client.received(), b"behind");
    assert_eq!(world.origin().received(), b"ahead");
    last_moment(&mut world, SECOND);
    assert_eq!(world.closed, Some(Ending::Reset));
    assert_eq!(world.origin().saw(), Some(Ending::Reset));
}

#[test]
fn a_drain_that_is_over_waits_for_nobody() {
    // C8. A client that hasn't asked yet is no idle one: its request would have had its answer until then.
    let silent = proxy("", "");
    let mut lingering = proxy("", "");
    lingering.client_sends("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    let unannounced = World::new(config_of(
        "http { access_log off; server { listen 127.0.0.1:8080 proxy_protocol; return 204; } }",
    ));
    for (name, mut world) in [("silent", silent), ("lingering", lingering), ("unannounced", unannounced)] {
        world.drain(Some(SECOND));
        last_moment(&mut world, SECOND);
        assert!(world.done && world.closed == Some(Ending::Fin), "{name}");
    }
}

#[test]
fn a_response_that_came_whole_is_waited_for_no_more() {
    // E8: the origin server is kept while the request waits to be sent; it has said all that it will.
    let mut world = proxy("send_timeout 9s;", "proxy_read_timeout 2s; proxy_send_timeout 9s;");
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    world.origin().set_window(0);
    world.client.set_window(0);
    world.client_sends("defghi");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    world.elapse(3 * SECOND);
    assert!(!fired(&world, Timer::UpstreamRead));
    world.client.set_window(usize::MAX);
    world.run();
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
}
