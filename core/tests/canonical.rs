//! Whatever a head holds and a location makes of it: what goes on is canonical, and means to a strict reader that
//! shares no code with the proxy what it is to mean.

mod common;

use std::sync::Arc;

use common::{proxying, template, text, world};
use proptest::{prelude::*, sample::select};
use underpass_core::config::{
    AddedField, Additions, Expires, Location, SetHeader, Settings, Substituted, Substitution, Target, Via,
};
use underpass_testkit::{
    session_world::World,
    strict::{Lines, Request, Response, read_request, read_response},
};

/// A text of the configuration; the first three have the same value for every request.
const VALUES: [&str; 10] = [
    "plain",
    "two words",
    "",
    "$uri",
    "$request_uri",
    "$http_x_one",
    "$arg_x; $uri",
    " $http_cookie ",
    "$binary_remote_addr",
    "$proxy_host/$status",
];

fn constant(value: &str) -> Option<&str> {
    Some(value).filter(|value| !value.contains('$'))
}

/// What a location does to heads.
#[derive(Clone, Debug)]
struct Change {
    http10: bool,
    via: Via,
    method: Option<&'static str>,
    body: Option<&'static str>,
    url: Option<&'static str>,
    /// Field lines, content, trailer sections go on.
    passes: [bool; 3],
    set: Vec<(&'static str, &'static str)>,
    hide: Vec<&'static str>,
    redirect: Option<&'static str>,
    cookie: Option<&'static str>,
    add: Vec<(&'static str, &'static str, bool)>,
    trailers: Vec<(&'static str, &'static str, bool)>,
    expires: Option<Expires>,
}

fn change() -> impl Strategy<Value = Change> {
    let value = || select(VALUES.to_vec());
    let names = vec!["X-One", "X-Set", "Cookie", "Host", "Connection", "TE", "Content-Length", "Upgrade"];
    let added =
        || prop::collection::vec((select(vec!["X-Add", "ETag", "Connection"]), value(), any::<bool>()), 0..3);
    let request = (
        any::<bool>(),
        select(vec![Via::Off, Via::Request, Via::Both]),
        prop::option::weighted(0.3, select(vec!["GET", "HEAD", "POST", "$http_x_one", "X-$http_x_one"])),
        prop::option::weighted(0.3, value()),
        prop::option::weighted(
            0.3,
            select(vec!["http://10.0.0.1$uri", "http://10.0.0.1:81", "http://$host?$args"]),
        ),
        [prop::bool::weighted(0.8), prop::bool::weighted(0.8), prop::bool::weighted(0.8)],
        prop::collection::vec((select(names), value()), 0..4),
    );
    let response = (
        prop::collection::vec(
            select(vec!["X-Two", "Date", "Set-Cookie", "Content-Length", "X-Trailer"]),
            0..3,
        ),
        prop::option::of(value()),
        prop::option::of(value()),
        added(),
        added(),
        prop::option::weighted(0.3, select(vec![Expires::After(60), Expires::Epoch])),
    );
    (request, response).prop_map(
        |(
            (http10, via, method, body, url, passes, set),
            (hide, redirect, cookie, add, trailers, expires),
        )| Change {
            http10,
            via,
            method,
            body,
            url,
            passes,
            set,
            hide,
            redirect,
            cookie,
            add,
            trailers,
            expires,
        },
    )
}

impl Change {
    fn location(&self) -> Location {
        let mut location = proxying(|proxy| {
            proxy.http_version =
                if self.http10 { underpass_core::Version::Http10 } else { underpass_core::Version::Http11 };
            proxy.via = self.via;
            proxy.method = self.method.map(template);
            proxy.set_body = self.body.map(template);
            [proxy.pass_request_headers, proxy.pass_request_body, proxy.pass_trailers] = self.passes;
            if let Some(url) = self.url {
                let group = underpass_core::shared::GroupId(0);
                proxy.target = Target::Template { url: template(url), group };
            }
            let set = self.set.iter().map(|(name, value)| SetHeader::new(name, template(value)));
            proxy.set_headers = set.collect::<Result<_, _>>().expect("field names");
            let response = &mut proxy.response;
            response.hide = self.hide.iter().map(|name| (*name).into()).collect();
            let rule =
                |from, to: &str| vec![Substitution::new(Substituted::Text(template(from)), template(to))];
            response.redirects = self.redirect.map_or_else(Vec::new, |to| rule("http://o", to));
            response.cookie_domains = self.cookie.map_or_else(Vec::new, |to| rule("o", to));
            response.cookie_paths = self.cookie.map_or_else(Vec::new, |to| rule("/p", to));
        });
        let added = |fields: &[(&'static str, &'static str, bool)]| {
            let field =
                |(name, value, always): &(&str, &str, bool)| AddedField::new(name, template(value), *always);
            fields.iter().map(field).collect::<Result<Vec<_>, _>>().expect("field names")
        };
        let mut additions = Additions::default();
        (additions.headers, additions.trailers) = (added(&self.add), added(&self.trailers));
        additions.expires = self.expires;
        location.additions = Arc::new(additions);
        let mut settings = Settings::default();
        settings.absolute_redirect = self.http10;
        location.settings = Arc::new(settings);
        location
    }

    fn sets(&self, name: &str) -> bool {
        self.set.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    }
}

/// A message: what stands in its start-line, field lines, content, trailer section.
#[derive(Clone, Debug)]
struct Message {
    start: (&'static str, &'static str, u8),
    lines: Vec<&'static str>,
    content: Option<(bool, Vec<&'static str>)>,
}

const CONTENT: &str = "some content";

fn message(
    starts: Vec<&'static str>,
    seconds: Vec<&'static str>,
    lines: Vec<&'static str>,
) -> impl Strategy<Value = Message> {
    let trailers = prop::collection::vec(select(vec!["X-Trailer: t", "Authorization: no", "X-One: t"]), 0..3);
    let content = prop::option::of((any::<bool>(), trailers));
    ((select(starts), select(seconds), 0..2_u8), prop::collection::vec(select(lines), 0..6), content)
        .prop_map(|(start, lines, content)| Message { start, lines, content })
}

impl Message {
    /// Field lines and content, and whether the content goes in chunks.
    fn rest(&self, with_content: bool) -> String {
        let lines: String = self.lines.iter().map(|line| format!("{line}\r\n")).collect();
        match &self.content {
            Some((true, trailers)) if self.start.2 == 1 => {
                let trailers: String = trailers.iter().map(|line| format!("{line}\r\n")).collect();
                let content = format!("{:x}\r\n{CONTENT}\r\n0\r\n{trailers}\r\n", CONTENT.len());
                let content = if with_content { content } else { String::new() };
                format!("{lines}Transfer-Encoding: chunked\r\n\r\n{content}")
            }
            Some(_) => {
                let content = if with_content { CONTENT } else { "" };
                format!("{lines}Content-Length: {}\r\n\r\n{content}", CONTENT.len())
            }
            None => format!("{lines}Content-Length: 0\r\n\r\n"),
        }
    }

    fn content(&self) -> &'static [u8] {
        if self.content.is_some() { CONTENT.as_bytes() } else { b"" }
    }

    fn trailers(&self) -> Vec<&'static str> {
        let chunked = self.content.as_ref().filter(|(chunked, _)| *chunked && self.start.2 == 1);
        chunked.map_or_else(Vec::new, |(_, trailers)| trailers.clone())
    }

    /// The values of a field, as they mean it.
    fn values(&self, name: &str) -> Vec<String> {
        let lines = self.lines.iter().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    }
}

fn request() -> impl Strategy<Value = Message> {
    let methods = vec!["GET", "HEAD", "POST", "PUT", "OPTIONS", "ODD"];
    let targets =
        vec!["/", "/a/../b?x=1", "/%0d%0aX:%20y", "/a%20b%23%3f?x=%0a", "//a/%01", "/\u{e9}|", "http://h/x"];
    let lines = vec![
        "X-One: a",
        "x-one:b \t",
        "X-One: PUT",
        "Cookie: c=d",
        "Connection: X-Hop, TE",
        "X-Hop: 1",
        "TE: trailers",
        "Keep-Alive: 5",
        "X_Under: 1",
        "Expect: 100-continue",
        "Max-Forwards: 7",
        "Upgrade: h2c",
    ];
    message(methods, targets, lines)
}

fn response() -> impl Strategy<Value = Message> {
    let statuses = vec!["200", "201", "204", "205", "206", "301", "304", "404", "503"];
    let lines = vec![
        "X-Two: a",
        "X-Two : b",
        "X-Two: c\r\n folded",
        "Location: http://o/x y",
        "Refresh: 0; URL=http://o/",
        "Set-Cookie: k=/p; Domain=.o; Path=/p/q; X",
        "ETag: e",
        "Expires: 0",
        "Cache-Control: no",
        "Date: d",
        "X-Accel-Redirect: /no",
        "Connection: X-Hop",
        "X-Hop: 1",
        "Upgrade: h2c",
    ];
    message(statuses, vec!["OK", "", "What? Ever"], lines)
}

fn values(lines: &Lines, name: &str) -> Vec<String> {
    let found = lines.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, value)| text(value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_on_means_what_it_is_to_mean(change in change(), asked in request(), answer in response()) {
        let mut world = world(change.location());
        let (method, target, minor) = asked.start;
        world.client_sends(format!("{method} {target} HTTP/1.{minor}\r\nHost: h.example\r\n{}", asked.rest(true)));
        let Some(origin) = world.origins.first() else {
            let refusal = final_response(&world, method);
            prop_assert!(matches!(refusal.status, 400 | 411 | 500), "{refusal:?}");
            return Ok(());
        };
        let bytes = origin.end.received().to_vec();
        let sent = read_request(&bytes).unwrap_or_else(|fault| panic!("{fault}\n{}", text(&bytes)));
        let sent = sent.unwrap_or_else(|| panic!("no whole head: {}", text(&bytes)));
        prop_assert_eq!(sent.whole, Some(bytes.len()), "{}", text(&bytes));
        check_request(&change, &asked, &sent);
        let content_comes = sent.method != "HEAD" && !matches!(answer.start.0, "204" | "304");
        let (status, reason, minor) = answer.start;
        world.origin_sends(format!("HTTP/1.{minor} {status} {reason}\r\n{}", answer.rest(content_comes)));
        world.origin_ends();
        let got = final_response(&world, method);
        if got.status.to_string() != status {
            // A template made something that can't be sent.
            prop_assert_eq!(got.status, 400, "{:?}", got);
            prop_assert!(world.notes.iter().any(|(_, line)| line.contains("template: ")));
            return Ok(());
        }
        check_response(&change, &asked, &answer, &sent, &got);
    }
}

/// The final response, and nothing behind it.
fn final_response(world: &World, method: &str) -> Response {
    let mut bytes = world.client.received();
    loop {
        let read = read_response(bytes, method).unwrap_or_else(|fault| panic!("{fault}\n{}", text(bytes)));
        let response = read.unwrap_or_else(|| panic!("no whole head: {}", text(bytes)));
        if !response.is_interim() {
            assert!(response.until_close || response.whole == Some(bytes.len()), "{}", text(bytes));
            return response;
        }
        bytes = &bytes[response.whole.expect("an interim response has no content")..];
    }
}

fn check_request(change: &Change, asked: &Message, sent: &Request) {
    let [lines, content, trailers] = change.passes;
    let (method, target, minor) = asked.start;
    if let Some(expected) = change.method.map_or(Some(method), constant) {
        assert_eq!(sent.method, expected);
    }
    if change.url.is_none() {
        let received = target.strip_prefix("http://h").unwrap_or(target);
        assert_eq!(sent.target, received.bytes().map(char::from).collect::<String>());
    }
    for name in ["X-One", "Cookie", "Max-Forwards"] {
        if !change.sets(name) {
            let mut expected = if lines { asked.values(name) } else { Vec::new() };
            if name == "Max-Forwards" && method == "OPTIONS" {
                expected.iter_mut().for_each(|value| *value = "6".to_owned());
            }
            assert_eq!(values(&sent.lines, name), expected, "{name}");
        }
    }
    let nominates = asked.values("Connection") != [""; 0];
    assert!(!nominates || values(&sent.lines, "X-Hop").is_empty());
    for name in ["Keep-Alive", "Expect", "Upgrade", "X_Under"] {
        assert_eq!(values(&sent.lines, name), [""; 0], "{name}");
    }
    let constants = change.set.iter().filter(|(name, _)| *name == "X-Set");
    if constants.clone().all(|(_, value)| constant(value).is_some()) {
        let expected: Vec<_> = constants.map(|(_, value)| *value).filter(|value| !value.is_empty()).collect();
        assert_eq!(values(&sent.lines, "X-Set"), expected);
    }
    let via = values(&sent.lines, "Via");
    let ours = (change.via != Via::Off).then(|| format!("1.{minor} underpass"));
    assert_eq!(via, ours.into_iter().collect::<Vec<_>>());
    match change.body {
        Some(body) => {
            if let Some(expected) = constant(body) {
                assert_eq!(text(&sent.content), expected);
            }
        }
        None if content => assert_eq!(sent.content, asked.content()),
        None => assert_eq!(sent.content, b""),
    }
    let passed = trailers && content && change.body.is_none();
    let ordinary = |line: &&str| *line == "X-Trailer: t" || *line == "X-One: t" && !change.sets("X-One");
    let expected: Vec<_> = asked.trailers().into_iter().filter(|line| passed && ordinary(line)).collect();
    assert_eq!(shown(&sent.trailers), expected);
}

fn check_response(change: &Change, asked: &Message, answer: &Message, sent: &Request, got: &Response) {
    let (method, _, minor) = asked.start;
    let hides = |name: &str| change.hide.contains(&name);
    let usual = !matches!(got.status, 205 | 404 | 503);
    let may_have = !matches!(got.status, 204 | 205 | 304) && method != "HEAD";
    let has_content = may_have && sent.method != "HEAD";
    assert_eq!(got.content, if has_content { answer.content() } else { b"" });
    let two = answer.values("X-Two ").into_iter().chain(answer.values("X-Two")).count();
    assert_eq!(values(&got.lines, "X-Two").len(), if hides("X-Two") { 0 } else { two });
    for name in ["X-Accel-Redirect", "Upgrade"] {
        assert_eq!(values(&got.lines, name), [""; 0], "{name}");
    }
    for cookie in values(&got.lines, "Set-Cookie") {
        assert!(cookie.starts_with("k=/p; Domain=.") && cookie.ends_with("; X"), "{cookie}");
    }
    assert_eq!(
        values(&got.lines, "Set-Cookie").len(),
        if hides("Set-Cookie") { 0 } else { answer.values("Set-Cookie").len() }
    );
    assert!(
        !values(&got.lines, "Date").is_empty() && (!hides("Date") || values(&got.lines, "Date") != ["d"])
    );
    let expires = change.expires.filter(|_| usual).map_or_else(|| answer.values("Expires").len(), |_| 1);
    assert_eq!(values(&got.lines, "Expires").len(), expires);
    let applies = |(_, _, always): &&(&str, &str, bool)| usual || *always;
    let added = change.add.iter().filter(applies).filter(|(name, ..)| *name == "X-Add");
    if added.clone().all(|(_, value, _)| constant(value).is_some()) {
        let expected: Vec<_> = added.map(|(_, value, _)| *value).filter(|value| !value.is_empty()).collect();
        assert_eq!(values(&got.lines, "X-Add"), expected);
    }
    let fields = change.trailers.iter().filter(applies);
    if may_have && minor == 1 && fields.clone().all(|(_, value, _)| constant(value).is_some()) {
        let passes = |line: &&str| {
            has_content
                && change.passes[2]
                && *line != "Authorization: no"
                && !(hides("X-Trailer") && line.starts_with("X-T"))
        };
        let passed = answer.trailers().into_iter().filter(|line| passes(line)).map(str::to_owned);
        let ours = fields.filter(|(name, value, _)| *name != "Connection" && !value.is_empty());
        let expected: Vec<_> =
            passed.chain(ours.map(|(name, value, _)| format!("{name}: {value}"))).collect();
        let lower = |lines: Vec<String>| lines.iter().map(|line| line.to_lowercase()).collect::<Vec<_>>();
        assert_eq!(lower(shown(&got.trailers)), lower(expected));
    } else if minor == 0 || !may_have {
        assert!(got.trailers.is_empty());
    }
}

fn shown(lines: &Lines) -> Vec<String> {
    let name = |name: &str| match name {
        "x-trailer" => "X-Trailer".to_owned(),
        "x-one" => "X-One".to_owned(),
        other => other.to_owned(),
    };
    lines.iter().map(|(n, value)| format!("{}: {}", name(n), text(value))).collect()
}
