//! CONNECT (behaviour D): who may, where to, and what the tunnel carries.

mod common;

use std::{io::ErrorKind, net::IpAddr, sync::Arc, time::Duration};

use common::demands::http;
use underpass_core::{
    Address, Admission, EndedBy, Ending, Event, Outcome, Refusal, RequestHead, Timer,
    config::{
        AdmissionId, Config, Destination, DestinationHost, DestinationPolicy, DestinationRule, Handler,
        Location, Route, Router, Target, TunnelPass,
    },
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
    violation::Violation,
};
use underpass_testkit::session_world::{Connect, World};

#[derive(Debug)]
struct Only(Arc<Location>);

impl Router for Only {
    fn route(&self, _: &RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

fn world_of(tunnel: TunnelPass, admission: Option<u32>) -> World {
    let mut location = Location::new(Handler::Tunnel(Box::new(tunnel)));
    location.admission = admission.map(AdmissionId);
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let groups =
        vec![Group::new("any", Vec::new(), KeepAlive::default()), Group::single("configured", peer.into())];
    World::new(Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(Upstreams::new(groups)))))
}

fn requested(rules: Vec<DestinationRule>) -> World {
    let policy = DestinationPolicy::new(rules, vec!["127.0.0.1:8080".parse().expect("an address")]);
    world_of(TunnelPass::new(Destination::Requested { policy, group: GroupId(0) }), None)
}

fn configured() -> World {
    world_of(TunnelPass::new(Destination::Configured(Target::Group(GroupId(1)))), None)
}

fn connect(target: &str) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")
}

fn text(world: &World) -> String {
    String::from_utf8_lossy(world.client.received()).into_owned()
}

fn status(world: &World) -> String {
    text(world).get(9..12).unwrap_or_default().to_owned()
}

fn violations(world: &World) -> Vec<Violation> {
    let violation = |(event, _): &(Event, _)| match event {
        Event::Violation(violation) => Some(*violation),
        _ => None,
    };
    world.notes.iter().filter_map(violation).collect()
}

#[test]
fn a_tunnel_opens_and_carries_bytes_both_ways() {
    let mut world = requested(vec![]);
    world.client_sends(connect("9.9.9.1:443") + "early");
    assert_eq!(world.origins[0].address.to_string(), "9.9.9.1:443");
    assert!(text(&world).starts_with("HTTP/1.1 200 Connection established\r\n"), "{}", text(&world));
    assert!(!text(&world).contains("Content-Length") && !text(&world).contains("Transfer-Encoding"));
    assert_eq!(world.origin().received(), b"early", "what came behind the request is the stream's beginning");
    world.origin_sends("\x16\x03");
    assert!(text(&world).ends_with("\r\n\r\n\x16\x03"));
    world.client_sends("later");
    assert_eq!(world.origin().received(), b"earlylater");
    world.client_ends();
    world.origin_ends();
    let exchange = world.exchanges.last().expect("it is over");
    assert_eq!((exchange.status, exchange.outcome), (200, Outcome::Complete));
}

#[test]
fn nothing_goes_upstream_before_the_client_has_its_200() {
    let mut world = requested(vec![]);
    world.connects.push_back(Connect::Hang);
    world.client_sends(connect("9.9.9.1:443") + "secret");
    assert_eq!(text(&world), "");
    world.answer_dial(Connect::Accept);
    assert_eq!(world.origin().received(), b"secret");
    assert_eq!(status(&world), "200");
}

#[test]
fn a_name_is_looked_up_and_the_addresses_that_the_policy_permits_are_tried() {
    let mut world = requested(vec![]);
    world.addresses =
        Some(Ok([[127, 0, 0, 1], [9, 9, 9, 7], [10, 0, 0, 1], [9, 9, 9, 8]].map(IpAddr::from).to_vec()));
    world.connects.push_back(Connect::Refuse);
    world.client_sends(connect("rebound.example:443"));
    assert_eq!(world.origins[0].address.to_string(), "9.9.9.8:443");
    assert_eq!(status(&world), "200");
}

#[test]
fn the_policy_refuses() {
    for (target, addresses) in [
        ("127.0.0.1:80", None),
        ("[::1]:80", None),
        ("[::ffff:10.0.0.1]:80", None),
        ("9.9.9.1:25", None),
        ("rebound.example:80", Some(vec![IpAddr::from([10, 0, 0, 1])])),
    ] {
        let mut world = requested(vec![]);
        world.addresses = addresses.map(Ok);
        world.client_sends(connect(target) + "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status(&world), "403", "{target}");
        assert_eq!(violations(&world), [Violation::DestinationDenied]);
        assert!(world.origins.is_empty());
        assert_eq!(world.exchanges.len(), 1, "what came behind is nobody's request");
        assert!(text(&world).contains("Connection: close\r\n"));
    }
}

#[test]
fn rules_open_and_close() {
    let local = DestinationHost::Network(underpass_core::Network::host([127, 0, 0, 1].into()));
    let rules = vec![DestinationRule::new(true, local, Some((9000, 9000)))];
    let mut open = requested(rules.clone());
    open.client_sends(connect("127.0.0.1:9000"));
    assert_eq!(status(&open), "200");
    for closed in ["127.0.0.1:9001", "9.9.9.1:443"] {
        let mut world = requested(rules.clone());
        world.client_sends(connect(closed));
        assert_eq!(status(&world), "403", "{closed}");
    }
}

#[test]
fn our_own_listener_is_no_destination() {
    let rules = vec![DestinationRule::new(true, DestinationHost::Any, None)];
    let mut world = requested(rules);
    world.client_sends(connect("127.0.0.1:8080"));
    assert_eq!(status(&world), "403");
}

#[test]
fn nor_is_one_that_listens_at_every_address() {
    for (target, expected) in [
        ("127.0.0.1:8080", "403"),
        ("[::ffff:127.0.0.1]:8080", "403"),
        ("127.0.0.2:8080", "403"),
        ("0.0.0.0:8080", "403"),
        ("[::1]:8080", "403"),
        // An address of the machine, in every form.
        ("10.0.0.5:8080", "403"),
        ("[::ffff:10.0.0.5]:8080", "403"),
        ("[64:ff9b::a00:5]:8080", "403"),
        ("[2002:a00:5::1]:8080", "403"),
        ("[2620:fe::5]:8080", "403"),
        // Another port of this machine, and this port of another.
        ("10.0.0.6:8080", "200"),
        ("[2620:fe::6]:8080", "200"),
        ("127.0.0.1:8081", "200"),
        ("9.9.9.1:8080", "200"),
    ] {
        let rules = vec![DestinationRule::new(true, DestinationHost::Name("any.example".into()), None)];
        let mut policy = DestinationPolicy::new(rules, vec!["0.0.0.0:8080".parse().expect("an address")]);
        policy.rules.push(DestinationRule::new(true, DestinationHost::Any, None));
        let mut world = world_of(TunnelPass::new(Destination::Requested { policy, group: GroupId(0) }), None);
        world.local = ["10.0.0.5", "2620:fe::5"].map(|ip| ip.parse().expect("an address")).to_vec();
        world.client_sends(connect(target));
        assert_eq!(status(&world), expected, "{target}");
        let denied = [Violation::DestinationDenied];
        assert_eq!(violations(&world), if expected == "403" { denied.as_slice() } else { &[] }, "{target}");
    }
}

/// Without a rule, too: a public address of the machine is one of ours.
#[test]
fn a_name_that_leads_to_us_and_to_another_machine_leads_to_the_other() {
    let world_where = |addresses: &[[u8; 4]]| {
        let policy = DestinationPolicy::new(vec![], vec!["[::]:443".parse().expect("an address")]);
        let mut world = world_of(TunnelPass::new(Destination::Requested { policy, group: GroupId(0) }), None);
        world.local = vec![IpAddr::from([9, 9, 9, 1])];
        world.addresses = Some(Ok(addresses.iter().copied().map(IpAddr::from).collect()));
        world
    };
    let mut world = world_where(&[[9, 9, 9, 1], [9, 9, 9, 2]]);
    world.client_sends(connect("both.example:443"));
    assert_eq!((status(&world).as_str(), world.origins.len()), ("200", 1));
    assert_eq!(world.origins[0].address.to_string(), "9.9.9.2:443");
    let mut alone = world_where(&[[9, 9, 9, 1]]);
    alone.client_sends(connect("us.example:443"));
    assert_eq!((status(&alone).as_str(), alone.origins.len()), ("403", 0));
    // The client is told of the peer that was asked.
    let mut refused = world_where(&[[9, 9, 9, 2], [9, 9, 9, 1]]);
    refused.connects.push_back(Connect::Refuse);
    refused.client_sends(connect("both.example:443"));
    assert_eq!((status(&refused).as_str(), refused.origins.len()), ("502", 0));
}

/// RFC 6761 §6.3.
#[test]
fn localhost_is_this_machine_and_nobody_is_asked() {
    for name in ["localhost", "LOCALHOST.", "a.localhost"] {
        let mut world = requested(vec![]);
        world.addresses = Some(Ok(vec![IpAddr::from([9, 9, 9, 1])]));
        world.client_sends(connect(&format!("{name}:9000")));
        assert_eq!((status(&world).as_str(), world.origins.len()), ("403", 0), "{name}");
        let rule = DestinationRule::new(true, DestinationHost::Any, None);
        let mut open = requested(vec![rule]);
        open.addresses = None;
        open.client_sends(connect(&format!("{name}:9000")));
        assert_eq!(open.origins[0].address.to_string(), "127.0.0.1:9000", "{name}");
        open.client_sends("x");
        assert_eq!(open.origin().received(), b"x");
    }
    // A rule for the name opens no reserved address, as for any other name.
    let rule = DestinationRule::new(true, DestinationHost::Name("localhost".into()), None);
    let mut named = requested(vec![rule]);
    named.client_sends(connect("localhost:9000"));
    assert_eq!(status(&named), "403");
}

#[test]
fn a_configured_address_is_the_operators_own_word() {
    let mut world = configured();
    world.client_sends(connect("whatever.example:443"));
    assert_eq!(world.origins[0].address.to_string(), "127.0.0.1:9000");
    assert_eq!(status(&world), "200");
}

#[test]
fn what_a_connect_must_look_like() {
    for (request, expected) in [
        ("CONNECT 9.9.9.1 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:0 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT u@9.9.9.1:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:443/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:443?x HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT http://9.9.9.1:443 HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:443 HTTP/1.1\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:443 HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "400"),
        ("CONNECT 9.9.9.1:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("CONNECT 9.9.9.1:443 HTTP/1.1\r\nHost: other\r\nContent-Length: 0\r\n\r\n", "200"),
        ("CONNECT 9.9.9.1:443 HTTP/1.0\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
    ] {
        let mut world = requested(vec![]);
        world.client_sends(request);
        assert_eq!(status(&world), expected, "{request:?}");
        assert_eq!(world.origins.len(), usize::from(expected == "200"), "{request:?}");
        assert_eq!(text(&world).contains("Allow: CONNECT\r\n"), expected == "405");
    }
}

#[test]
fn failures_are_answered_and_end_the_connection() {
    let mut refused = configured();
    refused.connects.push_back(Connect::Refuse);
    refused.client_sends(connect("a:1"));
    assert_eq!(status(&refused), "502");
    assert!(text(&refused).contains("Connection: close\r\n"));
    let mut silent = configured();
    silent.connects.push_back(Connect::Hang);
    silent.client_sends(connect("a:1"));
    silent.elapse(Duration::from_secs(60));
    assert_eq!(status(&silent), "504");
    let mut unknown = requested(vec![]);
    unknown.addresses = Some(Err(ErrorKind::NotFound.into()));
    unknown.client_sends(connect("nowhere.example:443"));
    assert_eq!(status(&unknown), "502");
}

/// A tunnel may last for hours: its peer is known to be well as soon as it is open.
#[test]
fn a_peer_is_cleared_when_the_tunnel_opens() {
    let peers = [9000, 9001].map(|port| Peer::new(Address::Ip(([127, 0, 0, 1], port).into())));
    let groups = vec![Group::new("pair", peers.to_vec(), KeepAlive::default())];
    let tunnel = TunnelPass::new(Destination::Configured(Target::Group(GroupId(0))));
    let router = Only(Arc::new(Location::new(Handler::Tunnel(Box::new(tunnel)))));
    let config = Arc::new(Config::new(Arc::new(router), Arc::new(Upstreams::new(groups))));
    let failed = |world: &World| {
        let peers = config.upstreams.status(GroupId(0), world.now().tick);
        peers.iter().filter(|peer| peer.failures > 0).count()
    };
    let mut world = World::new(Arc::clone(&config));
    world.connects_else = Connect::Refuse;
    world.client_sends(connect("a:1"));
    assert_eq!((status(&world), failed(&world)), ("502".to_owned(), 2));
    let mut world = World::new(Arc::clone(&config));
    world.elapse(Duration::from_secs(20));
    world.client_sends(connect("a:1"));
    assert_eq!((status(&world), failed(&world)), ("200".to_owned(), 1));
    assert!(!world.done, "the tunnel lives");
}

#[test]
fn an_address_of_the_future_is_no_name_to_look_up() {
    let mut world = requested(Vec::new());
    world.addresses = None;
    world.client_sends(connect("[v1.a]:443"));
    assert_eq!((status(&world).as_str(), violations(&world)), ("502", vec![Violation::UnknownName]));
    let mut world = http(
        "access_log off; resolver 192.0.2.1; server { listen 127.0.0.1:8080; location / { proxy_pass http://$arg_h; } }",
    );
    world.addresses = None;
    world.client_sends("GET /?h=[v1.a] HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((status(&world).as_str(), violations(&world)), ("502", vec![Violation::UnknownName]));
}

#[test]
fn a_silent_tunnel_ends_by_its_idle_timer() {
    let mut world = configured();
    world.client_sends(connect("a:1"));
    world.elapse(Duration::from_secs(60));
    let exchange = world.exchanges.last().expect("it is over");
    assert_eq!(exchange.outcome, Outcome::TimedOut(Timer::TunnelIdle));
    let closed = Event::TunnelClosed(EndedBy::Timer(Timer::TunnelIdle));
    assert!(world.notes.iter().any(|(event, _)| *event == closed));
}

#[test]
fn credentials_are_those_of_a_proxy() {
    let mut world = world_of(TunnelPass::new(Destination::Configured(Target::Group(GroupId(1)))), Some(3));
    world.admission = Some(Admission::Refused(Refusal::Unauthorized));
    world.client_sends(connect("a:1"));
    assert_eq!(status(&world), "407");
    assert!(text(&world).contains("Proxy-Authenticate: Basic realm=\"\"\r\n"));
}

/// RFC 9110 §9.3.6: the client takes any 2xx for the beginning of a tunnel, and what follows for its destination's.
#[test]
fn a_script_that_says_that_all_is_well_opens_no_tunnel() {
    for server in [
        "set $x 1; return 200 ok;",
        "location / { set $x 1; return 200 ok; }",
        "if ($http_x) { return 204; } location / { tunnel_pass; }",
        "location / { if ($http_x) { return 200 ok; } tunnel_pass; }",
        "error_page 405 =200 /page; location /page { internal; return 200 ok; }",
        "error_page 405 = @page; location @page { return 200 ok; }",
        "error_page 405 = @page; location @page { proxy_pass http://127.0.0.1:9000; }",
    ] {
        let mut world = http(&format!("access_log off; server {{ listen 127.0.0.1:8080; {server} }}"));
        world.client_sends(
            "CONNECT 9.9.9.1:443 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        );
        while !world.done && world.elapse_to_deadline() {}
        assert_eq!((status(&world).as_str(), world.origins.len()), ("405", 0), "{server}: {}", text(&world));
        assert!(text(&world).contains("\r\nConnection: close\r\n"), "{server}: {}", text(&world));
        assert_eq!((world.exchanges.len(), world.closed), (1, Some(Ending::Fin)), "{server}");
    }
}

/// RFC 9931: what comes behind a CONNECT that was refused, however that came, is nobody's request.
#[test]
fn a_refused_connect_ends_its_connection() {
    let refused = |configuration: &str, admission: Admission, expected: &str| {
        let mut world = http(&format!("access_log off; server {{ listen 127.0.0.1:8080; {configuration} }}"));
        world.admission = Some(admission);
        world.addresses = Some(Err(ErrorKind::NotFound.into()));
        world.connects_else = Connect::Hang;
        world.client_sends("CONNECT name:443 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        while !world.done && world.elapse_to_deadline() {}
        assert_eq!(status(&world), expected, "{configuration}");
        assert!(text(&world).contains("\r\nConnection: close\r\n"), "{configuration}: {}", text(&world));
        assert_eq!((world.exchanges.len(), world.closed), (1, Some(Ending::Fin)), "{configuration}");
    };
    let granted = Admission::Granted;
    refused("location / { return 200 ok; }", granted, "405");
    refused("location / { if ($http_host) { return 403; } tunnel_pass; }", granted, "403");
    refused("location / { if ($http_host) { return 301 /x; } tunnel_pass; }", granted, "301");
    refused("location / { resolver 127.0.0.1; tunnel_pass; }", granted, "502");
    refused("location / { tunnel_pass 127.0.0.1:9; }", granted, "504");
    let auth = "auth_basic a; auth_basic_user_file /dev/null; tunnel_pass 127.0.0.1:9;";
    refused(&format!("location / {{ {auth} }}"), Admission::Refused(Refusal::Unauthorized), "407");
    refused(&format!("location / {{ {auth} }}"), Admission::Refused(Refusal::Forbidden), "403");
}

#[test]
fn our_own_listener_is_one_where_a_rule_for_addresses_says_so() {
    // D4: who names the address knows what stands there.
    for (host, expected) in [
        (DestinationHost::Network(underpass_core::Network::host([127, 0, 0, 1].into())), "200"),
        (DestinationHost::Any, "403"),
    ] {
        let mut world = requested(vec![DestinationRule::new(true, host, None)]);
        world.client_sends(connect("127.0.0.1:8080"));
        assert_eq!(status(&world), expected);
    }
}
