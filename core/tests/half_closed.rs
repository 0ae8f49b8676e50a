//! A client that has ended its direction and still reads (A13): when that aborts its request, and when it gets
//! all the same what there is for it.

use std::time::Duration;

use underpass_core::{Disposal, Ending, Outcome, Verdict};
use underpass_testkit::session_world::{World, config_of};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A proxy with these lines in its location, and another location that answers itself.
fn proxy(in_location: &str) -> World {
    World::new(config_of(&format!(
        "http {{ access_log off; server {{ listen 127.0.0.1:8080;
         location / {{ proxy_pass http://127.0.0.1:9000; {in_location} }}
         location /own {{ return 200 own; }} location /gone {{ return 410; }} }} }}"
    )))
}

fn received(world: &World) -> String {
    String::from_utf8_lossy(world.client.received()).into_owned()
}

#[test]
fn a_response_that_was_read_whole_is_delivered() {
    let mut world = proxy("");
    world.client_sends(GET);
    world.client.set_window(0);
    world.origin_sends(HELLO);
    world.client_ends();
    assert!(world.exchanges.is_empty(), "it waits for the client");
    world.client.set_window(usize::MAX);
    world.run();
    assert!(received(&world).ends_with("\r\n\r\nhello"));
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
}

/// E8: what an origin server has said in front of its reset is said, as in front of its end.
#[test]
fn a_response_that_waits_is_delivered_though_its_origin_server_resets() {
    let interim = "HTTP/1.1 103 Hints\r\n\r\n";
    for resets in [false, true] {
        for answer in [HELLO, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
        {
            let mut world = proxy("");
            world.client_sends(GET);
            world.client.set_window(0);
            // The client doesn't take the interim response: the final one isn't looked at.
            world.origin_sends(format!("{interim}{answer}"));
            assert!(world.exchanges.is_empty());
            if resets {
                world.origin().reset();
                world.run();
            } else {
                world.origin_ends();
            }
            world.client.set_window(usize::MAX);
            world.run();
            assert!(received(&world).contains(" 200 OK\r\n"), "{resets}: {}", received(&world));
            assert!(received(&world).contains("hello"), "{resets}");
            assert_eq!(world.exchanges[0].outcome, Outcome::Complete, "{resets}");
        }
    }
}

#[test]
fn so_is_one_that_waits_for_the_end_of_content_that_is_dropped() {
    for resets in [false, true] {
        let mut world = proxy("proxy_pass_request_body off;");
        world.client_sends("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
        world.origin_sends(HELLO);
        if resets {
            world.origin().reset();
            world.run();
        } else {
            world.origin_ends();
        }
        world.client_sends("b");
        assert!(received(&world).ends_with("\r\n\r\nhello"), "{resets}: {}", received(&world));
        assert_eq!(world.exchanges[0].outcome, Outcome::Complete, "{resets}");
    }
}

#[test]
fn one_that_was_cut_while_it_waited_is_not_whole() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 200),
        ("HTTP/1.1 200 O", 502),
    ] {
        let mut world = proxy("");
        world.client_sends(GET);
        world.client.set_window(0);
        world.origin_sends(format!("HTTP/1.1 103 Hints\r\n\r\n{answer}"));
        world.origin().reset();
        world.run();
        world.client.set_window(usize::MAX);
        world.run();
        let outcome = if status == 200 { Outcome::Cut } else { Outcome::Complete };
        assert_eq!((world.exchanges[0].status, world.exchanges[0].outcome), (status, outcome), "{answer}");
        assert!(!received(&world).ends_with("0\r\n\r\n"), "{answer}");
    }
}

#[test]
fn a_reset_behind_a_whole_response_is_no_failure_of_it() {
    // To an HTTP/1.0 client only a reset would tell a cut (E9).
    let mut world = proxy("");
    world.order.reads_first = true;
    world.client_sends("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n");
    world.origin().set_window(0);
    world.client_sends("abc");
    world.client.set_window(0);
    world.origin_sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    world.origin().reset();
    world.run();
    world.client.set_window(usize::MAX);
    world.run();
    assert!(received(&world).ends_with("\r\n\r\nhello"));
    assert_eq!(world.closed, Some(Ending::Fin));
    assert_eq!(world.releases, [(Verdict::Success, Disposal::Close(Ending::Fin))]);
}

/// E9 (RFC 9112 §8): the system tells of a reset once. Where a write was told, the end that reads find is none.
#[test]
fn a_reset_that_a_write_was_told_of_makes_no_response_whole() {
    for (resets, early) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = proxy("");
        world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
        if early {
            world.origin_sends("HTTP/1.1 200 OK\r\n\r\nhalf");
        }
        world.origin().set_window(0);
        world.client_sends("bc");
        if !early {
            world.origin().send(b"HTTP/1.1 200 OK\r\n\r\nhalf");
        }
        if resets {
            world.origin().reset_behind();
        } else {
            // Its end came in order before it took nothing more.
            world.origin().end();
            world.origin().refuse();
        }
        // What waits is written before anything is read.
        assert!(!world.order.reads_first);
        world.run();
        let case = format!("{resets} {early}: {}", received(&world));
        assert!(received(&world).contains("\r\n4\r\nhalf\r\n"), "{case}");
        assert_eq!(received(&world).ends_with("\r\n0\r\n\r\n"), !resets, "{case}");
        let outcome = world.exchanges[0].outcome;
        assert_eq!(outcome == Outcome::Complete, !resets, "{case}: {outcome:?}");
        assert_eq!(world.releases[0].0, if resets { Verdict::Failure } else { Verdict::Success }, "{case}");
    }
}

/// A5, A9: a tunnel into which nothing can be sent is none.
#[test]
fn a_switch_of_an_origin_server_that_takes_nothing_more_opens_no_tunnel() {
    let recipe = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    let mut world = proxy(recipe);
    world.client_sends(
        "PUT / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n",
    );
    world.origin().refuse();
    world.client_sends("ab");
    world.origin_sends("HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    assert!(received(&world).starts_with("HTTP/1.1 502 "), "{}", received(&world));
    assert!(world.origin().saw().is_some(), "its connection is closed");
    assert_eq!(world.exchanges[0].tunnel, None);
}

/// A13, C3: nobody is read for a client that is gone.
#[test]
fn a_client_that_resets_while_its_response_streams_ends_that_at_once() {
    for (is_told, answer) in [
        (true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        (false, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"),
    ] {
        let mut world = proxy("lingering_time 1h; lingering_timeout 1h;");
        world.client_sends(GET);
        world.origin_sends(answer);
        if is_told {
            world.client.reset();
        } else {
            world.client.refuse();
        }
        world.origin_sends("5\r\nagain\r\n");
        assert!(world.done && world.origin().saw().is_some(), "{answer}");
        assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft);
    }
}

#[test]
fn one_that_is_still_to_come_is_given_up() {
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"] {
        let mut world = proxy("");
        world.client_sends(GET);
        world.origin_sends(answer);
        world.client_ends();
        assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft, "{answer:?}");
        assert_eq!(world.releases, [(Verdict::Unjudged, Disposal::Close(Ending::Fin))]);
        assert_eq!(world.closed, Some(Ending::Fin));
    }
}

#[test]
fn unless_the_location_says_otherwise() {
    for so_far in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"] {
        let mut world = proxy("proxy_ignore_client_abort on;");
        world.client_sends(GET);
        world.origin_sends(so_far);
        world.client_ends();
        world.origin_sends(&HELLO[so_far.len()..]);
        assert!(received(&world).ends_with("\r\n\r\nhello"), "{so_far:?}");
        assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
        assert!(world.done);
    }
}

#[test]
fn so_is_one_of_our_own() {
    let mut world = proxy("");
    world.client.set_window(0);
    world.client_sends("GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
    world.client_ends();
    world.client.set_window(usize::MAX);
    world.run();
    assert!(received(&world).ends_with("\r\n\r\nown"), "{}", received(&world));
    assert_eq!((world.exchanges[0].status, world.exchanges[0].outcome), (200, Outcome::Complete));
}

#[test]
fn one_to_a_request_that_never_comes_whole() {
    let mut world = proxy("");
    world.client.set_window(0);
    world.client_sends("POST /own HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    world.client_ends();
    world.client.set_window(usize::MAX);
    world.run();
    assert!(received(&world).ends_with("\r\n\r\nown"), "{}", received(&world));
    assert_eq!((world.exchanges[0].status, world.exchanges[0].outcome), (200, Outcome::Complete));
}

#[test]
fn an_end_inside_a_request_is_one_whatever_was_answered() {
    let mut world = proxy("");
    world.client.set_window(0);
    world.client_sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    world.origin_sends(HELLO);
    world.client_ends();
    assert_eq!(world.exchanges[0].outcome, Outcome::ClientLeft);
}

#[test]
fn answers_of_our_own_are_delivered_to_the_last() {
    let mut world = proxy("");
    world.client.set_window(0);
    world.client_sends("GET /own HTTP/1.1\r\nHost: a\r\n\r\nGET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
    world.client_ends();
    assert!(world.exchanges.is_empty());
    world.client.set_window(usize::MAX);
    world.run();
    assert_eq!(world.exchanges.iter().map(|exchange| exchange.status).collect::<Vec<_>>(), [200, 410]);
    assert!(received(&world).contains("\r\n\r\nown"));
    assert!(world.done);
}

#[test]
fn a_reset_is_for_what_took_too_long_and_only_where_that_is_wanted() {
    for (directive, leaves, expected) in [
        ("reset_timedout_connection on;", false, Ending::Reset),
        ("reset_timedout_connection off;", false, Ending::Fin),
        ("reset_timedout_connection on;", true, Ending::Fin),
    ] {
        let mut world = proxy(directive);
        world.client_sends(GET);
        world.client.set_window(0);
        world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
        if leaves {
            world.client_ends();
        } else {
            world.elapse(Duration::from_secs(60));
        }
        assert_eq!(world.closed, Some(expected), "{directive} {leaves}");
    }
}

#[test]
fn an_intercepted_response_with_content_takes_its_connection_along() {
    for (response, expected) in [
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", Disposal::Pool),
        ("HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", Disposal::Close(Ending::Fin)),
    ] {
        let mut world = proxy("proxy_intercept_errors on; error_page 404 /own;");
        world.client_sends(GET);
        world.origin_sends(response);
        assert!(received(&world).contains("\r\n\r\nown"));
        assert_eq!(world.releases, [(Verdict::Success, expected)]);
    }
}

#[test]
fn the_length_of_a_request_is_that_of_head_and_content() {
    let mut world = World::new(config_of(
        "http { log_format f '$request_length'; access_log /log f; server { listen 127.0.0.1:8080;
         location / { proxy_pass http://127.0.0.1:9000; } } }",
    ));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    world.client_sends(head);
    world.client_sends("hel");
    world.client_sends("lo");
    world.origin_sends(HELLO);
    assert_eq!(world.log, [(head.len() + 5).to_string()]);
}
