//! What a session makes of single reports: of connections whose tunnel is open, that have failed, or whose end was read.

mod common;

use std::{io::ErrorKind, sync::Arc, time::Duration};

use common::alone::{Alone, GET, SWITCH, UPGRADE};
use underpass_core::{
    Address, Draining, Ending, Fault, Output, Relayed, Side, Tick, TunnelEvent, Turn, Wait, config::Config,
};
use underpass_testkit::session_world::{World, config_of};

/// A session whose client has a tunnel.
fn tunnel() -> Alone {
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let mut alone = Alone::with(Arc::new(Config::proxy_to(Address::Ip(peer), "b")), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    assert!(!alone.session.has_tunnel());
    alone.receives(Side::Upstream, SWITCH);
    alone.sends(Side::Downstream);
    assert!(alone.session.has_tunnel());
    waits(&mut alone);
    alone
}

fn reports(alone: &mut Alone, side: Side, result: Result<usize, Fault>) {
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_received(alone.session.connection(side), result, turn);
}

fn reset() -> Fault {
    ErrorKind::ConnectionReset.into()
}

/// Polls until it waits.
fn waits(alone: &mut Alone) -> Wait {
    loop {
        match alone.session.poll_output() {
            Output::Wait(wait) => return wait,
            Output::Done => panic!("it is over"),
            _ => {}
        }
    }
}

/// Polls until it waits or is over; how it wants the client's connection closed, if it does.
fn closes(alone: &mut Alone) -> Option<Ending> {
    let mut ending = None;
    loop {
        match alone.session.poll_output() {
            Output::Wait(_) | Output::Done => return ending,
            Output::Close(how) => ending = Some(how),
            _ => {}
        }
    }
}

#[test]
fn bytes_that_are_moved_past_the_session_are_the_tunnels() {
    let mut alone = tunnel();
    assert_eq!(waits(&mut alone).relays(Side::Downstream), u64::MAX);
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    let client = alone.session.connection(Side::Downstream);
    alone.session.handle_relayed(client, Relayed { taken: 500, delivered: 300 }, turn);
    let report = alone.session.tunnel_report().expect("it is open");
    assert_eq!((report.from_client, report.to_upstream), (500, 300));
}

/// C3: closing would destroy what the client has not acknowledged, so that is awaited; and it is told as cut.
#[test]
fn a_tail_that_has_arrived_ends_a_tunnel_that_was_cut() {
    let mut alone = tunnel();
    assert!(!alone.session.is_cut());
    alone.receives(Side::Upstream, "last words");
    reports(&mut alone, Side::Upstream, Err(reset()));
    assert!(alone.session.is_cut(), "H5: what is sealed ends without `close_notify`");
    assert_eq!(alone.sends(Side::Downstream), "last words");
    assert!(waits(&mut alone).acknowledges(Side::Downstream));
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_acknowledged(alone.session.connection(Side::Downstream), turn);
    assert_eq!(closes(&mut alone), Some(Ending::Fin));
    assert!(!alone.session.has_tunnel());
}

#[test]
fn a_client_whose_end_was_read_is_not_gone_when_nothing_more_comes() {
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell");
    alone.ends(Side::Downstream);
    reports(&mut alone, Side::Downstream, Err(Fault::WOULD_BLOCK));
    assert!(alone.sends(Side::Downstream).ends_with("well"));
    assert_eq!(closes(&mut alone), Some(Ending::Fin));
}

#[test]
fn a_client_that_resets_before_it_asks_is_reset() {
    let mut alone = Alone::new(false);
    assert_eq!(closes(&mut alone), None);
    reports(&mut alone, Side::Downstream, Err(reset()));
    assert_eq!(closes(&mut alone), Some(Ending::Reset));
    // Nor is the one that has asked before and is idle.
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    alone.sends(Side::Downstream);
    assert_eq!(closes(&mut alone), None);
    reports(&mut alone, Side::Downstream, Err(reset()));
    assert_eq!(closes(&mut alone), Some(Ending::Reset));
}

/// E11: a client that was answered whole is read once more before it is left, which takes no time.
#[test]
fn a_last_look_at_a_client_is_due_at_once() {
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_drain(Draining::Quit(None), turn);
    alone.receives(Side::Upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    alone.sends(Side::Downstream);
    let wait = waits(&mut alone);
    assert!(wait.reads(Side::Downstream));
    assert_eq!(wait.deadline, Some(Tick(0)));
    reports(&mut alone, Side::Downstream, Err(Fault::WOULD_BLOCK));
    assert_eq!(closes(&mut alone), Some(Ending::Fin));
}

/// Connections with origin servers are counted, so that what is reported late of one isn't taken for another's.
#[test]
fn connections_have_numbers() {
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    for number in 1..3 {
        assert!(alone.connects());
        let leg = alone.session.connection(Side::Upstream);
        assert_eq!((leg.side(), leg.epoch().number()), (Side::Upstream, number));
        reports(&mut alone, Side::Upstream, Err(reset()));
    }
}

/// RFC 9112 §2.2: one empty line in front of a request is ignored, and it counts for what may still come.
#[test]
fn empty_lines_in_front_of_a_request_are_in_a_snapshot() {
    let after = |lines: usize| {
        let mut alone = Alone::new(false);
        waits(&mut alone);
        for _ in 0..lines {
            alone.receives(Side::Downstream, "\r\n");
        }
        waits(&mut alone);
        alone.session.snapshot(alone.now.tick)
    };
    assert_eq!(after(1), after(1));
    assert_ne!(after(0), after(1));
    assert_ne!(after(1), after(2));
}

/// G8: the claim that a request is to be admitted by names the bound of its location.
#[test]
fn a_claim_names_the_bound_of_tunnels() {
    let config = |bound: &str| {
        config_of(&format!(
            "http {{ access_log off; server {{ listen 127.0.0.1:8080; location / {{ deny 10.0.0.1;
             proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade; {bound} }} }} }}"
        ))
    };
    let mut alone = Alone::with(config("upgrade_max_tunnels 7;"), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.claim().max_tunnels().is_some());
    let mut alone = Alone::with(config(""), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.claim().max_tunnels().is_none());
}

/// G6: the window of a drain began when the process was first asked to end, and not when the client came.
#[test]
fn the_time_to_come_back_is_counted_from_the_end_of_the_process() {
    let config = config_of(
        "http { access_log off; server { listen 127.0.0.1:8080; upgrade_drain_window 50s; location / {
         proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; } } }",
    );
    let mut world = World::new(config);
    world.elapse(Duration::from_secs(4));
    for _ in 0..2 {
        world.drain(None);
        world.elapse(Duration::from_secs(3));
    }
    world.client_sends(UPGRADE);
    let received = String::from_utf8_lossy(world.client.received()).into_owned();
    assert!(received.contains("\r\nRetry-After: 44\r\n"), "{received}");
}

/// G9: a line about a tunnel's progress tells of it, though a quiet tunnel keeps nothing to be told.
#[test]
fn progress_is_told_of_a_tunnel_whose_opening_is_forgotten() {
    let mut alone = Alone::with(
        config_of(
            "http { access_log off; server { listen 127.0.0.1:8080; upgrade_log log every=1s; location / {
             proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade; } } }",
        ),
        false,
    );
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, SWITCH);
    alone.sends(Side::Downstream);
    waits(&mut alone);
    alone.session.forget_exchange(&mut alone.buffers);
    assert!(alone.session.record().tunnel().is_none(), "nothing is kept");
    alone.now.tick = Tick(1_000_000_000);
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_timeout(turn);
    assert!(matches!(alone.session.poll_output(), Output::LogTunnel(TunnelEvent::Progress)));
    assert!(alone.session.record().tunnel().is_some());
}
