//! Traces of sessions: they tell no content unless they are to, and a replay of any cut takes the same way.

use std::sync::Arc;

use proptest::prelude::*;
use underpass_core::trace::{Replay, Sample, Setting, read};
use underpass_core::{Address, ClientInfo};
use underpass_testkit::sim::{World, config_of};

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
    Setting { configuration: Arc::from(CONFIG), buffer_size: 4096, plain }
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
    world.session.take_lines().expect("a trace")
}

fn goes_the_same_way(trace: &[u8]) {
    let recordings = read(trace).expect("a trace");
    assert_eq!(recordings.len(), 1);
    let mut replay = Replay::new(&recordings[0], config_of(&recordings[0].configuration));
    for step in &mut replay {
        assert_eq!(step.divergence, None, "{} in\n{}", step.told, String::from_utf8_lossy(trace));
    }
    assert!(!replay.is_cut());
    assert_eq!(String::from_utf8_lossy(replay.trace()), String::from_utf8_lossy(trace));
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
fn lines_that_are_none_are_named() {
    for (text, line) in [
        ("1 session 1\n1 < received nobody 1\n", 2),
        ("1 session 1\n\n# a comment\n1 = client content many\n", 4),
        ("GET / HTTP/1.1\n", 1),
        ("1 session 1\n1 config \\y\n", 2),
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
    let client =
        |serial| ClientInfo { remote: address.clone(), local: address.clone(), serial, secret: [7; 16] };
    let count = |sample: Sample| (0..10_000).filter(|serial| sample.has(&client(*serial))).count();
    assert_eq!(count(Sample::ALL), 10_000);
    assert_eq!(count(Sample { share: 0, of: 1 }), 0);
    let some = count(Sample { share: 5, of: 100 });
    assert!((400..600).contains(&some), "{some}");
}
