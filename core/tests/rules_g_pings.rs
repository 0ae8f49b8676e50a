//! The rules G3 and G4, of a tunnel alone: Pings, and a client that is silent.

mod common;

use common::{
    demands::{INSTANT, SECOND},
    websockets::{
        HOUR, PING, PONG, TEXT, answers, close, closes, end, frame, got, of_side, pinged, pinging, pings,
        report, sends, told, until_pinged, websocket,
    },
};
use underpass_core::{EndedBy, EndedHow, Ending, PingSettings, Side, Timer, WebSocketSettings};

#[test]
fn a_silent_side_is_sent_a_ping_and_its_answer_goes_no_further() {
    let mut world = pinging(|_| {});
    world.elapse(9 * SECOND - INSTANT);
    assert_eq!([pings(&mut world, Side::Downstream), pings(&mut world, Side::Upstream)], [0, 0]);
    until_pinged(&mut world, Side::Downstream);
    world.elapse(SECOND + INSTANT);
    for side in Side::BOTH {
        let frames = got(&mut world, side);
        let [ping] = &*frames else { panic!("{frames:?}") };
        assert_eq!((ping.first, ping.mask.is_some(), ping.content.len()), (PING, side == Side::Upstream, 12));
    }
    world.elapse(2 * SECOND);
    for side in Side::BOTH {
        answers(&mut world, side);
        assert!(!told(&mut world, side.opposite()).iter().any(|(first, _)| *first == PONG), "{side:?}");
        let of_side = of_side(&report(&world), side);
        assert_eq!(of_side.frames.expect("they are looked at").frames, 0);
        assert!((2 * SECOND..=3 * SECOND).contains(&of_side.ping.expect("it was answered")), "{of_side:?}");
        assert!(of_side.silence >= 11 * SECOND, "{of_side:?}");
    }
    let report = report(&world);
    assert_eq!((report.from_client, report.to_client), (18, 14), "they count in bytes");
}

#[test]
fn pings_keep_a_tunnel_open_as_long_as_its_peers_answer() {
    let mut world = pinging(|_| {});
    for _ in 0..60 {
        world.elapse(8 * SECOND);
        for side in Side::BOTH {
            if pings(&mut world, side) > 0 {
                answers(&mut world, side);
            }
        }
        assert!(!world.done);
    }
    // A Ping alone keeps nothing open (C5): the first unanswered one is the end of it.
    world.elapse(10 * SECOND + 10 * SECOND);
    assert!(matches!(report(&world).ended, Some(EndedBy::Ping(_))), "{:?}", report(&world));
}

#[test]
fn a_ping_is_no_activity() {
    let mut world = pinging(|ping| ping.timeout = HOUR);
    world.elapse(60 * SECOND - INSTANT);
    assert!(!world.done && pings(&mut world, Side::Downstream) == 1, "one is out at a time");
    world.elapse(INSTANT);
    assert_eq!(report(&world).ended, Some(EndedBy::Timer(Timer::TunnelIdle)));
}

#[test]
fn payloads_are_all_different_and_intervals_are_shortened_by_chance() {
    let mut world = pinging(|_| {});
    let (mut payloads, mut spans) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let begin = world.now().tick;
        let before = pings(&mut world, Side::Downstream);
        while pings(&mut world, Side::Downstream) == before {
            assert!(world.elapse_to_deadline());
            if pings(&mut world, Side::Upstream) > 0 {
                answers(&mut world, Side::Upstream);
            }
        }
        spans.push(world.now().tick.since(begin));
        payloads.push(pinged(&mut world, Side::Downstream));
        answers(&mut world, Side::Downstream);
    }
    payloads.sort();
    payloads.dedup();
    assert_eq!(payloads.len(), 40);
    assert!(spans.iter().all(|span| (9 * SECOND..=10 * SECOND).contains(span)), "{spans:?}");
    let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
    assert!(*most - *least > SECOND / 2, "{spans:?}");
}

#[test]
fn late_and_doubled_answers_are_swallowed_and_others_pass() {
    let mut world = pinging(|ping| ping.upstream = false);
    world.elapse(10 * SECOND);
    let first = pinged(&mut world, Side::Downstream);
    // Another sign of life, so that the next Ping goes out.
    world.client_sends(frame(Side::Downstream, TEXT, b"hi"));
    world.elapse(10 * SECOND);
    assert_eq!(pings(&mut world, Side::Downstream), 2);
    let second = pinged(&mut world, Side::Downstream);
    let mut unknown = first.clone();
    unknown[0] = 2;
    let mut forged = first.clone();
    forged[11] ^= 1;
    for payload in [&second, &first, &first, &second] {
        world.client_sends(frame(Side::Downstream, PONG, payload));
    }
    let passes: [&[u8]; 4] = [&unknown, &forged, b"", &first[..11]];
    for payload in passes {
        world.client_sends(frame(Side::Downstream, PONG, payload));
    }
    let expected: Vec<(u8, Vec<u8>)> = std::iter::once((TEXT, b"hi".to_vec()))
        .chain(passes.map(|payload| (PONG, payload.to_vec())))
        .collect();
    assert_eq!(told(&mut world, Side::Upstream), expected);
}

#[test]
fn only_the_sides_that_are_named_are_sent_pings() {
    for side in Side::BOTH {
        let mut world =
            pinging(|ping| (ping.client, ping.upstream) = (side == Side::Downstream, side == Side::Upstream));
        world.elapse(10 * SECOND);
        assert_eq!([side, side.opposite()].map(|side| pings(&mut world, side)), [1, 0]);
    }
}

#[test]
fn a_dead_side_is_reset_and_the_other_is_told() {
    for (dead, code) in [(Side::Downstream, 1001), (Side::Upstream, 1011)] {
        let mut world = pinging(|ping| ping.timeout = 3 * SECOND);
        let other = dead.opposite();
        world.elapse(10 * SECOND);
        answers(&mut world, other);
        world.elapse(3 * SECOND);
        assert_eq!(closes(&mut world, other), [(code, String::new())]);
        assert_eq!(closes(&mut world, dead), []);
        assert!(!world.done, "the other answers");
        sends(&mut world, other, close(other, code));
        if other == Side::Upstream {
            world.origin_ends();
        }
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Ping(dead)), Some(EndedHow::Close)));
        assert_eq!(of_side(&report, dead).ending, Ending::Reset);
        assert_eq!(end(&mut world, dead).saw(), Some(Ending::Reset));
        assert_eq!(end(&mut world, other).saw(), Some(Ending::Fin));
        let line = if dead == Side::Downstream { "the client gave" } else { "the origin server gave" };
        assert!(world.notes.iter().any(|(_, text)| text.contains(line)), "{:?}", world.notes);
    }
}

#[test]
fn any_byte_within_the_time_is_a_sign_of_life() {
    let mut world = pinging(|ping| (ping.timeout, ping.upstream) = (3 * SECOND, false));
    until_pinged(&mut world, Side::Downstream);
    world.elapse(3 * SECOND - INSTANT);
    let long = frame(Side::Downstream, 0x82, &[7; 200]);
    world.client_sends(&long[..1]);
    world.elapse(9 * SECOND - INSTANT);
    assert!(!world.done && report(&world).ended.is_none());
    assert_eq!(pings(&mut world, Side::Downstream), 1);
}

#[test]
fn the_time_for_an_answer_begins_when_the_ping_was_sent() {
    let mut world = pinging(|ping| (ping.timeout, ping.upstream) = (3 * SECOND, false));
    world.client.set_window(5);
    world.elapse(30 * SECOND);
    assert_eq!(report(&world).ended, None);
    world.client.set_window(usize::MAX);
    world.run();
    world.elapse(3 * SECOND - INSTANT);
    assert_eq!((report(&world).ended, pings(&mut world, Side::Downstream)), (None, 1));
    world.elapse(INSTANT);
    assert_eq!(closes(&mut world, Side::Upstream), [(1001, String::new())]);
}

#[test]
fn a_relayed_ping_that_is_unanswered_serves_as_ours() {
    let mut world = pinging(|ping| (ping.timeout, ping.upstream) = (3 * SECOND, false));
    world.origin_sends(frame(Side::Upstream, PING, b"theirs"));
    world.elapse(10 * SECOND);
    assert_eq!(told(&mut world, Side::Downstream), [(PING, b"theirs".to_vec())]);
    // Its answer passes, and the next interval brings one of ours.
    world.client_sends(frame(Side::Downstream, PONG, b"theirs"));
    assert_eq!(told(&mut world, Side::Upstream), [(PONG, b"theirs".to_vec())]);
    world.elapse(10 * SECOND);
    assert_eq!(pings(&mut world, Side::Downstream), 2);
    answers(&mut world, Side::Downstream);
    // Without an answer the side is dead.
    world.origin_sends(frame(Side::Upstream, PING, b"again"));
    world.elapse(13 * SECOND);
    assert_eq!(closes(&mut world, Side::Upstream), [(1001, String::new())]);
}

#[test]
fn the_time_for_the_answer_to_a_relayed_ping_begins_when_it_was_sent() {
    let mut world = pinging(|ping| (ping.timeout, ping.upstream) = (3 * SECOND, false));
    world.client.set_window(100);
    world.origin_sends(frame(Side::Upstream, 0x82, &[0; 120]));
    world.origin_sends(frame(Side::Upstream, PING, b"theirs"));
    // The client takes a little now and then: it is slow, and can't have seen the Ping.
    for _ in 0..5 {
        world.elapse(9 * SECOND);
        assert_eq!(report(&world).ended, None);
        world.client.set_window(1);
        world.run();
    }
    world.client.set_window(usize::MAX);
    world.run();
    assert_eq!(pings(&mut world, Side::Downstream), 1);
    world.elapse(3 * SECOND - INSTANT);
    assert_eq!(report(&world).ended, None);
    world.elapse(INSTANT);
    assert_eq!(closes(&mut world, Side::Upstream), [(1001, String::new())]);
}

#[test]
fn the_clocks_of_a_side_that_is_not_read_stand_still() {
    let mut settings = WebSocketSettings::default();
    let mut ping = PingSettings::every(10 * SECOND);
    ping.upstream = false;
    settings.ping = Some(ping);
    settings.client_silence = Some(30 * SECOND);
    let mut world = websocket(settings, |settings| {
        (settings.upstream_send_timeout, settings.idle_timeout) = (HOUR, HOUR);
    });
    // The origin server takes nothing, until the buffer is full.
    world.elapse(4 * SECOND);
    world.origin().set_window(0);
    world.client_sends(frame(Side::Downstream, 0x82, &vec![1; 40_000]));
    assert!(!world.wait().expect("it waits").reads(Side::Downstream));
    for _ in 0..10 {
        world.elapse(9 * SECOND);
        world.origin_sends(frame(Side::Upstream, PONG, b""));
    }
    assert_eq!((pings(&mut world, Side::Downstream), report(&world).ended), (0, None));
    world.origin().set_window(usize::MAX);
    world.run();
    world.elapse(9 * SECOND - INSTANT);
    assert_eq!((pings(&mut world, Side::Downstream), report(&world).ended), (0, None));
    world.elapse(SECOND + INSTANT);
    assert_eq!((pings(&mut world, Side::Downstream), report(&world).ended), (1, None));
}

#[test]
fn a_side_that_has_ended_or_said_close_is_neither_pinged_nor_dead() {
    for says_close in [true, false] {
        let mut world = pinging(|ping| ping.timeout = 3 * SECOND);
        if says_close {
            world.client_sends(close(Side::Downstream, 1000));
        } else {
            world.client_ends();
        }
        world.elapse(30 * SECOND);
        assert_eq!((pings(&mut world, Side::Downstream), pings(&mut world, Side::Upstream)), (0, 0));
        assert_eq!((report(&world).ended, world.done), (Some(EndedBy::Client), false));
    }
}

#[test]
fn a_ping_stands_between_frames_and_between_the_fragments_of_a_message() {
    let mut world = pinging(|ping| ping.timeout = HOUR);
    let fragment = frame(Side::Upstream, 0x02, b"abcdef");
    world.origin_sends(&fragment[..4]);
    world.elapse(20 * SECOND);
    assert_eq!(end(&mut world, Side::Downstream).received(), &fragment[..4], "a frame is under way");
    world.origin_sends(&fragment[4..]);
    world.origin_sends(frame(Side::Upstream, 0x80, b"g"));
    let frames: Vec<u8> = got(&mut world, Side::Downstream).iter().map(|found| found.first).collect();
    assert_eq!(frames, [0x02, PING, 0x80]);
}

#[test]
fn a_client_that_only_answers_pings_is_silent() {
    let mut settings = WebSocketSettings::default();
    settings.ping = Some(PingSettings::every(10 * SECOND));
    settings.client_silence = Some(25 * SECOND);
    let mut world = websocket(settings, |_| {});
    world.client_sends(frame(Side::Downstream, TEXT, b"hi"));
    for _ in 0..5 {
        world.elapse(5 * SECOND - INSTANT);
        world.client_sends(frame(Side::Downstream, PONG, b"I am here"));
        world.client_sends(frame(Side::Downstream, PING, b"are you?"));
        world.origin_sends(frame(Side::Upstream, TEXT, b"say something"));
        assert_eq!(report(&world).ended, None);
        assert!(closes(&mut world, Side::Downstream).is_empty());
    }
    world.elapse(5 * INSTANT);
    assert_eq!(closes(&mut world, Side::Downstream), [(1001, "silent".into())]);
    assert_eq!(closes(&mut world, Side::Upstream), [(1001, String::new())]);
}
