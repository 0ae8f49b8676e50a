//! What a session sends its shell out for: names, admission, connections, and errands that come back late.

use std::{io::ErrorKind, net::IpAddr, sync::Arc, time::Duration};

use underpass_core::{
    Address, Admission, Disposal, Ending, Event, Output, Refusal, RequestHead, Side, Tick, Verdict,
    config::{AdmissionId, Config, Handler, Location, Proxy, Return, Route, Router, Target},
    shared::{Group, GroupId, Upstreams},
    violation::Violation,
};
use underpass_testkit::session_world::{Connect, World};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[derive(Debug)]
struct Only(Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// A location whose origin server has a name, or that asks for admission.
fn world(named: bool, admission: Option<u32>) -> World {
    let group = GroupId(0);
    let target = if named {
        Target::Name { name: "origin.example".into(), port: 81, group }
    } else {
        Target::Group(group)
    };
    world_of(Handler::Proxy(Box::new(Proxy::new(target, "origin.example"))), admission)
}

/// A location that answers in some way.
fn world_of(handler: Handler, admission: Option<u32>) -> World {
    let mut location = Location::new(handler);
    location.admission = admission.map(AdmissionId);
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let upstreams = Upstreams::new(vec![Group::single("g", Address::Ip(peer))]);
    World::new(Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams))))
}

fn status(world: &World) -> &str {
    let text = std::str::from_utf8(world.client.received()).expect("ASCII");
    text.get(9..12).unwrap_or_default()
}

#[test]
fn a_name_is_looked_up_and_its_addresses_are_tried_in_turn() {
    let mut world = world(true, None);
    let addresses = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]].map(IpAddr::from);
    world.addresses = Some(Ok(addresses.to_vec()));
    world.connects.extend([Connect::Refuse, Connect::Refuse]);
    world.client_sends(GET);
    assert_eq!(world.origins.len(), 1);
    assert_eq!(world.origins[0].address.to_string(), "10.0.0.3:81");
    assert!(world.origin().received().starts_with(b"GET / HTTP/1.1\r\nHost: origin.example\r\n"));
    world.origin_sends(OK);
    assert_eq!(status(&world), "200");
    assert_eq!(world.notes.iter().filter(|(event, _)| *event == Event::NextPeer).count(), 2);
}

#[test]
fn a_name_that_nobody_knows_is_a_502_and_one_that_nobody_answers_a_504() {
    let mut unknown = world(true, None);
    unknown.addresses = Some(Err(ErrorKind::NotFound.into()));
    unknown.client_sends(GET);
    assert_eq!(status(&unknown), "502");
    let mut refused = world(true, None);
    refused.addresses = Some(Err(ErrorKind::QuotaExceeded.into()));
    refused.client_sends(GET);
    assert_eq!(status(&refused), "503", "a limit of ours");
    let mut silent = world(true, None);
    silent.addresses = None;
    silent.client_sends(GET);
    silent.elapse(Duration::from_millis(29_999));
    assert_eq!(status(&silent), "");
    silent.elapse(Duration::from_millis(1));
    assert_eq!(status(&silent), "504");
}

#[test]
fn a_name_without_an_address_is_as_one_that_nobody_knows() {
    let mut world = world(true, None);
    world.addresses = Some(Ok(Vec::new()));
    world.client_sends(GET);
    assert_eq!(status(&world), "502");
    let unknown = Event::Violation(Violation::UnknownName);
    assert_eq!(world.notes.iter().map(|(event, _)| *event).collect::<Vec<_>>(), [unknown]);
}

#[test]
fn admission_is_asked_for_first() {
    for (admission, expected) in [
        (Admission::Granted, "200"),
        (Admission::Refused(Refusal::Forbidden), "403"),
        (Admission::Refused(Refusal::Unauthorized), "401"),
        (Admission::Refused(Refusal::Limited(503)), "503"),
        (Admission::Refused(Refusal::Limited(429)), "429"),
        (Admission::Refused(Refusal::Limited(0)), "503"),
    ] {
        let mut world = world(false, Some(7));
        world.admission = Some(admission);
        world.client_sends(GET);
        assert_eq!(world.origins.len(), usize::from(admission == Admission::Granted));
        if !world.origins.is_empty() {
            world.origin_sends(OK);
        }
        assert_eq!(status(&world), expected);
    }
}

#[test]
fn a_claim_names_the_rules_of_its_location() {
    let mut world = world(false, Some(7));
    let (session, mut turn) = world.parts();
    let space =
        session.receive_space(session.connection(Side::Downstream), &mut turn).expect("a request is wanted");
    space[..GET.len()].copy_from_slice(GET.as_bytes());
    session.handle_received(session.connection(Side::Downstream), Ok(GET.len()), &mut turn);
    let claim = loop {
        match session.poll_output() {
            Output::Admit(claim) => break claim,
            output => assert!(!matches!(output, Output::Wait(_) | Output::Done), "it asks before it waits"),
        }
    };
    assert_eq!(claim.rules(), Some(AdmissionId(7)));
}

#[test]
fn nothing_and_what_is_not_here_are_for_those_who_are_admitted() {
    let nothing = || Handler::Nothing;
    let lacking = || Handler::Unsupported("root".into());
    let returned = || Handler::Return(Return::new(410, None));
    for (handler, asks, admission, expected) in [
        (nothing(), Some(7), Admission::Granted, "404"),
        (nothing(), Some(7), Admission::Refused(Refusal::Forbidden), "403"),
        (nothing(), None, Admission::Refused(Refusal::Forbidden), "404"),
        (lacking(), Some(7), Admission::Granted, "501"),
        (lacking(), Some(7), Admission::Refused(Refusal::Unauthorized), "401"),
        (lacking(), None, Admission::Refused(Refusal::Forbidden), "501"),
        // As in nginx, what returns asks nobody who it is.
        (returned(), Some(7), Admission::Refused(Refusal::Forbidden), "410"),
    ] {
        let mut world = world_of(handler, asks);
        world.admission = Some(admission);
        world.client_sends(GET);
        assert_eq!(status(&world), expected);
    }
}

#[test]
fn a_delayed_request_goes_on_when_its_time_has_come() {
    let mut world = world(false, Some(7));
    world.admission = Some(Admission::Delayed(Tick(3_000_000_000)));
    world.client_sends(GET);
    world.elapse(Duration::from_millis(2_999));
    assert!(world.origins.is_empty());
    world.elapse(Duration::from_millis(1));
    assert_eq!(world.origins.len(), 1);
    world.origin_sends(OK);
    assert_eq!(status(&world), "200");
}

#[test]
fn a_client_that_leaves_cancels_the_dial() {
    for leaves in [|world: &mut World| world.client.end(), |world: &mut World| world.client.reset()] {
        let mut world = world(false, None);
        world.connects_else = Connect::Hang;
        world.client_sends(GET);
        assert!(world.is_out());
        leaves(&mut world);
        world.run();
        assert_eq!(world.releases, [(Verdict::Unjudged, Disposal::Close(Ending::Fin))]);
        assert!(world.done && !world.is_out());
        assert_eq!(world.exchanges[0].status, 499);
    }
}

#[test]
fn every_lease_comes_back_with_what_was_seen_of_the_peer() {
    let mut good = world(false, None);
    good.client_sends(GET);
    good.origin_sends(OK);
    assert_eq!(good.releases, [(Verdict::Success, Disposal::Pool)]);
    let mut bad = world(false, None);
    bad.client_sends(GET);
    bad.origin_sends("nonsense\r\n\r\n");
    assert_eq!(bad.releases, [(Verdict::Failure, Disposal::Close(Ending::Fin))]);
    // A stale connection says nothing of its peer.
    good.client_sends(GET);
    good.origin_ends();
    assert_eq!(good.releases[1], (Verdict::Unjudged, Disposal::Close(Ending::Fin)));
    assert_eq!(good.origins.len(), 2);
}

#[test]
fn reports_about_what_is_over_change_nothing() {
    let mut world = world(false, None);
    world.client_sends(GET);
    world.origin_sends(OK);
    world.client_ends();
    assert!(world.done);
    let before = world.session.snapshot(world.now().tick);
    let (session, mut turn) = world.parts();
    for side in Side::BOTH {
        assert!(session.receive_space(session.connection(side), &mut turn).is_none());
        session.handle_received(session.connection(side), Ok(0), &mut turn);
        session.handle_received(session.connection(side), Err(ErrorKind::ConnectionReset.into()), &mut turn);
        session.handle_sent(session.connection(side), Ok(3), &mut turn);
        session.handle_sent(session.connection(side), Err(ErrorKind::BrokenPipe.into()), &mut turn);
    }
    session.handle_timeout(&mut turn);
    session.handle_drain(underpass_core::Draining::Quit(None), &mut turn);
    world.run();
    assert!(world.done);
    // Draining is remembered; all else is as it was.
    assert_eq!(before.is_closed(), world.session.snapshot(world.now().tick).is_closed());
}
