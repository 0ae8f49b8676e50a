//! What comes of features of a configuration together.
mod common;
use common::{demands::*, text};
use underpass_core::{Admission, Ending, Refusal};
use underpass_testkit::session_world::{Connect, World};

fn server(blocks: &str) -> World {
    http(&format!("access_log off; server {{ listen 127.0.0.1:8080; {blocks} }}"))
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// What was read of the content for one location goes nowhere in another that has no use for it (E1).
#[test]
fn content_that_has_come_is_not_sent_behind_what_a_named_location_sends_instead() {
    let body = SMUGGLED;
    let sized = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (drops, sent) in [("proxy_pass_request_body off;", ""), ("proxy_set_body instead;", "instead")] {
        for framed in [&sized, &chunked] {
            for first in [
                "auth_basic r; auth_basic_user_file /dev/null; proxy_pass http://127.0.0.1:9000;",
                "proxy_pass http://127.0.0.1:9000;",
                "resolver 127.0.0.1; set $n name; proxy_pass http://$n;",
            ] {
                let mut world = server(&format!(
                    "location /x {{ error_page 401 502 = @second; {first} }}
                     location @second {{ {drops} proxy_pass http://127.0.0.1:9001; }}"
                ));
                (world.admission, world.addresses) = (None, None);
                world.connects.push_back(Connect::Hang);
                world.client_sends(format!("POST /x HTTP/1.1\r\nHost: a\r\n{framed}"));
                if world.claims() {
                    world.connects.clear();
                    world.answer_claim(Admission::Refused(Refusal::Unauthorized));
                } else if world.looks_up() {
                    world.connects.clear();
                    world.answer_lookup(Err(std::io::ErrorKind::NotFound.into()));
                } else {
                    world.answer_dial(Connect::Refuse);
                }
                let got = text(world.origin().received());
                let sent_on = got.split_once("\r\n\r\n").map(|(_, behind)| behind);
                assert_eq!(sent_on, Some(sent), "{drops} {first}: {got}");
            }
        }
    }
}

/// Content that was given up (E8) is not left out of what another location sends.
#[test]
fn content_given_up_is_not_missing_in_a_named_location() {
    let mut world = server(
        "location /x { add_header X $uri; error_page 400 = @second; proxy_pass http://127.0.0.1:9000; }
         location @second { proxy_pass http://127.0.0.1:9001; }",
    );
    world.client_sends("POST /x%0a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    world.origin().set_window(0);
    world.client_sends("abc");
    world.origin_sends("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    world.client_sends("defghij");
    let got = text(world.origin().received());
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(world.origins.len() == 1 || got.ends_with("\r\n\r\nabcdefghij"), "{got}");
}

#[test]
fn lingering_always_follows_a_tunnel_that_has_half_ended() {
    let mut world = upgrading("lingering_close always;");
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.origin_ends();
    while !world.done && world.elapse_to_deadline() {}
    assert_eq!(world.closed, Some(Ending::Fin));
}

#[test]
fn lingering_always_follows_a_tunnel_that_stalls() {
    let mut world = upgrading("lingering_close always;");
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.client.set_window(0);
    world.origin_sends("tail");
    while !world.done && world.elapse_to_deadline() {}
    assert_eq!(world.closed, Some(Ending::Fin));
}

/// B6: what is checked is what is written.
#[test]
fn a_method_by_a_group_is_the_one_that_was_checked() {
    for x in ["GET /admin HTTP/1.1", "HEAD", "CONNECT"] {
        let mut world = http(
            "access_log off; map $http_x $conn { ~^(.*)$ keep-alive; } server { listen 127.0.0.1:8080;
             location ~ ^/(PUT|POST)/ { proxy_method $1; proxy_set_header Connection $conn; proxy_pass http://127.0.0.1:9000; } }",
        );
        world.client_sends(format!("GET /PUT/ HTTP/1.1\r\nHost: a\r\nX: {x}\r\n\r\n"));
        let head = text(world.origin().received());
        assert_eq!(head.lines().next(), Some("PUT /PUT/ HTTP/1.1"), "{x}");
    }
}

/// D4.
#[test]
fn a_denied_name_is_denied_with_a_dot_behind_it() {
    for target in ["evil.example:443", "evil.example.:443", "x.evil.example.:443"] {
        let mut world =
            server("tunnel_deny evil.example; tunnel_deny *.evil.example; tunnel_allow all; tunnel_pass;");
        world.addresses = Some(Ok(vec!["192.0.2.7".parse().expect("an address")]));
        world.client_sends(format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(status(&world), "403", "{target}");
    }
}

/// D4.
#[test]
fn our_own_listener_is_ours_in_any_clothes() {
    for target in
        ["9.9.9.1:8080", "[::ffff:9.9.9.1]:8080", "[64:ff9b::909:901]:8080", "[2002:909:901::]:8080"]
    {
        let mut world = http("access_log off; server { listen 9.9.9.1:8080; tunnel_pass; }");
        world.client_sends(format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(status(&world), "403", "{target}");
    }
}

/// C8: with `worker_shutdown_timeout`, drain terminates.
#[test]
fn a_drain_whose_time_is_over_does_not_linger() {
    let mut world = proxy("lingering_close always; lingering_time 30s; lingering_timeout 30s;");
    world.client_sends(request(""));
    world.drain(Some(SECOND));
    world.elapse(SECOND);
    assert!(world.done, "an exchange: {:?}", world.deadline());
}

#[test]
fn nor_does_a_tunnel() {
    let mut world = upgrading("lingering_close always; lingering_time 30s; lingering_timeout 30s;");
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.drain(Some(SECOND));
    world.elapse(SECOND);
    assert!(world.done, "a tunnel: {:?}", world.deadline());
}

/// A10: at most one 100 per exchange.
#[test]
fn a_page_s_100_is_not_a_second_one() {
    let mut world = server(
        "location /x { error_page 502 /fetched; proxy_pass http://127.0.0.1:9000; }
         location /fetched { proxy_pass http://127.0.0.1:9001; }",
    );
    world.client_sends("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    world.origin_ends();
    world.origin_sends("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let got = got(&world);
    assert_eq!(got.matches("HTTP/1.1 100 ").count(), 1, "{got}");
}

/// RFC 9112 §3.2.4: an asterisk has no query.
#[test]
fn an_asterisk_goes_on_alone() {
    for (block, expected) in
        [("set $args a=b;", "OPTIONS * HTTP/1.1"), ("set $args a=b; proxy_method GET;", "GET /?a=b HTTP/1.1")]
    {
        let mut world = proxy(block);
        world.client_sends("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = text(world.origin().received());
        assert_eq!(head.lines().next(), Some(expected), "{block}");
    }
}

/// E7: persistence is said to a 1.0 client.
#[test]
fn persistence_is_said_beside_a_426() {
    let mut world = server("return 426;");
    world.client_sends("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    assert!(world.closed.is_some() || got(&world).contains("keep-alive"), "{}", got(&world));
}
