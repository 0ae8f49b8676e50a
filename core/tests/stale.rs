//! Reports that come late: about a connection, a dial, a lookup or an admission that is over. They change nothing.

mod common;

use std::{io::ErrorKind, net::IpAddr, sync::Arc, time::Duration};

use common::{Only, address, proxying, world};
use underpass_core::{
    Admission, Buffers, ClientInfo, Connected, DialError, Now, Output, Session, Side, Tick, Turn,
    config::{Config, Location, Target},
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A session that has read a request; its location has two peers.
fn asked(location: Location, turn: &mut Turn<'_>) -> Session {
    let peers = [9000, 9001].map(|port| Peer::new(address(&format!("127.0.0.1:{port}"))));
    let upstreams = Upstreams::new(vec![Group::new("g", peers.into(), KeepAlive::default())]);
    let config = Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams)));
    let (remote, local) = (address("192.0.2.7:5000"), address("192.0.2.1:80"));
    let client = ClientInfo { remote, local, serial: 1, secret: [0; 16] };
    let mut session = Session::new(config, client, turn.now);
    let space = session.receive_space(Side::Downstream, turn).expect("bytes are wanted");
    space[..GET.len()].copy_from_slice(GET.as_bytes());
    session.handle_received(Side::Downstream, Ok(GET.len()), turn);
    session
}

/// The errand that the session sends its shell on. Another copy of the session gives it out once more.
fn errand(session: &mut Session) -> Output {
    loop {
        match session.poll_output() {
            errand @ (Output::Connect(_) | Output::Resolve(_) | Output::Admit(_)) => return errand,
            Output::Wait(_) | Output::Done => panic!("nothing is to be done"),
            _ => {}
        }
    }
}

fn rest(session: &mut Session) {
    while !matches!(session.poll_output(), Output::Wait(_) | Output::Done) {}
}

/// Reports change nothing that behaviour depends on, and lead to nothing.
fn assert_ignored(
    session: &mut Session,
    turn: &mut Turn<'_>,
    report: impl FnOnce(&mut Session, &mut Turn<'_>),
) {
    rest(session);
    // Memory goes back with the next report, whatever it is.
    session.handle_timeout(turn);
    let before = session.snapshot(turn.now.tick);
    report(session, turn);
    assert_eq!(session.snapshot(turn.now.tick), before);
    assert!(matches!(session.poll_output(), Output::Wait(_) | Output::Done));
}

#[test]
fn a_dial_that_was_given_up_for_another() {
    let mut buffers = Buffers::default();
    let now = |seconds: u64| Now {
        tick: Tick(0).after(Duration::from_secs(seconds)),
        unix_ms: 0,
        utc_offset_min: 0,
    };
    let turn = &mut Turn { now: now(0), buffers: &mut buffers };
    let mut session = asked(proxying(|_| {}), turn);
    let (mut second, mut third) = (session.clone(), session.clone());
    let tokens = [&mut session, &mut second, &mut third].map(|copy| match errand(copy) {
        Output::Connect(dial) => dial,
        other => panic!("{other:?} is no dial"),
    });
    // It takes too long; the next peer is asked.
    turn.now = now(60);
    session.handle_timeout(turn);
    let Output::Connect(_next) = errand(&mut session) else { panic!("the next peer is asked") };
    let refused = || DialError::Io(ErrorKind::ConnectionRefused.into());
    let results = [Ok(Connected::Fresh), Err(refused()), Err(DialError::NoPeer)];
    for (token, result) in tokens.into_iter().zip(results) {
        assert_ignored(&mut session, turn, |session, turn| session.handle_connected(token, result, turn));
    }
}

#[test]
fn a_lookup_and_an_admission_whose_client_has_left() {
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now: Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 }, buffers: &mut buffers };
    let named = || {
        let target = Target::Name { name: "origin.example".into(), port: 81, group: GroupId(0) };
        proxying(|proxy| proxy.target = target)
    };
    let mut looking = asked(named(), turn);
    let Output::Resolve(lookup) = errand(&mut looking) else { panic!("a name is looked up") };
    looking.handle_received(Side::Downstream, Ok(0), turn);
    let found = [IpAddr::from([127, 0, 0, 1])];
    assert_ignored(&mut looking, turn, |session, turn| session.handle_resolved(lookup, Ok(&found), turn));
    let mut location = named();
    location.admission = Some(1);
    let mut asking = asked(location, turn);
    let Output::Admit(claim) = errand(&mut asking) else { panic!("it is to be admitted") };
    asking.handle_received(Side::Downstream, Err(ErrorKind::ConnectionReset.into()), turn);
    assert_ignored(&mut asking, turn, |session, turn| {
        session.handle_admitted(claim, Admission::Granted, turn);
    });
}

#[test]
fn a_connection_that_went_back() {
    let mut world = world(proxying(|_| {}));
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (of_the_world, mut turn) = world.parts();
    let gone = || ErrorKind::ConnectionReset.into();
    for report in [Ok(0), Ok(5), Err(gone())] {
        let session = &mut Session::clone(of_the_world.session());
        assert_ignored(session, &mut turn, |session, turn| {
            session.handle_received(Side::Upstream, report, turn);
        });
        assert_ignored(session, &mut turn, |session, turn| session.handle_sent(Side::Upstream, report, turn));
        of_the_world.handle_received(Side::Upstream, report, &mut turn);
        of_the_world.handle_sent(Side::Upstream, report, &mut turn);
    }
    world.client_sends(GET);
    assert_eq!(world.origins.len(), 1, "the next exchange goes on as if nothing had been said");
}

/// Its shell may write once more before it polls: what is sent again is for the next connection, and not for the one
/// that has ended.
#[test]
fn what_is_sent_again_is_not_for_the_connection_that_ended() {
    let mut buffers = Buffers::default();
    let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
    let turn = &mut Turn { now, buffers: &mut buffers };
    let mut session = asked(proxying(|_| {}), turn);
    let connect = |session: &mut Session, connected, turn: &mut Turn<'_>| {
        let Output::Connect(dial) = errand(session) else { panic!("a dial") };
        let choice = session.choose(&dial, turn.now.tick).expect("a peer");
        drop(session.handle_chosen(&dial, choice, turn));
        session.handle_connected(dial, Ok(connected), turn);
        rest(session);
    };
    connect(&mut session, Connected::Reused, turn);
    assert!(session.transmit(Side::Upstream).total() > 10);
    session.handle_sent(Side::Upstream, Ok(10), turn);
    session.handle_received(Side::Upstream, Ok(0), turn);
    assert_eq!(session.transmit(Side::Upstream).total(), 0, "the connection has not been released yet");
    connect(&mut session, Connected::Fresh, turn);
    let sent = session.transmit(Side::Upstream).iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>();
    assert!(sent.starts_with(GET.lines().next().expect("a line").as_bytes()), "{}", sent.escape_ascii());
}
