//! Every violation happens: those that a case of `testdata/` names, and the others here, which take a configuration, an
//! answer of the shell or a clock (F).

use std::{fs, path::Path, time::Duration};

use underpass_core::{
    Admission, CertificateFault, ClientInfo, Event, PeerCertificate, Refusal, TlsFacts, violation::Violation,
};
use underpass_testkit::{
    conformance::testdata,
    session_world::{Connect, World, config_of},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
const PROXY: &str = "proxy_pass http://127.0.0.1:9000;";
const RECIPE: &str = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

/// How a violation comes about.
struct Case {
    violation: Violation,
    /// Parameters of `listen`, directives of the server, and those of its location.
    listen: &'static str,
    server: &'static str,
    location: String,
    client: &'static str,
    /// What is known of the client before its session.
    tell: fn(&mut ClientInfo),
    /// What the shell answers, who fails, what time passes.
    then: fn(&mut World),
}

fn case(violation: Violation, location: &str, client: &'static str) -> Case {
    Case {
        violation,
        listen: "",
        server: "",
        location: location.to_owned(),
        client,
        tell: |_| {},
        then: |_| {},
    }
}

fn proxied(violation: Violation, more: &str, client: &'static str) -> Case {
    case(violation, &format!("{PROXY} {more}"), client)
}

fn refused(violation: Violation, location: &str, client: &'static str, then: fn(&mut World)) -> Case {
    Case { then, ..case(violation, location, client) }
}

/// A server under TLS that wants certificates, and a client with a handshake behind it.
fn secured(violation: Violation, tell: fn(&mut ClientInfo)) -> Case {
    let server = "server_name a; ssl_certificate c; ssl_certificate_key k; ssl_client_certificate a; ssl_verify_client on;";
    Case { listen: "ssl", server, tell, ..case(violation, "return 204;", GET) }
}

fn shaken(client: &mut ClientInfo) {
    client.tls = Some(TlsFacts::default().into());
}

fn cases() -> Vec<Case> {
    let admits = "allow 10.0.0.0/8; deny all;";
    let waits: fn(&mut World) = |world| world.elapse(Duration::from_secs(61));
    vec![
        Case {
            server: "allow_bare_lf off;",
            ..proxied(Violation::BareLf, "", "GET / HTTP/1.1\nHost: a\n\n")
        },
        Case { listen: "proxy_protocol", ..proxied(Violation::BadProxyHeader, "", GET) },
        proxied(
            Violation::TemplateControl,
            "proxy_set_header X $uri;",
            "GET /%0a HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        proxied(
            Violation::TemplateHost,
            "proxy_set_header Host $arg_h;",
            "GET /?h=a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        proxied(Violation::TemplateMethod, "proxy_method $arg_m;", "GET /?m=a,b HTTP/1.1\r\nHost: a\r\n\r\n"),
        case(Violation::TemplateTarget, "proxy_pass http://$arg_h;", GET),
        proxied(Violation::TemplateBind, "proxy_bind $arg_b;", "GET /?b=x HTTP/1.1\r\nHost: a\r\n\r\n"),
        proxied(Violation::RewriteCycle, "rewrite ^ /x last;", GET),
        proxied(Violation::EmptyUri, "rewrite ^ $arg_x last;", GET),
        case(Violation::NotImplemented, "root /srv;", GET),
        case(Violation::UnknownLocation, "error_page 404 @nowhere; return 404;", GET),
        refused(Violation::Forbidden, &format!("{PROXY} {admits}"), GET, |world| {
            world.answer_claim(Admission::Refused(Refusal::Forbidden));
        }),
        refused(Violation::Unauthorized, &format!("{PROXY} {admits}"), GET, |world| {
            world.answer_claim(Admission::Refused(Refusal::Unauthorized));
        }),
        refused(Violation::Limited, &format!("{PROXY} {admits}"), GET, |world| {
            world.answer_claim(Admission::Refused(Refusal::Limited(503)));
        }),
        refused(Violation::TooManyTunnels, &format!("{PROXY} {RECIPE} {admits}"), UPGRADE, |world| {
            world.answer_claim(Admission::Refused(Refusal::TooManyTunnels));
        }),
        refused(Violation::Leaving, &format!("{PROXY} {RECIPE}"), "", |world| {
            world.drain(None);
            world.client_sends(UPGRADE);
        }),
        refused(
            Violation::ProxyUnauthorized,
            &format!("tunnel_pass 127.0.0.1:9000; {admits}"),
            "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
            |world| world.answer_claim(Admission::Refused(Refusal::Unauthorized)),
        ),
        refused(Violation::OriginClosed, PROXY, GET, World::origin_ends),
        refused(Violation::OriginFailed, PROXY, GET, |world| {
            world.origin().reset();
            world.run();
        }),
        secured(Violation::PlainHttp, |_| {}),
        secured(Violation::NoCertificate, shaken),
        secured(Violation::BadCertificate, |client| {
            let mut facts = TlsFacts::default();
            facts.certificate = Some(PeerCertificate {
                der: [].into(),
                verdict: Err(CertificateFault::Wrong("expired".into())),
            });
            client.tls = Some(facts.into());
        }),
        Case {
            server: "server_name b; ssl_certificate c; ssl_certificate_key k; return 204; }
                     server { listen 127.0.0.1:8080 ssl; server_name a; ssl_client_certificate a;
                     ssl_certificate c; ssl_certificate_key k; ssl_verify_client on;",
            ..secured(Violation::Misdirected, |client| {
                let mut facts = TlsFacts::default();
                facts.server_name = Some("b".into());
                client.tls = Some(facts.into());
            })
        },
        refused(Violation::OriginHandshake, "proxy_pass https://127.0.0.1:9000;", GET, |world| {
            world.answer_dial(Connect::Unshaken);
        }),
        refused(Violation::ConnectFailed, PROXY, GET, |world| world.answer_dial(Connect::Refuse)),
        refused(Violation::LocalFault, PROXY, GET, |world| world.answer_dial(Connect::Fail)),
        refused(Violation::ConnectTimeout, PROXY, GET, waits),
        refused(Violation::ReadTimeout, PROXY, GET, waits),
        refused(
            Violation::SendTimeout,
            PROXY,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            |world| {
                world.origin().set_window(0);
                world.client_sends("hello");
                world.elapse(Duration::from_secs(61));
            },
        ),
        refused(
            Violation::HandshakeTimeout,
            &format!("{PROXY} {RECIPE} upgrade_handshake_timeout 5s;"),
            UPGRADE,
            |world| world.elapse(Duration::from_secs(6)),
        ),
        case(Violation::NoPeer, "proxy_pass http://down;", GET),
        refused(
            Violation::UnknownName,
            "proxy_pass http://$arg_h;",
            "GET /?h=nobody.example HTTP/1.1\r\nHost: a\r\n\r\n",
            |world| world.answer_lookup(Ok(&[])),
        ),
        refused(
            Violation::TooManyNames,
            "proxy_pass http://$arg_h;",
            "GET /?h=silent.example HTTP/1.1\r\nHost: a\r\n\r\n",
            |world| world.answer_lookup(Err(std::io::ErrorKind::QuotaExceeded.into())),
        ),
    ]
}

fn play(case: &Case) -> World {
    let config = config_of(&format!(
        "http {{ access_log off; upstream down {{ server 127.0.0.1:9000 down; server 127.0.0.1:9001 down; }}
         server {{ listen 127.0.0.1:8080 {}; {} location / {{ {} }} }} }}",
        case.listen, case.server, case.location
    ));
    let mut world = World::of_client(config, case.tell);
    // What is sent out waits for what the case answers.
    world.admission = None;
    world.addresses = None;
    let dials = [
        Violation::ConnectFailed,
        Violation::OriginHandshake,
        Violation::LocalFault,
        Violation::ConnectTimeout,
    ];
    if dials.contains(&case.violation) {
        world.connects_else = Connect::Hang;
    }
    world.client_sends(case.client);
    (case.then)(&mut world);
    world
}

#[test]
fn each_has_its_status_and_is_named() {
    for case in cases() {
        let world = play(&case);
        assert!(
            world.notes.iter().any(|(event, line)| tells(case.violation, event, line)),
            "{:?}: {:?}",
            case.violation,
            world.notes
        );
        if case.violation == Violation::BadProxyHeader {
            // Who speaks another protocol is not answered in ours.
            assert!(world.client.received().is_empty() && world.done);
            continue;
        }
        let answer = String::from_utf8_lossy(world.client.received()).into_owned();
        let status = format!("HTTP/1.1 {} ", case.violation.status());
        assert!(answer.starts_with(&status), "{:?}: {answer}", case.violation);
    }
}

/// What the error log has: failures of connections and timers have events of their own, which know more.
fn tells(violation: Violation, event: &Event, line: &str) -> bool {
    match (violation, event) {
        (Violation::OriginClosed, Event::UpstreamClosed)
        | (Violation::OriginFailed, Event::UpstreamFailed(_))
        | (Violation::ConnectFailed, Event::ConnectFailed(_))
        | (Violation::OriginHandshake, Event::HandshakeFailed)
        | (Violation::LocalFault, Event::LocalFault(_)) => true,
        (_, Event::TimedOut(timer)) => violation.switch() == Some(timer.directive()),
        (_, event) => *event == Event::Violation(violation) && line.contains(violation.sentence()),
    }
}

#[test]
fn none_is_without_a_case() {
    let mut data = String::new();
    collect(&testdata(), &mut data);
    let here: Vec<_> = cases().iter().map(|case| case.violation).collect();
    let missing: Vec<_> = Violation::ALL
        .iter()
        .filter(|violation| !here.contains(violation) && !expected(&data, **violation))
        .collect();
    assert_eq!(missing, [] as [&Violation; 0]);
}

/// Whether a case expects it: one of the hostile ones, or one that lays the answer out.
fn expected(data: &str, violation: Violation) -> bool {
    [format!("violation = \"{violation:?}\""), format!("{{refusal {violation:?}")].iter().any(|words| {
        data.match_indices(words.as_str())
            .any(|(at, _)| !data[at + words.len()..].starts_with(|next: char| next.is_ascii_alphanumeric()))
    })
}

fn collect(folder: &Path, data: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of cases") {
        let path = entry.expect("a folder entry").path();
        if path.is_dir() {
            collect(&path, data);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            data.push_str(&fs::read_to_string(&path).expect("a file of cases"));
        }
    }
}
