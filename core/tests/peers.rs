//! Which peers an exchange tries, in which order, and what they are told.

use std::{sync::Arc, time::Duration};

use underpass_core::{
    Address, Event, RequestHead,
    config::{AccessLog, Config, Handler, Location, Proxy, Route, Router, Target},
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
    template::{Escape, Template},
};
use underpass_testkit::sim::{Connect, World};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[derive(Debug)]
struct Only(Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// A peer on the loopback interface.
fn peer(port: u16) -> Peer {
    Peer::new(Address::Ip(([127, 0, 0, 1], port).into()))
}

fn world(group: Group) -> World {
    let mut location = Location::new(Handler::Proxy(Box::new(Proxy::new(Target::Group(GroupId(0)), "g"))));
    let format = Template::parse("$status $upstream_addr $upstream_status", &(), Escape::Log);
    location.access_logs.push(AccessLog::new(0, Arc::new(format.expect("a format"))));
    let upstreams = Upstreams::new(vec![group]);
    World::new(Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams))))
}

fn group(peers: Vec<Peer>) -> Group {
    Group::new("g", peers, KeepAlive::default())
}

#[test]
fn a_peer_that_never_answers_a_dial_is_not_tried_again() {
    let mut world = world(group(vec![peer(9001), peer(9002)]));
    world.connects.push_back(Connect::Hang);
    world.client_sends(GET);
    assert!(world.is_out());
    world.elapse(Duration::from_secs(60));
    assert_eq!(world.origins.len(), 1, "the other peer is dialled");
    assert_eq!(world.origins[0].address.to_string(), "127.0.0.1:9002");
    world.origin_sends(OK);
    assert_eq!(world.log, ["200 127.0.0.1:9001, 127.0.0.1:9002 504, 200"]);
}

#[test]
fn every_peer_of_a_large_group_is_tried_once() {
    let ports = 9001..9201;
    let mut world = world(group(ports.clone().map(peer).collect()));
    world.connects_else = Connect::Refuse;
    world.client_sends(GET);
    assert!(world.client.received().starts_with(b"HTTP/1.1 502 "));
    let tries: Vec<_> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    let statuses = vec!["502"; tries.len()].join(", ");
    assert_eq!(world.log, [format!("502 {} {statuses}", tries.join(", "))]);
}

#[test]
fn a_stale_connection_counts_for_no_try() {
    let mut world = world(group(vec![peer(9001)]));
    world.client_sends(GET);
    world.origin_sends(OK);
    world.client_sends(GET);
    world.origin_ends();
    assert!(world.notes.iter().any(|(event, _)| *event == Event::StaleConnection));
    assert_eq!(world.origins.len(), 2, "the only peer is dialled once more");
    world.origin_sends(OK);
    assert_eq!(world.exchanges[1].status, 200);
}
