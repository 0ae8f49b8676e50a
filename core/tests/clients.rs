//! Who the client is: the PROXY protocol in and out, and addresses that trusted proxies tell.

use std::{sync::Arc, time::Duration};

use underpass_core::{
    Ending, Event, Network, RequestHead,
    config::{
        Config, Handler, Location, Proxy, RealIp, RealIpSource, Route, Router, SetHeader, Settings, Target,
    },
    shared::{Group, GroupId, Upstreams},
    template::{Template, Variable},
    violation::Violation,
};
use underpass_testkit::session_world::{World, config_of};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[derive(Debug)]
struct Only(Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// A gateway that tells its origin server in `X-Who` who the client is.
fn world(real_ip: Option<RealIp>, header_in: bool, header_out: bool) -> World {
    let mut proxy = Proxy::new(Target::Group(GroupId(0)), "b");
    let variables = [
        ("X-Who", Variable::RemoteAddr),
        ("X-Port", Variable::RemotePort),
        ("X-Conn", Variable::RealipRemoteAddr),
        ("X-Header", Variable::ProxyProtocolAddr),
        ("X-Header-Port", Variable::ProxyProtocolPort),
    ];
    for (name, variable) in variables {
        proxy.set_headers.push(SetHeader::new(name, Template::variable(variable)).expect("a token"));
    }
    proxy.proxy_protocol = header_out;
    let mut location = Location::new(Handler::Proxy(Box::new(proxy)));
    let mut settings = Settings::default();
    settings.real_ip = real_ip.map(Arc::new);
    location.settings = Arc::new(settings);
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let upstreams = Upstreams::new(vec![Group::single("g", peer.into())]);
    let mut config = Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams));
    config.proxy_protocol = header_in;
    World::new(Arc::new(config))
}

/// Trusts whoever connects, and 10/8.
fn trusting(source: RealIpSource, recursive: bool) -> RealIp {
    let network = |text: &str, bits| Network::new(text.parse().expect("an address"), bits);
    let mut rules =
        RealIp::new(vec![network("127.0.0.0", 8), network("192.0.2.0", 24), network("10.0.0.0", 8)]);
    (rules.source, rules.recursive) = (source, recursive);
    rules
}

fn sent(world: &mut World, name: &str) -> String {
    let text = String::from_utf8_lossy(world.origin().received()).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    line.unwrap_or_default()
}

#[test]
fn a_header_of_the_proxy_protocol_comes_first() {
    let mut world = world(Some(trusting(RealIpSource::ProxyProtocol, false)), true, false);
    world.client_sends("PROXY TCP4 198.51.100.7 192.0.2.2 40");
    assert!(world.origins.is_empty());
    world.client_sends(String::from("000 80\r\n") + GET);
    assert_eq!(sent(&mut world, "X-Header"), "198.51.100.7");
    assert_eq!(sent(&mut world, "X-Header-Port"), "40000");
    assert_eq!(
        (sent(&mut world, "X-Who"), sent(&mut world, "X-Port")),
        ("198.51.100.7".into(), "40000".into())
    );
    assert_ne!(sent(&mut world, "X-Conn"), "198.51.100.7");
    world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
    world.client_sends(GET);
    assert_eq!(sent(&mut world, "X-Who"), "198.51.100.7", "it holds for the connection");
}

#[test]
fn without_the_header_the_connection_is_closed_without_an_answer() {
    for bytes in [GET, "PROXY nonsense\r\n"] {
        let mut world = world(None, true, false);
        world.client_sends(bytes);
        assert_eq!(world.client.saw(), Some(Ending::Fin));
        assert_eq!(world.client.received(), b"");
        let refused = Event::Violation(Violation::BadProxyHeader);
        assert!(world.notes.iter().any(|(event, _)| *event == refused));
    }
    let mut silent = world(None, true, false);
    silent.client_sends("PROXY");
    silent.elapse(Duration::from_secs(60));
    assert_eq!(silent.client.saw(), Some(Ending::Fin));
    let mut left = world(None, true, false);
    left.client_ends();
    assert_eq!(left.client.saw(), Some(Ending::Fin));
    let mut drained = world(None, true, false);
    drained.drain(None);
    assert_eq!(drained.client.saw(), None, "its first request may be on its way");
    drained.elapse(Duration::from_secs(60));
    assert_eq!(drained.client.saw(), Some(Ending::Fin));
}

#[test]
fn a_header_is_told_to_the_origin_server_on_a_connection_of_its_own() {
    let mut world = world(None, false, true);
    world.client_sends(GET);
    let first = String::from_utf8_lossy(world.origin().received()).into_owned();
    assert!(first.starts_with("PROXY TCP4 "), "{first}");
    assert!(first.contains("\r\nGET / HTTP/1.1\r\n"), "{first}");
    world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
    world.client_sends(GET);
    assert_eq!(world.origins.len(), 2, "what was told of one client is not true of another");
    assert!(world.origins[1].end.received().starts_with(b"PROXY TCP4 "));
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let forwarded = |lines: &str, recursive| {
        let source = RealIpSource::Field("X-Forwarded-For".into());
        let mut world = world(Some(trusting(source, recursive)), false, false);
        world.client_sends(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        sent(&mut world, "X-Who")
    };
    for (lines, recursive, expected) in [
        ("X-Forwarded-For: 198.51.100.1, 198.51.100.2\r\n", false, "198.51.100.2"),
        ("X-Forwarded-For: 198.51.100.1, 10.0.0.1\r\n", false, "10.0.0.1"),
        ("X-Forwarded-For: 198.51.100.1, 198.51.100.2, 10.0.0.1\r\n", true, "198.51.100.2"),
        ("X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 10.0.0.2\r\n", true, "198.51.100.1"),
        ("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", true, "10.0.0.1"),
        ("X-Forwarded-For: 198.51.100.1, nonsense, 10.0.0.2\r\n", true, "10.0.0.2"),
        ("X-Forwarded-For: [2001:db8::1]:99\r\n", false, "2001:db8::1"),
        ("X-Forwarded-For: 2001:db8::1\r\n", false, "2001:db8::1"),
        ("X-Forwarded-For: 198.51.100.1:80\r\n", false, "198.51.100.1"),
    ] {
        assert_eq!(forwarded(lines, recursive), expected, "{lines} {recursive}");
    }
    let unchanged = forwarded("X-Forwarded-For: nonsense\r\n", false);
    assert_eq!(unchanged, forwarded("", true), "what is no address says nothing");
}

#[test]
fn nobody_else_is_believed() {
    let mut rules = RealIp::new(vec![Network::host("203.0.113.1".parse().expect("an address"))]);
    rules.source = RealIpSource::Field("X-Real-IP".into());
    let mut world = world(Some(rules), false, false);
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 198.51.100.1\r\n\r\n");
    let (who, connected) = (sent(&mut world, "X-Who"), sent(&mut world, "X-Conn"));
    assert_eq!(who, connected);
}

#[test]
fn what_a_request_said_of_its_client_is_forgotten_with_it() {
    let source = RealIpSource::Field("X-Forwarded-For".into());
    let mut world = world(Some(trusting(source, false)), false, false);
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n");
    assert_eq!(sent(&mut world, "X-Who"), "203.0.113.5");
    world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
    // This one is not understood so far that it could say anything.
    world.client_sends("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    let (_, line) = world.notes.last().expect("it is refused");
    assert!(line.contains("client: 127.0.0.1,") && !line.contains("203.0.113.5"), "{line}");
}

/// Each location tells who the client is; the request names one in two fields.
fn shown(target: &str, lines: &str) -> String {
    let mut world = World::new(config_of(
        "http { access_log off; set_real_ip_from 127.0.0.1;
         server { listen 127.0.0.1:8080; real_ip_header X-One; location /one { return 200 $remote_addr; }
            location /two { real_ip_header X-Two; error_page 404 /one; }
            location /three { real_ip_header X-Three; error_page 404 @four; }
            location @four { real_ip_header X-Four; error_page 404 = /one; recursive_error_pages on; }
            location /answers { real_ip_header X-Two; return 200 $remote_addr; }
            location /sets { real_ip_header X-Two; set $who $remote_addr; error_page 404 /set; }
            location /set { return 200 $who; }
            location /left { real_ip_header X-Two; rewrite ^ /one last; } } }",
    ));
    world.client_sends(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    let answer = String::from_utf8_lossy(world.client.received()).into_owned();
    answer.split_once("\r\n\r\n").expect("an answer").1.to_owned()
}

/// nginx looks for the address before a server's rewrite directives and behind a location's, and keeps the first that it
/// has found to the end of the request.
#[test]
fn the_address_that_was_learned_first_holds_to_the_end_of_the_exchange() {
    let (one, two, nobody) = ("X-One: 192.0.2.1\r\n", "X-Two: 192.0.2.2\r\n", "127.0.0.1");
    for (target, lines, expected) in [
        ("/one", one, "192.0.2.1"),
        ("/two", two, "192.0.2.2"),
        ("/two", "", nobody),
        ("/two", &[one, two].concat(), "192.0.2.1"),
        ("/three", "X-Three: 192.0.2.3\r\nX-Four: 192.0.2.4\r\n", "192.0.2.3"),
        ("/three", "X-Four: 192.0.2.4\r\n", "192.0.2.4"),
        ("/answers", two, nobody),
        ("/sets", two, nobody),
        ("/left", two, nobody),
    ] {
        assert_eq!(shown(target, lines), expected, "{target} {lines}");
    }
}
