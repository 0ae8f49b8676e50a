//! Requests that go upstream otherwise than they came: another method, other content, no field lines; and limits of
//! what comes.

mod common;

use std::sync::Arc;

use common::{proxying, template, text, world, world_of};
use underpass_core::{
    Disposal, Ending, Event, Outcome, Verdict,
    config::{LingeringClose, Proxy, SetHeader, Settings},
    violation::Violation,
};
use underpass_testkit::session_world::World;

const OK: &str = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nhi";

fn set(name: &str, value: &str) -> SetHeader {
    SetHeader::new(name, template(value)).expect("a field name")
}

/// What the origin server gets for a request.
fn sent(change: impl FnOnce(&mut Proxy), request: &str) -> String {
    let mut world = world(proxying(change));
    world.client_sends(request);
    text(world.origin().received())
}

fn status(world: &World) -> String {
    text(world.client.received().get(9..12).unwrap_or_default())
}

#[test]
fn the_method_is_the_configured_one() {
    let request = "POST /x HTTP/1.1\r\nHost: a\r\nX-M: PURGE\r\nContent-Length: 2\r\n\r\nab";
    let got = sent(|proxy| proxy.method = Some(template("$http_x_m")), request);
    assert!(got.starts_with("PURGE /x HTTP/1.1\r\n") && got.ends_with("\r\n\r\nab"), "{got}");
    for bad in ["", "A B", "GET /y HTTP/1.1\r\nX: y\r\n\r\nGET", "CONNECT"] {
        let mut world = world(proxying(|proxy| proxy.method = Some(template(&format!("{bad}$arg_none")))));
        world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((status(&world).as_str(), world.origins.len()), ("400", 0), "{bad}");
        assert_eq!(world.notes[0].0, Event::Violation(Violation::TemplateMethod));
    }
}

#[test]
fn what_a_method_says_of_content_is_said_of_the_one_that_was_sent() {
    let exchange = |method: &str, request: &str, response: &str| {
        let mut world = world(proxying(|proxy| proxy.method = Some(template(method))));
        world.client_sends(format!("{request} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        world.origin_sends(response);
        assert_eq!(world.exchanges.len(), 1, "{method} for {request}");
        assert!(world.client.saw().is_none(), "the connection persists");
        (text(world.client.received()), world.releases[0].1)
    };
    // A GET that went as a HEAD has no content, whatever length there would have been.
    let (got, _) = exchange("HEAD", "GET", OK.trim_end_matches("hi"));
    assert_eq!(got, "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\n\r\n");
    // A HEAD that went as a GET gets none of what came.
    let (got, kept) = exchange("GET", "HEAD", OK);
    assert_eq!(got, "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(kept, Disposal::Close(Ending::Fin));
    let (got, _) =
        exchange("GET", "HEAD", "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n");
    assert_eq!(got, "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n");
    let (got, _) =
        exchange("HEAD", "GET", "HTTP/1.1 304 Not Modified\r\nDate: now\r\nContent-Length: 9\r\n\r\n");
    assert_eq!(got, "HTTP/1.1 304 Not Modified\r\nDate: now\r\nContent-Length: 9\r\n\r\n");
}

/// RFC 9112 §3 recommends that so much can be sent.
#[test]
fn a_request_line_of_8000_bytes_goes_on_as_it_came() {
    let line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(8_000 - "GET / HTTP/1.1".len()));
    let sent = sent(|_| {}, &format!("{line}Host: a\r\n\r\n"));
    assert!(sent.starts_with(&line), "{sent}");
}

#[test]
fn a_websocket_is_asked_for_by_get_only() {
    let mut world = world(proxying(|proxy| {
        proxy.set_headers = SetHeader::websocket_recipe();
        proxy.method = Some(template("POST"));
    }));
    world.client_sends(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!((status(&world).as_str(), world.origins.len()), ("400", 0));
}

#[test]
fn content_of_the_configuration_stands_in_the_place_of_the_client_s() {
    let set_body = |proxy: &mut Proxy| proxy.set_body = Some(template("user=$arg_u\n"));
    for request in [
        "POST /?u=me HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
        "POST /?u=me HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX: y\r\n\r\n",
        "POST /?u=me HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let got = sent(set_body, request);
        let expected = "POST /?u=me HTTP/1.1\r\nHost: origin.example:9000\r\nContent-Length: 8\r\n\
                        Via: 1.1 underpass\r\n\r\nuser=me\n";
        assert_eq!(got, expected, "{request}");
    }
    // It may hold anything, and be sent to a server of HTTP/1.0 though the client's length is unknown.
    let old = |proxy: &mut Proxy| {
        proxy.http_version = underpass_core::Version::Http10;
        proxy.set_body = Some(template("$uri"));
    };
    let got = sent(old, "POST /%0d%0a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(got.contains("\r\nContent-Length: 3\r\n") && got.ends_with("\r\n\r\n/\r\n"), "{got}");
    let empty = |proxy: &mut Proxy| proxy.set_body = Some(template("$arg_none"));
    assert!(sent(empty, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").contains("\r\nContent-Length: 0\r\n"));
}

#[test]
fn the_client_s_content_and_field_lines_stay_here() {
    let request =
        "POST / HTTP/1.1\r\nHost: a\r\nCookie: c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let got = sent(|proxy| proxy.pass_request_body = false, request);
    assert_eq!(
        got,
        "POST / HTTP/1.1\r\nHost: origin.example:9000\r\nCookie: c\r\nVia: 1.1 underpass\r\n\r\n"
    );
    let got = sent(
        |proxy| {
            proxy.pass_request_headers = false;
            proxy.set_headers = vec![set("X-Own", "$http_cookie")];
        },
        request,
    );
    let head = "POST / HTTP/1.1\r\nX-Own: c\r\nHost: origin.example:9000\r\nTransfer-Encoding: chunked\r\nVia: 1.1 underpass\r\n\r\n";
    assert_eq!(got, format!("{head}1\r\na\r\n0\r\n\r\n"));
}

#[test]
fn content_that_goes_nowhere_is_read_first() {
    let mut world = world(proxying(|proxy| proxy.pass_request_body = false));
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
    world.client_sends(vec![b'x'; 20000]);
    world.origin_sends(OK);
    assert_eq!(world.client.received(), b"", "the response waits for the end of the request");
    world.client_sends(vec![b'x'; 20000]);
    world.client_sends("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(text(world.client.received()).ends_with("\r\n\r\nhi"));
    assert_eq!(world.origins.len(), 1, "both connections persist");
    assert!(text(world.origin().received()).contains("GET /2 HTTP/1.1\r\n"));
}

#[test]
fn content_that_goes_nowhere_has_its_limit() {
    let mut location = proxying(|proxy| proxy.set_body = Some(template("x")));
    let mut settings = Settings::default();
    settings.client_max_body_size = 10;
    location.settings = Arc::new(settings);
    let mut world = world(location);
    world
        .client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n");
    assert_eq!(status(&world), "413");
}

#[test]
fn dropped_content_doesn_t_hinder_another_try() {
    let drops = (|proxy: &mut Proxy| proxy.set_body = Some(template("x"))) as fn(&mut Proxy);
    for (change, length, is_tried) in
        [(drops, 2, true), (drops, 30_000, true), (|_| {}, 2, true), (|_| {}, 30_000, false)]
    {
        let mut world = world_of(proxying(change), 2);
        world.client_sends(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        world.client_sends(vec![b'x'; length]);
        world.origin_ends();
        assert_eq!(world.origins.len() == 2, is_tried, "{length}");
        if is_tried {
            assert!(text(world.origin().received()).ends_with("x"));
        }
    }
}

#[test]
fn trailers_go_with_another_try() {
    let mut world = world_of(proxying(|proxy| proxy.next_upstream.non_idempotent = true), 2);
    world.connects.push_back(underpass_testkit::session_world::Connect::Hang);
    world.client_sends(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
    );
    world.answer_dial(underpass_testkit::session_world::Connect::Refuse);
    assert!(text(world.origin().received()).ends_with("\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n"));
    world.origin_sends(OK);
    // No content that has left our buffers: the trailer section alone.
    world.client_sends("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: z\r\n\r\n");
    world.origin_ends();
    assert!(text(world.origin().received()).ends_with("\r\n\r\n0\r\nX: z\r\n\r\n"));
    assert_eq!(world.origins.len(), 2, "the connection that was kept had gone stale");
}

#[test]
fn trailers_stay_where_they_aren_t_passed() {
    let mut world = world(proxying(|proxy| proxy.pass_trailers = false));
    world.client_sends(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
    );
    assert!(text(world.origin().received()).ends_with("\r\n\r\n1\r\na\r\n0\r\n\r\n"));
    world.origin_sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nX: y\r\n\r\n");
    assert!(text(world.client.received()).ends_with("\r\n\r\n1\r\nb\r\n0\r\n\r\n"));
    assert_eq!(world.notes, []);
}

#[test]
fn content_that_grows_too_large_during_the_response_goes_no_further() {
    let mut location = proxying(|_| {});
    let mut settings = Settings::default();
    settings.client_max_body_size = 10;
    location.settings = Arc::new(settings);
    let mut world = world(location);
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n");
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    world.client_sends("6\r\nTOOFAR\r\n6\r\nTOOFAR\r\n0\r\n\r\n");
    assert!(
        text(world.origin().received()).ends_with("5\r\nabcde\r\n"),
        "{}",
        text(world.origin().received())
    );
    world.origin_sends("cd");
    assert!(text(world.client.received()).ends_with("\r\n\r\nabcd"));
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
    assert_eq!(
        world
            .notes
            .iter()
            .filter(|(event, _)| *event == Event::Violation(Violation::ContentTooLarge))
            .count(),
        1
    );
    assert_eq!(world.releases[0].1, Disposal::Close(Ending::Fin));
}

#[test]
fn a_status_code_makes_another_peer_be_asked() {
    let next = |statuses: Vec<u16>| {
        proxying(|proxy| {
            proxy.next_upstream.statuses = statuses;
            proxy.next_upstream.invalid_header = true;
        })
    };
    let mut world = world_of(next(vec![503, 404]), 3);
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.origin_sends("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
    world.origin_sends("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(world.origins.len(), 3);
    // The last peer's answer is forwarded as it is.
    world.origin_sends("HTTP/1.1 503 Last\r\nDate: now\r\nContent-Length: 2\r\n\r\nno");
    let got = text(world.client.received());
    assert!(got.ends_with("HTTP/1.1 503 Last\r\nDate: now\r\nContent-Length: 2\r\n\r\nno"), "{got}");
    // And it is not held against its peer: a request that no peer can answer leaves somebody for the next.
    let verdicts: Vec<_> = world.releases.iter().map(|(verdict, _)| *verdict).collect();
    assert_eq!(verdicts, [Verdict::Failure, Verdict::Success, Verdict::Success]);
    // A head that can't be forwarded.
    let mut world = world_of(next(vec![]), 2);
    world.client_sends("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.origin_sends("nonsense\r\n\r\n");
    world.origin_sends(OK);
    assert_eq!(status(&world), "200");
    // What isn't named, or can't be repeated, is forwarded.
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut world = world_of(next(if request.starts_with('G') { vec![500] } else { vec![503] }), 2);
        world.client_sends(request);
        world.origin_sends("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        assert_eq!((status(&world).as_str(), world.origins.len()), ("503", 1));
    }
}

#[test]
fn tries_are_bounded_in_time_from_the_first() {
    let mut world = world_of(
        proxying(|proxy| {
            proxy.next_upstream.statuses = vec![503];
            proxy.next_upstream.within = std::time::Duration::from_secs(5);
        }),
        3,
    );
    // A head that takes its time takes none of the tries'.
    world.client_sends("GET / HTTP/1.1\r\n");
    world.elapse(std::time::Duration::from_secs(9));
    world.client_sends("Host: a\r\n\r\n");
    world.elapse(std::time::Duration::from_secs(3));
    world.origin_sends("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.origins.len(), 2);
    world.elapse(std::time::Duration::from_secs(3));
    world.origin_sends("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((world.origins.len(), status(&world).as_str()), (2, "503"));
}

#[test]
fn lingering_is_as_configured() {
    let refused = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let unread = "GET  / HTTP/1.1\r\n\r\n";
    for (lingering, request, lingers) in [
        (LingeringClose::Off, unread, false),
        (LingeringClose::On, unread, true),
        (LingeringClose::On, refused, false),
        (LingeringClose::Always, refused, true),
    ] {
        let mut settings = Settings::default();
        settings.lingering_close = lingering;
        let settings = Arc::new(settings);
        let mut location = proxying(|_| {});
        location.settings = Arc::clone(&settings);
        let mut config = underpass_core::config::Config::new(
            Arc::new(common::Only(Arc::new(location))),
            Arc::new(underpass_core::shared::Upstreams::new(vec![underpass_core::shared::Group::single(
                "g",
                common::address("127.0.0.1:9000"),
            )])),
        );
        config.edge = settings;
        let mut world = World::new(Arc::new(config));
        world.client_sends(request);
        if !world.origins.is_empty() {
            world.origin_sends(OK);
        }
        assert_eq!(world.closed.is_none(), lingers, "{lingering:?} {request}");
    }
}

#[test]
fn who_sends_too_much_says_nothing_against_the_peer() {
    let mut location = proxying(|_| {});
    let mut settings = Settings::default();
    settings.client_max_body_size = 10;
    location.settings = Arc::new(settings);
    let mut world = world(location);
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    world.client_sends("b\r\n01234567890\r\n");
    assert_eq!(status(&world), "413");
    assert_eq!(world.releases, [(Verdict::Unjudged, Disposal::Close(Ending::Fin))]);
}

#[test]
fn a_few_empty_lines_are_no_request() {
    // RFC 9112 section 2.2; E3.
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    // Four are skipped before a head begins, and four at its beginning.
    for (empty, count, passes) in [
        ("\r\n", 1, true),
        ("\n", 1, true),
        ("\r\n", 8, true),
        ("\n", 8, true),
        ("\r\n", 9, false),
        ("\n", 9, false),
    ] {
        let mut world = World::proxy();
        world.client_sends(empty.repeat(count) + get);
        assert_eq!(world.origins.len(), usize::from(passes), "{count} {empty:?}");
        assert_eq!(status(&world), if passes { "" } else { "400" }, "{count} {empty:?}");
    }
}

#[test]
fn who_has_sent_content_is_told_to_go_on_by_nobody() {
    // A10; RFC 9110 section 10.1.1.
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    for (content, told) in [("", true), ("a", false), ("abcd", false)] {
        let mut world = World::proxy();
        world.client_sends([head, content].concat());
        let line = if told { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
        assert_eq!(text(world.client.received()), line, "behind {content:?}");
    }
}

#[test]
fn lines_that_are_set_stand_in_their_order_and_their_values_without_white_space() {
    // B2; RFC 9110 section 5.5: white space around a value is no part of it.
    let got = sent(
        |proxy| {
            proxy.set_headers = vec![
                set("Connection", "close"),
                set("X-Both", " \t$request_method of a \t "),
                set("X-Front", "  b"),
                set("X-None", " \t "),
                set("X-Plain", "c"),
            ];
        },
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let lines: Vec<_> = got.lines().skip(1).take(4).collect();
    assert_eq!(lines, ["Connection: close", "X-Both: GET of a", "X-Front: b", "X-Plain: c"]);
}
