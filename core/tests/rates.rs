//! Rates and delays that protect (J5): `limit_rate`, `limit_rate_after`, `proxy_limit_rate`, `auth_delay`.

mod common;

use std::time::Duration;

use common::demands::{SECOND, SWITCH, UPGRADE, asking, http, upgrading};
use proptest::prelude::*;
use underpass_core::{Admission, Outcome, Refusal, Side};
use underpass_testkit::session_world::{Order, World};

fn proxy(in_location: &str) -> World {
    http(&format!(
        "access_log off; server {{ listen 127.0.0.1:8080; location / {{ proxy_pass http://127.0.0.1:9000;
         {in_location} }} }}"
    ))
}

/// Lets time pass until the exchange is over: when the client had how many bytes.
fn watched(world: &mut World) -> Vec<(u64, usize)> {
    let mut seen = vec![(world.now().tick.0, world.client.received().len())];
    while world.exchanges.is_empty() {
        assert!(world.elapse_to_deadline(), "it waits for the clock");
        seen.push((world.now().tick.0, world.client.received().len()));
    }
    seen
}

/// In each span at most its worth, and `burst`.
fn keeps(seen: &[(u64, usize)], rate: u64, burst: u64) {
    for (index, (begin, before)) in seen.iter().enumerate() {
        // What had come before the first of them came at some time before it.
        let before = if index == 0 { 0 } else { *before };
        for (end, after) in &seen[index..] {
            let most = u128::from(rate) * u128::from(end - begin) / 1_000_000_000 + u128::from(burst);
            assert!((after - before) as u128 <= most, "{before} to {after} in {} ns", end - begin);
        }
    }
}

fn seconds(seen: &[(u64, usize)]) -> f64 {
    Duration::from_nanos(seen.last().expect("an end").0 - seen[0].0).as_secs_f64()
}

fn respond(world: &mut World, content: usize) {
    world.client_sends(asking("/"));
    world.origin_sends(format!("HTTP/1.1 200 OK\r\nContent-Length: {content}\r\n\r\n"));
    world.origin_sends(vec![b'x'; content]);
}

#[test]
fn a_response_comes_at_its_rate() {
    let mut world = proxy("limit_rate 1000; send_timeout 1s;");
    respond(&mut world, 9000);
    let seen = watched(&mut world);
    keeps(&seen, 1000, 1000);
    // Head and content, less what comes in the first second's worth.
    assert!((8.0..9.0).contains(&seconds(&seen)), "{seen:?}");
    assert!(seen.len() < 100, "nobody wakes for each byte: {}", seen.len());
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
    assert!(world.client.received().ends_with(&[b'x'; 9000]));
}

#[test]
fn what_comes_after_so_many_bytes() {
    let mut world = proxy("limit_rate 1k; limit_rate_after 8k;");
    respond(&mut world, 10_000);
    assert!(
        (8192..8192 + 1025).contains(&world.client.received().len()),
        "{}",
        world.client.received().len()
    );
    let seen = watched(&mut world);
    keeps(&seen, 1024, 8192 + 1024);
}

#[test]
fn answers_of_ours_have_a_rate_too_and_the_next_exchange_begins_anew() {
    let mut world = http(
        "access_log off; server { listen 127.0.0.1:8080; limit_rate 100;
         location / { return 200 0123456789012345678901234567890123456789; } }",
    );
    world.client_sends(asking("/"));
    assert_eq!(world.client.received().len(), 100);
    let seen = watched(&mut world);
    keeps(&seen, 100, 100);
    let whole = world.client.received().len();
    world.client_sends(asking("/"));
    assert_eq!(world.client.received().len(), whole + 100);
    while world.exchanges.len() < 2 {
        assert!(world.elapse_to_deadline());
    }
    assert_eq!((world.exchanges[1].outcome, world.client.received().len()), (Outcome::Complete, 2 * whole));
}

#[test]
fn a_variable_says_which_rate() {
    let rate = "limit_rate $arg_rate;";
    for (rules, target, at_once) in [
        (rate, "/?rate=200", 200),
        (rate, "/?rate=1k", 1024),
        (rate, "/?rate=", usize::MAX),
        (rate, "/?rate=0", usize::MAX),
        (rate, "/?rate=fast", usize::MAX),
        ("limit_rate 100; set $limit_rate $arg_rate;", "/?rate=300", 300),
        ("limit_rate 100; set $limit_rate $arg_rate;", "/", 100),
        ("limit_rate 100; if ($arg_fast) { set $limit_rate 0; }", "/?fast=1", usize::MAX),
        ("limit_rate 100; if ($arg_fast) { set $limit_rate 0; }", "/", 100),
        ("if ($arg_slow) { set $limit_rate 150; }", "/?slow=1", 150),
        ("if ($arg_slow) { set $limit_rate 150; }", "/", usize::MAX),
    ] {
        let mut world = proxy(rules);
        world.client_sends(asking(target));
        world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n");
        world.origin_sends(vec![b'x'; 2000]);
        let received = world.client.received().len();
        assert!(
            if at_once == usize::MAX { received > 2000 } else { received == at_once },
            "{rules} {target} {received}"
        );
    }
}

/// nginx: an origin server may choose the rate of its response, where nobody has its field ignored.
#[test]
fn the_origin_server_says_which_rate() {
    let ignored = "limit_rate 100; proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate;";
    for (rules, lines, at_once) in [
        ("", "X-Accel-Limit-Rate: 200\r\n", 200),
        ("limit_rate 100;", "X-Accel-Limit-Rate: 200\r\n", 200),
        ("limit_rate 100;", "x-accel-limit-rate: 0\r\n", usize::MAX),
        ("limit_rate 100; limit_rate_after 50;", "X-Accel-Limit-Rate: 200\r\n", 250),
        ("limit_rate_after 50;", "X-Accel-Limit-Rate: 200\r\n", 250),
        // No unit, no word, and of two lines the first.
        ("limit_rate 100;", "X-Accel-Limit-Rate: 1k\r\n", 100),
        ("limit_rate 100;", "X-Accel-Limit-Rate: off\r\n", 100),
        ("limit_rate 100;", "X-Accel-Limit-Rate: \r\n", 100),
        ("", "X-Accel-Limit-Rate: 200\r\nX-Accel-Limit-Rate: 300\r\n", 200),
        ("limit_rate 100; set $limit_rate 150;", "X-Accel-Limit-Rate: 200\r\n", 200),
        (ignored, "X-Accel-Limit-Rate: 200\r\n", 100),
        ("proxy_ignore_headers X-Accel-Limit-Rate;", "X-Accel-Limit-Rate: 200\r\n", usize::MAX),
        ("proxy_ignore_headers X-Accel-Redirect;", "X-Accel-Limit-Rate: 200\r\n", 200),
    ] {
        let mut world = proxy(rules);
        world.client_sends(asking("/"));
        world.origin_sends(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2000\r\n\r\n"));
        world.origin_sends(vec![b'x'; 2000]);
        let received = world.client.received().len();
        assert!(
            if at_once == usize::MAX { received > 2000 } else { received == at_once },
            "{rules} {lines} {received}"
        );
    }
}

/// nginx's rate is none of an upgraded connection's.
#[test]
fn a_tunnel_has_no_rate() {
    let mut world = upgrading("limit_rate 10; proxy_limit_rate 10;");
    world.client_sends(UPGRADE);
    world.origin_sends(SWITCH);
    world.origin_sends(vec![b'x'; 5000]);
    assert!(world.client.received().ends_with(&[b'x'; 5000]));
}

#[test]
fn a_client_that_takes_nothing_is_a_stall_and_one_that_may_take_nothing_is_none() {
    let mut world = proxy("limit_rate 10; send_timeout 2s;");
    respond(&mut world, 100);
    world.elapse(SECOND * 3);
    assert!(world.exchanges.is_empty(), "it waits for its rate");
    world.client.set_window(0);
    world.elapse(SECOND * 3);
    assert_eq!(world.exchanges[0].outcome, Outcome::TimedOut(underpass_core::Timer::ClientSend));
}

#[test]
fn the_origin_server_is_read_at_its_rate() {
    let mut world = proxy("proxy_limit_rate 1000; proxy_read_timeout 500ms;");
    world.client_sends(asking("/"));
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    let head = world.client.received().len();
    world.origin_sends(vec![b'x'; 5000]);
    assert!(world.client.received().len() <= head + 1000);
    let seen = watched(&mut world);
    keeps(&seen, 1000, 1000 + head as u64);
    assert!((3.5..5.0).contains(&seconds(&seen)), "{seen:?}");
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
}

#[test]
fn a_stalled_origin_server_still_times_out() {
    let mut world = proxy("proxy_limit_rate 1000; proxy_read_timeout 2s;");
    world.client_sends(asking("/"));
    world.origin_sends("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    world.elapse(SECOND * 3);
    assert_eq!(world.exchanges[0].outcome, Outcome::Cut);
}

#[test]
fn a_drain_that_is_over_waits_for_no_rate() {
    let mut world = proxy("limit_rate 10;");
    respond(&mut world, 10_000);
    world.drain(Some(SECOND));
    world.elapse(SECOND);
    assert_eq!(world.exchanges[0].outcome, Outcome::Drained);
}

#[test]
fn who_is_not_let_in_hears_of_it_later() {
    for (request, handler, status) in [
        (asking("/"), "proxy_pass http://127.0.0.1:9000;", "401"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".into(), "tunnel_pass 127.0.0.1:9000;", "407"),
    ] {
        let mut world = http(&format!(
            "access_log off; server {{ listen 127.0.0.1:8080; auth_delay 5s; auth_basic a;
             auth_basic_user_file /dev/null; location / {{ {handler} }} }}"
        ));
        world.admission = Some(Admission::Refused(Refusal::Unauthorized));
        world.client_sends(request);
        world.elapse(SECOND * 5 - Duration::from_nanos(1));
        assert_eq!(world.client.received(), b"", "{status}");
        world.elapse(Duration::from_nanos(1));
        assert!(world.client.received().starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
    }
}

#[test]
fn other_refusals_are_not_delayed_and_who_leaves_is_not_waited_for() {
    let delayed = || {
        http(
            "access_log off; server { listen 127.0.0.1:8080; auth_delay 5s; auth_basic a;
             auth_basic_user_file /dev/null; location / { proxy_pass http://127.0.0.1:9000; } }",
        )
    };
    let mut forbidden = delayed();
    forbidden.admission = Some(Admission::Refused(Refusal::Forbidden));
    forbidden.client_sends(asking("/"));
    assert!(forbidden.client.received().starts_with(b"HTTP/1.1 403 "));
    let mut let_in = delayed();
    let_in.admission = Some(Admission::Granted);
    let_in.client_sends(asking("/"));
    assert_eq!(let_in.origins.len(), 1);
    let mut left = delayed();
    left.admission = Some(Admission::Refused(Refusal::Unauthorized));
    left.client_sends(asking("/"));
    left.client.reset();
    left.run();
    assert!(left.done);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the rates, the sizes, the client's pace and the order of reports: no span sees more than its worth,
    /// and all of it comes.
    #[test]
    fn rates_hold_and_all_of_it_comes(
        rate in 50_u64..20_000,
        after in prop_oneof![Just(0_u64), 1..3000_u64],
        origin_rate in prop_oneof![Just(0_u64), 200_u64..20_000],
        pieces in prop::collection::vec(0_usize..4000, 1..6),
        chunked in any::<bool>(),
        window in prop_oneof![Just(usize::MAX), 1_usize..600],
        order in prop::sample::select(Order::ALL.to_vec()),
    ) {
        let mut world = proxy(&format!(
            "limit_rate {rate}; limit_rate_after {after}; proxy_limit_rate {origin_rate}; send_timeout 1h;
             proxy_read_timeout 1h;"
        ));
        world.order = order;
        world.client_sends(asking("/"));
        let total: usize = pieces.iter().sum();
        world.client.set_window(window);
        world.origin_sends(if chunked {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n")
        });
        let mut seen = vec![(world.now().tick.0, world.client.received().len())];
        for piece in &pieces {
            let content = vec![b'x'; *piece];
            match (chunked, piece) {
                (true, 0) => {}
                (true, _) => {
                    world.origin_sends(format!("{piece:x}\r\n"));
                    world.origin_sends(content);
                    world.origin_sends("\r\n");
                }
                (false, _) => world.origin_sends(content),
            }
            seen.push((world.now().tick.0, world.client.received().len()));
        }
        if chunked {
            world.origin_sends("0\r\n\r\n");
        }
        for _ in 0..20_000 {
            if !world.exchanges.is_empty() {
                break;
            }
            world.client.set_window(window);
            world.run();
            seen.push((world.now().tick.0, world.client.received().len()));
            let writes = world.wait().is_some_and(|wait| wait.writes(Side::Downstream));
            if !writes && world.exchanges.is_empty() {
                prop_assert!(world.elapse_to_deadline());
            }
        }
        prop_assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
        let content = world.client.received().iter().filter(|byte| **byte == b'x').count();
        prop_assert!(content >= total);
        keeps(&seen, rate, rate + after);
    }
}

/// Whoever waits for a rate is waited for from when it permits something: a second for each byte is no stall.
#[test]
fn a_rate_slower_than_the_timers_stalls_nobody() {
    let mut world = proxy("limit_rate 1; limit_rate_after 1k; send_timeout 200ms;");
    respond(&mut world, 1100);
    watched(&mut world);
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
    assert!(world.client.received().ends_with(&[b'x'; 1100]));
    let mut world = proxy("proxy_limit_rate 1; proxy_read_timeout 200ms;");
    respond(&mut world, 100);
    watched(&mut world);
    assert_eq!(world.exchanges[0].outcome, Outcome::Complete);
    assert!(world.client.received().ends_with(&[b'x'; 100]));
}
