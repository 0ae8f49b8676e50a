//! Answers of our own that are no refusals, to requests that have content (E11): it is read to its end, so that the
//! next request can follow.

use std::time::Duration;

use underpass_core::{Event, Outcome, violation::Violation};
use underpass_testkit::session_world::{World, config_of};

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

fn server(more: &str) -> World {
    World::new(config_of(&format!(
        "http {{ access_log off; server {{ listen 127.0.0.1:8080; {more}
         location /own {{ return 204; }} location /text {{ return 200 text; }} location /moved {{ return 301 /; }}
         location /dir/ {{ proxy_pass http://127.0.0.1:9000; }} location /gone {{ return 410; }} location /next {{ return 204; }} }} }}"
    )))
}

fn post(target: &str, framing: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")
}

fn statuses(world: &World) -> Vec<u16> {
    world.exchanges.iter().map(|exchange| exchange.status).collect()
}

fn says_close(world: &World) -> bool {
    String::from_utf8_lossy(world.client.received()).contains("Connection: close")
}

#[test]
fn the_next_request_follows_its_content() {
    for target in ["/own", "/text", "/moved", "/dir"] {
        for (framing, content) in
            [("Content-Length: 4", "abcd"), ("Transfer-Encoding: chunked", "4\r\nabcd\r\n0\r\nX: y\r\n\r\n")]
        {
            let all = format!("{}{content}{NEXT}", post(target, framing));
            for cut in 0..all.len() {
                let mut world = server("");
                world.client_sends(&all[..cut]);
                world.client_sends(&all[cut..]);
                assert!(!says_close(&world), "{target}, {framing}, cut at {cut}");
                assert_eq!(statuses(&world).len(), 2, "{target}, {framing}, cut at {cut}");
                assert!(!world.done);
            }
        }
    }
}

#[test]
fn the_answer_doesn_t_wait_for_it() {
    let mut world = server("");
    world.client_sends(post("/own", "Content-Length: 4"));
    assert!(world.client.received().starts_with(b"HTTP/1.1 204 "));
    assert!(world.exchanges.is_empty(), "but the exchange does");
    world.client_sends("abcd");
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
}

#[test]
fn content_is_not_waited_for_without_bounds() {
    for (seconds, pause, pieces) in [(5, 6, 0), (30, 4, 7)] {
        let mut world = server("lingering_timeout 5s; lingering_time 30s;");
        world.client_sends(post("/own", "Content-Length: 100"));
        for _ in 0..pieces {
            world.elapse(Duration::from_secs(pause));
            world.client_sends("x");
            assert!(world.exchanges.is_empty());
        }
        let left = Duration::from_secs(seconds - pieces * pause) - Duration::from_nanos(1);
        world.elapse(left);
        assert!(!world.done, "{seconds}");
        world.elapse(Duration::from_nanos(1));
        assert!(world.done, "{seconds}");
        assert_eq!(statuses(&world), [204]);
    }
}

#[test]
fn nor_is_more_of_it_read_than_is_permitted() {
    // What is announced decides what the answer says; what isn't ends the connection behind it.
    for (framing, content, says) in [
        ("Content-Length: 11", "hello world", true),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", false),
    ] {
        let all = format!("{}{content}{NEXT}", post("/own", framing));
        for cut in 0..all.len() {
            let mut world = server("client_max_body_size 10;");
            world.client_sends(&all[..cut]);
            world.client_sends(&all[cut..]);
            assert_eq!(says_close(&world), says, "{framing}, cut at {cut}");
            assert_eq!(statuses(&world), [if says { 413 } else { 204 }], "{framing}, cut at {cut}");
        }
    }
}

#[test]
fn a_client_that_ends_or_breaks_its_content_has_had_its_answer() {
    let mut world = server("");
    world.client_sends(post("/own", "Content-Length: 4"));
    world.client_sends("ab");
    world.client_ends();
    assert!(world.done);
    assert_eq!(statuses(&world), [204]);
    let mut world = server("");
    world.client_sends(post("/own", "Transfer-Encoding: chunked") + "nonsense\r\n" + NEXT);
    assert_eq!(statuses(&world), [204]);
    assert!(world.notes.iter().any(|(event, _)| *event == Event::Violation(Violation::BadChunk)));
    world.client_sends(NEXT);
    assert_eq!(statuses(&world), [204], "nothing behind it is a request");
}

#[test]
fn refusals_and_what_nobody_has_begun_to_send_end_the_connection() {
    for (target, framing) in [
        ("/gone", "Content-Length: 4"),
        ("/own", "Content-Length: 4\r\nExpect: 100-continue"),
        ("/own", "Content-Length: 4\r\nUpgrade: x\r\nConnection: upgrade"),
        ("/own", "Content-Length: 4\r\nConnection: close"),
    ] {
        let mut world = server("");
        world.client_sends(post(target, framing));
        assert!(says_close(&world), "{target}, {framing}");
        world.client_sends(format!("abcd{NEXT}"));
        assert_eq!(statuses(&world).len(), 1, "{target}, {framing}");
    }
}

#[test]
fn a_drain_doesn_t_wait_for_it() {
    let mut world = server("");
    world.client_sends(post("/own", "Content-Length: 4"));
    world.drain(None);
    assert_eq!(world.exchanges.len(), 1);
    world.client_sends(format!("abcd{NEXT}"));
    world.elapse(Duration::from_secs(5));
    assert!(world.done && world.exchanges.len() == 1);
}

/// As in nginx, where the code is set before the text is made.
#[test]
fn the_text_of_an_answer_may_say_its_status_code() {
    let mut world = World::new(config_of(
        "http { access_log off; server { listen 127.0.0.1:8080; error_page 404 = @page; error_page 410 @page;
         location /text { return 200 $status; } location /moved { return 302 /$status; }
         location /gone { return 410; } location @page { return 403 $status; } } }",
    ));
    for target in ["/text", "/moved", "/gone"] {
        world.client_sends(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    let text = String::from_utf8_lossy(world.client.received());
    assert!(text.contains("\r\n\r\n200HTTP/1.1 302 "), "{text}");
    assert!(text.contains("\r\nLocation: http://a:8080/302\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n410"), "{text}");
}
