//! The rules G1, G2, G8 and G9, of a tunnel alone: frames on their way, violations, limits, counts.

mod common;

use core::{num::NonZeroU64, time::Duration};

use common::{
    demands::{INSTANT, SECOND},
    websockets::{
        CLOSE, HOUR, PING, TEXT, answers, close, closes, end, frame, got, of_side, open, pinging, report,
        sends, told, until_pinged, websocket,
    },
};
use underpass_core::{
    EndedBy, EndedHow, Event, MessageRate, Side, Timer, TunnelSettings, WebSocketSettings,
    websocket::FrameViolation,
};
use underpass_testkit::{
    frames::{Form, Frame},
    session_world::World,
};

#[test]
fn of_a_message_that_is_too_long_nothing_more_crosses() {
    for from in Side::BOTH {
        let mut settings = WebSocketSettings::default();
        settings.message_limit = NonZeroU64::new(10);
        let mut world = websocket(settings, |_| {});
        sends(&mut world, from, frame(from, 0x82, &[1; 10]));
        sends(&mut world, from, frame(from, 0x02, &[1; 6]));
        sends(&mut world, from, frame(from, PING, &[1; 100]));
        sends(&mut world, from, &frame(from, 0x80, &[1; 5])[..3]);
        sends(&mut world, from, &frame(from, 0x80, &[1; 5])[3..]);
        let crossed: Vec<u8> = got(&mut world, from.opposite()).iter().map(|found| found.first).collect();
        assert_eq!(crossed, [0x82, 0x02, PING, CLOSE], "{from:?}");
        for side in Side::BOTH {
            assert_eq!(closes(&mut world, side), [(1009, String::new())]);
            sends(&mut world, side, close(side, 1009));
        }
        world.origin_ends();
        assert_eq!((report(&world).ended, report(&world).how), (Some(EndedBy::Limit), Some(EndedHow::Close)));
    }
}

#[test]
fn messages_that_come_too_fast_wait_and_are_not_lost() {
    let mut settings = WebSocketSettings::default();
    settings.message_rate = Some(MessageRate::new(SECOND, 2));
    let mut world = websocket(settings, |_| {});
    for number in 0..6_u8 {
        world.client_sends(frame(Side::Downstream, 0x02, &[number]));
        world.client_sends(frame(Side::Downstream, 0x80, &[number]));
    }
    let mut times = Vec::new();
    while got(&mut world, Side::Upstream).len() < 12 {
        times.push(got(&mut world, Side::Upstream).len());
        world.elapse(SECOND);
    }
    assert_eq!(times, [6, 8, 10], "three at once, then one a second");
    let contents: Vec<u8> =
        got(&mut world, Side::Upstream).into_iter().flat_map(|found| found.content).collect();
    assert_eq!(contents, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    // The origin server's are not counted.
    (0..20).for_each(|_| world.origin_sends(frame(Side::Upstream, TEXT, b"x")));
    assert_eq!(got(&mut world, Side::Downstream).len(), 20);
}

#[test]
fn bytes_that_come_too_fast_are_not_read() {
    for from in Side::BOTH {
        let mut settings = TunnelSettings::default();
        (settings.limit_rate, settings.idle_timeout) = (NonZeroU64::new(1000), HOUR);
        let mut world = open(settings);
        sends(&mut world, from, vec![b'x'; 5000]);
        let mut before = end(&mut world, from.opposite()).received().len();
        assert_eq!(before, 1000, "those of one second");
        for _ in 0..4 {
            world.elapse(SECOND);
            let now = end(&mut world, from.opposite()).received().len();
            assert!((900..=1100).contains(&(now - before)), "{before} {now}");
            before = now;
        }
        world.elapse(SECOND);
        assert_eq!(end(&mut world, from.opposite()).received().len(), 5000);
    }
}

/// G8: what a limit of ours keeps back is not the peers' idleness, and no half-closed tunnel's end either (C2, C5).
#[test]
fn what_a_limit_keeps_back_is_not_lost_to_the_idle_timer() {
    let mut settings = WebSocketSettings::default();
    settings.message_rate = Some(MessageRate::new(120 * SECOND, 0));
    let mut world = websocket(settings, |_| {});
    world.client_sends(frame(Side::Downstream, TEXT, b"one"));
    world.client_sends(frame(Side::Downstream, TEXT, b"two"));
    world.elapse(120 * SECOND - INSTANT);
    assert_eq!((told(&mut world, Side::Upstream).len(), report(&world).ended), (1, None));
    world.elapse(INSTANT);
    assert_eq!(told(&mut world, Side::Upstream).len(), 2);
    assert_eq!(of_side(&report(&world), Side::Upstream).blocked, Duration::ZERO, "we kept it");
    // From here on nobody is kept back.
    world.elapse(60 * SECOND - INSTANT);
    assert_eq!(report(&world).ended, None);
    world.elapse(INSTANT);
    assert_eq!(report(&world).ended, Some(EndedBy::Timer(Timer::TunnelIdle)));

    for (from, is_half_closed) in
        [(Side::Downstream, false), (Side::Upstream, false), (Side::Downstream, true), (Side::Upstream, true)]
    {
        let mut settings = TunnelSettings::default();
        (settings.limit_rate, settings.idle_timeout) = (NonZeroU64::new(1000), SECOND / 4);
        settings.half_close_timeout = SECOND / 4;
        let mut world = open(settings);
        sends(&mut world, from, vec![b'x'; 5000]);
        if is_half_closed {
            match from {
                Side::Downstream => world.origin_ends(),
                Side::Upstream => world.client_ends(),
            }
        }
        world.elapse(5 * SECOND);
        let received = end(&mut world, from.opposite()).received().len();
        assert_eq!(received, 5000, "{from:?} {is_half_closed}");
    }
}

/// G2, G10: where frames can't be told any more, a Ping that has waited for the end of a header has no place.
#[test]
fn a_ping_that_waits_behind_the_beginning_of_a_bad_header_is_never_sent() {
    for from in Side::BOTH {
        let mut world =
            pinging(|ping| (ping.client, ping.upstream) = (from == Side::Upstream, from == Side::Downstream));
        // The length is not in its shortest form.
        let bad: &[u8] = match from {
            Side::Downstream => &[0x82, 0xfe, 0, 5, 1, 2, 3, 4],
            Side::Upstream => &[0x82, 0x7e, 0, 5],
        };
        sends(&mut world, from, &bad[..1]);
        // A Ping to the other side is due, and waits.
        world.elapse(15 * SECOND);
        sends(&mut world, from, &bad[1..]);
        sends(&mut world, from, "hello");
        let received = end(&mut world, from.opposite()).received();
        assert_eq!(received, [bad, b"hello"].concat(), "{from:?}");
    }
}

#[test]
fn a_violation_makes_the_tunnel_blind() {
    for from in Side::BOTH {
        let mut world = pinging(|_| {});
        let broken = Frame { first: 0x83, mask: None, content: b"abc".to_vec() }.bytes_with(Form::Shortest);
        sends(&mut world, from, frame(from, TEXT, b"fine"));
        sends(&mut world, from, &broken);
        sends(&mut world, from, "anything");
        let expected = [frame(from, TEXT, b"fine"), broken, b"anything".to_vec()].concat();
        assert_eq!(end(&mut world, from.opposite()).received(), expected);
        let told: Vec<Event> = world.notes.iter().map(|(event, _)| *event).collect();
        assert_eq!(told, [Event::FrameViolation(from, FrameViolation::ReservedOpcode)]);
        world.elapse(30 * SECOND);
        assert_eq!(end(&mut world, from.opposite()).received(), expected, "nothing is put in any more");
        assert!(end(&mut world, from).received().is_empty());
    }
}

#[test]
fn where_violations_are_not_borne_both_sides_are_told() {
    for from in Side::BOTH {
        let mut settings = WebSocketSettings::default();
        settings.strict = true;
        let mut world = websocket(settings, |_| {});
        sends(&mut world, from, frame(from, TEXT, b"fine"));
        sends(&mut world, from, b"\x83");
        sends(&mut world, from, "anything");
        for side in Side::BOTH {
            assert_eq!(closes(&mut world, side), [(1002, String::new())]);
        }
        let other = from.opposite();
        assert_eq!(got(&mut world, other).len(), 2);
        sends(&mut world, other, close(other, 1002));
        if other == Side::Upstream {
            world.origin_ends();
        }
        assert!(world.done, "the violator's Close isn't waited for");
        assert_eq!(
            (report(&world).ended, report(&world).how),
            (Some(EndedBy::Violation(from)), Some(EndedHow::Close))
        );
    }
}

#[test]
fn frames_messages_and_codes_are_counted_by_side() {
    let mut world = pinging(|_| {});
    world.client_sends(frame(Side::Downstream, 0x01, b"a"));
    world.client_sends(frame(Side::Downstream, PING, b""));
    world.client_sends(frame(Side::Downstream, 0x80, b"b"));
    world.client_sends(frame(Side::Downstream, TEXT, b"c"));
    world.origin_sends(frame(Side::Upstream, CLOSE, b""));
    world.client_sends(close(Side::Downstream, 4999));
    world.origin_ends();
    world.client_ends();
    assert!(world.done);
    let report = report(&world);
    let counts = |side: underpass_core::SideReport| side.frames.map(|count| (count.frames, count.messages));
    assert_eq!((counts(report.client), counts(report.upstream)), (Some((5, 2)), Some((1, 0))));
    assert_eq!((report.client.close, report.upstream.close), (Some(4999), Some(1005)));
    assert_eq!((report.ended, report.how), (Some(EndedBy::Upstream), Some(EndedHow::Close)));
}

#[test]
fn how_a_tunnel_ends_by_itself() {
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    world.client_ends();
    world.origin_ends();
    assert_eq!(report(&world).how, Some(EndedHow::Fin));
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    world.client.reset();
    world.run();
    world.origin_ends();
    assert_eq!((report(&world).ended, report(&world).how), (Some(EndedBy::Client), Some(EndedHow::Reset)));
}

#[test]
fn a_side_is_silent_until_its_end_and_no_longer() {
    fn ends(world: &mut World, side: Side) {
        match side {
            Side::Downstream => world.client_ends(),
            Side::Upstream => world.origin_ends(),
        }
    }
    fn fails(world: &mut World, side: Side) {
        end(world, side).reset();
        world.run();
    }
    for leaves in [ends, fails] {
        for side in Side::BOTH {
            let mut world = websocket(WebSocketSettings::default(), |settings| {
                (settings.idle_timeout, settings.half_close_timeout) = (HOUR, HOUR);
            });
            sends(&mut world, side.opposite(), frame(side.opposite(), TEXT, b"a"));
            world.elapse(20 * SECOND);
            leaves(&mut world, side);
            assert_eq!(of_side(&report(&world), side).silence, 20 * SECOND, "{side:?}");
            world.elapse(30 * SECOND);
            ends(&mut world, side.opposite());
            assert!(world.done);
            assert_eq!(of_side(&report(&world), side).silence, 20 * SECOND, "it had left: {side:?}");
        }
    }
}

#[test]
fn the_silence_of_a_dead_side_is_counted_to_its_end() {
    for side in Side::BOTH {
        let mut world = pinging(|ping| {
            (ping.client, ping.upstream) = (side == Side::Downstream, side == Side::Upstream);
        });
        world.elapse(20 * SECOND);
        let report = report(&world);
        assert_eq!(report.ended, Some(EndedBy::Ping(side)));
        assert!(of_side(&report, side).silence >= 19 * SECOND, "{side:?}: {report:?}");
    }
}

#[test]
fn a_side_that_fails_was_blocked_until_then() {
    for side in Side::BOTH {
        let mut world = websocket(WebSocketSettings::default(), |settings| settings.idle_timeout = HOUR);
        end(&mut world, side).set_window(10);
        sends(&mut world, side.opposite(), frame(side.opposite(), 0x82, &[1; 100]));
        world.elapse(20 * SECOND);
        end(&mut world, side).reset();
        world.run();
        assert_eq!(of_side(&report(&world), side).blocked, 20 * SECOND, "{side:?}");
    }
    let mut world = pinging(|ping| ping.upstream = false);
    until_pinged(&mut world, Side::Downstream);
    world.client.set_window(0);
    world.origin_sends(frame(Side::Upstream, TEXT, b"for somebody who is gone"));
    world.elapse(10 * SECOND);
    assert_eq!(report(&world).ended, Some(EndedBy::Ping(Side::Downstream)));
    assert!(report(&world).client.blocked >= 10 * SECOND - INSTANT, "{:?}", report(&world));
}

// Progress (G9).

#[test]
fn lines_about_progress_are_asked_for_in_time() {
    let mut world = websocket(WebSocketSettings::default(), |settings| settings.log_every = Some(7 * SECOND));
    world.elapse(7 * SECOND - INSTANT);
    assert_eq!(world.tunnel_lines, []);
    world.elapse(22 * SECOND);
    assert_eq!(world.tunnel_lines.len(), 4);
}

#[test]
fn each_byte_passes_as_soon_as_it_comes() {
    for from in Side::BOTH {
        let mut world = websocket(WebSocketSettings::default(), |_| {});
        let stream = [
            frame(from, TEXT, b"hello"),
            frame(from, 0x02, &[7; 300]),
            frame(from, 0x80, &vec![8; 70_000]),
            frame(from, TEXT, b""),
        ]
        .concat();
        for (at, byte) in stream.iter().enumerate().take(400) {
            sends(&mut world, from, [*byte]);
            assert_eq!(end(&mut world, from.opposite()).received().len(), at + 1);
        }
        sends(&mut world, from, &stream[400..]);
        assert_eq!(end(&mut world, from.opposite()).received(), stream);
        let counted = of_side(&report(&world), from).frames.expect("they are looked at");
        assert_eq!((counted.frames, counted.messages), (4, 3));
    }
}

#[test]
fn an_answer_behind_a_header_in_pieces_is_swallowed() {
    let mut world = pinging(|ping| ping.upstream = false);
    until_pinged(&mut world, Side::Downstream);
    // A continuation in pieces: its first byte is zero.
    world.client_sends(frame(Side::Downstream, 0x02, b"x"));
    let long = frame(Side::Downstream, 0x00, &[5; 14]);
    world.client_sends(&long[..1]);
    world.client_sends(&long[1..2]);
    world.client_sends(&long[2..]);
    let ping = frame(Side::Downstream, PING, b"mine");
    world.client_sends(&ping);
    answers(&mut world, Side::Downstream);
    assert!(world.origin().received().ends_with(&[long, ping].concat()));
    assert!(world.notes.is_empty(), "{:?}", world.notes);
}

/// A long frame may be moved past the machine, which sees the next boundary nevertheless: a Ping is put in there.
#[test]
fn what_is_left_of_a_frame_may_be_moved_past_the_machine() {
    let may = |world: &World, from: Side| world.wait().expect("it waits").relays(from);
    for from in Side::BOTH {
        for length in [1_u64, 200, 70_000] {
            let mut world = pinging(|ping| ping.timeout = HOUR);
            assert_eq!(may(&world, from), 0, "a header is to come");
            let bytes = frame(from, 0x82, &vec![7; usize::try_from(length).expect("it is small")]);
            let header = bytes.len() - usize::try_from(length).expect("it is small");
            sends(&mut world, from, &bytes[..header]);
            assert_eq!(may(&world, from), length);
            world.splices = true;
            sends(&mut world, from, &bytes[header..bytes.len() - 1]);
            assert_eq!(may(&world, from), 1);
            world.elapse(10 * SECOND);
            let to = from.opposite();
            assert_eq!(end(&mut world, to).received().len(), bytes.len() - 1, "there is no place");
            sends(&mut world, from, &bytes[bytes.len() - 1..]);
            assert_eq!(may(&world, from), 0);
            let firsts: Vec<u8> = got(&mut world, to).iter().map(|found| found.first).collect();
            assert_eq!(firsts, [0x82, PING], "{from:?} {length}");
        }
    }
}
