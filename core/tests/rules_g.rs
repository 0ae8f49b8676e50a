//! The rules G, of a tunnel alone: Pings, closes, drains, limits, counts. What peers get is read by an independent
//! reader of frames.

mod common;

use core::{num::NonZeroU64, time::Duration};

use common::demands::{INSTANT, SECOND};
use underpass_core::{
    DrainSettings, Draining, EndedBy, EndedHow, Ending, Event, Farewell, Lifetime, MessageRate, PingSettings,
    Side, Timer, TunnelReport, TunnelSettings, WebSocketSettings,
    websocket::{CloseCode, FrameViolation},
};
use underpass_testkit::{
    frames::{Form, Found, Frame, read},
    session_world::{End, World},
};

const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;
const TEXT: u8 = 0x81;
const HOUR: Duration = Duration::from_secs(3600);

/// A tunnel of WebSocket with these settings.
fn websocket(websocket: WebSocketSettings, change: impl FnOnce(&mut TunnelSettings)) -> World {
    let mut settings = TunnelSettings::default();
    settings.websocket = Some(websocket);
    change(&mut settings);
    open(settings)
}

fn open(settings: TunnelSettings) -> World {
    let mut world = World::tunnel(settings, [b"", b""]);
    world.run();
    world.notes.clear();
    world
}

fn pinging(change: impl FnOnce(&mut PingSettings)) -> World {
    let mut ping = PingSettings::every(10 * SECOND);
    change(&mut ping);
    let mut settings = WebSocketSettings::default();
    settings.ping = Some(ping);
    websocket(settings, |_| {})
}

fn end(world: &mut World, side: Side) -> &mut End {
    match side {
        Side::Downstream => &mut world.client,
        Side::Upstream => world.origin(),
    }
}

fn sends(world: &mut World, side: Side, bytes: impl AsRef<[u8]>) {
    match side {
        Side::Downstream => world.client_sends(bytes),
        Side::Upstream => world.origin_sends(bytes),
    }
}

/// A frame as this side sends it.
fn frame(from: Side, first: u8, content: &[u8]) -> Vec<u8> {
    let mask = (from == Side::Downstream).then_some([1, 2, 3, 4]);
    Frame { first, mask, content: content.to_vec() }.bytes()
}

fn close(from: Side, code: u16) -> Vec<u8> {
    frame(from, CLOSE, &code.to_be_bytes())
}

/// The frames that a side has got: whatever is no frame is a failure.
fn got(world: &mut World, side: Side) -> Vec<Found> {
    let bytes = end(world, side).received().to_vec();
    let reading = read(side.opposite(), &bytes);
    assert_eq!((reading.violation, reading.taken), (None, bytes.len()), "{side:?} got {bytes:?}");
    reading.frames
}

/// What a side has got: the first byte of each frame, and its content.
fn told(world: &mut World, side: Side) -> Vec<(u8, Vec<u8>)> {
    got(world, side).into_iter().map(|found| (found.first, found.content)).collect()
}

/// The codes and reasons of the Closes that a side has got.
fn closes(world: &mut World, side: Side) -> Vec<(u16, String)> {
    let frames = got(world, side);
    let closes = frames.into_iter().filter(|found| found.first == CLOSE);
    closes
        .map(|found| {
            (found.code.expect("a code"), String::from_utf8(found.content[2..].to_vec()).expect("text"))
        })
        .collect()
}

/// The payload of the last Ping that a side has got.
fn pinged(world: &mut World, side: Side) -> Vec<u8> {
    let frames = got(world, side);
    frames.into_iter().rev().find(|found| found.first == PING).expect("a Ping").content
}

fn pings(world: &mut World, side: Side) -> usize {
    got(world, side).iter().filter(|found| found.first == PING).count()
}

/// Lets time pass until the side gets a Ping.
fn until_pinged(world: &mut World, side: Side) {
    let before = pings(world, side);
    while pings(world, side) == before {
        assert!(world.elapse_to_deadline(), "a Ping is to come");
    }
}

fn answers(world: &mut World, side: Side) {
    let payload = pinged(world, side);
    sends(world, side, frame(side, PONG, &payload));
}

fn report(world: &World) -> TunnelReport {
    world.session.tunnel_report().expect("it is a tunnel")
}

fn of_side(report: &TunnelReport, side: Side) -> underpass_core::SideReport {
    match side {
        Side::Downstream => report.client,
        Side::Upstream => report.upstream,
    }
}

// Pings (G3).

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

// Silence (G4).

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

// Closing (G5).

/// Ends a tunnel of its own wish: by its age.
fn aged(change: impl FnOnce(&mut TunnelSettings)) -> World {
    websocket(WebSocketSettings::default(), |settings| {
        settings.max_lifetime = Some(Lifetime::new(20 * SECOND, 0));
        change(settings);
    })
}

const GOODBYE: (u16, &str) = (1012, "service restart");

fn goodbye() -> [(u16, String); 1] {
    [(GOODBYE.0, GOODBYE.1.into())]
}

#[test]
fn each_side_is_told_and_its_answer_awaited_then_its_connection_ends_in_order() {
    for first in Side::BOTH {
        let mut world = aged(|_| {});
        world.elapse(20 * SECOND - INSTANT);
        assert_eq!(
            [closes(&mut world, Side::Downstream), closes(&mut world, Side::Upstream)],
            [vec![], vec![]]
        );
        world.elapse(INSTANT);
        for side in Side::BOTH {
            assert_eq!(closes(&mut world, side), goodbye());
            // What a side still sends goes nowhere.
            sends(&mut world, side, frame(side, TEXT, b"too late"));
        }
        for side in [first, first.opposite()] {
            sends(&mut world, side, close(side, 1012));
        }
        assert_eq!(world.client.saw(), Some(Ending::Fin), "we end the client's connection first");
        assert_eq!(world.origin().saw(), None, "the origin server ends its connection first");
        assert!(!world.done);
        world.origin_ends();
        assert!(world.done && world.origin().saw() == Some(Ending::Fin));
        for side in Side::BOTH {
            assert_eq!(got(&mut world, side).len(), 1, "nothing stands behind a Close");
        }
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Lifetime), Some(EndedHow::Close)));
        assert_eq!((report.client.close, report.upstream.close, report.cut), (Some(1012), Some(1012), false));
    }
}

#[test]
fn what_is_left_of_a_frame_goes_first() {
    let mut world = aged(|_| {});
    let long = frame(Side::Upstream, 0x82, &[3; 300]);
    world.origin_sends(&long[..100]);
    world.elapse(20 * SECOND);
    assert_eq!(closes(&mut world, Side::Upstream), goodbye());
    assert_eq!(world.client.received().len(), 100);
    world.origin_sends(&long[100..]);
    world.origin_sends(frame(Side::Upstream, TEXT, b"too late"));
    let frames = told(&mut world, Side::Downstream);
    assert_eq!(frames.iter().map(|(first, _)| *first).collect::<Vec<_>>(), [0x82, CLOSE]);
}

#[test]
fn a_peer_that_has_said_close_is_answered_once() {
    let mut world = aged(|_| {});
    world.client_sends(close(Side::Downstream, 1000));
    world.elapse(20 * SECOND);
    assert_eq!(closes(&mut world, Side::Upstream), [(1000, String::new())], "its own has passed there");
    assert_eq!(closes(&mut world, Side::Downstream), goodbye());
    assert_eq!(world.client.saw(), Some(Ending::Fin), "it has said Close");
    world.origin_sends(close(Side::Upstream, 1000));
    assert_eq!(closes(&mut world, Side::Downstream).len(), 1);
    world.origin_ends();
    assert!(world.done);
}

#[test]
fn closing_has_a_bound_whoever_answers() {
    for (answering, boundary) in
        [(None, true), (Some(Side::Downstream), true), (Some(Side::Upstream), true), (None, false)]
    {
        let mut world = aged(|settings| settings.close_timeout = 3 * SECOND);
        if !boundary {
            world.origin_sends(&frame(Side::Upstream, 0x82, &[3; 300])[..100]);
        }
        world.elapse(20 * SECOND);
        if let Some(side) = answering {
            sends(&mut world, side, close(side, 1000));
        }
        world.elapse(3 * SECOND - INSTANT);
        assert!(!world.done);
        world.elapse(INSTANT);
        assert!(world.done, "{answering:?} {boundary}");
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Lifetime), Some(EndedHow::Timeout)));
        assert_eq!([report.client.ending, report.upstream.ending], [Ending::Fin; 2]);
    }
}

#[test]
fn a_side_that_leaves_while_it_is_told_is_not_awaited() {
    let mut world = aged(|_| {});
    world.elapse(20 * SECOND);
    world.client.reset();
    world.run();
    world.origin_sends(close(Side::Upstream, 1012));
    world.origin_ends();
    assert!(world.done);
    assert_eq!(report(&world).ended, Some(EndedBy::Lifetime));
}

#[test]
fn an_idle_timer_says_close_and_waits_for_nothing() {
    for (name, timer) in [("idle", Timer::TunnelIdle), ("half-close", Timer::HalfClose)] {
        let mut world = websocket(WebSocketSettings::default(), |settings| {
            settings.half_close_timeout = 7 * SECOND;
        });
        if timer == Timer::HalfClose {
            world.client_ends();
        }
        world.elapse(60 * SECOND);
        assert!(world.done, "{name}");
        assert_eq!(closes(&mut world, Side::Downstream), [(1001, String::new())]);
        let upstream = if timer == Timer::HalfClose { vec![] } else { vec![(1001, String::new())] };
        assert_eq!(closes(&mut world, Side::Upstream), upstream, "its stream has been ended");
        let report = report(&world);
        assert_eq!((report.ended, report.how), (Some(EndedBy::Timer(timer)), Some(EndedHow::Timeout)));
        assert_eq!(report.ended.expect("it has").word(), name);
    }
}

#[test]
fn a_send_timer_tells_the_side_that_takes_something() {
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    world.client.set_window(10);
    world.origin_sends(frame(Side::Upstream, 0x82, &[1; 100]));
    world.elapse(60 * SECOND);
    assert!(world.done);
    assert_eq!(report(&world).ended, Some(EndedBy::Timer(Timer::ClientSend)));
    assert_eq!(world.client.received().len(), 10, "no place between two frames");
    assert_eq!(closes(&mut world, Side::Upstream), [(1001, String::new())]);
    assert!(report(&world).client.blocked >= 60 * SECOND);
}

#[test]
fn where_a_reset_is_wanted_nothing_is_said_before() {
    let mut world =
        websocket(WebSocketSettings::default(), |settings| settings.reset_timedout_connection = true);
    world.elapse(60 * SECOND);
    assert!(world.done && world.client.received().is_empty());
    assert_eq!([world.client.saw(), world.origin().saw()], [Some(Ending::Reset); 2]);
}

// Draining (G6).

fn drains(world: &mut World, draining: Draining) {
    let (session, mut turn) = world.parts();
    session.handle_drain(draining, &mut turn);
    world.run();
}

fn draining(change: impl FnOnce(&mut DrainSettings)) -> World {
    websocket(WebSocketSettings::default(), |settings| {
        settings.idle_timeout = HOUR;
        settings.drain.window = Some(100 * SECOND);
        change(&mut settings.drain);
    })
}

#[test]
fn a_drain_comes_at_a_moment_within_the_window() {
    let farewell = Farewell::new(CloseCode::new(4000).expect("it may be said"), "bye").expect("it fits");
    let mut world = draining(|drain| drain.close = farewell);
    drains(&mut world, Draining::Quit(None));
    let begin = world.now().tick;
    assert!(world.elapse_to_deadline());
    assert!(world.now().tick.since(begin) <= 100 * SECOND);
    for side in Side::BOTH {
        assert_eq!(closes(&mut world, side), [(4000, "bye".into())]);
        sends(&mut world, side, close(side, 4000));
    }
    world.origin_ends();
    assert_eq!((report(&world).ended, report(&world).how), (Some(EndedBy::Drain), Some(EndedHow::Close)));
}

#[test]
fn drains_are_spread() {
    let moment = |number: u8| {
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(WebSocketSettings::default());
        (settings.idle_timeout, settings.drain.window) = (HOUR, Some(100 * SECOND));
        let secret = underpass_core::TunnelSecret::new([number; 16]);
        let mut world = World::tunnel_with(settings, secret, [b"", b""]);
        drains(&mut world, Draining::Quit(None));
        let begin = world.now().tick;
        assert!(world.elapse_to_deadline());
        world.now().tick.since(begin).as_secs() / 10
    };
    let mut tenths = [0; 10];
    for number in 0..200 {
        tenths[usize::try_from(moment(number)).expect("within the window")] += 1;
    }
    assert!(tenths.iter().all(|count| (8..=35).contains(count)), "{tenths:?}");
}

#[test]
fn a_reload_drains_where_that_is_wanted() {
    for on_reload in [false, true] {
        let mut world = draining(|drain| drain.on_reload = on_reload);
        drains(&mut world, Draining::Reload(None));
        world.elapse(100 * SECOND);
        assert_eq!(closes(&mut world, Side::Downstream).len(), usize::from(on_reload));
    }
    let mut world = draining(|drain| drain.window = None);
    drains(&mut world, Draining::Quit(None));
    world.elapse(HOUR - SECOND);
    assert!(closes(&mut world, Side::Downstream).is_empty(), "without a window tunnels live until they end");
}

#[test]
fn a_shutdown_waits_for_answers_no_longer_than_two_seconds() {
    for (timeout, waits) in [(5 * SECOND, 2 * SECOND), (SECOND, SECOND)] {
        let mut world = websocket(WebSocketSettings::default(), |settings| settings.close_timeout = timeout);
        let until = world.now().tick.after(4 * SECOND);
        drains(&mut world, Draining::Quit(Some(until)));
        world.elapse(4 * SECOND);
        assert_eq!(closes(&mut world, Side::Upstream), goodbye());
        world.elapse(waits - INSTANT);
        assert!(!world.done);
        world.elapse(INSTANT);
        assert!(world.done);
        assert_eq!(
            (report(&world).ended, report(&world).how),
            (Some(EndedBy::Shutdown), Some(EndedHow::Timeout))
        );
    }
}

#[test]
fn a_stop_says_close_where_a_socket_takes_it_now() {
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    drains(&mut world, Draining::Stop);
    assert!(world.done);
    for side in Side::BOTH {
        assert_eq!(closes(&mut world, side), goodbye());
    }
    let mut world = websocket(WebSocketSettings::default(), |_| {});
    world.client.set_window(3);
    world.origin_sends(&frame(Side::Upstream, 0x82, &[1; 100])[..50]);
    drains(&mut world, Draining::Stop);
    assert!(world.done, "nothing is awaited");
    assert_eq!(world.client.received().len(), 3);
}

#[test]
fn other_protocols_are_half_closed_at_their_moment() {
    let mut settings = TunnelSettings::default();
    (settings.idle_timeout, settings.drain.window) = (HOUR, Some(100 * SECOND));
    let mut world = open(settings);
    world.client_sends("opaque");
    drains(&mut world, Draining::Quit(None));
    assert!(world.elapse_to_deadline());
    assert_eq!([world.client.saw(), world.origin().saw()], [Some(Ending::Fin); 2]);
    assert!(!world.done);
    world.elapse(5 * SECOND);
    assert!(world.done);
    assert_eq!((report(&world).ended, report(&world).how), (Some(EndedBy::Drain), Some(EndedHow::Timeout)));
}

// Age (G7).

#[test]
fn ages_are_spread_evenly_by_chance() {
    let mut ages = Vec::new();
    for number in 0..200_u8 {
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(WebSocketSettings::default());
        (settings.idle_timeout, settings.max_lifetime) = (HOUR, Some(Lifetime::new(100 * SECOND, 20)));
        let mut world =
            World::tunnel_with(settings, underpass_core::TunnelSecret::new([number; 16]), [b"", b""]);
        let begin = world.now().tick;
        assert!(world.elapse_to_deadline());
        ages.push(world.now().tick.since(begin));
    }
    assert!(ages.iter().all(|age| (80 * SECOND..=120 * SECOND).contains(age)), "{ages:?}");
    let below = ages.iter().filter(|age| **age < 100 * SECOND).count();
    let outer = ages.iter().filter(|age| **age < 90 * SECOND || **age > 110 * SECOND).count();
    assert!((70..=130).contains(&below) && (70..=130).contains(&outer), "{below} {outer}");
}

// Limits (G8).

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

// Violations (G2).

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

// Counts (G9).

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

// Progress (G9).

#[test]
fn lines_about_progress_are_asked_for_in_time() {
    let mut world = websocket(WebSocketSettings::default(), |settings| settings.log_every = Some(7 * SECOND));
    world.elapse(7 * SECOND - INSTANT);
    assert_eq!(world.tunnel_lines, []);
    world.elapse(22 * SECOND);
    assert_eq!(world.tunnel_lines.len(), 4);
}

// The beginning of a frame (G1).

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
