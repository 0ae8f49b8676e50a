//! What is changed on the way through: response heads, request heads, redirects of our own.

mod common;

use std::sync::Arc;

use common::{proxying, template, world};
use underpass_core::{
    Disposal, Ending, Verdict,
    config::{
        AddedField, Additions, Expires, Handler, Location, ResponseRewriting, Return, ServerTokens,
        SetHeader, Settings, Substituted, Substitution,
    },
    template::{Captures, Pattern, Regex},
};
use underpass_testkit::session_world::{World, config_of};

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn answering(status: u16, text: &str) -> Location {
    Location::new(Handler::Return(Return::new(status, Some(template(text)))))
}

/// The head that the client got, or the only head it got.
fn head(world: &World) -> String {
    let text = String::from_utf8_lossy(world.client.received()).into_owned();
    text.split_inclusive("\r\n\r\n").next().unwrap_or_default().to_owned()
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn redirects_of_our_own_name_what_the_client_asked_for() {
    let mut named = Settings::default();
    named.server_name_in_redirect = true;
    let mut portless = Settings::default();
    portless.port_in_redirect = false;
    let mut relative = Settings::default();
    relative.absolute_redirect = false;
    for (settings, expected) in [
        (Settings::default(), "http://a.example:8080/x"),
        (named, "http://first.example:8080/x"),
        (portless, "http://a.example/x"),
        (relative, "/x"),
    ] {
        let mut location = answering(301, "/x");
        location.settings = Arc::new(settings);
        location.server_name = "first.example".into();
        let mut world = world(location);
        world.client_sends(GET);
        assert_eq!(field(&head(&world), "Location"), Some(expected));
    }
}

/// A location that forwards, its response heads changed like this.
fn rewriting(change: impl FnOnce(&mut ResponseRewriting)) -> Location {
    proxying(|proxy| change(&mut proxy.response))
}

fn forwarding() -> Location {
    rewriting(|_| {})
}

fn adding(mut location: Location, change: impl FnOnce(&mut Additions)) -> Location {
    let mut additions = Additions::default();
    change(&mut additions);
    location.additions = Arc::new(additions);
    location
}

fn added(name: &str, value: &str, always: bool) -> AddedField {
    AddedField::new(name, template(value), always).expect("a field name")
}

fn prefix(from: &str, to: &str) -> Substitution {
    Substitution::new(Substituted::Text(template(from)), template(to))
}

/// What the client gets for this response to a GET, as lines; `Date` left out.
fn forwarded(location: Location, response: &str) -> Vec<String> {
    let mut world = world(location);
    world.client_sends(GET);
    world.origin_sends(response);
    lines(&head(&world))
}

fn lines(head: &str) -> Vec<String> {
    let lines = head.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with("Date: "));
    lines.map(str::to_owned).collect()
}

fn only(location: Location, line: &str) -> String {
    let lines = forwarded(location, &format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n{line}\r\n\r\n"));
    lines.last().cloned().unwrap_or_default()
}

/// Matches what begins with a text; the rest is its first group.
#[derive(Debug)]
struct BeginsWith(&'static str);

impl Pattern for BeginsWith {
    fn find(&self, subject: &[u8], captures: &mut Captures) -> bool {
        captures.begin(subject);
        captures.set(1, self.0.len().min(subject.len()), subject.len());
        subject.starts_with(self.0.as_bytes())
    }
}

fn regex(prefix: &'static str, to: &str) -> Substitution {
    Substitution::new(Substituted::Regex(Regex::new(Arc::new(BeginsWith(prefix)), vec![])), template(to))
}

#[test]
fn locations_lead_back_to_us() {
    let redirects = || {
        rewriting(|response| {
            response.redirects = vec![
                prefix("http://origin.example:9000/two/", "/one/"),
                prefix("http://$host/", "https://b/"),
                regex("http://r/", "/r/$1"),
                regex("http://", "/never"),
            ];
        })
    };
    for (received, expected) in [
        // As nginx: a path becomes absolute, with the host that was asked for.
        ("Location: http://origin.example:9000/two/x?y", "Location: http://a.example:8080/one/x?y"),
        ("location: http://a.example/x", "location: https://b/x"),
        ("Location: http://r/a/b", "Location: http://a.example:8080/r/a/b"),
        ("Location: /two/x", "Location: /two/x"),
        ("Location: ftp://x", "Location: ftp://x"),
        ("Refresh: 5; URL=http://origin.example:9000/two/x", "Refresh: 5; URL=/one/x"),
        ("Refresh: 5", "Refresh: 5"),
        ("X-Location: http://origin.example:9000/two/", "X-Location: http://origin.example:9000/two/"),
    ] {
        assert_eq!(only(redirects(), received), expected);
    }
    let mut relative = Settings::default();
    relative.absolute_redirect = false;
    let mut location = redirects();
    location.settings = Arc::new(relative);
    assert_eq!(only(location, "Location: http://r/a"), "Location: /r/a");
    // B6: what a template puts there is encoded.
    let location = rewriting(|response| response.redirects = vec![prefix("", "http://b/$arg_x\u{e9} ")]);
    assert_eq!(only(location, "Location: y"), "Location: http://b/%C3%A9%20y");
}

#[test]
fn cookies_are_for_us_in_their_attributes_only() {
    let location = || {
        rewriting(|response| {
            response.cookie_domains = vec![prefix("origin.example", "example.org"), regex("re.", "$1.re")];
            response.cookie_paths = vec![prefix("/two/", "/"), prefix("/three", "/$host")];
        })
    };
    for (received, expected) in [
        ("Set-Cookie: domain=origin.example; path=/two/", "Set-Cookie: domain=origin.example; path=/"),
        (
            "Set-Cookie: a=b; DOMAIN=.Origin.Example;Path=/two/x",
            "Set-Cookie: a=b; DOMAIN=.example.org;Path=/x",
        ),
        ("Set-Cookie: a=b; Domain=x.origin.example", "Set-Cookie: a=b; Domain=x.origin.example"),
        (
            "Set-Cookie: a=b; Domain=re.x; Secure; Path=/three",
            "Set-Cookie: a=b; Domain=x.re; Secure; Path=/a.example",
        ),
        ("Set-Cookie: a=b; Path=/two", "Set-Cookie: a=b; Path=/two"),
        ("X-Set-Cookie: a=b; Path=/two/", "X-Set-Cookie: a=b; Path=/two/"),
    ] {
        assert_eq!(only(location(), received), expected);
    }
}

#[test]
fn fields_are_hidden_and_passed_by_name() {
    let response = "HTTP/1.1 200 OK\r\nServer: o\r\nX-Secret: 1\r\nX-Accel-Expires: 2\r\nX-Accel-Redirect: 3\r\n\
                    X-Pad: 4\r\nContent-Length: 0\r\n\r\n";
    let default = forwarded(forwarding(), response);
    assert_eq!(default, ["HTTP/1.1 200 OK", "Server: o", "X-Secret: 1", "Content-Length: 0"]);
    let location = rewriting(|response| {
        response.hide =
            vec!["x-secret".into(), "server".into(), "content-length".into(), "x-accel-expires".into()];
        response.pass = vec!["x-accel-expires".into()];
    });
    assert_eq!(forwarded(location, response), ["HTTP/1.1 200 OK", "X-Accel-Expires: 2", "Content-Length: 0"]);
    // A date that is hidden is missing (E14).
    let location = rewriting(|response| response.hide = vec!["Date".into()]);
    let mut world = world(location);
    world.client_sends(GET);
    world.origin_sends("HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(field(&head(&world), "Date"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
}

#[test]
fn fields_are_added_to_what_nginx_adds_them_to() {
    let location = |location| {
        adding(location, |additions| {
            additions.headers = vec![
                added("X-Usual", "$status $host", false),
                added("X-Always", "yes", true),
                added("X-Empty", "$arg_none", true),
                added("Content-Length", "7", true),
                added("Connection", "close", true),
            ];
        })
    };
    for (status, both) in [(200, true), (206, true), (303, true), (308, true), (404, false), (502, false)] {
        let got =
            forwarded(location(forwarding()), &format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        let mut expected = vec![format!("HTTP/1.1 {status} X"), "Content-Length: 0".to_owned()];
        expected.extend(both.then(|| format!("X-Usual: {status} a.example")));
        expected.push("X-Always: yes".to_owned());
        assert_eq!(got, expected);
    }
    for (status, both) in [(200, true), (403, false)] {
        let mut world = world(location(answering(status, "text")));
        world.client_sends(GET);
        let head = head(&world);
        let usual = format!("{status} a.example");
        assert_eq!(field(&head, "X-Usual"), both.then_some(usual.as_str()), "{head}");
        assert_eq!(
            (field(&head, "X-Always"), field(&head, "Content-Length")),
            (Some("yes"), Some("4")),
            "{head}"
        );
    }
    // nginx's list has no 101.
    let mut world = world(location(proxying(|proxy| proxy.set_headers = SetHeader::websocket_recipe())));
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n");
    world.origin_sends("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n");
    assert_eq!(
        lines(&head(&world)),
        ["HTTP/1.1 101 Switching Protocols", "Upgrade: foo", "X-Always: yes", "Connection: Upgrade"]
    );
}

#[test]
fn what_is_said_once_is_replaced() {
    let response = "HTTP/1.1 200 OK\r\nETag: \"o\"\r\nLast-Modified: then\r\nExpires: 0\r\nExpires: 1\r\n\
                    Cache-Control: private\r\nContent-Length: 0\r\n\r\n";
    let location = |expires| {
        adding(forwarding(), |additions| {
            additions.expires = Some(expires);
            additions.headers = vec![
                added("ETag", "", false),
                added("Last-Modified", "now", false),
                added("Cache-Control", "public", false),
            ];
        })
    };
    for (expires, moment, control) in [
        (Expires::After(3600), "Sun, 06 Nov 1994 09:49:37 GMT", "max-age=3600"),
        (Expires::After(0), "Sun, 06 Nov 1994 08:49:37 GMT", "max-age=0"),
        (Expires::After(-1), "Sun, 06 Nov 1994 08:49:36 GMT", "no-cache"),
        (Expires::After(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT", "max-age=9223372036854775807"),
        (Expires::After(i64::MIN), "Thu, 01 Jan 1970 00:00:00 GMT", "no-cache"),
        (Expires::Epoch, "Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"),
        (Expires::Max, "Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"),
    ] {
        let expected = [
            "HTTP/1.1 200 OK".to_owned(),
            "Content-Length: 0".to_owned(),
            format!("Expires: {moment}"),
            format!("Cache-Control: {control}"),
            "Last-Modified: now".to_owned(),
            "Cache-Control: public".to_owned(),
        ];
        assert_eq!(forwarded(location(expires), response), expected);
    }
    let error = response.replace("200 OK", "500 No");
    assert_eq!(forwarded(location(Expires::Epoch), &error).len(), 7, "an error keeps what it says");
}

#[test]
fn trailers_are_added_behind_chunks() {
    let location = |location| {
        adding(location, |additions| {
            additions.trailers = vec![added("X-T", "$upstream_trailer_x!", false), added("X-No", "", true)];
        })
    };
    let request = |version| format!("GET / HTTP/1.{version}\r\nHost: a\r\n\r\n");
    let exchange = |place, request: &str, response: &str| {
        let mut world = world(place);
        world.client_sends(request);
        if !world.origins.is_empty() {
            world.origin_sends(response);
        }
        let text = String::from_utf8_lossy(world.client.received()).into_owned();
        let (head, content) = text.split_once("\r\n\r\n").expect("a head");
        (
            field(head, "Transfer-Encoding").is_some(),
            field(head, "Content-Length").is_some(),
            content.to_owned(),
        )
    };
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n";
    let error = sized.replace("200", "404");
    for (version, response, expected) in [
        (1, sized, (true, false, "2\r\nhi\r\n0\r\nX-T: !\r\n\r\n")),
        (1, empty, (true, false, "0\r\nX-T: !\r\n\r\n")),
        (1, chunked, (true, false, "2\r\nhi\r\n0\r\nX: y\r\nX-T: y!\r\n\r\n")),
        (1, "HTTP/1.1 204 No\r\n\r\n", (false, false, "")),
        (1, "HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", (false, true, "")),
        (0, sized, (false, true, "hi")),
    ] {
        let (coded, length, content) = exchange(location(forwarding()), &request(version), response);
        assert_eq!((coded, length, content.as_str()), expected, "{response}");
    }
    // Not marked `always`; but the one that is forces chunks, though it has nothing to say.
    let (coded, _, content) = exchange(location(forwarding()), &request(1), &error);
    assert_eq!((coded, content.as_str()), (true, "2\r\nhi\r\n0\r\n\r\n"));
    let head = request(1).replace("GET", "HEAD");
    assert_eq!(
        exchange(location(forwarding()), &head, sized.trim_end_matches("hi")),
        (false, true, String::new())
    );
    let own = exchange(location(answering(200, "text")), &request(1), "");
    assert_eq!(own, (true, false, "4\r\ntext\r\n0\r\nX-T: !\r\n\r\n".to_owned()));
    assert_eq!(exchange(location(answering(200, "text")), &request(0), ""), (false, true, "text".to_owned()));
}

#[test]
fn a_value_that_breaks_out_of_its_line_ends_the_exchange() {
    let request = "GET /%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n";
    let bad = |always| {
        move |additions: &mut Additions| {
            additions.headers = vec![added("X-Path", "$uri", always), added("X-Safe", "1", true)];
        }
    };
    for place in [forwarding(), answering(200, "text")] {
        let mut world = world(adding(place, bad(true)));
        world.client_sends(request);
        if !world.origins.is_empty() {
            world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        let head = head(&world);
        assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
        assert_eq!(
            (field(&head, "X-Path"), field(&head, "X-Safe"), field(&head, "X")),
            (None, Some("1"), None)
        );
        let (_, line) = &world.notes[0];
        assert!(line.contains("400 a template evaluated") && line.ends_with("template: \"$uri\""), "{line}");
    }
    let mut world =
        world(adding(forwarding(), |additions| additions.trailers = vec![added("X-Path", "$uri", false)]));
    world.client_sends(request);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert!(world.client.received().ends_with(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n"));
    assert!(world.notes[0].1.ends_with("template: \"$uri\""));
}

#[test]
fn our_own_name_is_told_as_configured() {
    for (tokens, expected) in [
        (ServerTokens::On, Some(concat!("underpass/", env!("CARGO_PKG_VERSION")))),
        (ServerTokens::Off, Some("underpass")),
        (ServerTokens::Text("web".into()), Some("web")),
        (ServerTokens::Text("".into()), None),
    ] {
        let mut settings = Settings::default();
        settings.server_tokens = tokens;
        let mut location = answering(200, "x");
        location.settings = Arc::new(settings);
        let mut world = world(location);
        world.client_sends(GET);
        assert_eq!(field(&head(&world), "Server"), expected);
    }
}

#[test]
fn a_response_that_our_own_line_spoils_says_nothing_against_the_peer() {
    // B6: another peer's response would be spoiled likewise, and so none is asked.
    let mut world = World::new(config_of(
        "http { access_log off; upstream two { server 127.0.0.1:9000; server 127.0.0.1:9001; }
         server { listen 127.0.0.1:8080; location / { proxy_pass http://two; add_header X $uri;
         proxy_next_upstream error invalid_header; } } }",
    ));
    world.client_sends("GET /%0d%0aY:%20z HTTP/1.1\r\nHost: a\r\n\r\n");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(head(&world).starts_with("HTTP/1.1 400 "), "{}", head(&world));
    assert_eq!(world.origins.len(), 1);
    assert_eq!(world.releases, [(Verdict::Unjudged, Disposal::Close(Ending::Fin))]);
}

#[test]
fn a_status_code_of_our_own_has_its_phrase() {
    // RFC 9110 section 15 and what is registered beside it; others have none, which is a phrase too.
    for (status, phrase) in [
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (204, "No Content"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (407, "Proxy Authentication Required"),
        (408, "Request Timeout"),
        (410, "Gone"),
        (411, "Length Required"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (508, "Loop Detected"),
        (299, ""),
    ] {
        let mut world = world(answering(status, "/text"));
        world.client_sends(GET);
        assert_eq!(head(&world).lines().next(), Some(format!("HTTP/1.1 {status} {phrase}").as_str()));
    }
}

#[test]
fn a_redirect_to_a_client_that_names_no_host_names_our_address() {
    let mut location = answering(301, "/x");
    location.server_name = "".into();
    let mut world = world(location);
    world.client_sends("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(field(&head(&world), "Location"), Some("http://127.0.0.1:8080/x"));
}

#[test]
fn either_attribute_of_a_cookie_is_changed_without_the_other() {
    let cookie = "Set-Cookie: a=b; Domain=origin.example; Path=/two/";
    let domains = rewriting(|response| response.cookie_domains = vec![prefix("origin.example", "c.example")]);
    assert_eq!(only(domains, cookie), "Set-Cookie: a=b; Domain=c.example; Path=/two/");
    let paths = rewriting(|response| response.cookie_paths = vec![prefix("/two/", "/")]);
    assert_eq!(only(paths, cookie), "Set-Cookie: a=b; Domain=origin.example; Path=/");
}
