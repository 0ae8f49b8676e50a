//! What a 101 has to be for a tunnel to open, and how what is wrong with it is told (A5, A6, A11).

mod common;

use common::demands::{KEY, got, request, status, upgrading};
use underpass_core::{Event, violation::Violation};
use underpass_testkit::session_world::World;

const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// What comes of a request for an upgrade with these lines that is answered with these.
fn switched(in_location: &str, asked: &str, answer: &str) -> World {
    let mut world = upgrading(in_location);
    world.client_sends(request(&format!("Connection: upgrade\r\n{asked}")));
    world.origin_sends(format!("HTTP/1.1 101 S\r\n{answer}\r\nsmuggled"));
    world
}

/// The violation that the log has, in its own words and with the switch that relaxes it.
fn told(world: &World) -> Option<Violation> {
    world.notes.iter().find_map(|(event, line)| match event {
        Event::Violation(violation) => {
            assert!(line.starts_with(&format!("502 {violation}")), "{line}");
            Some(*violation)
        }
        _ => None,
    })
}

#[track_caller]
fn check(in_location: &str, asked: &str, answer: &str, expected: Option<Violation>) {
    let world = switched(in_location, asked, answer);
    assert_eq!(told(&world), expected, "{in_location} {answer}");
    assert_eq!(status(&world), if expected.is_some() { "502" } else { "101" }, "{in_location} {answer}");
    assert_eq!(got(&world).contains("smuggled"), expected.is_none(), "{in_location} {answer}");
    if expected.is_some() {
        assert!(world.origins[0].end.saw().is_some(), "its connection is closed: {in_location} {answer}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    use Violation::{BadSwitch, RepeatedProtocol, SeveralUpgrades, SwitchWithoutOption};
    let asked = "Upgrade: foo/1, bar\r\n";
    for (answer, expected) in [
        ("Upgrade: bar\r\n", Some(SwitchWithoutOption)),
        ("Connection: keep-alive\r\nUpgrade: bar\r\n", Some(SwitchWithoutOption)),
        ("Connection: upgrade\r\n", Some(BadSwitch)),
        ("Connection: upgrade\r\nUpgrade: qux\r\n", Some(BadSwitch)),
        ("Connection: upgrade\r\nUpgrade: bar, @\r\n", Some(BadSwitch)),
        ("Connection: upgrade\r\nUpgrade: bar\r\nUpgrade: foo/1\r\n", Some(SeveralUpgrades)),
        ("Connection: upgrade\r\nUpgrade: bar\r\nUpgrade: bar\r\n", Some(SeveralUpgrades)),
        ("Connection: upgrade\r\nUpgrade: bar\r\nUpgrade:\r\n", Some(SeveralUpgrades)),
        ("Connection: upgrade\r\nUpgrade: bar, BAR\r\n", Some(RepeatedProtocol)),
        ("Connection: upgrade\r\nUpgrade: foo/1, bar, FOO/1\r\n", Some(RepeatedProtocol)),
        ("Connection: upgrade\r\nUpgrade: foo/1, bar\r\n", None),
    ] {
        check("", asked, answer, expected);
    }
    let asked = format!("Upgrade: websocket\r\n{KEY}");
    for upgrade in ["websocket, websocket", "WebSocket,websocket"] {
        for validation in ["on", "off"] {
            let answer = format!("Connection: upgrade\r\nUpgrade: {upgrade}\r\n{ACCEPT}");
            let switch = format!("upgrade_websocket_validation {validation};");
            check(&switch, &asked, &answer, Some(RepeatedProtocol));
        }
    }
}

#[test]
fn a_switch_in_http_1_0_is_named() {
    let mut world = upgrading("upgrade_lenient_101 on;");
    world.client_sends(request("Connection: upgrade\r\nUpgrade: foo\r\n"));
    world.origin_sends("HTTP/1.0 101 S\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n");
    assert_eq!((told(&world), status(&world).as_str()), (Some(Violation::SwitchVersion), "502"));
}

#[test]
fn a_missing_option_is_repaired_where_that_is_wanted_and_everything_else_fits() {
    let lenient = "upgrade_lenient_101 on;";
    let asked = format!("Upgrade: websocket\r\n{KEY}");
    for connection in
        ["", "Connection: keep-alive\r\n", "Connection:\r\n", "Connection: x-hop\r\nX-Hop: y\r\n"]
    {
        let answer = format!("{connection}Upgrade: websocket\r\n{ACCEPT}");
        check("upgrade_lenient_101 off;", &asked, &answer, Some(Violation::SwitchWithoutOption));
        check(lenient, &asked, &answer, None);
        let world = switched(lenient, &asked, &answer);
        let head =
            format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n{ACCEPT}Connection: Upgrade\r\n\r\nsmuggled");
        assert_eq!(got(&world), head, "{connection}");
    }
    for (answer, violation) in [
        (String::new(), Violation::BadSwitch),
        ("Upgrade: foo\r\n".to_owned(), Violation::BadSwitch),
        ("Upgrade: websocket\r\n".to_owned(), Violation::BadAccept),
        (format!("Upgrade: websocket\r\nUpgrade: websocket\r\n{ACCEPT}"), Violation::SeveralUpgrades),
        (
            format!("Upgrade: websocket\r\n{ACCEPT}Sec-WebSocket-Protocol: a\r\n"),
            Violation::UnofferedSubprotocol,
        ),
    ] {
        check(lenient, &asked, &answer, Some(violation));
    }
    let world = {
        let mut world = upgrading(lenient);
        world.client_sends(request(""));
        world.origin_sends(format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n{ACCEPT}\r\n"));
        world
    };
    assert_eq!(told(&world), Some(Violation::UnaskedSwitch));
}

#[test]
fn a_subprotocol_is_one_that_the_client_has_offered() {
    use Violation::{SeveralSubprotocols, UnofferedSubprotocol};
    let hidden = "proxy_hide_header Sec-WebSocket-Protocol; proxy_set_header Sec-WebSocket-Protocol inner;";
    for (in_location, offered, chosen, expected) in [
        ("", &["chat, superchat"][..], &["superchat"][..], None),
        ("", &["chat", "superchat,x"], &["superchat"], None),
        ("", &["{\"a\", chat"], &["chat"], None),
        ("", &["chat,"], &[""], Some(UnofferedSubprotocol)),
        ("", &["chat"], &[], None),
        ("", &[], &[], None),
        ("", &["chat, superchat"], &["chat", "superchat"], Some(SeveralSubprotocols)),
        ("", &["chat"], &["chat", "chat"], Some(SeveralSubprotocols)),
        ("", &["chat"], &["chat", ""], Some(SeveralSubprotocols)),
        ("", &["chat, superchat"], &["chat, superchat"], Some(SeveralSubprotocols)),
        ("", &["chat"], &["other"], Some(UnofferedSubprotocol)),
        // RFC 6455 §11.5 says nothing of case, and browsers compare letter by letter.
        ("", &["chat"], &["Chat"], Some(UnofferedSubprotocol)),
        ("", &["chat"], &[""], Some(UnofferedSubprotocol)),
        ("", &[], &["chat"], Some(UnofferedSubprotocol)),
        // What the configuration has negotiated by itself is none of the client's, unless it is shown to it.
        (hidden, &[], &["inner"], None),
        (hidden, &["chat"], &["inner"], None),
        (hidden, &[], &["inner", "inner"], Some(SeveralSubprotocols)),
        ("proxy_set_header Sec-WebSocket-Protocol inner;", &["chat"], &["inner"], Some(UnofferedSubprotocol)),
    ] {
        let lines = |values: &[&str]| -> String {
            values.iter().map(|value| format!("Sec-WebSocket-Protocol: {value}\r\n")).collect()
        };
        let asked = format!("Upgrade: websocket\r\n{KEY}{}", lines(offered));
        let answer = format!("Connection: upgrade\r\nUpgrade: websocket\r\n{ACCEPT}{}", lines(chosen));
        check(in_location, &asked, &answer, expected);
        check(&format!("{in_location} upgrade_websocket_validation off;"), &asked, &answer, None);
    }
    // To another protocol the field says nothing.
    let answer = "Connection: upgrade\r\nUpgrade: foo\r\nSec-WebSocket-Protocol: a\r\n";
    check("", "Upgrade: foo\r\n", answer, None);
}

#[test]
fn nobody_layers_more_than_eight_protocols() {
    let names: Vec<_> = (0..9).map(|number| format!("p{number}")).collect();
    for (count, expected) in [(8, None), (9, Some(Violation::BadSwitch))] {
        let answer = format!("Connection: upgrade\r\nUpgrade: {}\r\n", names[..count].join(", "));
        check("", &format!("Upgrade: {}\r\n", names.join(", ")), &answer, expected);
    }
}
