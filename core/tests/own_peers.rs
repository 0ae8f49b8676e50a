//! Peers that an embedder finds by its own means: whom an exchange tries, and what they are told.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{Only, address, template, text};
use underpass_core::{
    Address, Tick, Verdict,
    config::{AccessLog, Config, Handler, Location, LogId, Proxy, SetHeader, Target},
    shared::{ChoiceContext, ChosenPeer, Group, GroupId, KeepAlive, Peers, Upstreams},
};
use underpass_testkit::session_world::{Connect, World};

const GET: &str = "GET /rooms/7 HTTP/1.1\r\nHost: a\r\nX-Tenant: blue\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const HANDSHAKE: &str = "GET /rooms/7 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A registry whose instances change whenever somebody was chosen.
#[derive(Debug, Default)]
struct Registry {
    /// Who is known: at first, after the first choice, and so on; the last of them stays.
    known: Vec<Vec<&'static str>>,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    choices: Vec<String>,
    verdicts: Vec<(String, Verdict, Tick)>,
    over: Vec<String>,
}

impl Registry {
    fn of(known: &[&[&'static str]]) -> Self {
        Self { known: known.iter().map(|known| known.to_vec()).collect(), heard: Arc::default() }
    }

    fn untried(&self, context: &ChoiceContext<'_>) -> Option<Address> {
        let choices = self.heard.lock().expect("nobody panics").choices.len();
        let known = self.known.get(choices).or_else(|| self.known.last())?;
        known.iter().map(|peer| address(peer)).find(|peer| !context.has_tried(peer))
    }
}

impl Peers for Registry {
    fn choose(&self, context: &ChoiceContext<'_>) -> Option<Box<dyn ChosenPeer>> {
        let address = self.untried(context)?;
        let tenant = context.head().field("x-tenant").next().map(text).unwrap_or_default();
        let tried: Vec<_> = context.tried().map(Address::to_string).collect();
        let path = text(context.head().path());
        self.heard.lock().expect("nobody panics").choices.push(format!("{path} {tenant} {tried:?}"));
        Some(Box::new(Chosen { address, tenant, heard: Arc::clone(&self.heard) }))
    }

    fn has_next(&self, context: &ChoiceContext<'_>) -> bool {
        self.untried(context).is_some()
    }
}

/// What the registry wants to know of a try later: here, for whom it was made.
#[derive(Debug)]
struct Chosen {
    address: Address,
    tenant: String,
    heard: Arc<Mutex<Heard>>,
}

impl ChosenPeer for Chosen {
    fn address(&self) -> &Address {
        &self.address
    }

    fn judge(&self, verdict: Verdict, now: Tick) {
        let who = format!("{} {}", self.address, self.tenant);
        self.heard.lock().expect("nobody panics").verdicts.push((who, verdict, now));
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.heard.lock().expect("nobody panics").over.push(self.address.to_string());
    }
}

fn world(known: &[&[&'static str]]) -> (World, Arc<Mutex<Heard>>) {
    let registry = Registry::of(known);
    let heard = Arc::clone(&registry.heard);
    let target = Target::Peers { peers: Arc::new(registry), group: GroupId(0) };
    let mut proxy = Proxy::new(target, "rooms");
    proxy.next_upstream.statuses = vec![503];
    proxy.set_headers = SetHeader::websocket_recipe();
    let mut location = Location::new(Handler::Proxy(Box::new(proxy)));
    let format = Arc::new(template("$status $upstream_addr $upstream_status"));
    location.access_logs.push(AccessLog::new(LogId(0), format));
    let group = Group::new("rooms", Vec::new(), KeepAlive::default());
    let upstreams = Arc::new(Upstreams::new(vec![group]));
    (World::new(Arc::new(Config::new(Arc::new(Only(Arc::new(location))), upstreams))), heard)
}

fn verdicts(heard: &Mutex<Heard>) -> Vec<(String, Verdict)> {
    let heard = heard.lock().expect("nobody panics");
    heard.verdicts.iter().map(|(who, verdict, _)| (who.clone(), *verdict)).collect()
}

fn blue(address: &str, verdict: Verdict) -> (String, Verdict) {
    (format!("{address} blue"), verdict)
}

#[test]
fn they_choose_by_the_request_and_hear_what_came_of_it() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001"]]);
    world.elapse(Duration::from_secs(2));
    world.client_sends(GET);
    assert_eq!(heard.lock().expect("nobody panics").choices, ["/rooms/7 blue []"]);
    assert_eq!(verdicts(&heard), []);
    world.origin_sends(OK);
    assert_eq!(verdicts(&heard), [blue("127.0.0.1:9001", Verdict::Success)]);
    let heard = heard.lock().expect("nobody panics");
    assert_eq!(heard.verdicts[0].2, Tick(2_000_000_000), "the tick that the shell has said");
    assert_eq!((heard.over.len(), world.log.len()), (1, 1));
}

#[test]
fn a_peer_that_came_between_two_tries_is_tried() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001"], &["127.0.0.1:9002"]]);
    world.connects.push_back(Connect::Refuse);
    world.client_sends(GET);
    world.origin_sends(OK);
    let expected = ["/rooms/7 blue []", "/rooms/7 blue [\"127.0.0.1:9001\"]"];
    assert_eq!(heard.lock().expect("nobody panics").choices, expected);
    let (first, second) =
        (blue("127.0.0.1:9001", Verdict::Failure), blue("127.0.0.1:9002", Verdict::Success));
    assert_eq!(verdicts(&heard), [first, second], "one verdict a try");
    assert_eq!(world.log, ["200 127.0.0.1:9001, 127.0.0.1:9002 502, 200"]);
}

#[test]
fn a_peer_that_left_between_two_tries_is_not_tried() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001", "127.0.0.1:9002"], &[]]);
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(verdicts(&heard), [blue("127.0.0.1:9001", Verdict::Success)]);
    assert_eq!(world.log, ["503 127.0.0.1:9001 503"], "nobody is left to ask: its answer goes to the client");
}

#[test]
fn where_they_have_nobody_the_client_gets_a_502() {
    let (mut world, heard) = world(&[&[]]);
    world.client_sends(GET);
    assert!(text(world.client.received()).starts_with("HTTP/1.1 502 "));
    assert_eq!(verdicts(&heard), []);
    assert_eq!(world.log, ["502 rooms 502"]);
}

#[test]
fn a_dial_that_is_given_up_is_judged_once() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001"]]);
    world.connects_else = Connect::Hang;
    world.client_sends(GET);
    world.elapse(Duration::from_secs(60));
    assert!(text(world.client.received()).starts_with("HTTP/1.1 504 "));
    assert_eq!(verdicts(&heard), [blue("127.0.0.1:9001", Verdict::Failure)]);
    assert_eq!(heard.lock().expect("nobody panics").over, ["127.0.0.1:9001"]);
}

#[test]
fn a_fault_of_our_own_says_nothing_of_the_peer_and_that_is_told() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001"]]);
    world.connects_else = Connect::Fail;
    world.client_sends(GET);
    assert_eq!(verdicts(&heard), [blue("127.0.0.1:9001", Verdict::Unjudged)]);
}

#[test]
fn the_peer_of_a_tunnel_is_judged_when_it_opens_and_held_until_it_ends() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001"]]);
    world.client_sends(HANDSHAKE);
    world.origin_sends(SWITCH);
    let success = [("127.0.0.1:9001 ".to_owned(), Verdict::Success)];
    assert_eq!(verdicts(&heard), success);
    assert!(heard.lock().expect("nobody panics").over.is_empty());
    world.client_ends();
    world.origin_ends();
    world.run();
    assert!(world.done);
    assert_eq!(verdicts(&heard), success, "no second verdict");
    assert_eq!(heard.lock().expect("nobody panics").over, ["127.0.0.1:9001"]);
}

#[test]
fn an_idle_connection_serves_the_next_exchange_with_a_peer_at_its_address() {
    let (mut world, heard) = world(&[&["127.0.0.1:9001"]]);
    for _ in 0..2 {
        world.client_sends(GET);
        world.origins[0].end.send(OK.as_bytes());
        world.run();
    }
    assert_eq!(world.origins.len(), 1);
    assert_eq!(verdicts(&heard), vec![blue("127.0.0.1:9001", Verdict::Success); 2]);
}
