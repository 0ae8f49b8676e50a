//! What a session makes of TLS (rules H2 and H3): who may ask for what, and what is shown.

use std::sync::Arc;

use underpass_core::{
    CertificateFault, ClientInfo, Event, PeerCertificate, TlsFacts,
    config::{
        Config, ErrorPage, ErrorStatus, ErrorTarget, Handler, Location, Return, Server, ServerTable,
        Settings, TlsJudgeId, TlsRules, VerifyClient,
    },
    shared::Upstreams,
    template::{Escape, Template, Variable},
    violation::Violation,
};
use underpass_testkit::session_world::World;

const GET: &str = "GET /p?q HTTP/1.1\r\nHost: b.example\r\n\r\n";

fn text(source: &str) -> Template {
    Template::parse(source, &(), Escape::None).expect("a template")
}

/// Servers with these names and rules, of which the first is the default one; each answers with its name.
fn servers(all: &[(&str, TlsRules)], adjust: impl Fn(&mut Location)) -> Arc<Config> {
    let server = |&(name, tls): &(&str, TlsRules)| {
        let mut level = Location::new(Handler::Return(Return::new(200, Some(text(name)))));
        level.server_name = name.into();
        adjust(&mut level);
        let mut server = Server::new(vec![name.into()], Arc::new(level));
        server.tls = tls;
        server
    };
    let table = ServerTable::new(all.iter().map(server).collect(), 0);
    let mut config = Config::new(Arc::new(table), Arc::new(Upstreams::new(Vec::new())));
    config.tls = true;
    Arc::new(config)
}

/// A client that has looked for this name, with a certificate that was found right or wrong.
fn shaken(name: Option<&str>, verdict: Option<Result<(), &str>>) -> impl FnOnce(&mut ClientInfo) {
    let mut facts = TlsFacts::default();
    (facts.protocol, facts.cipher) = ("TLSv1.3".into(), "TLS_AES_128_GCM_SHA256".into());
    facts.server_name = name.map(Into::into);
    facts.certificate = verdict.map(|verdict| PeerCertificate {
        der: include_bytes!("../src/tls/client.der").as_slice().into(),
        verdict: verdict.map_err(|reason| CertificateFault::Wrong(reason.into())),
    });
    move |client| client.tls = Some(Arc::new(facts))
}

fn response(world: &World) -> String {
    String::from_utf8_lossy(world.client.received()).into_owned()
}

/// Asked for `b.example`.
fn asked(config: &Arc<Config>, tell: impl FnOnce(&mut ClientInfo)) -> (String, Vec<Violation>) {
    let mut world = World::of_client(Arc::clone(config), tell);
    world.client_sends(GET);
    let violations = world.notes.iter().filter_map(|(event, _)| match event {
        Event::Violation(violation) => Some(*violation),
        _ => None,
    });
    (response(&world), violations.collect())
}

fn one(rules: TlsRules) -> Arc<Config> {
    servers(&[("b.example", rules)], |_| {})
}

#[test]
fn plain_http_at_a_tls_port_is_told_so() {
    let (response, violations) = asked(&one(TlsRules::default()), |_| {});
    assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{response}");
    assert!(response.contains("The plain HTTP request was sent to HTTPS port"), "{response}");
    assert!(response.contains("\r\nConnection: close\r\n"), "{response}");
    assert_eq!(violations, [Violation::PlainHttp]);
}

#[test]
fn a_certificate_that_is_wanted_and_not_there_or_wrong() {
    let config = one(TlsRules::new(VerifyClient::On, TlsJudgeId(1)));
    for (verdict, status, words, violations) in [
        (None, "400", "No required SSL certificate was sent", &[Violation::NoCertificate][..]),
        (Some(Err("expired")), "400", "The SSL certificate error", &[Violation::BadCertificate][..]),
        (Some(Ok(())), "200", "b.example", &[][..]),
    ] {
        let (response, noted) = asked(&config, shaken(Some("b.example"), verdict));
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert!(response.contains(words), "{response}");
        assert_eq!(response.contains("\r\nConnection: close\r\n"), status == "400", "{response}");
        assert_eq!(noted, violations);
    }
}

#[test]
fn another_server_with_other_rules_is_misdirected() {
    let on = TlsRules::new(VerifyClient::On, TlsJudgeId(1));
    let config = servers(&[("a.example", TlsRules::default()), ("b.example", on)], |_| {});
    let (response, violations) = asked(&config, shaken(Some("a.example"), None));
    assert!(response.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{response}");
    assert_eq!(violations, [Violation::Misdirected]);
    let (response, _) = asked(&config, shaken(None, None));
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

#[test]
fn another_server_with_the_same_rules_answers() {
    for rules in [TlsRules::default(), TlsRules::new(VerifyClient::On, TlsJudgeId(1))] {
        let config = servers(&[("a.example", rules), ("b.example", rules)], |_| {});
        let (response, _) = asked(&config, shaken(Some("a.example"), Some(Ok(()))));
        assert!(response.ends_with("\r\n\r\nb.example"), "{response}");
    }
}

/// `error_page 495`, `496`, `497`: found by nginx's numbers, and answered with 400 unless the page says otherwise.
#[test]
fn error_pages_have_numbers_of_their_own() {
    let on = TlsRules::new(VerifyClient::On, TlsJudgeId(1));
    type Tell = Box<dyn FnOnce(&mut ClientInfo)>;
    let cases: [(u16, fn() -> Tell); 3] = [
        (495, || Box::new(shaken(Some("b.example"), Some(Err("expired"))))),
        (496, || Box::new(shaken(Some("b.example"), None))),
        (497, || Box::new(|_| {})),
    ];
    for (number, tell) in cases {
        let with_page = |status: ErrorStatus, target: &'static str| {
            servers(&[("b.example", on)], move |level| {
                let target = match target.starts_with('/') {
                    true => ErrorTarget::Uri(text(target)),
                    false => ErrorTarget::Url(text(target)),
                };
                level.error_pages = [ErrorPage::new(vec![number], status, target)].into();
            })
        };
        let (response, _) = asked(&with_page(ErrorStatus::Kept, "https://$host$request_uri"), tell());
        assert!(response.starts_with("HTTP/1.1 302 "), "{number}: {response}");
        assert!(response.contains("\r\nLocation: https://b.example/p?q\r\n"), "{number}: {response}");
        let (response, _) = asked(&with_page(ErrorStatus::Kept, "/page"), tell());
        assert!(response.starts_with("HTTP/1.1 400 "), "{number}: {response}");
        assert!(response.ends_with("\r\n\r\nb.example"), "{number}: {response}");
        let (response, _) = asked(&with_page(ErrorStatus::Fixed(403), "/page"), tell());
        assert!(response.starts_with("HTTP/1.1 403 "), "{number}: {response}");
        assert!(response.contains("\r\nConnection: close\r\n"), "{number}: {response}");
    }
}

/// What clients are told of where they are says https, and a port that isn't its own.
#[test]
fn redirects_say_https() {
    let moved = servers(&[("b.example", TlsRules::default())], |level| {
        level.handler = Handler::Return(Return::new(301, Some(text("/x"))));
    });
    for (port, shown) in [(443, ""), (80, ":80"), (8443, ":8443")] {
        let (response, _) = asked(&moved, move |client| {
            shaken(None, None)(client);
            client.local = underpass_core::Address::Ip(([127, 0, 0, 1], port).into());
        });
        let expected = format!("\r\nLocation: https://b.example{shown}/x\r\n");
        assert!(response.contains(&expected), "{response}");
    }
}

/// RFC 9112 §3.2.2: a target may say the scheme itself.
#[test]
fn a_target_may_ask_for_https_under_tls() {
    for (is_secure, scheme, status) in
        [(true, "https", "200"), (true, "HTTPS", "200"), (true, "http", "200"), (false, "https", "421")]
    {
        let mut config =
            servers(&[("a.example", TlsRules::default()), ("b.example", TlsRules::default())], |_| {});
        if !is_secure {
            Arc::get_mut(&mut config).expect("one owner").tls = false;
        }
        let tell = move |client: &mut ClientInfo| {
            if is_secure {
                shaken(None, None)(client);
            }
        };
        let mut world = World::of_client(config, tell);
        world.client_sends(format!("GET {scheme}://b.example:8443/x HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let response = response(&world);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{scheme}: {response}");
        assert_eq!(response.ends_with("b.example"), status == "200", "{response}");
    }
}

/// The value of `$NAME` in a response to this client.
fn value(source: &str, tell: impl FnOnce(&mut ClientInfo)) -> String {
    let config = servers(&[("b.example", TlsRules::default())], |level| {
        level.handler = Handler::Return(Return::new(200, Some(text(&format!("[{source}]")))));
        level.settings = Arc::new(Settings::default());
    });
    let (response, _) = asked(&config, tell);
    let (_, value) = response.split_once("\r\n\r\n").expect("a head");
    value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).expect("what was asked for").to_owned()
}

/// H3, in the words of nginx and OpenSSL.
#[test]
fn variables_of_tls() {
    let tell = |client: &mut ClientInfo| {
        let mut facts = TlsFacts::default();
        (facts.protocol, facts.cipher) = ("TLSv1.2".into(), "ECDHE-ECDSA-AES128-GCM-SHA256".into());
        (facts.ciphers, facts.curve) = ("A:B".into(), Some("X25519".into()));
        (facts.server_name, facts.alpn) = (Some("b.example".into()), b"http/1.1".as_slice().into());
        client.tls = Some(Arc::new(facts));
    };
    for (name, expected) in [
        ("scheme", "https"),
        ("https", "on"),
        ("server_port", "8080"),
        ("ssl_protocol", "TLSv1.2"),
        ("ssl_cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("ssl_ciphers", "A:B"),
        ("ssl_curve", "X25519"),
        ("ssl_server_name", "b.example"),
        ("ssl_alpn_protocol", "http/1.1"),
        ("ssl_session_id", ""),
        ("ssl_session_reused", "."),
        ("ssl_client_verify", "NONE"),
        ("ssl_client_s_dn", ""),
        ("ssl_client_cert", ""),
        ("ssl_client_v_remain", ""),
        ("ssl_early_data", ""),
    ] {
        assert_eq!(value(&format!("${name}"), tell), expected, "{name}");
    }
    let resumed = |client: &mut ClientInfo| {
        let mut facts = TlsFacts::default();
        facts.resumed = true;
        client.tls = Some(Arc::new(facts));
    };
    assert_eq!(value("$ssl_session_reused", resumed), "r");
}

/// H3: as `openssl x509` shows it, in the shapes of nginx.
#[test]
fn variables_of_a_client_s_certificate() {
    let name = "emailAddress=me@client.example,CN=client.example,OU=a,O=Stra\\C3\\9Fe \\+ Sons,ST=Some\\, where,C=DE";
    for (variable, expected) in [
        ("ssl_client_verify", "SUCCESS"),
        ("ssl_client_s_dn", name),
        ("ssl_client_i_dn", name),
        ("ssl_client_serial", "A1B2C3"),
        ("ssl_client_fingerprint", "73a336a69a25f92971b95a6e0e91f767de1aa61c"),
        ("ssl_client_v_start", "Nov 30 16:22:04 2026 GMT"),
        ("ssl_client_v_end", "Apr 17 16:22:04 2054 GMT"),
    ] {
        assert_eq!(value(&format!("${variable}"), shaken(None, Some(Ok(())))), expected, "{variable}");
    }
    assert_eq!(value("$ssl_client_verify", shaken(None, Some(Err("expired")))), "FAILED:expired");
    let pem = value("$ssl_client_raw_cert", shaken(None, Some(Ok(()))));
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nMIIB"), "{pem}");
    assert!(pem.ends_with("\n-----END CERTIFICATE-----\n"), "{pem}");
    let tabbed = value("$ssl_client_cert", shaken(None, Some(Ok(()))));
    assert_eq!(tabbed, pem.trim_end().replace('\n', "\n\t"));
    let escaped = value("$ssl_client_escaped_cert", shaken(None, Some(Ok(()))));
    assert!(escaped.starts_with("-----BEGIN%20CERTIFICATE-----%0AMIIB"), "{escaped}");
    let days = value("$ssl_client_v_remain", shaken(None, Some(Ok(()))));
    assert_eq!(days, "21712");
}

/// Without TLS nothing is said of it.
#[test]
fn without_tls_its_variables_are_empty() {
    let names = Variable::plain().iter().filter(|name| name.starts_with("ssl_") || **name == "https");
    let all: String = names.map(|name| format!("${name}")).collect();
    let mut config = servers(&[("b.example", TlsRules::default())], |level| {
        level.handler = Handler::Return(Return::new(200, Some(text(&format!("[{all}]$scheme")))));
    });
    Arc::get_mut(&mut config).expect("one owner").tls = false;
    let (response, _) = asked(&config, |_| {});
    assert!(response.ends_with("\r\n\r\n[]http"), "{response}");
}

/// What a PROXY protocol header has told in front of the handshake, the session knows from its beginning.
#[test]
fn a_header_in_front_of_the_handshake_is_known() {
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\r\n";
    let underpass_core::proxy_protocol::Greeting::Complete(_, Some(found)) =
        underpass_core::proxy_protocol::read(header)
    else {
        panic!("it is one");
    };
    let tell = move |client: &mut ClientInfo| {
        shaken(None, None)(client);
        client.proxied = Some(Box::new(found));
    };
    let mut config = servers(&[("b.example", TlsRules::default())], |level| {
        level.handler =
            Handler::Return(Return::new(200, Some(text("$proxy_protocol_addr:$proxy_protocol_port"))));
    });
    Arc::get_mut(&mut config).expect("one owner").proxy_protocol = true;
    let (response, _) = asked(&config, tell);
    assert!(response.ends_with("\r\n\r\n192.0.2.7:4000"), "{response}");
}
