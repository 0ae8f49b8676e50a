//! Traces of sessions: they tell no content unless they are to, and a replay of any cut takes the same way.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use underpass_core::trace::{Configuration, Recording, Replay, Sample, Setting, Traced, read};
use underpass_core::{
    Address, Admission, ClientInfo, Draining, Now, Refusal, Side, Tick,
    config::{Config, TraceRuleId},
};
use underpass_testkit::session_world::{Completion, Connect, Late, World, config_of};

const CONFIG: &str = "http { access_log off; server { listen 127.0.0.1:8080; client_max_body_size 50;
    location / { proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $http_connection; }
    location /answer { return 200 text; } } }";

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What both sides send, one after the other. Whatever nobody but its receiver is to see is made of `J`.
const SCRIPTS: &[&[(Who, &str)]] = &[
    &[
        (Who::Client, UPGRADE),
        (Who::Client, "JJJ"),
        (Who::Origin, SWITCH),
        (Who::Origin, "JJJJ"),
        (Who::Client, "JJ"),
    ],
    &[
        (Who::Client, UPGRADE),
        (Who::Client, "JJJ"),
        (Who::Origin, "HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\nJJ"),
    ],
    &[
        (Who::Client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nJJJJ"),
        (
            Who::Origin,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nJ\r\n\r\n0\r\nCookie: a=JJ\r\n\r\n",
        ),
        (Who::Client, "GET /answer?token=JJ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer JJ\r\n\r\n"),
    ],
    &[
        (
            Who::Client,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;e=f\r\nJJ\r\n\r\n2\r\nJJ\r\n0\r\n\r\n",
        ),
        (
            Who::Origin,
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: s=JJ; Path=/\r\n\r\nJJJJJJJJJ",
        ),
    ],
    &[(
        Who::Client,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nJJJ\r\nno size\r\nJJJJ\r\n",
    )],
    &[
        (Who::Client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\n"),
        (Who::Client, "JJJJ"),
        (Who::Client, "JJ"),
    ],
    &[(Who::Client, "POST /answer HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nJJJJJJJJJ")],
    &[(Who::Client, "GET / HTTP/1.1\r\nno field\r\n\r\nJJJJ"), (Who::Client, "JJJJ")],
    &[
        (Who::Client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Who::Origin, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nJJJJJJ"),
    ],
];

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[derive(Clone, Copy)]
enum Who {
    Client,
    Origin,
}

fn setting(plain: bool) -> Setting {
    Setting { configuration: Configuration::new(CONFIG), buffer_size: 4096, plain }
}

/// Plays a script, its bytes cut as `cuts` says, to the end of the session; its trace.
fn traced(script: &[(Who, &str)], cuts: &[usize], plain: bool) -> Vec<u8> {
    let mut world = World::traced(config_of(CONFIG), &setting(plain));
    let mut cuts = cuts.iter().copied().cycle();
    for (who, text) in script {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cuts.next().unwrap_or(rest.len()).clamp(1, rest.len()));
            match who {
                Who::Client => world.client_sends(piece),
                Who::Origin if world.origins.is_empty() => {}
                Who::Origin => world.origin_sends(piece),
            }
            rest = behind;
        }
    }
    if !world.origins.is_empty() {
        world.origin_ends();
    }
    world.client_ends();
    while !world.done && world.elapse_to_deadline() {}
    assert!(world.done);
    whole(&setting(plain), &mut world)
}

/// What a file has that holds the trace of one session.
fn whole(setting: &Setting, world: &mut World) -> Vec<u8> {
    let mut lines = setting.configuration.lines().into_bytes();
    lines.extend(world.session.take_lines().expect("a trace"));
    lines
}

fn goes_the_same_way(trace: &[u8]) {
    let recordings = read(trace).expect("a trace");
    assert_eq!(recordings.len(), 1);
    let mut replay = Replay::new(&recordings[0], config_of(&recordings[0].configuration));
    for step in &mut replay {
        assert_eq!(step.divergence, None, "{} in\n{}", step.told, String::from_utf8_lossy(trace));
    }
    assert!(!replay.is_cut());
    let of_session =
        trace.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"config "));
    let of_session: Vec<u8> = of_session.flatten().copied().collect();
    assert_eq!(String::from_utf8_lossy(replay.trace()), String::from_utf8_lossy(&of_session));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_of_any_cut_takes_the_same_way(
        script in 0..SCRIPTS.len(),
        cuts in proptest::collection::vec(prop_oneof![1_usize..12, 1_usize..200], 1..20),
        plain: bool,
    ) {
        let trace = traced(SCRIPTS[script], &cuts, plain);
        goes_the_same_way(&trace);
        let tells = trace.split(|byte| *byte == b'\n').find(|line| line.contains(&b'J'));
        if plain {
            prop_assert!(tells.is_some());
        } else {
            prop_assert_eq!(tells.map(String::from_utf8_lossy), None);
        }
    }
}

/// What nobody but its receiver is to see.
const SECRET: &str = "hunter2hunter2";

/// Values with the secret in them, and fields that have such.
fn secret_field() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("Authorization"),
        Just("proxy-authorization"),
        Just("Cookie"),
        Just("Set-Cookie"),
        Just("PRIVATE-TOKEN"),
        Just("X-Api-Key"),
        Just("X-Amz-Security-Token"),
        Just("Sec-WebSocket-Protocol"),
        Just("Location"),
        Just("Referer"),
        Just("Refresh"),
        Just("WWW-Authenticate"),
        Just("ETag"),
        Just("some name"),
        Just("q?a/b"),
        "[a-z]{1,5}(-[a-z]{1,5})?"
            .prop_filter("a field that is told", |name| { !underpass_core::trace::is_told(name) })
            .prop_map(|name| &*name.leak()),
    ];
    let value = prop_oneof![
        Just("{}"),
        Just("Bearer {}"),
        Just("Basic {}"),
        Just("a={}; b=c"),
        Just("a=\"{}\""),
        Just("chat, {}"),
        Just("https://me:{}@h/"),
        Just("https://h/?a={}"),
        Just("https://h/?{}"),
        Just("https://h/#{}"),
        Just("/a?b=c#d={}"),
        Just("Digest a=\"{}\", b={}"),
        Just("a\r\n {}"),
        Just("a\r\n\t{}: b"),
    ];
    // A path isn't masked, and a cookie's name, a scheme and an attribute neither.
    let is_secret = |(name, value): &(&str, &str)| match *name {
        "Location" | "Referer" | "Refresh" => value.contains("//") || value.contains('#'),
        "Cookie" | "Set-Cookie" => !value.starts_with("Bearer") || *name == "Cookie",
        _ => true,
    };
    let space = prop_oneof![9 => Just(""), 1 => Just(" "), 1 => Just("\t")];
    ((name, value).prop_filter("what is told anyway", is_secret), space)
        .prop_map(|((name, value), space)| format!("{name}{space}: {}\r\n", value.replace("{}", SECRET)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_told_that_may_be_a_secret(
        target in prop_oneof![Just("/"), Just("/a?b={}"), Just("/a?{}"), Just("/a#{}"), Just("http://a:{}@a/"), Just("//a?b=c&{}")],
        fields in proptest::collection::vec(secret_field(), 0..4),
        answer in proptest::collection::vec(secret_field(), 0..4),
        upgrades: bool,
        chunked: bool,
        cuts in proptest::collection::vec(prop_oneof![1_usize..12, 1_usize..200], 1..20),
    ) {
        let (fields, answer) = (fields.concat(), answer.concat());
        let target = target.replace("{}", SECRET);
        let request = if upgrades {
            UPGRADE.replace("/chat", &target).replace("\r\n\r\n", &format!("\r\n{fields}\r\n"))
        } else if chunked {
            format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a={SECRET}\r\nabc\r\n\
                 0\r\n{fields}\r\n"
            )
        } else {
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
        };
        let response = format!("HTTP/1.1 200 OK\r\n{answer}Content-Length: 14\r\n\r\n{SECRET}");
        let script = [(Who::Client, request.as_str()), (Who::Origin, response.as_str())];
        let trace = traced(&script, &cuts, false);
        let told = String::from_utf8_lossy(&trace);
        prop_assert!(!told.contains("hunter2"), "{}", told);
        goes_the_same_way(&trace);
    }
}

#[test]
fn a_broken_off_trace_is_replayed_as_far_as_it_goes() {
    let trace = traced(SCRIPTS[2], &[1000], false);
    let whole = Replay::new(&read(&trace).expect("a trace")[0], config_of(CONFIG)).count();
    let mut lengths = Vec::new();
    for end in (0..trace.len()).step_by(7) {
        let recordings = read(&trace[..end]).expect("whole lines");
        let Some(recording) = recordings.first() else { continue };
        let mut steps = 0;
        for step in &mut Replay::new(recording, config_of(CONFIG)) {
            assert_eq!(step.divergence, None, "{}", step.told);
            steps += 1;
        }
        lengths.push(steps);
    }
    assert!(
        lengths.is_sorted() && lengths.last().is_some_and(|last| *last + 2 >= whole),
        "{lengths:?} of {whole}"
    );
}

#[test]
fn another_way_is_told_where_it_begins() {
    let trace = String::from_utf8(traced(SCRIPTS[0], &[1000], false)).expect("text");
    for (from, to, expected) in [
        ("> judge Success", "> judge Failure", "> judge Success"),
        (
            "Upgrade: websocket\\r\\n\n1 = client text Sec",
            "Upgrade: websockets\\r\\n\n1 = client text Sec",
            "",
        ),
        (
            "> text client HTTP/1.1 101 Switching",
            "> text client HTTP/1.1 101 switching",
            "> text client HTTP/1.1 101 Switching Protocols\\r\\n",
        ),
    ] {
        assert!(trace.contains(from), "{from} in {trace}");
        let changed = trace.replacen(from, to, 1);
        let recordings = read(changed.as_bytes()).expect("a trace");
        let divergence = Replay::new(&recordings[0], config_of(CONFIG)).find_map(|step| step.divergence);
        let divergence = divergence.expect("another way");
        assert!(expected.is_empty() || divergence == expected, "{divergence}");
    }
}

#[test]
fn a_trace_of_version_1_is_read() {
    let script = [
        (Who::Client, "GET / HTTP/1.1\r\nHost: a\r\nX-Kind: told\r\n\r\n"),
        (Who::Origin, "HTTP/1.1 200 OK\r\nX-Kind: told\r\nContent-Length: 1\r\n\r\nJ"),
    ];
    let trace = String::from_utf8(traced(&script, &[1000], false)).expect("ASCII");
    // A session had its configuration, and only credentials were masked.
    let mut version_1 = String::from("1 session 1\n");
    for line in trace.lines() {
        match line.strip_prefix("config ").and_then(|line| line.splitn(3, ' ').nth(2)) {
            Some(text) => version_1 += &format!("1 config {text}\n"),
            None if line.contains(" session 3") || line.contains(" configuration ") => {}
            None => version_1 += &format!("{}\n", line.replace("X-Kind: xxxx", "X-Kind: told")),
        }
    }
    assert_eq!(version_1.matches("X-Kind: told").count(), 4, "{version_1}");
    let recordings = read(version_1.as_bytes()).expect("a trace");
    let mut replay = Replay::new(&recordings[0], config_of(&recordings[0].configuration));
    for step in &mut replay {
        assert_eq!(step.divergence, None, "{}", step.told);
    }
    assert!(!replay.is_cut());
}

#[test]
fn lines_that_are_none_are_named() {
    for (text, line) in [
        ("1 session 1\n1 < received nobody 1\n", 2),
        ("1 session 1\n\n# a comment\n1 = client content many\n", 4),
        ("GET / HTTP/1.1\n", 1),
        ("1 session 1\n1 config \\y\n", 2),
        ("config a 1 \\y\n", 1),
        ("config a b c\n", 1),
        ("1 session 1\n1 hello\n", 2),
    ] {
        assert_eq!(read(text.as_bytes()).expect_err("no trace").line, line, "{text:?}");
    }
    // The lines of a session that began in another file.
    assert!(read(b"7 < timeout\n").expect("a trace").is_empty());
}

#[test]
fn a_sample_is_a_part_of_all_sessions() {
    let address = Address::Ip("127.0.0.1:1".parse().expect("an address"));
    let client = |serial| ClientInfo::new(address.clone(), address.clone(), serial, [7; 16]);
    let count = |sample: Sample| (0..10_000).filter(|serial| sample.has(&client(*serial))).count();
    assert_eq!(count(Sample::ALL), 10_000);
    assert_eq!(count(Sample { share: 0, of: 1 }), 0);
    let some = count(Sample { share: 5, of: 100 });
    assert!((400..600).contains(&some), "{some}");
}

/// A traced world with this in its server, and its trace after `play`.
fn traced_in(server: &str, plain: bool, play: impl FnOnce(&mut World)) -> String {
    let text = format!("http {{ access_log off; client_body_timeout 5s; server {{ {server} }} }}");
    let setting = Setting { configuration: Configuration::new(&text), buffer_size: 4096, plain };
    let mut world = World::traced(config_of(&text), &setting);
    world.run();
    play(&mut world);
    String::from_utf8(whole(&setting, &mut world)).expect("a trace is ASCII")
}

const LISTEN: &str = "listen 127.0.0.1:8080;";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nJ";

#[test]
fn whatever_a_shell_reports_takes_the_same_way_again() {
    let named = &format!(
        "{LISTEN} resolver 127.0.0.1; location / {{ set $n origin.example; proxy_pass http://$n; }}"
    );
    let asking = &format!("{LISTEN} allow all; location / {{ proxy_pass http://127.0.0.1:9000; }}");
    let two = &format!(
        "{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; }}"
    );
    let admitted = |admission| {
        move |world: &mut World| {
            world.admission = Some(admission);
            world.client_sends(GET);
            world.elapse(Duration::from_secs(2));
        }
    };
    let draining = |draining| {
        move |world: &mut World| {
            world.client_sends(UPGRADE);
            world.origin_sends(SWITCH);
            let (session, mut turn) = world.parts();
            session.handle_drain(draining, &mut turn);
            world.run();
        }
    };
    type Play = Box<dyn Fn(&mut World)>;
    let cases: Vec<(&str, &str, Play)> = vec![
        (named, "resolved 1 127.0.0.1", Box::new(|world| world.client_sends(GET))),
        (
            named,
            "resolved 1 127.0.0.1 ::1",
            Box::new(|world| {
                world.addresses =
                    Some(Ok(vec!["127.0.0.1".parse().expect("v4"), "::1".parse().expect("v6")]));
                world.client_sends(GET);
            }),
        ),
        (
            named,
            "resolved 1 failed NotFound\n",
            Box::new(|world| {
                world.addresses = Some(Err(std::io::ErrorKind::NotFound.into()));
                world.client_sends(GET);
            }),
        ),
        (asking, "admitted 1 granted", Box::new(admitted(Admission::Granted))),
        (
            asking,
            "admitted 1 delayed 1000000000",
            Box::new(admitted(Admission::Delayed(Tick(1_000_000_000)))),
        ),
        (asking, "admitted 1 forbidden", Box::new(admitted(Admission::Refused(Refusal::Forbidden)))),
        (asking, "admitted 1 unauthorized", Box::new(admitted(Admission::Refused(Refusal::Unauthorized)))),
        (
            asking,
            "admitted 1 too-many-tunnels",
            Box::new(admitted(Admission::Refused(Refusal::TooManyTunnels))),
        ),
        (asking, "admitted 1 limited 429", Box::new(admitted(Admission::Refused(Refusal::Limited(429))))),
        (
            two,
            "failed ConnectionRefused 111\n",
            Box::new(|world| {
                world.connects_else = Connect::Refuse;
                world.client_sends(GET);
            }),
        ),
        (
            two,
            "local failed AddrNotAvailable 99\n",
            Box::new(|world| {
                world.connects_else = Connect::Fail;
                world.client_sends(GET);
            }),
        ),
        (
            two,
            "connected 1 unshaken\n",
            Box::new(|world| {
                world.connects_else = Connect::Unshaken;
                world.client_sends(GET);
            }),
        ),
        (
            two,
            "connected 3 reused",
            Box::new(|world| {
                world.client_sends(GET);
                world.origin_sends(OK);
                world.client_sends(GET);
            }),
        ),
        (
            two,
            "drain quit\n",
            Box::new(|world| {
                world.client_sends(GET);
                world.drain(None);
                world.origin_sends(OK);
            }),
        ),
        (
            two,
            "drain quit 3000000000\n",
            Box::new(|world| {
                world.client_sends(GET);
                world.drain(Some(Duration::from_secs(3)));
                world.elapse(Duration::from_secs(3));
            }),
        ),
        (two, "drain reload\n", Box::new(draining(Draining::Reload(None)))),
        (two, "drain reload 3000000000\n", Box::new(draining(Draining::Reload(Some(Tick(3_000_000_000)))))),
        (two, "drain stop\n", Box::new(draining(Draining::Stop))),
        (
            two,
            "acknowledged client\n",
            Box::new(|world| {
                world.client_sends(UPGRADE);
                world.origin_sends(SWITCH);
                world.origin_sends("JJJJ");
                world.origin().reset();
                world.run();
            }),
        ),
        (
            two,
            "relayed client 4 4\n",
            Box::new(|world| {
                world.splices = true;
                world.client_sends(UPGRADE);
                world.origin_sends(SWITCH);
                // No frame: from then on nobody looks at them.
                world.client_sends("J");
                world.client_sends("JJJJ");
            }),
        ),
        (
            two,
            "timeout\n",
            Box::new(|world| {
                // What has come of a chunk's size is dropped with the rest.
                world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3");
                world.elapse(Duration::from_secs(5));
            }),
        ),
        (
            two,
            "received client failed ConnectionReset\n",
            Box::new(|world| {
                world.client_sends(GET);
                world.client.reset();
                world.run();
            }),
        ),
    ];
    for (server, told, play) in cases {
        for plain in [false, true] {
            let trace = traced_in(server, plain, &play);
            assert!(trace.contains(told), "{told:?} in {trace}");
            goes_the_same_way(trace.as_bytes());
        }
    }
}

#[test]
fn nobody_could_be_dialled_both_times() {
    // Two peers have failed before, and are left alone.
    let text = "http { access_log off; upstream two { server 127.0.0.1:9000; server 127.0.0.1:9001; }
                server { listen 127.0.0.1:8080; location / { proxy_pass http://two; } } }";
    let setting = Setting { configuration: Configuration::new(text), buffer_size: 4096, plain: false };
    let mut world = World::traced(config_of(text), &setting);
    world.connects_else = Connect::Refuse;
    world.client_sends(GET);
    world.client_sends(GET);
    let trace = String::from_utf8(whole(&setting, &mut world)).expect("ASCII");
    assert!(trace.contains(" nobody\n"), "{trace}");
    goes_the_same_way(trace.as_bytes());
}

#[test]
fn the_header_of_a_proxy_is_no_content() {
    let server = "listen 127.0.0.1:8080 proxy_protocol; return 200 $proxy_protocol_addr;";
    let trace = traced_in(server, false, |world| {
        world.client_sends(["PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n", GET].concat());
    });
    assert!(trace.contains("= client text PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\\r\\n\n"), "{trace}");
    goes_the_same_way(trace.as_bytes());
}

#[test]
fn what_stands_behind_an_upgrade_is_told_by_its_length() {
    let server = &format!(
        "{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; }}"
    );
    let chunked = UPGRADE
        .replace("GET", "POST")
        .replace("websocket", "foo")
        .replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nJ\r\n0\r\n\r\nJJ\nJJ");
    let empty = format!("{UPGRADE}JJ\nJJ");
    for upgrade in [chunked, empty] {
        let trace = traced_in(server, false, |world| {
            world.client_sends(&upgrade);
            world.client_sends("JJJ");
            world.origin_sends("HTTP/1.1 400 No\r\nContent-Length: 1\r\n\r\nJ");
        });
        assert!(!trace.contains('J'), "{trace}");
        assert!(!trace.contains(" content 0\n"), "{trace}");
        goes_the_same_way(trace.as_bytes());
    }
}

#[test]
fn bytes_are_shown_so_that_they_can_be_read_again() {
    let server = &format!("{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; }} # a\\b \u{e9}\n");
    let trace = traced_in(server, true, |world| {
        world.client_sends(b"GET / HTTP/1.1\r\nHost: a\r\nX: \\\xe9\xff\tb\r\n\r\n");
        world.origin_sends(b"HTTP/1.1 200 OK\r\nY: \\\xe9\xff\r\nContent-Length: 3\r\n\r\n\\\0\xff");
    });
    assert!(trace.contains("= client text X: \\\\\\xe9\\xff\\x09b\\r\\n\n"), "{trace}");
    assert!(trace.contains("= upstream bytes \\\\\\x00\\xff\n"), "{trace}");
    let recordings = read(trace.as_bytes()).expect("a trace");
    assert!(recordings[0].configuration.contains("# a\\b \u{e9}"), "{}", recordings[0].configuration);
    goes_the_same_way(trace.as_bytes());
}

#[test]
fn of_an_answer_of_our_own_the_head_is_told() {
    let trace = traced_in(&format!("{LISTEN} return 200 JJJJ;"), true, |world| world.client_sends(GET));
    assert!(trace.contains("> text client and 4 bytes\n") && !trace.contains("client JJJJ"), "{trace}");
    let trace = traced_in(&format!("{LISTEN} return 204;"), true, |world| world.client_sends(GET));
    assert!(trace.contains("> text client HTTP/1.1 204") && !trace.contains("> text client and"), "{trace}");
}

#[test]
fn a_recording_tells_whose_session_it_is() {
    let peer: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let mut config = Config::proxy_to(Address::Ip(peer), "b");
    config.trace = Some(TraceRuleId(3));
    config.proxy_protocol = true;
    let config = Arc::new(config);
    let now = Now { tick: Tick(5), unix_ms: 6, utc_offset_min: -7 };
    let setting = Setting { configuration: Configuration::new("one\ntwo"), buffer_size: 8192, plain: true };
    let client = |serial| {
        ClientInfo::new(
            Address::Ip("[2001:db8::1]:7".parse().expect("an address")),
            Address::Unix(std::path::Path::new("/run/a b.sock").into()),
            serial,
            [7; 16],
        )
    };
    let mut trace = setting.configuration.lines().into_bytes();
    for serial in [9, 10] {
        let mut session = Traced::new(Arc::clone(&config), client(serial), now, Some(&setting));
        trace.extend(session.take_lines().expect("its beginning"));
        assert_eq!(session.take_lines(), None, "lines are taken once");
    }
    let recordings = read(&trace).expect("a trace");
    assert_eq!(recordings.iter().map(Recording::serial).collect::<Vec<_>>(), [9, 10]);
    for recording in &recordings {
        assert_eq!((recording.listener, recording.plain), (Some(TraceRuleId(3)), true));
        assert_eq!(recording.configuration, "one\ntwo\n");
        let ClientInfo { remote, local, .. } = client(9);
        assert_eq!((&recording.client.remote, &recording.client.local), (&remote, &local));
        assert_eq!(
            (&recording.identity.server, &recording.identity.hostname, recording.identity.pid),
            (&config.identity.server, &config.identity.hostname, config.identity.pid)
        );
        assert_eq!(recording.identity.pseudonym, config.identity.pseudonym);
    }
    // A trace betrays nothing of other sessions.
    let secrets = [recordings[0].client.secret, recordings[1].client.secret];
    assert!(secrets[0] != secrets[1] && !secrets.contains(&[7; 16]), "{secrets:?}");
}

#[test]
fn a_replay_tells_what_is_missing_and_what_is_left() {
    let trace =
        traced_in(&format!("{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; }}"), false, |world| {
            world.client_sends("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nJJJ");
            world.client_sends("JJJJ");
        });
    let whole = read(trace.as_bytes()).expect("a trace");
    let mut replay = Replay::new(&whole[0], config_of(&whole[0].configuration));
    let told = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nJJJJJJJ".len();
    assert_eq!((replay.left(Side::Downstream), replay.left(Side::Upstream)), (told, 0));
    assert!(replay.all(|step| step.divergence.is_none()));
    assert_eq!((replay.left(Side::Downstream), replay.is_cut()), (0, false));
    // The last bytes were reported, and whoever wrote the trace was ended before it told them.
    let told = trace.lines().filter(|line| !line.ends_with(" = client content 4"));
    let cut: String = told.map(|line| format!("{line}\n")).collect();
    assert_ne!(cut, trace);
    let recordings = read(cut.as_bytes()).expect("a trace");
    let mut replay = Replay::new(&recordings[0], config_of(&recordings[0].configuration));
    assert!(replay.all(|step| step.divergence.is_none()));
    assert!(replay.is_cut());
    let broken = read(b"1 session 1\n1 hello\n").expect_err("no line of a trace");
    assert_eq!(broken.to_string(), "line 2 is not a line of a session's trace");
}

#[test]
fn what_comes_twice_before_a_poll_is_told_alike_both_times() {
    let server = &format!("{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; }}");
    // Content, and what is only read to be dropped.
    for request in
        ["PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n", "PUT / HTTP/1.1\r\nHost : a\r\n\r\n"]
    {
        let trace = traced_in(server, false, |world| {
            world.client_sends(request);
            for _ in 0..2 {
                let (session, mut turn) = world.parts();
                let space = session
                    .receive_space(session.connection(Side::Downstream), &mut turn)
                    .expect("bytes are wanted");
                space[..3].copy_from_slice(b"JJJ");
                session.handle_received(session.connection(Side::Downstream), Ok(3), &mut turn);
            }
            world.run();
        });
        assert!(!trace.contains('J') && trace.matches(" = client content 3\n").count() == 2, "{trace}");
        goes_the_same_way(trace.as_bytes());
    }
}

/// A shell whose reads and writes complete: what comes late of the first peer is told as late, and what is lent meanwhile
/// makes the second one wait in the replay, too.
#[test]
fn what_comes_late_takes_the_same_way_again() {
    let text = "http { access_log off; upstream g { server 127.0.0.1:9000; server 127.0.0.1:9001; }
        server { listen 127.0.0.1:8080; location / { proxy_pass http://g; } } }";
    let setting = Setting { configuration: Configuration::new(text), buffer_size: 4096, plain: false };
    for late in Late::ALL {
        let mut world = World::traced(config_of(text), &setting);
        world.completion = Some(Completion::on_command());
        world.window = 0;
        world.client_sends(GET);
        world.window = usize::MAX;
        world.elapse(Duration::from_secs(61));
        assert_eq!(world.late(), [(true, true), (false, true)], "a read and a write of the first peer");
        world.comes_back(0, late);
        world.comes_back(0, late);
        world.origin_sends(OK);
        assert_eq!(world.exchanges[0].status, 200);
        let trace = whole(&setting, &mut world);
        let told = String::from_utf8_lossy(&trace);
        for line in ["< lent space upstream", "< lent bytes upstream", "< late 1 received", "< late 1 sent"] {
            assert!(told.contains(line), "{line} in\n{told}");
        }
        goes_the_same_way(&trace);
    }
}

/// A tunnel that is pinged, and closed at its age.
fn trace_of_frames(plain: bool) -> (String, String) {
    let server = format!(
        "{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; upgrade_ping_interval 5s; upgrade_ping_to upstream;
         upgrade_max_lifetime 8s jitter=0%; }}"
    );
    let trace = traced_in(&server, plain, |world| {
        world.client_sends(UPGRADE);
        world.origin_sends(SWITCH);
        world.client_sends(b"\x01\x82\x01\x02\x03\x04JJ");
        world.origin_sends(b"\x82\x7e\x01\x00");
        world.origin_sends([b'J'; 256]);
        world.elapse(Duration::from_secs(5));
        // In the middle of a frame there is no place.
        world.origin_sends(b"\x81\x02J");
        world.elapse(Duration::from_secs(3));
        world.origin_sends(b"J");
        world.origin_sends(b"\x88\x02\x03\xe8");
        world.client_sends(b"\x88\x80\x01\x02\x03\x04");
        world.origin_ends();
    });
    let frames =
        trace.lines().filter_map(|line| line.split_once(' ')).filter(|(_, line)| line.starts_with("- "));
    let frames = frames.map(|(_, line)| line.to_owned() + "\n").collect();
    (trace, frames)
}

#[test]
fn frames_and_the_end_of_a_tunnel_are_told_and_compared() {
    for plain in [false, true] {
        let (trace, frames) = trace_of_frames(plain);
        let expected = "\
- frame from client text 2 more
- frame from upstream binary 256
- frame to upstream ping 12
- frame from upstream text 2
- closing because of lifetime
- close to client waits
- close to upstream goes
- frame to upstream close 17
- close to upstream told
- close to client goes
- frame to client close 17
- close to client told
- frame from upstream close 2
- frame from client close 0
";
        assert_eq!(frames, expected, "{trace}");
        goes_the_same_way(trace.as_bytes());
        // A recording that tells of other frames, or of one more or less, is another way.
        for (from, to) in [
            ("to upstream ping 12", "to upstream ping 13"),
            ("1 - frame from upstream binary 256\n", ""),
            ("1 - closing", "1 - frame to client ping 12\n1 - closing"),
            ("close to client waits", "close to client never"),
        ] {
            assert!(trace.contains(from), "{from} in {trace}");
            let changed = trace.replacen(from, to, 1);
            let recordings = read(changed.as_bytes()).expect("a trace");
            let config = config_of(&recordings[0].configuration);
            let found = Replay::new(&recordings[0], config).find_map(|step| step.divergence);
            assert!(found.is_some(), "{from} became {to}");
        }
    }
}

#[test]
fn a_trace_of_version_2_tells_nothing_of_frames() {
    let (trace, _) = trace_of_frames(false);
    let lines = trace.lines().filter(|line| !line.starts_with("1 - "));
    let version_2: String = lines.map(|line| line.replace(" session 3", " session 2") + "\n").collect();
    let recordings = read(version_2.as_bytes()).expect("a trace");
    let mut replay = Replay::new(&recordings[0], config_of(&recordings[0].configuration));
    for step in &mut replay {
        assert_eq!(step.divergence, None, "{}", step.told);
    }
    assert_eq!(Side::BOTH.map(|side| replay.left(side)), [0, 0]);
}

/// Bytes of a tunnel that isn't WebSocket's are content, whatever they look like.
#[test]
fn a_tunnel_of_another_protocol_has_no_frames() {
    let server = &format!(
        "{LISTEN} location / {{ proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; }}"
    );
    for protocol in ["foo", "foo, bar"] {
        let trace = traced_in(server, false, |world| {
            world.client_sends(format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"
            ));
            world.origin_sends(format!(
                "HTTP/1.1 101 S\r\nUpgrade: {protocol}\r\nConnection: upgrade\r\n\r\n"
            ));
            world.client_sends(b"\x82\x83\0\0\0\0JJJ");
        });
        assert_eq!(trace.matches(" = client content 9\n").count(), 1, "{trace}");
        // What it waits for is told: bytes may be moved past it in the tunnel, and not before.
        assert!(trace.contains(" relays client"), "{trace}");
        assert!(trace.contains("> wait until 60000000000 reads client\n"), "{trace}");
        goes_the_same_way(trace.as_bytes());
    }
}
