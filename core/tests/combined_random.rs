//! Whatever features a configuration has together, and in whichever order things happen: a strict reader understands
//! what goes out on either side, nothing that a client sent as content becomes a request, and the log tells the truth.

mod common;

use std::collections::VecDeque;

use common::text;
use proptest::prelude::*;
use underpass_core::{Admission, Outcome, Refusal, Tick};
use underpass_testkit::{
    session_world::{Connect, Order, World, config_of},
    strict::{read_request, read_response},
};

/// What stands in the content, and behind upgrades, and must never be taken for a request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Directives of a location, each with the number of locations of which one has it.
const DIRECTIVES: [(u64, &str); 29] = [
    (3, "proxy_pass_request_body off;"),
    (6, "proxy_set_body 'instead of it';"),
    (9, "proxy_protocol on;"),
    (12, "proxy_buffer_size 4k;"),
    (
        9,
        "proxy_set_header X-M $m; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
    ),
    (9, "keepalive_timeout 0;"),
    (9, "upgrade_half_close off;"),
    (9, "upgrade_relay_reset on;"),
    (9, "proxy_bind $bind;"),
    (9, "proxy_redirect / /z/;"),
    (18, "proxy_method GET;"),
    (18, "proxy_method HEAD;"),
    (18, "proxy_method POST;"),
    (3, "proxy_intercept_errors on;"),
    (4, "add_trailer X-T $status always;"),
    (5, "add_header X-A b always;"),
    (25, "add_header X-U $uri;"),
    (6, "proxy_next_upstream error timeout http_500 http_404 invalid_header non_idempotent;"),
    (5, "proxy_pass_trailers off;"),
    (3, "auth_basic realm; auth_basic_user_file /dev/null;"),
    (8, "client_max_body_size 20;"),
    (10, "proxy_ignore_client_abort on;"),
    (10, "keepalive_requests 1;"),
    (8, "lingering_close always;"),
    (12, "reset_timedout_connection on;"),
    (14, "if ($request_method = POST) { return 403; }"),
    (14, "if ($arg_a) { rewrite ^ /page last; }"),
    (14, "if ($arg_b) { rewrite ^(.*)$ /fetched$1 break; }"),
    (6, "recursive_error_pages on;"),
];

/// Error pages of a location; one in three has none.
const PAGES: [&str; 9] = [
    "error_page 400 401 403 404 405 411 413 500 501 502 503 504 = @second;",
    "error_page 400 401 403 404 405 411 413 500 502 503 504 @second;",
    "error_page 401 404 413 500 502 503 504 /fetched;",
    "error_page 401 404 413 500 502 503 504 = /fetched?x=y;",
    "error_page 401 404 413 500 502 503 504 =204 /fetched;",
    "error_page 401 404 413 500 502 503 504 =304 /fetched;",
    "error_page 401 404 413 500 502 503 504 =404 /page;",
    "error_page 401 404 413 500 502 503 504 http://h/e;",
    "error_page 301 302 303 307 = @second;",
];

const ANSWERS: [&str; 8] = [
    "return 200 'at $uri';",
    "return 404;",
    "return 302 /y;",
    "return 403 text;",
    "return 204;",
    "return 444;",
    "return 304;",
    "return 205 text;",
];

/// Pseudo-random choices that follow from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides).expect("few sides")
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64)]
    }
}

fn lines(dice: &mut Dice) -> String {
    let mut all: Vec<_> =
        DIRECTIVES.iter().filter(|(sides, _)| dice.one_in(*sides)).map(|(_, d)| *d).collect();
    // One directive stands once.
    let methods = all.iter().filter(|directive| directive.starts_with("proxy_method")).count();
    if methods > 1 {
        all.retain(|directive| !directive.starts_with("proxy_method"));
    }
    if !dice.one_in(3) {
        all.push(dice.of(&PAGES));
    }
    all.join(" ")
}

fn handler(dice: &mut Dice, to: &str) -> String {
    match dice.below(9) {
        0 => dice.of(&ANSWERS).to_owned(),
        1 => format!("set $to {to}; proxy_pass http://$to;"),
        2 => "set $to name; proxy_pass http://$to;".to_owned(),
        _ => format!("proxy_pass http://{to};"),
    }
}

fn configuration(dice: &mut Dice) -> String {
    let mut location = |to: &str| format!("{} {}", handler(dice, to), lines(dice));
    let (first, second, fetched) = (location("two"), location("127.0.0.1:9001"), location("127.0.0.1:9002"));
    format!(
        "http {{ resolver 127.0.0.1; log_format f '$request_uri|$body_bytes_sent'; access_log log f;
         map $http_upgrade $m {{ ~(.) $1; }} map $arg_b $bind {{ 1 bad; default ''; }}
         upstream two {{ server 127.0.0.1:9000; server 127.0.0.1:9005; }}
         server {{ listen 127.0.0.1:8080;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
         location /x {{ {first} }} location @second {{ {second} }} location /fetched {{ {fetched} }}
         location /page {{ return 200 'page $uri'; }} location /tunnel {{ tunnel_pass; }} }} }}"
    )
}

/// One request, and what is to be known of it.
struct Asked {
    method: &'static str,
    content: String,
    /// What follows it is no request: it asks for something else, or closes.
    is_last: bool,
}

fn request(dice: &mut Dice) -> (Vec<String>, Asked) {
    let is_connect = dice.one_in(12);
    let method =
        if is_connect { "CONNECT" } else { dice.of(&["GET", "POST", "POST", "PUT", "HEAD", "OPTIONS"]) };
    let target = match is_connect {
        true => "9.9.9.9:443",
        false => dice.of(&["/x", "/x?a=1", "/x?b=1", "/x%0a", "/x/y"]),
    };
    let version = if dice.one_in(8) { "1.0" } else { "1.1" };
    let mut head = format!("{method} {target} HTTP/{version}\r\nHost: a\r\n");
    let mut is_last = is_connect;
    match dice.below(8) {
        0..=2 if !is_connect && version == "1.1" => {
            head.push_str("Upgrade: foo\r\nConnection: upgrade\r\n");
            is_last = true;
        }
        3 => {
            head.push_str("Connection: close\r\n");
            is_last = true;
        }
        4 if version == "1.0" => head.push_str("Connection: keep-alive\r\n"),
        _ => {}
    }
    let (mut content, mut framed) = (String::new(), String::new());
    if !is_connect && dice.one_in(2) {
        content = dice.of(&["abc", SMUGGLED]).repeat(dice.of(&[1, 2, 200]));
        if version == "1.1" && dice.one_in(2) {
            head.push_str("Transfer-Encoding: chunked\r\n");
            let trailer = dice.of(&["", "X-Trail: a\r\n"]);
            framed = format!("{:x}\r\n{content}\r\n0\r\n{trailer}\r\n", content.len());
        } else {
            head += &format!("Content-Length: {}\r\n", content.len());
            framed.clone_from(&content);
        }
        if dice.one_in(3) {
            head.push_str("Expect: 100-continue\r\n");
        }
    }
    head.push_str("\r\n");
    let (early, late) = framed.split_at(dice.below(framed.len() as u64 + 1));
    let parts = match dice.one_in(2) {
        true => vec![head + &framed],
        false => vec![head, early.to_owned(), late.to_owned()],
    };
    (parts, Asked { method, content, is_last })
}

fn response(dice: &mut Dice) -> String {
    let status = dice.of(&[
        "200", "200", "200", "204", "205", "304", "401", "404", "500", "503", "302", "426", "100", "103",
        "101",
    ]);
    let mut head = format!("HTTP/1.1 {status} S\r\n");
    match status {
        "101" => return head + "Upgrade: foo\r\nConnection: upgrade\r\n\r\ntunnel",
        "100" | "103" => return head + "X-I: y\r\n\r\n",
        "426" => head.push_str("Upgrade: foo\r\nConnection: upgrade\r\n"),
        _ if dice.one_in(5) => head.push_str("Connection: close\r\n"),
        _ => {}
    }
    head + dice.of(&[
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\n\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-R: z\r\n\r\n",
        "\r\nhello",
    ])
}

/// What may happen next; nothing where it can't.
fn happens(world: &mut World, dice: &mut Dice, sends: &mut VecDeque<String>) {
    match (dice.below(12), world.upstream()) {
        (0..=3, _) => {
            if let Some(bytes) = sends.pop_front() {
                world.client_sends(bytes);
            }
        }
        (4..=6, Some(origin)) if !world.origins[origin].end.received().is_empty() => {
            world.origins[origin].end.send(response(dice).as_bytes());
            world.run();
        }
        (7, Some(origin)) if dice.one_in(3) => {
            match dice.one_in(5) {
                true => world.origins[origin].end.reset(),
                false => world.origins[origin].end.end(),
            }
            world.run();
        }
        (8, _) if world.dials() => world.answer_dial(dice.of(&[Connect::Accept, Connect::Refuse])),
        (8, _) if world.looks_up() => match dice.one_in(2) {
            true => world.answer_lookup(Ok(&[[127, 0, 0, 1].into()])),
            false => world.answer_lookup(Err(std::io::ErrorKind::NotFound.into())),
        },
        (8, _) if world.claims() => {
            let refused = [Refusal::Unauthorized, Refusal::Limited(503), Refusal::Limited(444)];
            let refused = Admission::Refused(dice.of(&refused));
            world.answer_claim(dice.of(&[Admission::Granted, refused]));
        }
        (9, _) => {
            world.client.set_window(dice.of(&[0, 7, 40, usize::MAX]));
            world.run();
        }
        (10, Some(origin)) => {
            world.origins[origin].end.set_window(dice.of(&[0, 7, 200, usize::MAX]));
            world.run();
        }
        (11, _) if dice.one_in(12) => {
            world.elapse_to_deadline();
        }
        (11, _) if sends.is_empty() && dice.one_in(12) => world.client_ends(),
        (11, _) if dice.one_in(24) => world.drain(Some(std::time::Duration::from_secs(5))),
        _ => {}
    }
}

/// Everybody takes what there is, errands fail, and time passes.
fn winds_up(world: &mut World) {
    world.client.set_window(usize::MAX);
    for origin in &mut world.origins {
        origin.end.set_window(usize::MAX);
    }
    world.run();
    world.addresses = Some(Err(std::io::ErrorKind::NotFound.into()));
    world.admission = Some(Admission::Granted);
    world.connects.clear();
    world.connects_else = Connect::Refuse;
    for _ in 0..300 {
        if world.looks_up() {
            world.answer_lookup(Err(std::io::ErrorKind::NotFound.into()));
        } else if world.claims() {
            world.answer_claim(Admission::Granted);
        } else if world.dials() {
            world.answer_dial(Connect::Refuse);
        } else if world.done {
            return;
        } else {
            assert!(world.elapse_to_deadline() || world.done, "it never ends");
        }
    }
    panic!("it doesn't end: {:?}", world.session.snapshot(world.now().tick));
}

fn play(dice: &mut Dice) -> (World, Vec<Asked>) {
    let config = config_of(&configuration(dice));
    let mut world = if dice.one_in(2) { World::with_buffers(config, 4096) } else { World::new(config) };
    world.order = dice.of(&Order::ALL);
    world.splices = dice.one_in(4);
    world.admission = dice.of(&[
        None,
        Some(Admission::Refused(Refusal::Unauthorized)),
        Some(Admission::Delayed(Tick(5_000_000))),
        Some(Admission::Granted),
        Some(Admission::Granted),
    ]);
    if dice.one_in(4) {
        world.addresses = None;
    }
    for _ in 0..3 {
        world.connects.push_back(dice.of(&[
            Connect::Accept,
            Connect::Accept,
            Connect::Refuse,
            Connect::Hang,
        ]));
    }
    let (mut asked, mut sends) = (Vec::<Asked>::new(), VecDeque::new());
    while asked.len() < 2 && asked.last().is_none_or(|before| !before.is_last) {
        let (parts, one) = request(dice);
        match one.is_last && dice.one_in(2) {
            // At once with what it stands behind: what comes later may be an answer to the refusal.
            true => sends.push_back(parts.concat() + SMUGGLED),
            false => sends.extend(parts),
        }
        asked.push(one);
    }
    world.run();
    for _ in 0..40 {
        if !world.done {
            happens(&mut world, dice, &mut sends);
        }
    }
    winds_up(&mut world);
    (world, asked)
}

/// What each origin server got is requests, none of them from within content, and content that a client sent or the
/// configuration. What a tunnel carries is nobody's business.
fn check_origins(world: &World, asked: &[Asked]) {
    if world.exchanges.iter().any(|exchange| exchange.tunnel.is_some()) {
        return;
    }
    for origin in &world.origins {
        let mut rest = origin.end.received();
        if rest.starts_with(b"PROXY ") {
            rest = &rest[rest.iter().position(|byte| *byte == b'\n').expect("its end") + 1..];
        }
        while !rest.is_empty() {
            let request = read_request(rest).unwrap_or_else(|fault| panic!("{fault:?}: {}", text(rest)));
            let Some(request) = request else { break };
            assert!(!request.target.contains("smuggled"), "{}", text(rest));
            let Some(whole) = request.whole else { break };
            let content = text(&request.content);
            let is_sent = ["", "instead of it"].contains(&content.as_str())
                || asked.iter().any(|asked| asked.content == content);
            assert!(is_sent, "{content}");
            rest = &rest[whole..];
        }
    }
}

/// What the client got is one response for each request, and no byte more than the log counts.
fn check_client(world: &World, asked: &[Asked]) {
    assert!(!world.log.iter().any(|line| line.starts_with("/smuggled")), "{:?}", world.log);
    let sent: u64 = world.exchanges.iter().map(|exchange| exchange.bytes_sent).sum();
    assert_eq!(sent, world.client.received().len() as u64, "$bytes_sent");
    let mut rest = world.client.received();
    let (mut number, mut continues) = (0, 0);
    while !rest.is_empty() {
        let asked = asked.get(number).unwrap_or_else(|| panic!("a response to nothing: {}", text(rest)));
        let response =
            read_response(rest, asked.method).unwrap_or_else(|fault| panic!("{fault:?}: {}", text(rest)));
        let Some(response) = response else { break };
        if response.is_interim() {
            continues += usize::from(response.status == 100);
            assert!(continues <= 1, "one 100 in an exchange");
            rest = &rest[response.whole.expect("it has no content")..];
            continue;
        }
        let opens = response.status == 101 || asked.method == "CONNECT" && response.status == 200;
        if opens {
            assert!(world.exchanges[number].tunnel.is_some(), "a tunnel that is none");
            return;
        }
        if let Some(exchange) = world.exchanges.get(number).filter(|e| e.outcome == Outcome::Complete) {
            assert_eq!(exchange.status, response.status, "$status");
            assert!(response.whole.is_some() || response.until_close, "complete, and not whole");
            if let Some(whole) = response.whole {
                let head = rest.windows(4).position(|window| window == b"\r\n\r\n").expect("its end") + 4;
                let logged = world.log[number].rsplit('|').next().expect("$body_bytes_sent");
                assert_eq!(logged, (whole - head).to_string());
            }
        }
        let Some(whole) = response.whole else { return };
        rest = &rest[whole..];
        (number, continues) = (number + 1, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, ..ProptestConfig::default() })]

    #[test]
    fn features_stand_together(seed: u64) {
        let (world, asked) = play(&mut Dice(seed));
        check_origins(&world, &asked);
        check_client(&world, &asked);
    }
}
