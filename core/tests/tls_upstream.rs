//! TLS towards origin servers, as far as a session decides it (rule H4).

use std::sync::Arc;

use underpass_core::{
    Address, Event,
    config::{
        Config, Handler, Location, PeerName, Proxy, ProxyTls, Route, Router, SetHeader, Target, TlsSettingsId,
    },
    shared::{Group, GroupId, KeepAlive, Peer, Upstreams},
    template::{Escape, Template, Variable},
    violation::Violation,
};
use underpass_testkit::session_world::{Connect, World};

const GET: &str = "GET /p HTTP/1.1\r\nHost: b.example\r\n\r\n";

#[derive(Debug)]
struct Always(Arc<Location>);

impl Router for Always {
    fn route(&self, _: &underpass_core::RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

fn peer(port: u16) -> Peer {
    Peer::new(Address::Ip(([127, 0, 0, 1], port).into()))
}

fn template(text: &str) -> Template {
    Template::parse(text, &(), Escape::None).expect("a template")
}

/// A location that forwards to `target` by a group of two peers; `$proxy_host` is `host`.
fn world(target: Target, host: &str, adjust: impl FnOnce(&mut Proxy)) -> World {
    let mut proxy = Proxy::new(target, host);
    for (name, variable) in [("P", Variable::ProxyPort), ("Host", Variable::ProxyHost)] {
        proxy.set_headers.push(SetHeader::new(name, Template::variable(variable)).expect("a token"));
    }
    adjust(&mut proxy);
    let group = Group::new("backend", vec![peer(9000), peer(9001)], KeepAlive::default());
    let location = Arc::new(Location::new(Handler::Proxy(Box::new(proxy))));
    let config = Config::new(Arc::new(Always(location)), Arc::new(Upstreams::new(vec![group])));
    World::new(Arc::new(config))
}

fn to_group(host: &str, tls: ProxyTls) -> World {
    world(Target::Group(GroupId(0)), host, |proxy| proxy.tls = Some(tls))
}

fn to_url(url: &str, tls: Option<ProxyTls>) -> World {
    world(Target::Template { url: template(url), group: GroupId(0) }, "", |proxy| proxy.tls = tls)
}

fn head(world: &World) -> String {
    String::from_utf8_lossy(world.origins[0].end.received()).into_owned()
}

#[test]
fn a_dial_says_whom_it_is_secured_with() {
    let mut by_template = ProxyTls::new(TlsSettingsId(7));
    by_template.name = PeerName::Template(template("$host:1"));
    for (host, tls, name) in [
        ("backend", ProxyTls::new(TlsSettingsId(7)), "backend"),
        ("o.example:8443", ProxyTls::new(TlsSettingsId(7)), "o.example"),
        ("[::1]:8443", ProxyTls::new(TlsSettingsId(7)), "[::1]"),
        ("backend", ProxyTls::named(TlsSettingsId(7), "fixed.example"), "fixed.example"),
        ("backend", by_template, "b.example"),
    ] {
        let mut world = to_group(host, tls);
        world.client_sends(GET);
        assert_eq!(world.secured_with, [(7, name.to_owned())]);
    }
    let mut world = world(Target::Group(GroupId(0)), "backend", |_| {});
    world.client_sends(GET);
    assert!(world.secured_with.is_empty() && world.origins.len() == 1, "in clear");
}

/// The header of the PROXY protocol tells of the client before the handshake, in clear, and of a URL without TLS in front of the head.
#[test]
fn a_header_of_the_proxy_protocol_comes_before_the_handshake() {
    for (url, secured) in [("https://$host", true), ("http://$host", false)] {
        let target = Target::Template { url: template(url), group: GroupId(0) };
        let mut world = world(target, "", |proxy| {
            proxy.tls = Some(ProxyTls::new(TlsSettingsId(7)));
            proxy.proxy_protocol = true;
        });
        for number in 0..2 {
            world.client_sends(GET);
            let received = String::from_utf8_lossy(world.origins[number].end.received()).into_owned();
            let (header, head) = match world.preambles.get(number) {
                Some(preamble) => (preamble.as_str(), received.as_str()),
                None => received.split_at(received.find("GET ").expect("a head")),
            };
            assert!(header.starts_with("PROXY TCP4 ") && header.ends_with("\r\n"), "{header}");
            assert_eq!(header.lines().count(), 1, "{header}");
            assert!(head.starts_with("GET /p HTTP/1.1\r\n"), "{head}");
            world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
        }
        assert_eq!(world.origins.len(), 2, "what was told of one client is not true of another");
        assert_eq!(world.preambles.len(), if secured { 2 } else { 0 });
    }
}

/// A URL that is evaluated for each request says itself whether it is one of TLS, and has the port of its scheme.
#[test]
fn a_url_with_variables_says_whether_it_is_https() {
    for (url, shown, port, secured) in [
        ("https://$host", "b.example", "443", true),
        ("HTTPS://$host:8443", "b.example:8443", "8443", true),
        ("https://$host:443/x", "b.example", "443", true),
        ("http://$host", "b.example", "80", false),
        ("$scheme://$host", "b.example", "80", false),
    ] {
        let mut world = to_url(url, Some(ProxyTls::new(TlsSettingsId(7))));
        world.client_sends(GET);
        let expected: &[(u32, String)] = if secured { &[(7, "b.example".to_owned())] } else { &[] };
        assert_eq!(world.secured_with, expected, "{url}");
        let head = head(&world);
        assert!(head.contains(&format!("\r\nHost: {shown}\r\n")), "{url}: {head}");
        assert!(head.contains(&format!("\r\nP: {port}\r\n")), "{url}: {head}");
        let address = world.origins[0].address.to_string();
        assert_eq!(address, format!("127.0.0.1:{port}"), "{url}");
    }
}

/// Plaintext never stands in for TLS.
#[test]
fn https_without_settings_goes_nowhere() {
    let mut world = to_url("https://$host", None);
    world.client_sends(GET);
    assert!(world.origins.is_empty());
    assert!(world.notes.iter().any(|(event, _)| *event == Event::Violation(Violation::TemplateTarget)));
}

/// A failed handshake is a failed attempt: another peer is tried, and with the last one it is a 502.
#[test]
fn a_handshake_that_fails_is_a_failed_attempt() {
    let mut world = to_group("backend", ProxyTls::new(TlsSettingsId(7)));
    world.connects.push_back(Connect::Unshaken);
    world.client_sends(GET);
    assert_eq!(world.secured_with.len(), 2, "the next peer is tried");
    world.origin_sends("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(world.exchanges[0].status, 204);
    assert!(world.notes.iter().any(|(event, _)| *event == Event::HandshakeFailed));

    let mut world = to_group("backend", ProxyTls::new(TlsSettingsId(7)));
    world.connects_else = Connect::Unshaken;
    world.client_sends(GET);
    assert_eq!(world.secured_with.len(), 2);
    assert_eq!(world.exchanges[0].status, 502);
    let (_, line) = world.notes.iter().find(|(event, _)| *event == Event::HandshakeFailed).expect("a line");
    assert!(line.contains("upstream: \"https://127.0.0.1:900"), "{line}");

    let mut world = world_without_retries();
    world.connects_else = Connect::Unshaken;
    world.client_sends(GET);
    assert_eq!(world.secured_with.len(), 1, "proxy_next_upstream off");
}

fn world_without_retries() -> World {
    world(Target::Group(GroupId(0)), "backend", |proxy| {
        proxy.tls = Some(ProxyTls::new(TlsSettingsId(7)));
        proxy.next_upstream.error = false;
    })
}

/// `proxy_connect_timeout` bounds both: while the shell shakes hands, the dial is out.
#[test]
fn a_handshake_has_the_time_of_a_connection() {
    let mut world = to_group("backend", ProxyTls::new(TlsSettingsId(7)));
    world.connects_else = Connect::Hang;
    world.client_sends(GET);
    world.elapse(std::time::Duration::from_secs(60));
    assert_eq!(world.secured_with.len(), 2, "another peer is tried");
    world.elapse(std::time::Duration::from_secs(60));
    assert_eq!(world.exchanges[0].status, 504);
}
