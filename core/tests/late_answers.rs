//! Answers that come late, to a session that has gone on meanwhile; a look at the client.

mod common;

use std::sync::Arc;

use common::{
    alone::{Alone, GET, UPGRADE},
    text,
};
use underpass_core::{Address, Admission, Connected, Fault, Session, Side, Turn, config::Config};
use underpass_testkit::session_world::config_of;

#[test]
fn an_answer_to_a_dial_that_was_given_up_changes_nothing() {
    let mut alone = Alone::new(false);
    alone.receives(Side::Downstream, GET);
    let late = alone.dial().expect("a dial");
    alone.chooses(&late);
    alone.times_out();
    let next = alone.dial().expect("the next peer is asked");
    let before = alone.session.snapshot(alone.now.tick);
    alone.chooses(&late);
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_connected(late, Ok(Connected::Fresh), turn);
    assert_eq!(alone.session.snapshot(alone.now.tick), before);
    alone.chooses(&next);
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_connected(next, Ok(Connected::Fresh), turn);
    assert!(alone.sends(Side::Upstream).starts_with("GET / "));
}

#[test]
fn nor_does_a_choice_for_one_or_the_address_of_a_name() {
    let mut alone = Alone::with(
        config_of(
            "http { log_format f '$upstream_addr'; access_log /log f; server { listen 127.0.0.1:8080;
             location / { proxy_pass http://127.0.0.1:9000; } } }",
        ),
        false,
    );
    alone.receives(Side::Downstream, GET);
    let late = alone.dial().expect("a dial");
    alone.times_out();
    let line = |session: &Session, now| {
        let mut line = Vec::new();
        session.record().write_lines(now, &mut Vec::new(), &mut |_, text| line.extend_from_slice(text));
        text(&line)
    };
    let before = line(&alone.session, alone.now);
    alone.chooses(&late);
    assert_eq!(line(&alone.session, alone.now), before, "nobody was asked in its time");
    assert!(alone.sends(Side::Downstream).starts_with("HTTP/1.1 504 "));

    let mut alone = Alone::with(
        config_of(
            "http { access_log off; resolver 127.0.0.1; server { listen 127.0.0.1:8080;
             location / { set $name origin.example; proxy_pass http://$name; error_page 504 = @other; }
             location @other { set $other other.example; proxy_pass http://$other; } } }",
        ),
        false,
    );
    alone.receives(Side::Downstream, GET);
    let late = alone.lookup();
    alone.times_out();
    let other = alone.lookup();
    let before = alone.session.snapshot(alone.now.tick);
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_resolved(late, Ok(&[[127, 0, 0, 1].into()]), turn);
    assert_eq!(alone.session.snapshot(alone.now.tick), before);
    assert!(alone.dial().is_none());
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_resolved(other, Ok(&[[127, 0, 0, 1].into()]), turn);
    assert!(alone.dial().is_some());
}

#[test]
fn the_client_is_looked_at_before_its_refused_upgrade_is_over() {
    // A7: what stands behind it is somebody's tunnel, though it looks like a request.
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let mut alone = Alone::with(Arc::new(Config::proxy_to(Address::Ip(peer), "b")), false);
    alone.receives(Side::Downstream, UPGRADE);
    assert!(alone.connects());
    alone.sends(Side::Upstream);
    alone.receives(Side::Upstream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    alone.receives(Side::Upstream, "hello");
    assert!(alone.sends(Side::Downstream).ends_with("hello"));
    assert!(!alone.is_over(), "what the origin server sent was no look at the client");
    alone.receives(Side::Downstream, GET);
    assert!(alone.is_over());
    assert!(alone.dial().is_none());
}

#[test]
fn who_asks_again_after_a_refused_upgrade_is_answered() {
    // A7: before the look no byte of the refusal is sent, and so whatever comes behind the look may follow from it.
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    for own in [false, true] {
        let mut alone = Alone::with(Arc::new(Config::proxy_to(Address::Ip(peer), "b")), false);
        if own {
            // Another version of WebSocket is refused by the gateway itself.
            let version = "Sec-WebSocket-Version: 8\r\n";
            alone.receives(Side::Downstream, &UPGRADE.replace("foo\r\n", &format!("websocket\r\n{version}")));
        } else {
            alone.receives(Side::Downstream, UPGRADE);
            assert!(alone.connects());
            alone.sends(Side::Upstream);
            alone.receives(Side::Upstream, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        }
        assert!(!alone.writes(Side::Downstream), "the client is looked at first");
        let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
        alone.session.receive_space(alone.session.connection(Side::Downstream), turn);
        alone.session.handle_received(
            alone.session.connection(Side::Downstream),
            Err(Fault::WOULD_BLOCK),
            turn,
        );
        assert!(alone.writes(Side::Downstream));
        let head = alone.sends(Side::Downstream);
        assert!(head.starts_with(if own { "HTTP/1.1 426 " } else { "HTTP/1.1 403 " }), "{head}");
        assert!(alone.is_over());
        alone.receives(Side::Downstream, GET);
        assert!(alone.dial().is_some(), "the next request is one");
    }
}

#[test]
fn heads_of_an_exchange_that_is_over_are_of_no_consequence() {
    // Between the poll that ends an exchange and the next report they are still here.
    let sessions = ["X: 1", "X: 2"].map(|line| {
        let mut alone = Alone::new(false);
        alone.receives(Side::Downstream, &GET.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n")));
        assert!(alone.connects());
        alone.sends(Side::Upstream);
        assert!(alone.dial().is_none());
        alone
    });
    let snapshots =
        |sessions: &[Alone; 2]| [0, 1].map(|n| sessions[n].session.snapshot(sessions[n].now.tick));
    let [one, other] = snapshots(&sessions);
    assert_ne!(one, other, "what is logged of them, and sent to another peer, differs");
    let sessions = sessions.map(|mut alone| {
        alone.receives(Side::Upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        alone.sends(Side::Downstream);
        assert!(alone.is_over());
        alone
    });
    let [one, other] = snapshots(&sessions);
    assert_eq!(one, other);
}

#[test]
fn nor_is_a_request_admitted_by_an_answer_to_its_earlier_claim() {
    let mut alone = Alone::with(
        config_of(
            "http { access_log off; allow all; server { listen 127.0.0.1:8080; client_max_body_size 1;
             location / { proxy_pass http://127.0.0.1:9000; error_page 413 /page; }
             location /page { proxy_pass http://127.0.0.1:9001; } } }",
        ),
        false,
    );
    alone.receives(Side::Downstream, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let late = alone.claim();
    alone.receives(Side::Downstream, "2\r\nab\r\n");
    let next = alone.claim();
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_admitted(late, Admission::Granted, turn);
    assert!(alone.dial().is_none(), "the page is a request of its own");
    let turn = &mut Turn { now: alone.now, buffers: &mut alone.buffers };
    alone.session.handle_admitted(next, Admission::Granted, turn);
    assert!(alone.dial().is_some());
}
