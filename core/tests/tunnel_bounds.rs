//! Rules G: how many tunnels there may be, and what a process that goes away does with upgrades.

use std::{sync::Arc, time::Duration};

use underpass_core::{Draining, config::Config};
use underpass_testkit::session_world::{World, config_of};

const ASKS: &str = "GET /t HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const SWITCHES: &str = "HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const GET: &str = "GET /t HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CONNECT: &str = "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n";

fn config(server: &str, location: &str) -> Arc<Config> {
    config_of(&format!(
        "http {{ server {{ listen 127.0.0.1:8080; access_log off; {server}
         location / {{ proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; {location} }}
         location /other {{ proxy_pass http://127.0.0.1:9001; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; }} }} }}"
    ))
}

/// A client that has asked.
fn asks(config: &Arc<Config>, request: &str) -> World {
    let mut world = World::new(Arc::clone(config));
    world.client_sends(request);
    world
}

fn status(world: &World) -> &str {
    let received = std::str::from_utf8(world.client.received()).expect("a head");
    received.get(9..12).unwrap_or_default()
}

fn retry_after(world: &World) -> Option<&str> {
    let received = std::str::from_utf8(world.client.received()).expect("a head");
    received.lines().find_map(|line| line.strip_prefix("Retry-After: "))
}

fn is_refused(world: &World) -> bool {
    status(world) == "503" && retry_after(world) == Some("1") && world.origins.is_empty()
}

#[test]
fn there_are_so_many_tunnels_and_handshakes() {
    let config = config("", "upgrade_max_tunnels 2;");
    let mut tunnel = asks(&config, ASKS);
    tunnel.origin_sends(SWITCHES);
    let handshake = asks(&config, ASKS);
    assert!(is_refused(&asks(&config, ASKS)), "a tunnel and a handshake");
    // What is no upgrade doesn't count, and isn't refused.
    let mut plain = asks(&config, GET);
    plain.origin_sends(OK);
    assert_eq!(status(&plain), "200");
    drop(handshake);
    let mut next = asks(&config, ASKS);
    next.origin_sends(SWITCHES);
    assert_eq!(status(&next), "101", "a handshake that has failed counts no more");
    assert!(is_refused(&asks(&config, ASKS)));
    tunnel.client_ends();
    tunnel.origin_ends();
    assert!(tunnel.done);
    assert!(!is_refused(&asks(&config, ASKS)), "nor does a tunnel that is over");
}

#[test]
fn an_answer_that_is_no_tunnel_counts_no_more() {
    let config = config("", "upgrade_max_tunnels 1;");
    let mut world = asks(&config, ASKS);
    assert!(is_refused(&asks(&config, ASKS)));
    world.origin_sends(OK);
    assert_eq!(status(&world), "200");
    assert!(!is_refused(&asks(&config, ASKS)));
}

#[test]
fn requests_that_are_not_forwarded_as_upgrades_do_not_count() {
    let config = config("", "upgrade_max_tunnels 1; upgrade_protocols websocket;");
    let worlds: Vec<_> = (0..3).map(|_| asks(&config, ASKS)).collect();
    assert!(worlds.iter().all(|world| world.origins.len() == 1), "the protocol isn't one that may pass");
}

#[test]
fn a_server_counts_its_locations_together() {
    let other = ASKS.replace("/t", "/other");
    let together = config("upgrade_max_tunnels 1;", "");
    let first = asks(&together, ASKS);
    assert!(is_refused(&asks(&together, &other)));
    drop(first);
    assert!(!is_refused(&asks(&together, &other)));
    // What has a bound of its own counts by itself.
    let apart = config("upgrade_max_tunnels 1;", "upgrade_max_tunnels 2;");
    let tunnels = [asks(&apart, ASKS), asks(&apart, ASKS), asks(&apart, &other)];
    assert!(tunnels.iter().all(|world| world.origins.len() == 1));
    assert!(is_refused(&asks(&apart, ASKS)) && is_refused(&asks(&apart, &other)));
    let without = config("upgrade_max_tunnels 1;", "upgrade_max_tunnels 0;");
    let tunnels: Vec<_> = (0..5).map(|_| asks(&without, ASKS)).collect();
    assert!(tunnels.iter().all(|world| world.origins.len() == 1));
}

#[test]
fn connect_counts() {
    let config = config_of(
        "http { server { listen 127.0.0.1:8080; access_log off; tunnel_pass 127.0.0.1:9000; upgrade_max_tunnels 1; } }",
    );
    let first = asks(&config, CONNECT);
    assert_eq!(status(&first), "200");
    assert!(is_refused(&asks(&config, CONNECT)));
}

/// The answer to an upgrade that comes so long after a drain has begun.
fn answer_in_a_drain(
    config: &Arc<Config>,
    request: &str,
    within: Option<Duration>,
    passed: Duration,
) -> World {
    let mut world = World::new(Arc::clone(config));
    world.drain(within);
    world.elapse(passed);
    world.client_sends(request);
    world
}

#[test]
fn a_process_that_goes_away_begins_no_tunnel() {
    let seconds = Duration::from_secs;
    let (plain, window) = (config("", ""), config("", "upgrade_drain_window 50s;"));
    let long = Some(seconds(20));
    for (config, within, passed, left) in [
        (&plain, None, seconds(3), "1"),
        (&plain, long, seconds(3), "17"),
        (&plain, long, Duration::from_millis(19_500), "1"),
        (&plain, long, Duration::from_millis(2_500), "18"),
        (&window, None, seconds(8), "42"),
        (&window, None, seconds(55), "1"),
        (&window, Some(seconds(55)), seconds(5), "45"),
        (&window, long, seconds(5), "15"),
    ] {
        let world = answer_in_a_drain(config, ASKS, within, passed);
        assert_eq!((status(&world), retry_after(&world)), ("503", Some(left)), "{within:?} {passed:?}");
        assert!(world.origins.is_empty() && world.closed.is_some());
    }
    let mut other = answer_in_a_drain(&plain, GET, long, seconds(3));
    other.origin_sends(OK);
    assert_eq!((status(&other), retry_after(&other)), ("200", None), "what is no upgrade is answered");
}

#[test]
fn a_handshake_that_has_begun_goes_on() {
    let config = config("", "upgrade_drain_window 50s;");
    let mut world = asks(&config, "GET /t HTTP/1.1\r\nHost: a\r\n");
    world.drain(None);
    world.client_sends("Upgrade: foo\r\nConnection: upgrade\r\n\r\n");
    world.origin_sends(SWITCHES);
    assert_eq!(status(&world), "101");
}

#[test]
fn a_reload_refuses_nobody() {
    let config = config("", "");
    let mut world = World::new(Arc::clone(&config));
    let (session, mut turn) = world.parts();
    session.handle_drain(Draining::Reload(None), &mut turn);
    world.client_sends(ASKS);
    world.origin_sends(SWITCHES);
    assert_eq!(status(&world), "101");
}

#[test]
fn connect_is_refused_likewise() {
    let config =
        config_of("http { server { listen 127.0.0.1:8080; access_log off; tunnel_pass 127.0.0.1:9000; } }");
    let world = answer_in_a_drain(&config, CONNECT, Some(Duration::from_secs(9)), Duration::ZERO);
    assert_eq!((status(&world), retry_after(&world)), ("503", Some("9")));
}
