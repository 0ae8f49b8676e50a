//! What needs a shell that does one thing at a time: writes that fail, and who is asked again, what is still read
//! and what the client gets then; memory that is still in use, and drains.

mod common;

use std::{io::ErrorKind, sync::Arc};

use common::{
    alone::{Alone, GET, PUT, SWITCH, UPGRADE},
    text,
};
use underpass_core::{
    Address, Disposal, Ending, Event, Outcome, Output, Severity, Side, Tick, Timer, Turn, Verdict,
    config::Config,
};
use underpass_testkit::session_world::World;

#[test]
fn what_the_origin_server_said_before_it_took_no_more_is_its_answer() {
    // E8: it may answer before it has read the request, and close.
    let mut world = World::proxy();
    world.client_sends(PUT);
    world.client.send(b"abc");
    let origin = world.origin();
    origin.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    origin.refuse();
    world.run();
    assert!(text(world.client.received()).starts_with("HTTP/1.1 413 "), "{}", text(world.client.received()));
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
    assert_eq!(world.releases, [(Verdict::Success, Disposal::Close(Ending::Fin))]);
    assert_eq!(world.client.saw(), Some(Ending::Fin), "what follows can't be told from the content");
}

#[test]
fn one_that_has_taken_a_request_in_part_and_says_nothing_has_failed() {
    // Nothing of the content was taken, and what was read of it is held for another, if one may be asked.
    for (method, is_asked_again) in [("PUT", true), ("POST", false)] {
        let mut alone = Alone::new(false);
        alone.receives(Side::Downstream, &PUT.replacen("PUT", method, 1));
        assert!(alone.connects());
        alone.sends(Side::Upstream);
        alone.receives(Side::Downstream, "abc");
        alone.write_fails(Side::Upstream);
        assert_eq!(alone.sends(Side::Upstream), "", "nothing more is sent");
        alone.ends(Side::Upstream);
        assert_eq!(alone.connects(), is_asked_again);
        if is_asked_again {
            assert!(alone.sends(Side::Upstream).ends_with("\r\n\r\nabc"));
        } else {
            assert!(alone.sends(Side::Downstream).starts_with("HTTP/1.1 502 "));
        }
    }
}

#[test]
fn a_request_without_content_is_sent_to_the_next_peer() {
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    assert!(alone.connects());
    alone.write_fails(Side::Upstream);
    alone.ends(Side::Upstream);
    assert!(alone.connects(), "nothing of it is gone");
    assert!(alone.sends(Side::Upstream).starts_with("GET / "));
}

#[test]
fn a_connection_from_the_pool_that_has_said_something_is_not_stale() {
    let mut alone = Alone::new(true);
    alone.receives(Side::Downstream, PUT);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, "HTTP/1.1 100 Continue\r\n\r\n");
    alone.receives(Side::Downstream, "abc");
    alone.write_fails(Side::Upstream);
    assert!(alone.dial().is_none(), "its answer may be on its way");
    alone.receives(Side::Upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(alone.sends(Side::Downstream).contains("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn an_upgrade_whose_content_can_t_be_sent_has_failed() {
    // A9: the tunnel opens behind the content, and this will never be sent whole.
    let mut world = World::proxy();
    world.client_sends(UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nab"));
    world.origin_sends(SWITCH);
    world.origin().refuse();
    world.client_sends("cde");
    assert_eq!((world.exchanges[0].status, world.exchanges[0].tunnel.is_none()), (502, true));
    assert_eq!(world.releases, [(Verdict::Failure, Disposal::Close(Ending::Reset))]);
}

#[test]
fn content_that_nobody_takes_any_more_is_still_read() {
    // Who answers early and closes: the client may only read the answer when it has sent all.
    let mut world = World::proxy();
    world.client_sends("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    world.client.set_window(0);
    world.origin_sends("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.releases.len(), 1);
    world.client_sends(vec![b'x'; 50_000]);
    assert_eq!(world.client.unread(), b"");
    world.client.set_window(usize::MAX);
    world.run();
    assert!(text(world.client.received()).starts_with("HTTP/1.1 413 "));
}

#[test]
fn a_connection_is_kept_while_its_response_is_on_its_way() {
    let mut world = World::proxy();
    world.client_sends(GET);
    world.client.set_window(0);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(world.releases, [(Verdict::Success, Disposal::Pool)], "before the client has taken any of it");
}

#[test]
fn a_connection_that_has_not_taken_the_whole_request_is_not_kept() {
    let mut world = World::proxy();
    world.client_sends("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    world.origin().set_window(2);
    world.client_sends("abcde");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
    assert_eq!(world.releases, [(Verdict::Success, Disposal::Close(Ending::Fin))]);
}

#[test]
fn a_request_that_only_waits_to_be_sent_is_sent_though_it_was_answered() {
    let mut world = World::proxy();
    world.client_sends("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    world.client.set_window(0);
    world.origin().set_window(2);
    world.client_sends("abcde");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.releases, []);
    world.origin().set_window(usize::MAX);
    world.run();
    assert!(world.origin().received().ends_with(b"abcde"));
    assert_eq!(world.releases, [(Verdict::Success, Disposal::Pool)]);
}

#[test]
fn a_client_that_takes_no_more_of_a_response_has_left() {
    let mut world = World::proxy();
    world.client_sends(GET);
    world.client.refuse();
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
    assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft);
    assert_eq!(world.releases, [(Verdict::Unjudged, Disposal::Close(Ending::Fin))]);
    assert!(world.done);
}

#[test]
fn a_side_of_a_tunnel_that_takes_no_more_is_still_heard() {
    // C3: it may have written its last words and closed.
    for deaf in Side::BOTH {
        let mut world = World::proxy();
        world.client_sends(UPGRADE);
        world.origin_sends(SWITCH);
        let before = world.client.received().len();
        match deaf {
            Side::Downstream => {
                world.client.refuse();
                world.origin_sends("to the deaf");
                world.client_sends("last words");
                assert!(world.origin().received().ends_with(b"last words"));
            }
            Side::Upstream => {
                world.origin().refuse();
                world.client_sends("to the deaf");
                world.origin_sends("last words");
                assert_eq!(text(&world.client.received()[before..]), "last words");
            }
        }
    }
}

#[test]
fn memory_that_a_write_uses_is_lent_to_nobody_else() {
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let mut alone = Alone::with(Arc::new(Config::proxy_to(Address::Ip(peer), "b")), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Downstream, "offered");
    assert!(alone.dial().is_none());
    let offered: Vec<_> = alone
        .session
        .transmit(alone.session.connection(Side::Upstream))
        .iter()
        .map(|slice| slice.as_ptr())
        .collect();
    assert_eq!(offered, [] as [*const u8; 0], "nothing goes upstream before the 101");
    alone.receives(Side::Upstream, SWITCH);
    alone.sends(Side::Downstream);
    assert!(alone.dial().is_none(), "polled to its end: the bytes are offered");
    let offered = alone.session.transmit(alone.session.connection(Side::Upstream))[0].as_ptr();
    // The origin server resets while the write to it goes on: what is on its way is wanted by nobody.
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_received(
        alone.session.connection(Side::Upstream),
        Err(ErrorKind::ConnectionReset.into()),
        turn,
    );
    let mut other = Alone::new(false);
    std::mem::swap(&mut other.buffers, &mut alone.buffers);
    let turn = &mut Turn { now: other.now, buffers: &mut other.buffers };
    let space =
        other.session.receive_space(other.session.connection(Side::Downstream), turn).expect("a buffer");
    assert_ne!(space.as_ptr(), offered);
}

#[test]
fn a_drain_that_is_over_leaves_no_time_to_linger() {
    // C8: the time comes between the last byte of the response and the poll that would begin it.
    for over in [false, true] {
        let mut alone = Alone::new(false);
        alone.receives(Side::Downstream, GET);
        assert!(alone.connects());
        alone.sends(Side::Upstream);
        let until = Tick(1_000_000_000);
        let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
        alone.session.handle_drain(underpass_core::Draining::Quit(Some(until)), turn);
        alone.receives(Side::Upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert!(alone.sends(Side::Downstream).contains("\r\nConnection: close\r\n"));
        alone.now.tick = if over { until } else { Tick(until.0 - 1) };
        let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
        alone.session.handle_timeout(turn);
        let ending = loop {
            match alone.session.poll_output() {
                Output::Close(ending) => break Some(ending),
                Output::Wait(_) | Output::Done => break None,
                _ => {}
            }
        };
        assert_eq!(ending, over.then_some(Ending::Fin));
    }
}

#[test]
fn what_an_origin_server_is_too_slow_for_is_an_error() {
    // As in nginx's error log; what a client is too slow for is none.
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.times_out();
    assert!(alone.notes().contains(&(Severity::Error, Event::TimedOut(Timer::UpstreamRead))));
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let mut alone = Alone::with(Arc::new(Config::proxy_to(Address::Ip(peer), "b")), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, SWITCH);
    alone.sends(Side::Downstream);
    alone.times_out();
    assert!(alone.notes().contains(&(Severity::Info, Event::TimedOut(Timer::TunnelIdle))));
}

#[test]
fn a_connection_that_is_released_is_not_shut_down_before() {
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let mut alone = Alone::with(Arc::new(Config::proxy_to(Address::Ip(peer), "b")), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, SWITCH);
    alone.sends(Side::Downstream);
    assert!(!alone.writes(Side::Downstream), "polled to its end");
    // Each end of a stream would become one of the other's, but both connections are given up by then.
    alone.ends(Side::Upstream);
    alone.ends(Side::Downstream);
    let mut outputs = Vec::new();
    loop {
        match alone.session.poll_output() {
            Output::Wait(_) | Output::Done => break,
            output => outputs.push(format!("{output:?}")),
        }
    }
    assert!(outputs.iter().any(|output| output.starts_with("Release")), "{outputs:?}");
    assert!(!outputs.contains(&"Shutdown(Upstream)".to_owned()), "{outputs:?}");
}
