//! What is changed on the way through: response heads, request heads, redirects of our own.

use std::sync::Arc;

use underpass_core::{
    Address, RequestHead,
    config::{Config, Handler, Location, Return, Route, Router, Settings},
    shared::{Group, Upstreams},
    template::{Escape, Template},
};
use underpass_testkit::sim::World;

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[derive(Debug)]
struct Only(Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// A client of a server whose only location is this one.
fn world(location: Location) -> World {
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let upstreams = Upstreams::new(vec![Group::single("g", Address::Ip(peer))]);
    World::new(Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams))))
}

fn template(source: &str) -> Template {
    Template::parse(source, &(), Escape::None).expect("a template")
}

fn answering(status: u16, text: &str) -> Location {
    Location::new(Handler::Return(Return::new(status, Some(template(text)))))
}

/// The head that the client got, or the only head it got.
fn head(world: &World) -> String {
    let text = String::from_utf8_lossy(world.client.received()).into_owned();
    text.split_inclusive("\r\n\r\n").next().unwrap_or_default().to_owned()
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn redirects_of_our_own_name_what_the_client_asked_for() {
    let mut named = Settings::default();
    named.server_name_in_redirect = true;
    let mut portless = Settings::default();
    portless.port_in_redirect = false;
    let mut relative = Settings::default();
    relative.absolute_redirect = false;
    for (settings, expected) in [
        (Settings::default(), "http://a.example:8080/x"),
        (named, "http://first.example:8080/x"),
        (portless, "http://a.example/x"),
        (relative, "/x"),
    ] {
        let mut location = answering(301, "/x");
        location.settings = Arc::new(settings);
        location.server_name = "first.example".into();
        let mut world = world(location);
        world.client_sends(GET);
        assert_eq!(field(&head(&world), "Location"), Some(expected));
    }
}
