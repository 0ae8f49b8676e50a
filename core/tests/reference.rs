//! The session against a gateway that is obviously right: the same messages come out, whatever the cut of the
//! bytes and whoever speaks first.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index};
use underpass_core::Side;
use underpass_testkit::{
    reference::{Body, Bytes, Expected, Line, OWN, Request, Response, Seen, Talk, serve},
    session_world::{Order, World},
    wire::{self, Content, Field, Parsed},
};

const HOST: &str = "127.0.0.1:9000";

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// The client sends so much of what it has to say.
    Client(usize),
    /// The origin server sends so much of what it has to answer, where it has been asked.
    Origin(usize),
    /// A peer takes so many bytes more.
    Window(Side, usize),
    /// The next deadline comes, if nothing but a moment's work waits for it.
    Moment,
}

fn step() -> impl Strategy<Value = Step> {
    let count = prop_oneof![4 => 1..40_usize, 1 => Just(100_000_usize)];
    prop_oneof![
        4 => count.clone().prop_map(Step::Client),
        6 => count.clone().prop_map(Step::Origin),
        1 => (side(), prop_oneof![Just(0_usize), count, Just(usize::MAX)])
            .prop_map(|(side, window)| Step::Window(side, window)),
        1 => Just(Step::Moment),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<Talk>> {
    prop::collection::vec(talk(), 1..5).prop_map(|mut talks| {
        // What is behind an upgrade is its tunnel's.
        if let Some(at) = talks.iter().position(|talk| talk.request.target == "/upgrade") {
            talks.truncate(at + 1);
        }
        talks
    })
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Downstream), Just(Side::Upstream)]
}

fn lines(own: Vec<Vec<Line>>) -> impl Strategy<Value = Vec<Line>> {
    let ordinary = prop::sample::select(vec![
        ("X-One", "a"),
        ("x-one", "b"),
        ("Accept", "text/html, */*;q=0.8"),
        ("Cookie", "a=\"b\"; c"),
        ("Empty", ""),
        ("X-Latin", "caf\u{e9}"),
        ("Content-Type", "text/plain"),
    ]);
    let ordinary = ordinary.prop_map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all = (prop::collection::vec(ordinary, 0..5), prop::sample::select(own), any::<Index>());
    all.prop_map(|(mut lines, own, at)| {
        let at = at.index(lines.len() + 1);
        lines.splice(at..at, own);
        lines
    })
}

fn pairs(all: &[&[(&str, &str)]]) -> Vec<Vec<Line>> {
    let line = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    all.iter().map(|lines| lines.iter().map(line).collect()).collect()
}

fn content() -> impl Strategy<Value = Bytes> {
    let bytes = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..60),
        1 => prop::collection::vec(any::<u8>(), 1_000..9_000),
        1 => Just(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        1 => Just(b"0\r\n\r\n".to_vec()),
    ];
    bytes.prop_map(Bytes)
}

fn body() -> impl Strategy<Value = Body> {
    let trailers = prop::sample::select(pairs(&[&[], &[("X-Sum", "1")], &[("X-Sum", "1"), ("x-two", "2")]]));
    prop_oneof![
        3 => Just(Body::None),
        2 => content().prop_map(Body::Length),
        2 => (content(), 1..50_usize, trailers)
            .prop_map(|(content, size, trailers)| Body::Chunked(content, size, trailers)),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let own = pairs(&[
        &[("Host", "a")],
        &[("Host", "a")],
        &[("host", "a"), ("Connection", "keep-alive")],
        &[("Host", "a"), ("Connection", "X-One, Keep-Alive"), ("Keep-Alive", "5")],
        &[("Connection", "close"), ("Host", "a"), ("TE", "trailers")],
        &[("Host", "a"), ("Upgrade", "foo")],
        &[("Host", "a"), ("Connection", "Upgrade"), ("Proxy-Connection", "x")],
        &[("Via", "1.0 fred"), ("Host", "a")],
    ]);
    let method = prop::sample::select(vec!["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "X-Y"]);
    let target = prop::sample::select(vec!["/", "/a/../b?c=%20&d", "/p|q", "/%7E%2f"]);
    (method, target, prop::bool::weighted(0.15), lines(own), body()).prop_map(
        |(method, target, is_old, lines, body)| Request {
            method: method.to_owned(),
            target: target.to_owned(),
            minor: u8::from(!is_old),
            lines,
            // Chunks are unknown to HTTP/1.0.
            body: if is_old && matches!(body, Body::Chunked(..)) { Body::None } else { body },
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    let own = pairs(&[
        &[],
        &[],
        &[],
        &[("Connection", "close")],
        &[("Connection", "x-one"), ("Keep-Alive", "timeout=5")],
        &[("Upgrade", "foo, bar")],
    ]);
    let status = prop::sample::select(vec![200, 200, 200, 201, 301, 404, 500, 503, 599, 204, 205, 304]);
    let body = prop_oneof![4 => body(), 1 => content().prop_map(Body::UntilClose)];
    (status, prop::bool::weighted(0.1), lines(own), body).prop_map(|(status, is_old, mut lines, body)| {
        lines.push(("Date".to_owned(), "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()));
        let body = match body {
            // These say nothing of their content.
            _ if status == 204 => Body::None,
            Body::None if status != 304 => Body::Length(Bytes::default()),
            Body::Chunked(content, ..) if is_old => Body::UntilClose(content),
            Body::UntilClose(content) if matches!(status, 304) => Body::Length(content),
            body => body,
        };
        Response { minor: u8::from(!is_old), status, lines, body }
    })
}

fn interim() -> impl Strategy<Value = Response> {
    let status = prop::sample::select(vec![102, 103, 103, 199]);
    (status, lines(pairs(&[&[], &[("Link", "</a>; rel=preload")]]))).prop_map(|(status, lines)| Response {
        minor: 1,
        status,
        lines,
        body: Body::None,
    })
}

fn talk() -> impl Strategy<Value = Talk> {
    let ordinary = (request(), prop::collection::vec(interim(), 0..3), response()).prop_map(
        |(request, mut responses, last)| {
            // A HEAD's answer ends with its head, whatever it says.
            let last = match last.body {
                Body::UntilClose(content) if request.method == "HEAD" => {
                    Response { body: Body::Length(content), ..last }
                }
                _ => last,
            };
            responses.push(last);
            Talk { request, responses, up: Bytes::default(), down: Bytes::default() }
        },
    );
    prop_oneof![4 => ordinary, 1 => upgrade()]
}

/// An upgrade, granted, refused, or answered with a 101 that doesn't fit.
fn upgrade() -> impl Strategy<Value = Talk> {
    let asks = pairs(&[
        &[("Host", "a"), ("Upgrade", "foo"), ("Connection", "upgrade")],
        &[("Host", "a"), ("Connection", "keep-alive, Upgrade"), ("Upgrade", "foo")],
    ]);
    let grants = pairs(&[
        &[("Upgrade", "foo"), ("Connection", "upgrade")],
        &[("Connection", "Upgrade"), ("Upgrade", "foo"), ("X", "y")],
        &[("Upgrade", "bar"), ("Connection", "upgrade")],
        &[("Upgrade", "foo")],
    ]);
    let switch = lines(grants).prop_map(|lines| Response { minor: 1, status: 101, lines, body: Body::None });
    let last = prop_oneof![4 => switch, 1 => response()];
    let method = prop::sample::select(vec!["GET", "POST"]);
    (method, lines(asks), body(), prop::collection::vec(interim(), 0..2), last, content(), content())
        .prop_map(|(method, lines, body, mut responses, last, up, down)| {
            let is_switch = last.status == 101;
            responses.push(last);
            let target = "/upgrade".to_owned();
            let request = Request { method: method.to_owned(), target, minor: 1, lines, body };
            // Bytes behind an upgrade that is refused are nobody's; when they come, the connection is closed.
            let up = if is_switch { up } else { Bytes::default() };
            Talk { request, responses, up, down }
        })
}

/// The real gateway in the middle of a conversation.
struct Middle {
    world: World,
    talks: Vec<Talk>,
    expected: Expected,
    /// What the client has still to say.
    to_say: Vec<u8>,
    said: usize,
    /// Number of the request that the origin server answers, and how much of its answer it has sent.
    answering: usize,
    answered: usize,
}

impl Middle {
    fn new(talks: Vec<Talk>, order: usize, splices: bool) -> Self {
        let mut world = World::proxy();
        (world.splices, world.order) = (splices, Order::ALL[order]);
        world.run();
        let to_say =
            talks.iter().flat_map(|talk| [talk.request.bytes(), talk.up.0.clone()].concat()).collect();
        let expected = serve(HOST, &talks);
        Self { world, talks, expected, to_say, said: 0, answering: 0, answered: 0 }
    }

    /// Everybody says the rest, takes everything, and ends.
    fn finish(&mut self) {
        self.world.client.set_window(usize::MAX);
        for origin in &mut self.world.origins {
            origin.end.set_window(usize::MAX);
        }
        self.world.run();
        for _ in 0..20 {
            self.step(&Step::Client(usize::MAX));
            self.step(&Step::Moment);
            self.step(&Step::Origin(usize::MAX));
        }
        // The tunnel ends in order; nothing else depends on the end.
        if self.expected.tunnel.is_some() {
            self.world.origin_ends();
        }
        self.world.client_ends();
        while !self.world.done {
            assert!(self.world.elapse_to_deadline(), "it never ends");
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            // What is said behind a refused upgrade is nobody's; once the client knows, it says no more.
            Step::Client(_) if self.expected.tunnel.is_none() && self.is_told_all() => {}
            Step::Client(count) => {
                let end = self.said.saturating_add(*count).min(self.to_say.len());
                let piece = self.to_say[self.said..end].to_vec();
                self.said = end;
                self.world.client_sends(piece);
            }
            Step::Origin(count) => self.answer(*count),
            Step::Window(Side::Downstream, window) => self.world.client.set_window(*window),
            Step::Window(Side::Upstream, window) => {
                if let Some(at) = self.world.upstream() {
                    self.world.origins[at].end.set_window(*window);
                }
            }
            Step::Moment => {
                if self.world.deadline().is_some_and(|deadline| deadline <= self.world.now().tick) {
                    self.world.elapse_to_deadline();
                }
            }
        }
        self.world.run();
    }

    /// Whether the origin server has answered everything, or the client has its final responses before that: a 101
    /// that doesn't fit is refused when its head has come, whatever stands behind it.
    fn is_told_all(&self) -> bool {
        let is_final = |seen: &Seen| !seen.start.contains(" 1") || seen.start.ends_with(" 101");
        let finals = self.given(false).0.iter().filter(|(seen, whole)| *whole && is_final(seen)).count();
        self.answering == self.talks.len() || finals >= self.talks.len()
    }

    /// Sends so much of the answer to the oldest request that has come whole and was not answered.
    fn answer(&mut self, count: usize) {
        let whole: Vec<(usize, Seen, bool)> = self.forwarded();
        let whole: Vec<_> = whole.into_iter().filter(|(_, _, whole)| *whole).collect();
        let Some((connection, ..)) = whole.get(self.answering) else { return };
        let Some(talk) = self.talks.get(self.answering) else { return };
        let method = talk.request.method.clone();
        let mut bytes: Vec<u8> = talk.responses.iter().flat_map(|response| response.bytes(&method)).collect();
        let last = talk.responses.last().expect("an answer");
        if last.status == 101 {
            bytes.extend_from_slice(&talk.down.0);
        }
        let end = self.answered.saturating_add(count).min(bytes.len());
        let is_over = end == bytes.len();
        let (piece, ends) = (bytes[self.answered..end].to_vec(), is_over && last.ends_with_stream());
        let peer = &mut self.world.origins[*connection].end;
        // What it ends ends with it.
        if peer.saw().is_none() {
            peer.send(&piece);
            if ends {
                peer.end();
            }
        }
        (self.answering, self.answered) =
            if is_over { (self.answering + 1, 0) } else { (self.answering, end) };
    }

    /// What has come to the origin server: the connection, the request, and whether it is whole.
    fn forwarded(&self) -> Vec<(usize, Seen, bool)> {
        let mut all = Vec::new();
        for (connection, origin) in self.world.origins.iter().enumerate() {
            let mut rest = origin.end.received();
            while let Parsed::Complete(head, length) = wire::request(rest) {
                let mut content = Content::new(head.framing().expect("one framing"));
                let taken = content.take(&rest[length..]).expect("canonical content");
                rest = &rest[length + taken..];
                let start = format!("{} {} HTTP/1.{}", head.method, text(&head.target), head.minor);
                let upgrade = head.values("upgrade").next().is_some();
                all.push((connection, seen(start, &head.fields, &content), content.is_complete()));
                if upgrade {
                    break;
                }
            }
            assert!(
                !matches!(wire::request(rest), Parsed::Broken(error) if !self.is_tunnel(connection) && !error.is_empty())
            );
        }
        all
    }

    fn is_tunnel(&self, connection: usize) -> bool {
        self.expected.tunnel.is_some() && connection + 1 == self.world.origins.len()
    }

    /// What has come to the client: responses, whether the last is whole, and what stands behind a 101.
    fn given(&self, ended: bool) -> (Vec<(Seen, bool)>, Option<Vec<u8>>) {
        let mut all: Vec<(Seen, bool)> = Vec::new();
        let mut rest = self.world.client.received();
        let mut methods = self.talks.iter().map(|talk| talk.request.method.as_str());
        let mut method = methods.next().unwrap_or("GET");
        while let Parsed::Complete(head, length) = wire::response(rest) {
            let start = format!("HTTP/1.{} {}", head.minor, head.status);
            let mut content = Content::new(head.framing(method).expect("one framing"));
            let taken = content.take(&rest[length..]).expect("canonical content");
            if ended {
                content.end();
            }
            if head.status == 101 {
                all.push((seen(start, &head.fields, &content), true));
                return (all, Some(rest[length..].to_vec()));
            }
            all.push((seen(start, &head.fields, &content), content.is_complete()));
            rest = &rest[length + taken..];
            if !head.is_interim() {
                method = methods.next().unwrap_or("GET");
            }
        }
        (all, None)
    }

    /// What came so far is the beginning of what the reference expects; at the end it is all of it.
    fn compare(&self, ended: bool) {
        let forwarded = self.forwarded();
        assert!(forwarded.len() <= self.expected.forwarded.len(), "{forwarded:?}");
        for ((connection, seen, whole), expected) in forwarded.iter().zip(&self.expected.forwarded) {
            assert_eq!(*connection, expected.0, "its connection: {seen:?}");
            fits(seen, &expected.1, *whole);
            assert!(*whole || !ended, "never whole: {seen:?}");
        }
        let (given, down) = self.given(ended);
        assert!(given.len() <= self.expected.given.len(), "{given:?}");
        for ((seen, whole), expected) in given.iter().zip(&self.expected.given) {
            let is_own = seen.lines.iter().any(|(name, _)| name == "Server");
            if is_own {
                assert_eq!(seen.start, expected.start);
            } else {
                fits(seen, expected, *whole);
            }
            assert!(*whole || !ended, "never whole: {seen:?}");
        }
        let up = match (&self.expected.tunnel, self.world.origins.last()) {
            (Some(_), Some(origin)) => behind_head(origin.end.received()),
            _ => Vec::new(),
        };
        if let Some((expected_up, expected_down)) = &self.expected.tunnel {
            assert!(expected_up.0.starts_with(&up) || forwarded.len() < self.expected.forwarded.len());
            assert!(expected_down.0.starts_with(&down.clone().unwrap_or_default()));
            if ended {
                assert_eq!((&up, &down), (&expected_up.0, &Some(expected_down.0.clone())));
            }
        }
        if ended {
            assert_eq!(forwarded.len(), self.expected.forwarded.len());
            assert_eq!(given.len(), self.expected.given.len());
        }
    }
}

/// The message is the one that is expected; while it isn't whole, its content is a beginning.
fn fits(seen: &Seen, expected: &Seen, whole: bool) {
    if whole {
        assert_eq!(seen, expected);
    } else {
        let Seen { start, lines, own, content, .. } = seen;
        assert_eq!((start, lines, own), (&expected.start, &expected.lines, &expected.own));
        assert!(expected.content.0.starts_with(&content.0));
    }
}

fn seen(start: String, fields: &[Field], content: &Content) -> Seen {
    let mut own: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut lines = Vec::new();
    for Field { name, value } in fields {
        let lower = name.to_ascii_lowercase();
        if OWN.contains(&&*lower) {
            own.entry(lower).or_default().push(text(value));
        } else {
            lines.push((name.clone(), text(value)));
        }
    }
    let trailers = content.trailers.iter().map(|field| (field.name.clone(), text(&field.value))).collect();
    Seen { start, lines, own, content: Bytes(content.bytes.clone()), trailers }
}

/// What stands behind the last request on a connection that became a tunnel.
fn behind_head(received: &[u8]) -> Vec<u8> {
    let Parsed::Complete(head, length) = wire::request(received) else { return Vec::new() };
    let mut content = Content::new(head.framing().expect("one framing"));
    let taken = content.take(&received[length..]).expect("canonical content");
    received[length + taken..].to_vec()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_messages_as_the_reference(
        talks in conversation(),
        steps in prop::collection::vec(step(), 0..60),
        order in 0..Order::ALL.len(),
        splices: bool,
    ) {
        let mut middle = Middle::new(talks, order, splices);
        for step in &steps {
            middle.step(step);
            middle.compare(false);
        }
        middle.finish();
        middle.compare(true);
    }
}
