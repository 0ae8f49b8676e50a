//! Reports that come late: about a connection, a dial, a lookup or an admission that is over. They change nothing.

mod common;

use std::{io::ErrorKind, net::IpAddr, ops::Range, sync::Arc, time::Duration};

use common::{Only, address, proxying, world};
use underpass_core::{
    Admission, Buffers, ClientInfo, Connected, DialError, Fault, Leg, Now, Output, Session, Side, Tick, Turn,
    Wait,
    config::{AdmissionId, Config, Location, Target},
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";

/// A session that has read a request; its location has two peers.
fn asked(location: Location, turn: &mut Turn<'_>) -> Session {
    asked_to(GET, location, turn)
}

fn asked_to(request: &str, location: Location, turn: &mut Turn<'_>) -> Session {
    let mut session = accepted(location, turn);
    let space = session.receive_space(Leg::CLIENT, turn).expect("bytes are wanted");
    space[..request.len()].copy_from_slice(request.as_bytes());
    session.handle_received(Leg::CLIENT, Ok(request.len()), turn);
    session
}

fn accepted(location: Location, turn: &mut Turn<'_>) -> Session {
    let peers = [9000, 9001].map(|port| Peer::new(address(&format!("127.0.0.1:{port}"))));
    let upstreams = Upstreams::new(vec![Group::new("g", peers.into(), KeepAlive::default())]);
    let config = Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams)));
    let (remote, local) = (address("192.0.2.7:5000"), address("192.0.2.1:80"));
    let client = ClientInfo::new(remote, local, 1, [0; 16]);
    Session::new(config, client, turn.now)
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
    looking.handle_received(looking.connection(Side::Downstream), Ok(0), turn);
    let found = [IpAddr::from([127, 0, 0, 1])];
    assert_ignored(&mut looking, turn, |session, turn| session.handle_resolved(lookup, Ok(&found), turn));
    let mut location = named();
    location.admission = Some(AdmissionId(1));
    let mut asking = asked(location, turn);
    let Output::Admit(claim) = errand(&mut asking) else { panic!("it is to be admitted") };
    asking.handle_received(asking.connection(Side::Downstream), Err(ErrorKind::ConnectionReset.into()), turn);
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
            session.handle_received(session.connection(Side::Upstream), report, turn);
        });
        assert_ignored(session, &mut turn, |session, turn| {
            session.handle_sent(session.connection(Side::Upstream), report, turn);
        });
        of_the_world.handle_received(of_the_world.connection(Side::Upstream), report, &mut turn);
        of_the_world.handle_sent(of_the_world.connection(Side::Upstream), report, &mut turn);
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
    assert!(session.transmit(session.connection(Side::Upstream)).total() > 10);
    session.handle_sent(session.connection(Side::Upstream), Ok(10), turn);
    session.handle_received(session.connection(Side::Upstream), Ok(0), turn);
    assert_eq!(
        session.transmit(session.connection(Side::Upstream)).total(),
        0,
        "the connection has not been released yet"
    );
    connect(&mut session, Connected::Fresh, turn);
    let sent = session
        .transmit(session.connection(Side::Upstream))
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect::<Vec<_>>();
    assert!(sent.starts_with(GET.lines().next().expect("a line").as_bytes()), "{}", sent.escape_ascii());
}

/// A session whose first connection was given up for another peer, and that connection.
struct Retried {
    session: Session,
    first: Leg,
    /// The memory that it has been lent.
    used: Vec<Range<*const u8>>,
}

/// Where `uses` says so, a read or a write of the first connection has not come back.
fn retried(uses: [bool; 2], turn: &mut Turn<'_>) -> Retried {
    let mut session = asked_to(PUT, proxying(|_| {}), turn);
    let connect = |session: &mut Session, turn: &mut Turn<'_>| {
        let Output::Connect(dial) = errand(session) else { panic!("a dial") };
        let choice = session.choose(&dial, turn.now.tick).expect("a peer");
        drop(session.handle_chosen(&dial, choice, turn));
        let leg = dial.leg();
        session.handle_connected(dial, Ok(Connected::Fresh), turn);
        rest(session);
        leg
    };
    let first = connect(&mut session, turn);
    let mut used = Vec::new();
    let [reads, writes] = uses;
    if reads {
        used.push(session.receive_space(first, turn).expect("bytes are wanted").as_ptr_range());
    }
    if writes {
        used.extend(session.transmit(first).iter().map(|slice| slice.as_ptr_range()));
        assert_eq!(used.len(), 2, "a head, and content");
    }
    turn.now.tick = turn.now.tick.after(Duration::from_secs(60));
    session.handle_timeout(turn);
    let released = loop {
        match session.poll_output() {
            Output::Release(leg, ..) => break leg,
            Output::Note(_) => {}
            other => panic!("{other:?} before the first connection is released"),
        }
    };
    assert_eq!(released, first);
    let second = connect(&mut session, turn);
    assert_eq!((session.connection(Side::Upstream), first < second), (second, true));
    Retried { session, first, used }
}

fn wait(session: &mut Session) -> Wait {
    match session.poll_output() {
        Output::Wait(wait) => wait,
        other => panic!("{other:?} where nothing is to be done"),
    }
}

fn to_send(session: &mut Session) -> Vec<u8> {
    let leg = session.connection(Side::Upstream);
    session.transmit(leg).iter().flat_map(|slice| slice.to_vec()).collect()
}

const RESULTS: [Result<usize, Fault>; 5] = [
    Ok(0),
    Ok(4),
    Err(Fault::WOULD_BLOCK),
    Err(Fault { kind: ErrorKind::Interrupted, os: None }),
    Err(Fault { kind: ErrorKind::ConnectionReset, os: None }),
];

/// A shell whose reads complete, and one that says a thing twice.
#[test]
fn a_read_of_the_connection_before_that_comes_late() {
    for (result, lent) in RESULTS.into_iter().flat_map(|result| [(result, true), (result, false)]) {
        let mut buffers = Buffers::default();
        let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
        let turn = &mut Turn { now, buffers: &mut buffers };
        let Retried { mut session, first, .. } = retried([lent, false], turn);
        let before = session.snapshot(turn.now.tick).buffered(Side::Upstream);
        session.handle_received(first, result, turn);
        let after = session.snapshot(turn.now.tick);
        assert_eq!(after.buffered(Side::Upstream), before, "nobody has sent that: {result:?}");
        let wait = wait(&mut session);
        assert!(wait.reads(Side::Upstream) && wait.writes(Side::Upstream), "{result:?}: {after}");
    }
}

#[test]
fn a_write_of_the_connection_before_that_comes_late() {
    for (result, lent) in RESULTS.into_iter().flat_map(|result| [(result, true), (result, false)]) {
        let mut buffers = Buffers::default();
        let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
        let turn = &mut Turn { now, buffers: &mut buffers };
        let Retried { mut session, first, .. } = retried([false, lent], turn);
        session.handle_sent(first, result, turn);
        assert!(wait(&mut session).writes(Side::Upstream), "{result:?}");
        let sent = to_send(&mut session);
        assert!(sent.starts_with(b"PUT / HTTP/1.1\r\n"), "{result:?} cuts it: {}", sent.escape_ascii());
    }
}

/// Whoever reads late writes into that memory; what the next connection reads into it would be lost.
#[test]
fn memory_that_a_read_uses_is_lent_again_when_it_has_come_back() {
    let mut buffers = Buffers::default();
    let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
    let turn = &mut Turn { now, buffers: &mut buffers };
    let Retried { mut session, first, .. } = retried([true, false], turn);
    let second = session.connection(Side::Upstream);
    let waits = wait(&mut session);
    assert!(!waits.reads(Side::Upstream) && waits.writes(Side::Upstream), "{waits:?}");
    assert!(session.receive_space(second, turn).is_none());
    assert!(session.receive_space(first, turn).is_none(), "it was released");
    session.handle_received(first, Ok(9), turn);
    assert!(wait(&mut session).reads(Side::Upstream));
    assert!(session.receive_space(first, turn).is_none());
    assert!(session.receive_space(second, turn).is_some());
}

/// A reset may be reported whenever it is noticed, by the present connection too.
#[test]
fn a_reset_of_the_present_connection_frees_nothing_that_another_one_uses() {
    let reset = || Fault::from(ErrorKind::ConnectionReset);
    for uses in [[true, false], [false, true]] {
        let mut buffers = Buffers::default();
        let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
        let turn = &mut Turn { now, buffers: &mut buffers };
        let Retried { mut session, first, used } = retried(uses, turn);
        let second = session.connection(Side::Upstream);
        session.handle_received(second, Err(reset()), turn);
        session.handle_sent(second, Err(reset()), turn);
        rest(&mut session);
        session.handle_timeout(turn);
        // Others of the worker's sessions ask for memory.
        let mut others: Vec<_> = (0..4).map(|_| accepted(proxying(|_| {}), turn)).collect();
        for other in &mut others {
            let space = other.receive_space(Leg::CLIENT, turn).expect("bytes are wanted").as_ptr_range();
            let overlaps = used.iter().any(|used| used.start < space.end && space.start < used.end);
            assert!(!overlaps, "memory is lent that is in use: {uses:?}");
        }
        session.handle_received(first, Ok(1), turn);
    }
}

/// The next exchange reads no more into it than a retry does, and a report that comes twice is no second one's.
#[test]
fn memory_that_a_write_uses_stays_as_it_is_until_it_has_come_back() {
    let mut buffers = Buffers::default();
    let now = Now { tick: Tick(0), unix_ms: 784_111_777_000, utc_offset_min: 0 };
    let turn = &mut Turn { now, buffers: &mut buffers };
    let Retried { mut session, first, .. } = retried([false, true], turn);
    let second = session.connection(Side::Upstream);
    let waits = wait(&mut session);
    assert!(waits.reads(Side::Upstream) && !waits.writes(Side::Upstream), "{waits:?}");
    assert!(session.transmit(second).is_empty());
    assert!(session.transmit(first).is_empty(), "it was released");
    session.handle_sent(first, Err(ErrorKind::Interrupted.into()), turn);
    assert!(wait(&mut session).writes(Side::Upstream));
    assert!(!session.transmit(second).is_empty());
    session.handle_sent(first, Ok(9), turn);
    assert!(to_send(&mut session).starts_with(b"PUT / HTTP/1.1\r\n"));
}
