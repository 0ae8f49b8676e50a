//! Demands of the rules A of `docs/design/behaviour.md` that no case of `testdata/` shows.

mod common;

use common::{
    demands::{
        INSTANT, KEY, RECIPE, SECOND, SWITCH, UPGRADE, asking, got, http, offering, proxy, request, sent,
        status, switching, upgrading, values,
    },
    text,
};
use underpass_core::{Ending, Outcome, Timer};
use underpass_testkit::session_world::{Connect, World};

#[test]
fn the_configured_connection_is_a_list() {
    for (connection, more, upgrade, expected) in [
        ("upgrade", "", true, vec!["upgrade"]),
        ("'x-foo, upgrade, keep-alive'", "", true, vec!["upgrade"]),
        ("'upgrade, close'", "", true, vec!["upgrade, close"]),
        ("$http_connection", "", true, vec!["Upgrade"]),
        ("te", "proxy_set_header TE trailers;", false, vec!["TE"]),
        // Neither the option nor the field goes by itself (B1).
        ("te", "", false, vec![]),
        ("x-foo", "proxy_set_header TE trailers;", false, vec![]),
        ("keep-alive", "", false, vec![]),
    ] {
        let mut world = proxy(&format!(
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection {connection}; {more}"
        ));
        world.client_sends(request("Upgrade: foo\r\nConnection: Upgrade, x-bar\r\nTE: deflate\r\n"));
        let lines = sent(&world);
        assert_eq!(values(&lines, "Connection"), expected, "{connection} {more}");
        assert_eq!(!values(&lines, "Upgrade").is_empty(), upgrade, "{connection}");
        let te = if expected == ["TE"] { vec!["trailers"] } else { vec![] };
        assert_eq!(values(&lines, "TE"), te, "{connection} {more}");
    }
}

#[test]
fn what_is_configured_goes_upstream_as_it_is_spelled() {
    let table = "map $http_upgrade $connection_upgrade { default UpGrade; '' close; }";
    for (lines, connection, expected) in [
        ("proxy_set_header Connection upgrade;", "Upgrade", "Connection: upgrade"),
        ("proxy_set_header Connection Upgrade;", "upgrade", "Connection: Upgrade"),
        ("proxy_set_header Connection 'close, UPGRADE, upgrade';", "upgrade", "Connection: UPGRADE, close"),
        ("proxy_set_header Connection $http_connection;", "keep-alive, Upgrade", "Connection: Upgrade"),
        ("proxy_set_header Connection $http_connection;", "uPgRaDe", "Connection: uPgRaDe"),
        ("proxy_set_header Connection $connection_upgrade;", "upgrade", "Connection: UpGrade"),
        (
            "proxy_set_header connection x; proxy_set_header Connection Upgrade;",
            "upgrade",
            "connection: Upgrade",
        ),
    ] {
        let mut world = http(&format!(
            "access_log off; {table} server {{ listen 127.0.0.1:8080; location / {{
             proxy_pass http://127.0.0.1:9000; proxy_set_header UPGRADE $http_upgrade; {lines} }} }}"
        ));
        world.client_sends(request(&format!("Upgrade: foo\r\nConnection: {connection}\r\n")));
        assert_eq!(sent(&world)[..2], ["UPGRADE: foo", expected], "{lines}");
    }
    let mut world = proxy(
        "proxy_set_header host b; proxy_set_header x-real-IP $remote_addr; proxy_set_header connection close;",
    );
    world.client_sends(request(""));
    assert_eq!(sent(&world)[..3], ["host: b", "x-real-IP: 127.0.0.1", "connection: close"]);
    let mut world = proxy("proxy_set_header hOST $arg_none;");
    world.client_sends(request(""));
    assert_eq!(sent(&world)[0], "hOST: 127.0.0.1:9000");
}

#[test]
fn what_was_asked_for_is_shown_though_it_was_refused() {
    for (location, protocols) in [(RECIPE, "h2c"), ("", "foo"), ("proxy_http_version 1.0;", "foo")] {
        let mut world = proxy(&format!("proxy_set_header X-Asked $http_upgrade; {location}"));
        world.client_sends(offering(protocols));
        let lines = sent(&world);
        assert_eq!((values(&lines, "X-Asked"), values(&lines, "Upgrade")), (vec![protocols], vec![]));
    }
}

#[test]
fn only_protocols_that_are_named_may_pass() {
    for (named, offered, passed) in [
        ("websocket foo", "bar, FOO/2, baz", vec!["FOO/2"]),
        ("foo bar", "bar, baz, foo", vec!["bar, foo"]),
        ("h2c", "h2c", vec!["h2c"]),
        ("websocket", "foo", vec![]),
    ] {
        let mut world = upgrading(&format!("upgrade_protocols {named};"));
        world.client_sends(offering(offered));
        assert_eq!(values(&sent(&world), "Upgrade"), passed, "{named}");
    }
}

#[test]
fn a_switch_is_for_who_asked_and_was_permitted_to() {
    for (location, protocols, answer) in [
        // The configuration didn't pass it on.
        ("", "foo", "foo"),
        ("proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection close;", "foo", "foo"),
        // It offers what the client did not, and has not offered what the client did.
        ("proxy_set_header Upgrade 'foo, bar'; proxy_set_header Connection upgrade;", "bar", "foo"),
        ("proxy_set_header Upgrade foo; proxy_set_header Connection upgrade;", "foo, bar", "bar"),
    ] {
        let mut world = proxy(location);
        world.client_sends([&offering(protocols), "early"].concat());
        world.origin_sends([&switching(answer), "smuggled"].concat());
        assert_eq!(status(&world), "502", "{location}");
        assert!(!got(&world).contains("smuggled"), "{location}");
        assert!(world.origins[0].end.saw().is_some(), "its connection is closed: {location}");
        assert!(!text(world.origins[0].end.received()).contains("early"), "{location}");
    }
    let mut world = proxy("proxy_set_header Upgrade 'foo, bar'; proxy_set_header Connection upgrade;");
    world.client_sends(offering("BAR"));
    world.origin_sends(switching("Bar"));
    assert_eq!(status(&world), "101", "names are compared ignoring case");
}

#[test]
fn a_websocket_is_examined_only_where_it_is_one_and_that_is_wanted() {
    // The origin server chose the other protocol.
    let mut world = upgrading("");
    world.client_sends(request(&format!("Upgrade: websocket, foo\r\nConnection: upgrade\r\n{KEY}")));
    world.origin_sends(SWITCH);
    assert_eq!(status(&world), "101");
    // Nothing of it may pass: it is no handshake.
    let mut world = upgrading("upgrade_protocols foo;");
    world.client_sends(offering("websocket, foo"));
    assert_eq!(world.origins.len(), 1);
    for (switch, refused) in [("on", true), ("off", false)] {
        let mut world = upgrading(&format!("upgrade_websocket_validation {switch};"));
        world.client_sends(offering("websocket"));
        assert_eq!(world.origins.is_empty(), refused, "{switch}");
        let mut world = upgrading(&format!("upgrade_websocket_validation {switch};"));
        world.client_sends(request(&format!("Upgrade: websocket\r\nConnection: upgrade\r\n{KEY}")));
        world.origin_sends(switching("websocket"));
        assert_eq!(status(&world), if refused { "502" } else { "101" }, "{switch}");
    }
}

#[test]
fn other_protocols_may_be_asked_for_with_any_method_but_connect() {
    let mut world = upgrading("");
    world.client_sends("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n");
    assert_eq!((status(&world).as_str(), world.origins.len()), ("405", 0));
    for method in ["POST", "PUT", "OPTIONS", "FOO"] {
        let mut world = upgrading("");
        world.client_sends(UPGRADE.replace("GET", method));
        world.origin_sends(SWITCH);
        assert_eq!(status(&world), "101", "{method}");
    }
}

/// A7: a client that is told so by ourselves may have sent what was meant for the other protocol, too.
#[test]
fn bytes_behind_an_upgrade_that_we_refuse_are_no_request() {
    for (server, expected) in [
        ("if ($http_origin != a) { return 403; }", "403"),
        ("set $x 1; return 404;", "404"),
        ("return 200 ok;", "200"),
        ("location / { return 301 /other; }", "301"),
        ("location /u/ { proxy_pass http://127.0.0.1:9000; }", "301"),
        ("location /u { internal; proxy_pass http://127.0.0.1:9000; }", "404"),
        ("location /u { if ($http_origin != a) { return 403; } proxy_pass http://127.0.0.1:9000; }", "403"),
    ] {
        for at_once in [true, false] {
            let mut world = http(&format!("access_log off; server {{ listen 127.0.0.1:8080; {server} }}"));
            if at_once {
                world.client_sends(format!("{UPGRADE}{}", asking("/smuggled")));
            } else {
                world.client.send(UPGRADE.as_bytes());
                world.client.send(asking("/smuggled").as_bytes());
                world.run();
            }
            while !world.done && world.elapse_to_deadline() {}
            assert_eq!(status(&world), expected, "{server}");
            assert_eq!((world.exchanges.len(), world.origins.len()), (1, 0), "{server}: {}", got(&world));
        }
        // One that has sent nothing more is served on.
        let mut world = http(&format!("access_log off; server {{ listen 127.0.0.1:8080; {server} }}"));
        world.client_sends(UPGRADE);
        world.client_sends(UPGRADE);
        assert_eq!(world.exchanges.len(), 2, "{server}: {}", got(&world));
    }
}

#[test]
fn a_faulty_handshake_is_told_by_field_fault_and_switch() {
    for (lines, field) in [
        ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "Sec-WebSocket-Version"),
    ] {
        let mut world = upgrading("");
        world.client_sends(request(&format!("Upgrade: websocket\r\nConnection: upgrade\r\n{lines}")));
        let fault = format!("{field} has to be there once");
        let (answer, line) = (got(&world), &world.notes[0].1);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains(&fault), "{answer}");
        assert!(answer.ends_with("\nsee: upgrade_websocket_validation off\n"), "{answer}");
        assert!(line.starts_with("400 ") && line.contains(&fault), "{line}");
        assert!(line.contains("; see upgrade_websocket_validation off)"), "{line}");
    }
}

#[test]
fn nobody_is_told_to_continue_whose_content_is_not_wanted() {
    for refusing in ["return 403;", "client_max_body_size 1;"] {
        let mut world = proxy(refusing);
        world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
        assert!(got(&world).starts_with("HTTP/1.1 4"), "{refusing}: {}", got(&world));
    }
}

/// RFC 9110 §7.8, though §10.1.1 lets a server leave the 100 out where content has come.
#[test]
fn a_100_comes_before_a_101() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\nContent-Length: 2\r\n\
                Expect: 100-continue\r\n\r\n";
    for (at_once, behind) in [("", "ab"), ("a", "b"), ("ab", "")] {
        for early in [true, false] {
            let mut world = upgrading("");
            world.client_sends(format!("{head}{at_once}"));
            let switches = |world: &mut World| world.origin_sends(SWITCH);
            if early {
                switches(&mut world);
            }
            assert_eq!(got(&world).matches("101 ").count(), usize::from(early && behind.is_empty()));
            world.client_sends(behind);
            if !early {
                switches(&mut world);
            }
            let got = got(&world);
            assert!(
                got.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 "),
                "{at_once} {early}: {got}"
            );
            assert!(world.origin().received().ends_with(b"\r\n\r\nab"));
        }
    }
}

#[test]
fn connecting_for_a_handshake_has_its_own_time() {
    let mut world = upgrading("proxy_connect_timeout 2s; upgrade_handshake_timeout 1s;");
    world.connects_else = Connect::Hang;
    world.client_sends(UPGRADE);
    world.elapse(2 * SECOND - INSTANT);
    assert_eq!(status(&world), "");
    world.elapse(INSTANT);
    assert_eq!(status(&world), "504");
}

#[test]
fn a_handshakes_time_counts_from_the_last_byte_of_its_request() {
    let mut world = upgrading("proxy_read_timeout 2s;");
    world.client_sends(UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\na"));
    world.elapse(10 * SECOND);
    assert_eq!(status(&world), "", "the request is not complete");
    world.client_sends("b");
    world.elapse(2 * SECOND - INSTANT);
    assert_eq!(status(&world), "");
    world.elapse(INSTANT);
    assert_eq!(status(&world), "504");
}

#[test]
fn the_handshake_timeout_stands_in_the_place_of_the_read_timeout() {
    for (directives, seconds) in [
        ("upgrade_handshake_timeout 3s; proxy_read_timeout 2s;", 3),
        ("upgrade_handshake_timeout 1s; proxy_read_timeout 2s;", 1),
        ("proxy_read_timeout 2s;", 2),
    ] {
        let mut world = upgrading(directives);
        world.client_sends(UPGRADE);
        world.elapse(seconds * SECOND - INSTANT);
        assert_eq!(status(&world), "", "{directives}");
        let mut switched = world.fork().expect("nothing is out");
        world.elapse(INSTANT);
        assert_eq!(status(&world), "504", "{directives}");
        // A 101 of the last moment disarms it: from here on the tunnel's own timer runs, for its whole time.
        switched.origin_sends(SWITCH);
        switched.elapse(2 * SECOND - INSTANT);
        assert!(switched.exchanges.is_empty(), "{directives}");
        switched.elapse(INSTANT);
        assert_eq!(switched.exchanges[0].outcome, Outcome::TimedOut(Timer::TunnelIdle), "{directives}");
    }
    // It is for upgrades alone.
    let mut world = upgrading("upgrade_handshake_timeout 1s; proxy_read_timeout 3s;");
    world.client_sends(request(""));
    world.elapse(2 * SECOND);
    assert_eq!(status(&world), "");
}

#[test]
fn a_tunnel_opens_for_a_client_that_has_ended_where_that_is_wanted() {
    let mut world = upgrading("proxy_ignore_client_abort on;");
    world.client_sends([UPGRADE, "early"].concat());
    world.client_ends();
    assert!(world.exchanges.is_empty());
    world.origin_sends([SWITCH, "hello"].concat());
    assert_eq!((status(&world).as_str(), got(&world).ends_with("hello")), ("101", true));
    assert!(world.origin().received().ends_with(b"early"));
    assert_eq!(world.origin().saw(), Some(Ending::Fin), "that direction has ended");
    world.origin_sends(" still");
    assert!(got(&world).ends_with("hello still"));
    world.origin_ends();
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
}

#[test]
fn an_end_inside_a_request_and_a_reset_abort_it_always() {
    for resets in [false, true] {
        let mut world = upgrading("proxy_ignore_client_abort on;");
        world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
        if resets {
            world.client.reset();
        } else {
            world.client.end();
        }
        world.run();
        assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft, "reset: {resets}");
        assert!(world.origin().saw().is_some(), "reset: {resets}");
    }
}
