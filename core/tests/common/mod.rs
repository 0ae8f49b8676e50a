//! Configurations of one location, built in code.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod alone;
pub(crate) mod demands;
pub(crate) mod websockets;

use std::sync::Arc;

use underpass_core::{
    Address, RequestHead,
    config::{Config, Handler, Location, Proxy, Route, Router, Target},
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
    template::{Escape, Template},
};
use underpass_testkit::session_world::World;

/// Leads everywhere to the same location.
#[derive(Debug)]
pub(crate) struct Only(pub(crate) Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

pub(crate) fn template(source: &str) -> Template {
    Template::parse(source, &(), Escape::None).expect("a template")
}

pub(crate) fn address(text: &str) -> Address {
    Address::Ip(text.parse().expect("an address"))
}

/// A location that forwards to the first group, changed.
pub(crate) fn proxying(change: impl FnOnce(&mut Proxy)) -> Location {
    let mut proxy = Proxy::new(Target::Group(GroupId(0)), "origin.example:9000");
    change(&mut proxy);
    Location::new(Handler::Proxy(Box::new(proxy)))
}

/// A client of a server whose only location is this one; its group has so many peers.
pub(crate) fn world_of(location: Location, peers: u16) -> World {
    let peer = |number| Peer::new(address(&format!("127.0.0.1:{}", 9000 + number)));
    let group = Group::new("g", (0..peers).map(peer).collect(), KeepAlive::default());
    World::new(Arc::new(Config::new(
        Arc::new(Only(Arc::new(location))),
        Arc::new(Upstreams::new(vec![group])),
    )))
}

pub(crate) fn world(location: Location) -> World {
    world_of(location, 1)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
