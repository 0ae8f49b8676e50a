//! Requests with `Upgrade` that are treated as ordinary ones: the log says why, once (A1 to A4).

mod common;

use common::demands::{RECIPE, http, offering, proxy, request, sent, values};
use underpass_core::{Event, NoUpgrade};
use underpass_testkit::session_world::{Connect, World};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// The reasons that the log has, each with its sentence in the line.
fn told(world: &World) -> Vec<NoUpgrade> {
    let reason = |(event, line): &(Event, String)| match event {
        Event::NoUpgrade(reason) => {
            let words =
                format!("Upgrade ignored, the request is an ordinary one: {reason}, client: 127.0.0.1");
            assert!(line.starts_with(&words), "{line}");
            Some(*reason)
        }
        _ => None,
    };
    world.notes.iter().filter_map(reason).collect()
}

#[test]
fn the_reason_is_told() {
    use NoUpgrade::{Http10, Http10Upstream, NoOption, NoProtocol, NotPermitted, NotSet, Refused};
    let asking = offering("foo");
    let (connection, upgrade) =
        ("proxy_set_header Connection upgrade;", "proxy_set_header Upgrade $http_upgrade;");
    for (in_location, asked, expected) in [
        (RECIPE, &request("Upgrade: foo\r\n"), NoOption),
        (RECIPE, &request("Upgrade: foo\r\nConnection: keep-alive\r\n"), NoOption),
        (RECIPE, &asking.replace("HTTP/1.1", "HTTP/1.0"), Http10),
        (RECIPE, &offering("h2c"), Refused),
        (&format!("{RECIPE} upgrade_protocols websocket;"), &asking, Refused),
        (RECIPE, &offering("@, /1"), NoProtocol),
        (RECIPE, &offering(""), NoProtocol),
        ("", &asking, NotPermitted),
        (upgrade, &asking, NotPermitted),
        (&format!("{upgrade} proxy_set_header Connection '';"), &asking, NotPermitted),
        (&format!("{upgrade} proxy_set_header Connection close;"), &asking, NotPermitted),
        (connection, &asking, NotSet),
        (&format!("{connection} proxy_set_header Upgrade '';"), &asking, NotSet),
        (&format!("{connection} proxy_set_header Upgrade $http_nothing;"), &asking, NotSet),
        (&format!("{RECIPE} proxy_http_version 1.0;"), &asking, Http10Upstream),
        // What the client did comes first: nothing in the configuration would help.
        ("proxy_http_version 1.0;", &request("Upgrade: foo\r\n"), NoOption),
        ("", &offering("@"), NoProtocol),
    ] {
        let mut world = proxy(in_location);
        world.client_sends(asked);
        assert_eq!(told(&world), [expected], "{in_location} {asked}");
        assert_eq!(values(&sent(&world), "Upgrade"), [""; 0], "{in_location} {asked}");
    }
}

#[test]
fn nothing_is_told_of_an_upgrade_or_of_a_request_that_asks_for_none() {
    for asked in [offering("foo"), offering("h2c, foo"), request(""), request("Connection: upgrade\r\n")] {
        let mut world = proxy(RECIPE);
        world.client_sends(&asked);
        assert_eq!(told(&world), [], "{asked}");
    }
    // We answer it ourselves, as one that is refused (A7).
    let mut world = http("access_log off; server { listen 127.0.0.1:8080; location / { return 204; } }");
    world.client_sends(request("Upgrade: foo\r\n"));
    assert_eq!(told(&world), []);
}

#[test]
fn it_is_told_once_for_each_location() {
    let mut world = http(&format!(
        "access_log off; upstream two {{ server 127.0.0.1:9000; server 127.0.0.1:9001; }}
         server {{ listen 127.0.0.1:8080; error_page 502 @other;
         location / {{ proxy_pass http://two; }}
         location @other {{ proxy_pass http://127.0.0.1:9002; {RECIPE} upgrade_protocols bar; }} }}"
    ));
    // Another peer is tried, and then another location.
    world.connects.extend([Connect::Refuse, Connect::Refuse]);
    world.client_sends(offering("foo"));
    assert_eq!(told(&world), [NoUpgrade::NotPermitted, NoUpgrade::Refused]);
    // A connection from the pool that turns out to be stale is replaced.
    let mut world = proxy("");
    world.client_sends(offering("foo"));
    world.origin_sends(OK);
    world.client_sends(offering("foo"));
    world.origin_ends();
    assert_eq!(world.origins.len(), 2);
    assert_eq!(told(&world), [NoUpgrade::NotPermitted; 2], "two requests");
}

#[test]
fn content_that_was_given_up_leaves_no_place_for_a_tunnel() {
    let mut world = http(&format!(
        "access_log off; server {{ listen 127.0.0.1:8080; client_max_body_size 1; error_page 413 @other;
         location / {{ proxy_pass http://127.0.0.1:9000; }}
         location @other {{ proxy_pass http://127.0.0.1:9001; {RECIPE} proxy_pass_request_body off; }} }}"
    ));
    world.client_sends(request("Upgrade: foo\r\nConnection: upgrade\r\nContent-Length: 2\r\n"));
    assert_eq!(told(&world), [NoUpgrade::ContentGone]);
    assert_eq!(values(&sent(&world), "Upgrade"), [""; 0]);
}
