//! Demands of the rules B of `docs/design/behaviour.md` that no case of `testdata/` shows.

mod common;

use common::demands::{SECOND, asking, got, http, proxy, request, sent, status, values};
use underpass_core::Event;

#[test]
fn what_is_removed_is_what_was_received() {
    // Ours has the name of one that the client nominated.
    let mut world = proxy("proxy_set_header X-Hop ours;");
    world.client_sends(request("Connection: X-Hop\r\nX-Hop: theirs\r\nProxy-Authorization: Basic eA==\r\n"));
    let lines = sent(&world);
    assert_eq!(values(&lines, "X-Hop"), ["ours"]);
    assert_eq!(values(&lines, "Connection"), [""; 0]);
    // It was not for us, who ask for none here.
    assert_eq!(values(&lines, "Proxy-Authorization"), ["Basic eA=="]);
}

#[test]
fn one_host_goes_upstream_whatever_is_configured() {
    for (lines, host) in [
        ("", "127.0.0.1:9000"),
        ("proxy_set_header X y;", "127.0.0.1:9000"),
        ("proxy_set_header Host $host;", "a"),
        ("proxy_set_header Host '';", "127.0.0.1:9000"),
        ("proxy_set_header Host b; proxy_set_header host c;", "b"),
    ] {
        let mut world = proxy(lines);
        world.client_sends(request(""));
        let sent = sent(&world);
        let hosts: Vec<_> = sent.iter().filter(|line| line.to_lowercase().starts_with("host:")).collect();
        assert_eq!(hosts, [&format!("Host: {host}")], "{lines}");
    }
}

#[test]
fn names_with_an_underscore_pass_where_that_is_wanted_and_are_noted_else() {
    for (switch, passes) in [("off", false), ("on", true)] {
        let mut world = http(&format!(
            "access_log off; underscores_in_headers {switch}; server {{ listen 127.0.0.1:8080;
             location / {{ proxy_pass http://127.0.0.1:9000; }} }}"
        ));
        world.client_sends(request("X_Real_IP: y\r\n"));
        let expected = if passes { vec!["y"] } else { vec![] };
        assert_eq!(values(&sent(&world), "X_Real_IP"), expected);
        let noted = world.notes.iter().any(|(event, _)| *event == Event::UnderscoreDropped);
        assert_eq!(noted, !passes);
    }
}

#[test]
fn a_second_line_of_what_is_no_list_is_refused_and_one_of_a_list_goes_on() {
    for (name, is_list) in [
        ("Authorization", false),
        ("If-Modified-Since", false),
        ("If-Unmodified-Since", false),
        ("If-Range", false),
        ("Content-Range", false),
        ("If-Match", true),
        ("If-None-Match", true),
        ("Range", true),
        ("X-Authorization", true),
    ] {
        // What the configuration sets in its place doesn't make it a request that everybody reads in one way.
        let mut world = proxy(&format!("proxy_set_header {name} '';"));
        world.client_sends(request(&format!("{name}: x\r\nX: y\r\n{}: x\r\n", name.to_lowercase())));
        assert_eq!(status(&world) == "400", !is_list, "{name}");
        assert_eq!(world.origins.is_empty(), !is_list, "{name}");
        let told =
            world.notes.iter().any(|(_, line)| line.starts_with(&format!("400 more than one {name} ")));
        assert_eq!(told, !is_list, "{name}: {:?}", world.notes);
    }
}

#[test]
fn via_is_added_where_the_switch_says() {
    for (switch, on_request, on_response) in [
        ("", true, false),
        ("proxy_via request;", true, false),
        ("proxy_via both;", true, true),
        ("proxy_via off;", false, false),
    ] {
        let mut world = proxy(switch);
        world.client_sends(request(""));
        world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let via = values(&sent(&world), "Via").join("; ");
        assert_eq!(via, if on_request { "1.1 underpass" } else { "" }, "{switch}");
        assert_eq!(got(&world).contains("\r\nVia: 1.1 underpass\r\n"), on_response, "{switch}");
    }
}

/// The names in B5 of `docs/design/behaviour.md`, an `x` for what a name ends in freely.
fn names() -> Vec<String> {
    let rules = include_str!("../../docs/design/behaviour.md");
    let (_, rest) = rules.split_once("\nB5. ").expect("the rule");
    let (rule, _) = rest.split_once("\nB6. ").expect("the next rule");
    let names = rule.split("`$").skip(1).filter_map(|rest| rest.split('`').next());
    // `$upstream_*` stands for names that are there, too.
    let names = names.filter(|name| *name != "upstream_*");
    names.map(|name| name.replace("NAME", "x").replace('*', "x")).collect()
}

#[test]
fn every_variable_of_the_rule_is_there() {
    let names = names();
    assert!(names.len() > 60, "the rule was read: {names:?}");
    let format: String = names.iter().map(|name| format!("${{{name}}} ")).collect();
    let mut world = http(&format!(
        "log_format f '{format}'; access_log /log f; server {{ listen 127.0.0.1:8080;
         location / {{ return 204; }} }}"
    ));
    world.client_sends(request(""));
    assert_eq!(world.log.len(), 1, "no name is unknown, and each is evaluated");
}

#[test]
fn variables_have_the_values_that_nginx_gives_them() {
    let mut world = http(
        "log_format f '$http_x_y|$host|$http_host|$proxy_host|$proxy_port|$proxy_add_x_forwarded_for|$remote_addr
         |$realip_remote_addr|$proxy_protocol_addr|$server_addr|$server_port|$server_name|$scheme|$https|$request_method
         |$request_uri|$uri|$document_uri|$args|$arg_q|$query_string|$is_args|$cookie_c|$request|$request_port
         |$is_request_port|$server_protocol|$connection_requests|$content_length|$content_type|$ssl_protocol
         |$status|$request_time|$bytes_sent|$body_bytes_sent|$request_length|$request_completion|$pipe|$gzip_ratio
         |$upstream_addr|$upstream_status|$upstream_connect_time|$upstream_header_time|$upstream_response_time
         |$upstream_bytes_sent|$upstream_bytes_received|$upstream_cache_status|$sent_http_x|$upstream_http_x
         |$connection_time|$time_iso8601|$time_local|$msec';
         access_log /log f; server { listen 127.0.0.1:8080; server_name first second;
         location / { proxy_pass http://127.0.0.1:9000; } }",
    );
    let asked = "POST /a%20b/../c?q=1&r HTTP/1.1\r\nHost: Second:81\r\nX-Y: one\r\nX-Y: two\r\n\
         X-Forwarded-For: 192.0.2.1\r\nCookie: b=1; c=2\r\nContent-Type: t\r\nContent-Length: 2\r\n\r\nhi";
    world.client_sends(asked);
    world.elapse(2 * SECOND);
    let response = "HTTP/1.1 200 OK\r\nDate: d\r\nX: y\r\nContent-Length: 2\r\n\r\n";
    world.origin_sends(response);
    world.elapse(SECOND);
    world.origin_sends("ok");
    let sent = world.origins[0].end.received().len();
    let expected = format!(
        "one, two|second|Second:81|127.0.0.1:9000|9000|192.0.2.1, 127.0.0.1|127.0.0.1\
         |127.0.0.1|-|127.0.0.1|8080|first|http||POST\
         |/a%20b/../c?q=1&r|/c|/c|q=1&r|1|q=1&r|?|2|POST /a%20b/../c?q=1&r HTTP/1.1|81\
         |:|HTTP/1.1|1|2|t|-\
         |200|3.000|{}|2|{}|OK|.|-\
         |127.0.0.1:9000|200|0.000|2.000|3.000\
         |{sent}|{}|-|y|y\
         |3.000|1994-11-06T08:49:40+00:00|06/Nov/1994:08:49:40 +0000|784111780.000",
        got(&world).len(),
        asked.len(),
        response.len() + 2,
    );
    let line: String = world.log[0].split('\n').map(str::trim_start).collect();
    assert_eq!(line.split('|').collect::<Vec<_>>(), expected.split('|').collect::<Vec<_>>());
}

#[test]
fn each_byte_that_ends_a_line_or_a_string_ends_the_exchange() {
    for (byte, refused) in [("%0d", true), ("%0a", true), ("%00", true), ("%09", false)] {
        let mut world = proxy("proxy_set_header X $uri;");
        world.client_sends(asking(&format!("/a{byte}b")));
        let answer = got(&world);
        assert_eq!(
            (world.origins.is_empty(), answer.starts_with("HTTP/1.1 400 ")),
            (refused, refused),
            "{byte}"
        );
    }
}

#[test]
fn a_map_is_evaluated_when_it_is_used_and_once_for_each_exchange() {
    for (volatile, second) in [("", "1"), ("volatile;", "set")] {
        let mut world = http(&format!(
            "access_log off; map $v $m {{ {volatile} default $v; }}
             server {{ listen 127.0.0.1:8080; location / {{ set $v before; set $v $arg_v; set $first $m;
             set $v set; return 200 '$first $m'; }} }}"
        ));
        world.client_sends(asking("/?v=1"));
        assert!(got(&world).ends_with(&format!("\r\n\r\n1 {second}")), "{volatile}: {}", got(&world));
        world.client_sends(asking("/?v=2"));
        let second = if volatile.is_empty() { "2" } else { second };
        assert!(got(&world).ends_with(&format!("\r\n\r\n2 {second}")), "{volatile}: {}", got(&world));
    }
}

#[test]
fn an_expression_without_references_takes_no_steps_that_are_counted() {
    // The second engine gives up on the same subject, and says so, once the expression refers back.
    let path = format!("/{}", "a".repeat(60));
    for (expression, gives_up) in [("^/(a|aa)+b$", false), ("^/(a|aa)+\\1b$", true)] {
        let mut world = http(&format!(
            "access_log off; server {{ listen 127.0.0.1:8080; location ~ {expression} {{ return 204; }}
             location / {{ return 200 rest; }} }}"
        ));
        world.client_sends(asking(&path));
        assert_eq!(status(&world), "200", "{expression}");
        let noted = world.notes.iter().any(|(event, _)| *event == Event::MatchGivenUp);
        assert_eq!(noted, gives_up, "{expression}");
    }
}
