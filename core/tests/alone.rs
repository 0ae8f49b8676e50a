//! What needs a shell that does one thing at a time: writes that fail, and who is asked again, what is still read
//! and what the client gets then; answers that come late; a look at the client.

mod common;

use std::{io::ErrorKind, sync::Arc};

use underpass_core::{
    Address, Admission, Buffers, Claim, ClientInfo, Connected, Dial, Disposal, Ending, Event, Fault, Lookup,
    Now, Outcome, Output, Session, Severity, Side, Tick, Timer, Turn, Verdict, config::Config,
};
use underpass_testkit::session_world::{World, config_of};

use common::text;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";

fn broken() -> Fault {
    ErrorKind::BrokenPipe.into()
}

/// A session by itself, without a shell that hurries: two peers, and idle connections to them where that is
/// `pooled`.
struct Alone {
    session: Session,
    buffers: Buffers,
    now: Now,
    pooled: bool,
}

impl Alone {
    fn with(config: Arc<Config>, pooled: bool) -> Self {
        let address: std::net::SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        let address = Address::Ip(address);
        let client = ClientInfo::new(address.clone(), address, 1, [0; 16]);
        let now = Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 };
        let session = Session::new(config, client, now);
        Self { session, buffers: Buffers::default(), now, pooled }
    }

    fn new(pooled: bool) -> Self {
        Self::with(
            config_of(
                "http { access_log off; upstream two { server 127.0.0.1:9000; server 127.0.0.1:9001; keepalive 4; }
                 server { listen 127.0.0.1:8080; location / { proxy_pass http://two; } } }",
            ),
            pooled,
        )
    }

    fn receives(&mut self, from: Side, bytes: &str) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        let space =
            self.session.receive_space(self.session.connection(from), turn).expect("bytes are wanted");
        space[..bytes.len()].copy_from_slice(bytes.as_bytes());
        self.session.handle_received(self.session.connection(from), Ok(bytes.len()), turn);
    }

    fn ends(&mut self, from: Side) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_received(self.session.connection(from), Ok(0), turn);
    }

    /// Sends all there is, and says what that was.
    fn sends(&mut self, to: Side) -> String {
        let mut sent = Vec::new();
        loop {
            let slices = self.session.transmit(self.session.connection(to));
            let count = slices.total();
            if count == 0 {
                return text(&sent);
            }
            sent.extend(slices.iter().flat_map(|slice| slice.to_vec()));
            let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
            self.session.handle_sent(self.session.connection(to), Ok(count), turn);
        }
    }

    fn write_fails(&mut self, to: Side) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_sent(self.session.connection(to), Err(broken()), turn);
    }

    /// Polls until it waits; says whom it wants to have dialled, if it does.
    fn dial(&mut self) -> Option<Dial> {
        loop {
            match self.session.poll_output() {
                Output::Connect(dial) => return Some(dial),
                Output::Wait(_) | Output::Done => return None,
                _ => {}
            }
        }
    }

    fn lookup(&mut self) -> Lookup {
        loop {
            match self.session.poll_output() {
                Output::Resolve(lookup) => return lookup,
                Output::Wait(_) | Output::Done => panic!("a name is to be looked up"),
                _ => {}
            }
        }
    }

    fn claim(&mut self) -> Claim {
        loop {
            match self.session.poll_output() {
                Output::Admit(claim) => return claim,
                Output::Wait(_) | Output::Done => panic!("it is to be admitted"),
                _ => {}
            }
        }
    }

    /// Polls until there is something else to do than to note something.
    fn notes(&mut self) -> Vec<(Severity, Event)> {
        let mut notes = Vec::new();
        while let Output::Note(note) = self.session.poll_output() {
            notes.push((note.severity, note.event));
        }
        notes
    }

    /// Polls until it waits; whether it wants to write to this side then.
    fn writes(&mut self, to: Side) -> bool {
        loop {
            match self.session.poll_output() {
                Output::Wait(wait) => return wait.writes(to),
                Output::Done => return false,
                _ => {}
            }
        }
    }

    /// Dials whom it wants; `false` when that is nobody.
    fn connects(&mut self) -> bool {
        let Some(dial) = self.dial() else { return false };
        self.chooses(&dial);
        let connected = if self.pooled { Connected::Reused } else { Connected::Fresh };
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_connected(dial, Ok(connected), turn);
        true
    }

    fn chooses(&mut self, dial: &Dial) {
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        let choice = self.session.choose(dial, turn.now.tick).expect("a peer");
        let _lease = self.session.handle_chosen(dial, choice, turn);
    }

    /// Polls until it waits; whether an exchange ended.
    fn is_over(&mut self) -> bool {
        let mut over = false;
        loop {
            match self.session.poll_output() {
                Output::LogTunnel(_) => {}
                Output::ExchangeDone => over = true,
                Output::Wait(_) | Output::Done => return over,
                _ => {}
            }
        }
    }

    /// The next deadline passes.
    fn times_out(&mut self) {
        let deadline = loop {
            match self.session.poll_output() {
                Output::Wait(wait) => break wait.deadline.expect("a deadline"),
                Output::Done => panic!("it is over"),
                _ => {}
            }
        };
        self.now.tick = deadline;
        let turn = &mut Turn { now: self.now, buffers: &mut self.buffers };
        self.session.handle_timeout(turn);
    }
}

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
