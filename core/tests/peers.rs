//! Which peers an exchange tries, in which order, and what they are told.

use std::{sync::Arc, time::Duration};

use underpass_core::{
    Address, Event, RequestHead,
    config::{
        AccessLog, Config, Handler, Location, LogId, NextUpstream, Proxy, Route, Router, SetHeader, Target,
    },
    shared::{Balance, Group, GroupId, KeepAlive, Peer, Upstreams},
    template::{Escape, Template},
    violation::Violation,
};
use underpass_testkit::session_world::{Connect, World};

const ID: GroupId = GroupId(0);
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
    World::new(config(group))
}

fn config(group: Group) -> Arc<Config> {
    retrying(group, |_| ())
}

/// A configuration that tries again as `change` says.
fn retrying(group: Group, change: impl FnOnce(&mut NextUpstream)) -> Arc<Config> {
    let mut proxy = Proxy::new(Target::Group(ID), "g");
    change(&mut proxy.next_upstream);
    proxy.set_headers = SetHeader::websocket_recipe();
    let mut location = Location::new(Handler::Proxy(Box::new(proxy)));
    let format = Template::parse("$status $upstream_addr $upstream_status", &(), Escape::Log);
    location.access_logs.push(AccessLog::new(LogId(0), Arc::new(format.expect("a format"))));
    let upstreams = Upstreams::new(vec![group]);
    Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams)))
}

fn group(peers: Vec<Peer>) -> Group {
    Group::new("g", peers, KeepAlive::default())
}

/// One whole exchange: its line in the log.
fn exchange(world: &mut World, request: &str) -> String {
    world.client_sends(request);
    let index = world.upstream().expect("an upstream connection");
    world.origins[index].end.send(OK.as_bytes());
    world.run();
    world.log.pop().expect("a line")
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
fn tries_are_bounded_as_configured() {
    let refused = |change: fn(&mut NextUpstream)| {
        let peers = (9001..9005).map(peer).collect();
        let mut world = World::new(retrying(group(peers), change));
        world.connects_else = Connect::Refuse;
        world.client_sends(GET);
        world.log.pop().expect("a line")
    };
    assert_eq!(refused(|next| next.tries = 2), "502 127.0.0.1:9001, 127.0.0.1:9002 502, 502");
    assert_eq!(refused(|next| next.error = false), "502 127.0.0.1:9001 502");
    assert_eq!(refused(|next| next.tries = 9).matches("502").count(), 5);
    let silent = |change: fn(&mut NextUpstream)| {
        let peers = (9001..9005).map(peer).collect();
        let mut world = World::new(retrying(group(peers), change));
        world.connects_else = Connect::Hang;
        world.client_sends(GET);
        world.elapse(Duration::from_secs(300));
        world.log.pop().expect("a line")
    };
    assert_eq!(silent(|next| next.timeout = false), "504 127.0.0.1:9001 504");
    let within = silent(|next| next.within = Duration::from_secs(90));
    assert_eq!(within, "504 127.0.0.1:9001, 127.0.0.1:9002 504, 504");
    assert_eq!(silent(|_| ()).matches("504").count(), 5);
}

#[test]
fn a_peer_that_is_too_slow_to_answer_is_left_for_another() {
    let mut world = world(group(vec![peer(9001), peer(9002)]));
    world.client_sends(GET);
    world.elapse(Duration::from_secs(60));
    assert_eq!(world.origins.len(), 2);
    world.origin_sends(OK);
    assert_eq!(world.log, ["200 127.0.0.1:9001, 127.0.0.1:9002 504, 200"]);
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

#[test]
fn a_backup_is_tried_and_one_that_is_down_is_not() {
    let mut backup = peer(9002);
    backup.backup = true;
    let mut refused = world(group(vec![backup, peer(9001)]));
    refused.connects.push_back(Connect::Refuse);
    refused.client_sends(GET);
    refused.origin_sends(OK);
    assert_eq!(refused.log, ["200 127.0.0.1:9001, 127.0.0.1:9002 502, 200"]);
    let mut down = peer(9002);
    down.down = true;
    let mut alone = world(group(vec![peer(9001), down]));
    alone.connects_else = Connect::Refuse;
    alone.client_sends(GET);
    assert_eq!(alone.log, ["502 127.0.0.1:9001 502"]);
    assert!(!alone.notes.iter().any(|(event, _)| *event == Event::NextPeer));
}

#[test]
fn where_nobody_is_left_the_log_names_the_group() {
    let mut patient = peer(9002);
    patient.fail_timeout = Duration::from_secs(3600);
    let config = config(group(vec![peer(9001), patient]));
    let mut first = World::new(Arc::clone(&config));
    first.connects_else = Connect::Refuse;
    first.client_sends(GET);
    assert_eq!(first.log, ["502 127.0.0.1:9001, 127.0.0.1:9002 502, 502"]);
    let mut second = World::new(Arc::clone(&config));
    second.client_sends(GET);
    assert_eq!(second.log, ["502 g 502"]);
    // A timeout is the better answer to the client than that there was nobody behind it.
    let mut third = World::new(config);
    third.elapse(Duration::from_secs(30));
    third.connects_else = Connect::Hang;
    third.client_sends(GET);
    third.elapse(Duration::from_secs(60));
    let nobody = Event::Violation(Violation::NoPeer);
    assert_eq!(third.notes.iter().filter(|(event, _)| *event == nobody).count(), 1);
    assert_eq!(third.log, ["504 127.0.0.1:9001, g 504, 502"]);
}

#[test]
fn a_peer_that_failed_is_left_alone_for_a_while() {
    let mut world = world(group(vec![peer(9001), peer(9002)]));
    world.connects.push_back(Connect::Refuse);
    let mut after = |span| {
        world.elapse(Duration::from_secs(span));
        exchange(&mut world, GET)
    };
    assert_eq!(after(0), "200 127.0.0.1:9001, 127.0.0.1:9002 502, 200");
    for _ in 0..4 {
        assert_eq!(after(2), "200 127.0.0.1:9002 200");
    }
    let later: Vec<_> = (0..8).map(|_| after(2)).collect();
    assert!(later.contains(&"200 127.0.0.1:9001 200".to_owned()), "{later:?}");
}

/// Rule E13: what fails here says nothing of the peers, which others can reach. It is a 500, as in nginx.
#[test]
fn a_fault_of_our_own_judges_nobody() {
    let config = config(group(vec![peer(9001), peer(9002)]));
    let mut world = World::new(Arc::clone(&config));
    world.connects_else = Connect::Fail;
    world.client_sends(GET);
    assert_eq!(world.log, ["500 127.0.0.1:9001, 127.0.0.1:9002 500, 500"], "another peer may do");
    let peers = config.upstreams.status(ID, world.now().tick);
    assert!(peers.iter().all(|peer| peer.failures == 0 && peer.leases == 0), "{peers:?}");
    // Another peer that does is what the client gets.
    let mut world = World::new(config);
    world.connects.push_back(Connect::Fail);
    let line = exchange(&mut world, GET);
    assert!(line.starts_with("200 ") && line.ends_with(" 500, 200"), "{line}");
}

#[test]
fn a_full_group_is_a_502() {
    let mut limited = peer(9001);
    limited.max_conns = 1;
    let config = config(group(vec![limited]));
    let mut first = World::new(Arc::clone(&config));
    first.client_sends(GET);
    let mut second = World::new(Arc::clone(&config));
    second.client_sends(GET);
    assert_eq!(second.log, ["502 g 502"]);
    first.origin_sends(OK);
    let mut third = World::new(Arc::clone(&config));
    third.client_sends(GET);
    assert_eq!(third.origins.len(), 1);
    // A worker that dies takes its leases with it.
    drop(third);
    assert_eq!(config.upstreams.status(ID, first.now().tick)[0].leases, 0);
}

#[test]
fn the_key_of_a_hash_is_what_the_request_says() {
    let key = Template::parse("$arg_k", &(), Escape::None).expect("a key");
    let weights = [(9001, 3), (9002, 1), (9003, 2), (9004, 1)];
    let peers = weights.map(|(port, weight)| {
        let mut peer = peer(port);
        (peer.weight, peer.down) = (weight, port == 9004);
        peer
    });
    let group = group(peers.to_vec()).balanced(Balance::Hash { key, consistent: false });
    let mut world = world(group);
    // As nginx 1.22 did.
    for (index, port) in [9001, 9001, 9002, 9002, 9001, 9003, 9003].iter().enumerate() {
        let request = format!("GET /?k=key{index} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(exchange(&mut world, &request), format!("200 127.0.0.1:{port} 200"));
    }
}

#[test]
fn a_peer_is_cleared_when_what_may_last_for_hours_begins() {
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let stream = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na";
    for (request, response, cleared) in [(upgrade, switch, 1), (GET, stream, 1), (GET, sized, 0)] {
        let config = config(group(vec![peer(9001), peer(9002)]));
        let mut world = World::new(Arc::clone(&config));
        let failed = |world: &World| {
            let peers = config.upstreams.status(ID, world.now().tick);
            peers.iter().filter(|peer| peer.failures > 0).count()
        };
        world.connects_else = Connect::Refuse;
        world.client_sends(GET);
        assert_eq!(failed(&world), 2);
        world.elapse(Duration::from_secs(20));
        world.connects_else = Connect::Accept;
        world.client_sends(request);
        assert_eq!(failed(&world), 2);
        world.origin_sends(response);
        assert_eq!(failed(&world), 2 - cleared, "{response}");
    }
}

#[test]
fn the_time_for_tries_is_over_when_it_has_come() {
    for (within, tries) in [(60_000, 1), (60_001, 2)] {
        let peers = (9001..9003).map(peer).collect();
        let within = Duration::from_millis(within);
        let mut world = World::new(retrying(group(peers), |next| next.within = within));
        world.connects_else = Connect::Hang;
        world.client_sends(GET);
        world.elapse(Duration::from_secs(300));
        assert_eq!(world.log.pop().expect("a line").matches("127.0.0.1").count(), tries, "{within:?}");
    }
}
