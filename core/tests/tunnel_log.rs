//! What log lines say of tunnels, and when there is one (G9).

use std::time::Duration;

use underpass_core::TunnelEvent;
use underpass_testkit::session_world::{World, config_of};

const RECIPE: &str = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

fn world(formats: &str, location: &str) -> World {
    World::new(config_of(&format!(
        "http {{ {formats} server {{ listen 127.0.0.1:8080; access_log off;
         location / {{ proxy_pass http://127.0.0.1:9000; {RECIPE} {location} }} }} }}"
    )))
}

const ASKS: &str = "GET /t?q HTTP/1.1\r\nHost: a\r\nUpgrade: Foo/2\r\nConnection: upgrade\r\n\r\n";
const SWITCHES: &str = "HTTP/1.1 101 S\r\nUpgrade: Foo/2\r\nConnection: upgrade\r\n\r\n";

fn opens(world: &mut World) {
    world.client_sends(ASKS);
    world.origin_sends(SWITCHES);
}

fn ends(world: &mut World) {
    world.client_ends();
    world.origin_ends();
    assert!(world.done);
}

/// What the lines tell, without their texts.
fn events(world: &World) -> Vec<TunnelEvent> {
    world.tunnel_log.iter().map(|(event, _)| *event).collect()
}

#[test]
fn a_line_when_it_opens_and_one_when_it_ends() {
    let format = "log_format f '$tunnel_event $uri $args $tunnel_client_bytes $tunnel_upstream_bytes $tunnel_duration';";
    let mut world = world(format, "upgrade_log tunnels f;");
    opens(&mut world);
    assert_eq!(world.tunnel_log, [(TunnelEvent::Open, "open /t q 0 0 0.000".to_owned())]);
    world.client_sends("abc");
    world.origin_sends("defgh");
    world.elapse(Duration::from_millis(1250));
    assert_eq!(world.tunnel_log.len(), 1, "nobody has asked for lines between");
    ends(&mut world);
    let closed = (TunnelEvent::Close, "close /t q 3 5 1.250".to_owned());
    assert_eq!(world.tunnel_log[1..], [closed]);
}

#[test]
fn what_an_open_tunnel_has_moved_is_among_the_bytes_of_its_lines() {
    let values = "$bytes_sent $body_bytes_sent $upstream_bytes_sent $upstream_bytes_received";
    let mut world =
        world(&format!("log_format f '$tunnel_event {values}';"), "upgrade_log tunnels f every=1s;");
    opens(&mut world);
    world.client_sends("abc");
    world.origin_sends("defgh");
    world.elapse(Duration::from_secs(1));
    ends(&mut world);
    let head = world.origin().received().len() - 3;
    let answer = world.client.received().len() - 5;
    let came = SWITCHES.len();
    let lines: Vec<&str> = world.tunnel_log.iter().map(|(_, line)| line.as_str()).collect();
    let moved = |event| format!("{event} {} 5 {} {}", answer + 5, head + 3, came + 5);
    assert_eq!(lines, [format!("open 0 0 {head} {came}"), moved("progress"), moved("close")]);
}

#[test]
fn nothing_is_told_where_there_is_no_such_log() {
    for location in ["", "upgrade_log off;"] {
        let mut world = world("", location);
        opens(&mut world);
        ends(&mut world);
        assert_eq!(events(&world), [], "{location}");
    }
}

#[test]
fn what_becomes_no_tunnel_has_no_line() {
    let mut world = world("", "upgrade_log tunnels;");
    world.client_sends(ASKS);
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.exchanges.len(), 1);
    assert_eq!(events(&world), []);
}

#[test]
fn a_tunnel_that_ends_as_it_opens_has_both_lines() {
    let format = "log_format f '$tunnel_event $tunnel_ended_by';";
    let mut world = world(format, "upgrade_log tunnels f; upgrade_half_close off;");
    world.client_sends(ASKS);
    world.origins[0].end.send(SWITCHES.as_bytes());
    world.origins[0].end.end();
    world.run();
    world.client_ends();
    assert!(world.done);
    assert_eq!(events(&world), [TunnelEvent::Open, TunnelEvent::Close]);
    assert_eq!(world.tunnel_log[0].1, "open -", "what comes later isn't known yet");
    assert_eq!(world.tunnel_log[1].1, "close upstream");
}

#[test]
fn the_default_is_one_json_object() {
    let mut world = world("log_format id '$request_id';", "upgrade_log tunnels; access_log access id;");
    opens(&mut world);
    world.client_sends("abc");
    ends(&mut world);
    let id = &world.log[0];
    let line = |event: &str, ended: [&str; 2], bytes: u64| {
        let [by, how] = ended;
        format!(
            "\"remote_addr\":\"127.0.0.1\",\"event\":\"{event}\",\"id\":\"{id}\",\"protocol\":\"foo/2\",\
             \"subprotocol\":null,\"duration\":0.000,\"ended_by\":{by},\"ended_how\":{how},\
             \"close_client\":null,\"close_upstream\":null,\"client_bytes\":{bytes},\"client_frames\":null,\
             \"client_messages\":null,\"upstream_bytes\":0,\"upstream_frames\":null,\"upstream_messages\":null,\
             \"client_silence\":0.000,\"upstream_silence\":0.000,\"client_ping\":null,\"upstream_ping\":null,\
             \"client_blocked\":0.000,\"upstream_blocked\":0.000}}"
        )
    };
    let without_time = |index: usize| {
        let line = &world.tunnel_log[index].1;
        let (time, rest) = line.split_once(',').expect("members");
        assert_eq!(time, "{\"time\":\"1994-11-06T08:49:37+00:00\"");
        rest.to_owned()
    };
    assert_eq!(without_time(0), line("open", ["null"; 2], 0));
    // How it ended is none of this test's business.
    let close = without_time(1);
    let how = if close.contains("\"ended_how\":null") { "null" } else { "\"fin\"" };
    assert_eq!(close, line("close", ["\"client\"", how], 3));
}

#[test]
fn access_logs_and_their_conditions_know_tunnels() {
    let formats =
        "log_format f '$tunnel_event $tunnel_id $request_id $tunnel_protocol $tunnel_client_bytes';";
    for (condition, lines) in
        [("$tunnel_client_bytes", 1), ("$tunnel_close_client", 0), ("$tunnel_ended_by", 1)]
    {
        let mut world = world(formats, &format!("access_log access f if={condition};"));
        opens(&mut world);
        world.client_sends("abc");
        ends(&mut world);
        assert_eq!(world.log.len(), lines, "{condition}");
        for line in &world.log {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!((words[0], words[3], words[4]), ("close", "foo/2", "3"), "{line}");
            assert_eq!(words[1], words[2], "{line}");
        }
    }
}

/// A map is looked up when its value is asked for (B7), which for a log line is when that is written.
#[test]
fn maps_of_what_changes_are_looked_up_when_the_line_is_written() {
    let formats = "map $tunnel_ended_by $why { client gone; default other; }
                   map $tunnel_ended_by $how { ~^cli left; default stayed; }
                   map $status$tunnel_event $both { 101close yes; default no; }
                   map $why-$how $chain { gone-left both; default none; }
                   map $tunnel_client_bytes $used { 0 ''; default 1; }
                   log_format f '$why $how $both $chain';";
    for (sent, lines) in [("abc", 1), ("", 0)] {
        let mut world = world(formats, "access_log access f if=$used; upgrade_log t f;");
        opens(&mut world);
        world.client_sends(sent);
        ends(&mut world);
        assert_eq!(world.log, vec!["gone left yes both"; lines], "{sent}");
        let of_tunnel: Vec<_> = world.tunnel_log.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(of_tunnel, ["other stayed no none", "gone left yes both"]);
    }
}

/// A map whose pattern names a group gives a variable its value, which the same line may show.
#[test]
fn maps_whose_patterns_name_groups_are_looked_up_with_the_line_s_other_variables() {
    let formats = "map $remote_addr $inside { ~^(?<net>[0-9]+) yes; default no; }
                   log_format f '$inside $net';";
    let mut world = world(formats, "access_log access f;");
    opens(&mut world);
    ends(&mut world);
    assert_eq!(world.log, ["yes 127"]);
}

/// What is asked of the heads, too, is looked up while they are there; and what had been looked up stays as it was.
#[test]
fn maps_of_heads_and_maps_that_were_used_keep_their_values() {
    let formats = "map $tunnel_ended_by$http_host $mixed { a early; default late; }
                   map $tunnel_ended_by $used { '' early; default late; }
                   map $tunnel_ended_by $volatile { volatile; '' early; default late; }
                   log_format f '$mixed $used $volatile';";
    let location = "proxy_set_header Used $used; proxy_set_header Volatile $volatile; access_log access f;";
    let mut world = world(formats, location);
    opens(&mut world);
    ends(&mut world);
    assert_eq!(world.log, ["early early late"]);
}

#[test]
fn what_is_no_tunnel_has_none_of_it() {
    let all: Vec<_> = underpass_core::template::Variable::plain()
        .iter()
        .filter(|name| name.starts_with("tunnel_"))
        .map(|name| format!("<${name}>"))
        .collect();
    assert_eq!(all.len(), 21);
    let format = format!("log_format f escape=none '{}';", all.concat());
    let mut world = world(&format, "access_log access f;");
    world.client_sends(ASKS);
    world.origin_sends("HTTP/1.1 200 OK\r\nUpgrade: Foo/2\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(world.log, ["<>".repeat(21)]);
}

#[test]
fn connect_is_a_protocol_of_its_own() {
    let mut world = World::new(config_of(
        "http { log_format f '$tunnel_event $tunnel_protocol $tunnel_subprotocol $host';
         server { listen 127.0.0.1:8080; access_log off; tunnel_pass 127.0.0.1:9000; upgrade_log tunnels f; } }",
    ));
    world.client_sends("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    ends(&mut world);
    let lines: Vec<_> = world.tunnel_log.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["open connect - a.example", "close connect - a.example"]);
}

#[test]
fn subprotocols_are_those_of_the_101() {
    let mut world = world("log_format f '$tunnel_protocol/$tunnel_subprotocol';", "upgrade_log tunnels f;");
    world.client_sends(
        "GET /t HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n",
    );
    world.origin_sends(
        "HTTP/1.1 101 S\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
    );
    assert_eq!(world.tunnel_log, [(TunnelEvent::Open, "websocket/chat".to_owned())]);
}
