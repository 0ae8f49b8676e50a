//! Where requests go when the configuration has variables in `proxy_pass`, and how the connection is made.

mod common;

use std::{io::ErrorKind, net::IpAddr, path::Path, sync::Arc, time::Duration};

use common::{Only, address, template};
use underpass_core::{
    Address, Buffers, ClientInfo, Dial, Event, Lookup, Now, Output, Session, Side, Tick, Turn,
    config::{Bind, Config, Handler, Location, Proxy, ResolverId, SetHeader, Settings, Target},
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
};
use underpass_testkit::session_world::World;

/// Groups: of variables, without peers; an `upstream`; a plain `proxy_pass`.
fn config(location: Location) -> Arc<Config> {
    let variables = Group::new("$variables", Vec::new(), KeepAlive::default());
    let upstream = Group::single("Backend.Example", address("10.0.0.1:9000"));
    let plain = Group::single("plain.example:81", address("10.0.0.2:81"));
    let upstreams = Upstreams::new(vec![variables, upstream, plain]);
    Arc::new(Config::new(Arc::new(Only(Arc::new(location))), Arc::new(upstreams)))
}

fn passing(url: &str, change: impl FnOnce(&mut Proxy)) -> Location {
    let mut proxy = Proxy::new(Target::Template { url: template(url), group: GroupId(0) }, "unevaluated");
    change(&mut proxy);
    Location::new(Handler::Proxy(Box::new(proxy)))
}

/// Where a request for `target` goes, and its head there.
fn forwarded(url: &str, target: &str) -> (String, Vec<String>) {
    let shown = |name, value| SetHeader::new(name, template(value)).expect("a field name");
    let location =
        passing(url, |proxy| proxy.set_headers = vec![shown("X-Place", "$proxy_host $proxy_port")]);
    let mut world = World::new(config(location));
    world.addresses = Some(Ok(vec![IpAddr::from([10, 0, 0, 9])]));
    world.client_sends(format!("GET {target} HTTP/1.1\r\nHost: h.example\r\nX: y\r\n\r\n"));
    let Some(origin) = world.origins.first() else {
        let status = world.client.received().get(9..12).unwrap_or_default();
        let note = world.notes.last().map(|(_, line)| line.clone());
        return (String::from_utf8_lossy(status).into_owned(), note.into_iter().collect());
    };
    let head = String::from_utf8_lossy(origin.end.received()).into_owned();
    let lines = head.lines().filter(|line| !line.is_empty() && !line.starts_with("Via"));
    (origin.address.to_string(), lines.map(str::to_owned).collect())
}

#[test]
fn a_url_with_variables_leads_to_what_it_names() {
    for (url, target, place, line, shown) in [
        ("http://backend.example", "/a?b", "10.0.0.1:9000", "GET /a?b HTTP/1.1", "backend.example 80"),
        (
            "HTTP://$arg_h",
            "/?h=BACKEND.EXAMPLE",
            "10.0.0.1:9000",
            "GET /?h=BACKEND.EXAMPLE HTTP/1.1",
            "BACKEND.EXAMPLE 80",
        ),
        // With a port it is a host, not an `upstream`.
        ("http://backend.example:81", "/", "10.0.0.9:81", "GET / HTTP/1.1", "backend.example:81 81"),
        ("http://plain.example:81/", "/x", "10.0.0.2:81", "GET / HTTP/1.1", "plain.example:81 81"),
        ("http://10.1.1.1$request_uri", "/a%2fb?c", "10.1.1.1:80", "GET /a%2fb?c HTTP/1.1", "10.1.1.1 80"),
        (
            "http://[::1]:8080$uri",
            "/a%20b%23c%C3%A9",
            "[::1]:8080",
            "GET /a%20b%23c%C3%A9 HTTP/1.1",
            "[::1]:8080 8080",
        ),
        ("http://10.1.1.1:80?$args", "/x?y=z", "10.1.1.1:80", "GET /?y=z HTTP/1.1", "10.1.1.1 80"),
        ("http://$host", "/", "10.0.0.9:80", "GET / HTTP/1.1", "h.example 80"),
        ("http://unix:/run/$arg_s.sock", "/?s=a", "unix:/run/a.sock", "GET /?s=a HTTP/1.1", "localhost"),
        ("http://unix:/run/a.sock:/x", "/?s", "unix:/run/a.sock", "GET /x HTTP/1.1", "localhost"),
    ] {
        let (got, lines) = forwarded(url, target);
        let host = shown.split(' ').next().unwrap_or_default();
        assert_eq!(got, place, "{url}");
        assert_eq!(lines, [line, &format!("X-Place: {shown}"), &format!("Host: {host}"), "X: y"], "{url}");
    }
}

#[test]
fn what_is_no_url_to_forward_to_is_our_fault() {
    for url in [
        "https://10.0.0.1$uri",
        "http:/$uri",
        "$arg_none",
        "http://$arg_none",
        "http://$arg_none:80/",
        "http://10.0.0.1:0$uri",
        "http://10.0.0.1:65536$uri",
        "http://10.0.0.1:8x$uri",
        "http://u@10.0.0.1$uri",
        "http://[::1$uri",
        "http://unix:$arg_none",
        "http://a b$uri",
    ] {
        let (status, notes) = forwarded(url, "/");
        assert_eq!(status, "500", "{url}");
        assert!(notes[0].ends_with(&format!("template: \"{url}\"")), "{}", notes[0]);
    }
}

#[test]
fn one_address_is_tried_once_and_a_group_s_peers_all() {
    let count = |url| {
        let mut world = World::new(config(passing(url, |_| {})));
        world.connects_else = underpass_testkit::session_world::Connect::Refuse;
        world.addresses = Some(Ok(vec![IpAddr::from([10, 0, 0, 8]), IpAddr::from([10, 0, 0, 9])]));
        world.client_sends("GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
        assert!(world.client.received().starts_with(b"HTTP/1.1 502 "));
        let refused = |event: &Event| matches!(event, Event::ConnectFailed(_));
        world.notes.iter().filter(|(event, _)| refused(event)).count()
    };
    assert_eq!(count("http://10.0.0.7$uri"), 1);
    assert_eq!(count("http://backend.example"), 1);
    assert_eq!(count("http://$host"), 2);
}

/// A session that has read a request.
fn asked(config: &Arc<Config>, turn: &mut Turn<'_>) -> Session {
    let (remote, local) = (address("192.0.2.7:5000"), address("192.0.2.1:80"));
    let client = ClientInfo::new(remote, local, 1, [0; 16]);
    let mut session = Session::new(Arc::clone(config), client, turn.now);
    let request = b"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n";
    let space = session.receive_space(session.connection(Side::Downstream), turn).expect("bytes are wanted");
    space[..request.len()].copy_from_slice(request);
    session.handle_received(session.connection(Side::Downstream), Ok(request.len()), turn);
    session
}

fn now(tick: Tick) -> Now {
    Now { tick, unix_ms: 0, utc_offset_min: 0 }
}

fn lookup(session: &mut Session) -> Lookup {
    match session.poll_output() {
        Output::Resolve(lookup) => lookup,
        other => panic!("a name is to be looked up, not {other:?}"),
    }
}

fn dial(session: &mut Session) -> Dial {
    match session.poll_output() {
        Output::Connect(dial) => dial,
        other => panic!("a dial is due, not {other:?}"),
    }
}

#[test]
fn a_lookup_says_whom_to_ask_and_has_its_time() {
    let mut location = passing("http://$host:81", |_| {});
    location.resolver = Some(ResolverId(3));
    let mut settings = Settings::default();
    settings.resolver_timeout = Duration::from_secs(7);
    location.settings = Arc::new(settings);
    let config = config(location);
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now: now(Tick(0)), buffers: &mut buffers };
    let mut session = asked(&config, turn);
    let token = lookup(&mut session);
    assert_eq!((token.name(), token.resolver()), ("h.example", Some(ResolverId(3))));
    let Output::Wait(wait) = session.poll_output() else { panic!("nothing else is to be done") };
    assert_eq!(wait.deadline, Some(Tick(7_000_000_000)));
    let ip = [IpAddr::from([10, 0, 0, 5])];
    session.handle_resolved(token, Ok(&ip), turn);
    let dial = dial(&mut session);
    assert_eq!(dial.addresses(), Some((ip.as_slice(), 81)));
    assert_eq!((dial.address(), dial.bind(), dial.keepalive()), (None, None, false));
    let mut late = asked(&config, turn);
    let token = lookup(&mut late);
    late.handle_resolved(token, Err(ErrorKind::TimedOut.into()), turn);
    while !matches!(late.poll_output(), Output::Wait(_)) {}
    assert_eq!(late.record().status(), 502);
}

#[test]
fn a_dial_says_what_its_socket_is_made_with() {
    for (bind, expected) in [
        (Bind::Any, Ok(None)),
        (Bind::Address("10.9.9.9:7".parse().expect("an address")), Ok(Some("10.9.9.9:7"))),
        (Bind::Template(template("$remote_addr")), Ok(Some("192.0.2.7:0"))),
        (Bind::Template(template("$remote_addr:$remote_port")), Ok(Some("192.0.2.7:5000"))),
        (Bind::Template(template("$arg_none")), Ok(None)),
        (Bind::Template(template("x$remote_addr")), Err(500)),
    ] {
        let location = passing("http://unix:/run/$host", |proxy| {
            proxy.socket.bind = bind;
            proxy.socket.keepalive = true;
            proxy.socket.receive_buffer = Some(3);
            proxy.socket.send_buffer = Some(2);
        });
        let config = config(location);
        let mut buffers = Buffers::default();
        let turn = &mut Turn { now: now(Tick(0)), buffers: &mut buffers };
        let mut session = asked(&config, turn);
        let Ok(expected) = expected else {
            while !matches!(session.poll_output(), Output::Wait(_)) {}
            assert_eq!(Err(session.record().status()), expected.map(|_| ()));
            continue;
        };
        let dial = dial(&mut session);
        assert_eq!(dial.bind().map(|address| address.to_string()).as_deref(), expected);
        assert_eq!((dial.keepalive(), dial.receive_buffer(), dial.send_buffer()), (true, Some(3), Some(2)));
        assert_eq!(dial.address(), Some(&Address::Unix(Path::new("/run/h.example").into())));
        let choice = session.choose(&dial, Tick(0)).expect("an address");
        let lease = session.handle_chosen(&dial, choice, turn);
        assert_eq!(lease.address(), &Address::Unix(Path::new("/run/h.example").into()));
    }
}

#[test]
fn an_address_in_the_url_is_all_there_is_to_try() {
    // Whatever peers the group of its lease has.
    let peers = ["10.0.0.1:9000", "10.0.0.2:9000"].map(|text| Peer::new(address(text)));
    let upstreams = Upstreams::new(vec![Group::new("$variables", peers.into(), KeepAlive::default())]);
    let router = Arc::new(Only(Arc::new(passing("http://10.0.0.7$uri", |_| {}))));
    let mut world = World::new(Arc::new(Config::new(router, Arc::new(upstreams))));
    world.connects_else = underpass_testkit::session_world::Connect::Refuse;
    world.client_sends("GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
    assert!(world.client.received().starts_with(b"HTTP/1.1 502 "));
    assert!(!world.notes.iter().any(|(event, _)| *event == Event::NextPeer), "{:?}", world.notes);
}
