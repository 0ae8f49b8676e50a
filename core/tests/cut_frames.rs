//! A side whose stream ends in the middle of a frame: what stands there is no place for a frame of ours (G5, G10).

use std::{num::NonZeroU64, time::Duration};

use underpass_core::{Draining, Ending, Lifetime, PingSettings, Side, TunnelSettings, WebSocketSettings};
use underpass_testkit::{
    frames::Frame,
    session_world::{End, World},
};

const SECOND: Duration = Duration::from_secs(1);

/// A frame as this side sends it.
fn frame(from: Side, first: u8, content: &[u8]) -> Vec<u8> {
    let mask = (from == Side::Downstream).then_some([1, 2, 3, 4]);
    Frame { first, mask, content: content.to_vec() }.bytes()
}

fn end(world: &mut World, side: Side) -> &mut End {
    match side {
        Side::Downstream => &mut world.client,
        Side::Upstream => world.origin(),
    }
}

fn sends(world: &mut World, side: Side, bytes: &[u8]) {
    end(world, side).send(bytes);
    world.run();
}

fn ends(world: &mut World, side: Side) {
    end(world, side).end();
    world.run();
}

/// Why a tunnel is closed by us, one way for each cause of G2 to G8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Violation,
    Silence,
    TooLong,
    Stuck,
    Age,
    Drain,
    Shutdown,
    Stop,
}

const CAUSES: [Cause; 8] = [
    Cause::Violation,
    Cause::Silence,
    Cause::TooLong,
    Cause::Stuck,
    Cause::Age,
    Cause::Drain,
    Cause::Shutdown,
    Cause::Stop,
];

/// A tunnel that the cause can close: everything else waits for long.
fn tunnel(cause: Cause) -> World {
    let long = 3600 * SECOND;
    let mut frames = WebSocketSettings::default();
    frames.strict = cause == Cause::Violation;
    frames.client_silence = (cause == Cause::Silence).then_some(10 * SECOND);
    frames.message_limit = NonZeroU64::new(if cause == Cause::TooLong { 200 } else { 0 });
    let mut settings = TunnelSettings::default();
    settings.websocket = Some(frames);
    settings.idle_timeout = long;
    let stuck = if cause == Cause::Stuck { 10 * SECOND } else { long };
    (settings.client_send_timeout, settings.upstream_send_timeout) = (stuck, stuck);
    settings.half_close_timeout = long;
    settings.max_lifetime = (cause == Cause::Age).then(|| Lifetime::new(10 * SECOND, 0));
    settings.drain.window = Some(SECOND);
    let mut world = World::tunnel(settings, [b"", b""]);
    world.run();
    world
}

/// Has it happen, once `side` has ended.
fn happens(world: &mut World, cause: Cause, side: Side) {
    let other = side.opposite();
    match cause {
        Cause::Violation => sends(world, other, &frame(other, 0x83, b"reserved")),
        Cause::TooLong => sends(world, other, &frame(other, 0x82, &[0; 201])),
        Cause::Silence | Cause::Stuck | Cause::Age => world.elapse(11 * SECOND),
        Cause::Drain => {
            drains(world, Draining::Quit(None));
            world.elapse(2 * SECOND);
        }
        Cause::Shutdown => drains(world, Draining::Quit(Some(world.now().tick))),
        Cause::Stop => drains(world, Draining::Stop),
    }
}

fn drains(world: &mut World, draining: Draining) {
    let (session, mut turn) = world.parts();
    session.handle_drain(draining, &mut turn);
    world.run();
}

/// The beginnings of frames that are kept back until more is known of them, and one that isn't.
fn beginnings(from: Side) -> Vec<Vec<u8>> {
    let pong = frame(from, 0x8a, b"twelve bytes");
    let close = frame(from, 0x88, &1000_u16.to_be_bytes());
    let header = close.len() - 2;
    vec![
        frame(from, 0x89, b"")[..1].to_vec(),
        pong[..1].to_vec(),
        pong[..pong.len() - 1].to_vec(),
        close[..1].to_vec(),
        close[..header].to_vec(),
        close[..=header].to_vec(),
        frame(from, 0x82, &[0; 126])[..1].to_vec(),
        frame(from, 0x82, &[0; 126])[..3].to_vec(),
        frame(from, 0x82, b"content")[..8].to_vec(),
    ]
}

/// Whatever has us say Close while the cut frame is still on its way, and wherever it was cut: the Close would stand
/// inside of that frame.
#[test]
fn a_frame_cut_short_is_no_place_for_a_close_of_ours() {
    for side in Side::BOTH {
        // A client that has ended isn't silent.
        let is_cause = |cause: &Cause| *cause != Cause::Silence || side == Side::Upstream;
        for cause in CAUSES.into_iter().filter(is_cause) {
            for begun in beginnings(side) {
                let mut world = tunnel(cause);
                end(&mut world, side.opposite()).set_window(0);
                sends(&mut world, side, &begun);
                ends(&mut world, side);
                happens(&mut world, cause, side);
                end(&mut world, side.opposite()).set_window(usize::MAX);
                world.run();
                let what = format!("{side:?} {cause:?} {begun:?}");
                let got = end(&mut world, side.opposite()).received().to_vec();
                // A Close that waits for nothing doesn't wait for what stands in front of it.
                let is_at_once = matches!(cause, Cause::Stuck | Cause::Stop);
                assert!(got == begun || (is_at_once && got.is_empty()), "{what}: {got:?}");
                assert_eq!(
                    end(&mut world, side).received().first(),
                    Some(&0x88),
                    "{what}: nothing is in its way"
                );
                world.elapse(60 * SECOND);
                assert!(world.done, "{what}");
                assert_eq!(end(&mut world, side.opposite()).received(), got, "{what}");
            }
        }
    }
}

/// Nor is it where a Close has begun to wait for the end of a frame before the stream ended.
#[test]
fn nor_where_the_stream_ends_while_a_close_waits() {
    for side in Side::BOTH {
        for cause in CAUSES.into_iter().filter(|cause| !matches!(cause, Cause::Stuck | Cause::Stop)) {
            let mut world = tunnel(cause);
            let begun = frame(side, 0x82, &[0; 30])[..10].to_vec();
            sends(&mut world, side, &begun);
            happens(&mut world, cause, side);
            ends(&mut world, side);
            world.elapse(60 * SECOND);
            assert!(world.done, "{side:?} {cause:?}");
            assert_eq!(end(&mut world, side.opposite()).received(), begun, "{side:?} {cause:?}");
        }
    }
}

/// A Ping that waits for the end of a frame that never comes keeps nothing back: the end of the stream is passed on.
#[test]
fn a_ping_that_waits_in_a_frame_cut_short_holds_no_end_back() {
    for side in Side::BOTH {
        let mut ping = PingSettings::every(10 * SECOND);
        (ping.client, ping.upstream) = (side == Side::Upstream, side == Side::Downstream);
        let mut frames = WebSocketSettings::default();
        frames.ping = Some(ping);
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(frames);
        let mut world = World::tunnel(settings, [b"", b""]);
        world.run();
        let whole = frame(side, 0x82, &[0; 30]);
        sends(&mut world, side, &whole[..10]);
        world.elapse(11 * SECOND);
        ends(&mut world, side);
        let other = end(&mut world, side.opposite());
        assert_eq!((other.received(), other.saw()), (&whole[..10], Some(Ending::Fin)), "{side:?}");
    }
}

/// C2: with `upgrade_half_close off` the client's end ends both, and what the origin server sends after that goes nowhere,
/// whatever is known of its frames.
#[test]
fn what_comes_behind_an_end_of_both_does_not_cross() {
    for frames in [None, Some(WebSocketSettings::default())] {
        let mut settings = TunnelSettings::default();
        (settings.websocket, settings.half_close) = (frames, false);
        let mut world = World::tunnel(settings, [b"", b""]);
        world.run();
        world.client.set_window(0);
        let first = frame(Side::Upstream, 0x82, b"first");
        world.origin_sends(&first);
        world.client_ends();
        for piece in [&b"\x82"[..], b"\x06second"] {
            world.origin_sends(piece);
        }
        world.client.set_window(usize::MAX);
        world.run();
        world.elapse(60 * SECOND);
        assert!(world.done);
        assert_eq!(world.client.received(), first);
        let report = world.session.tunnel_report().expect("it is a tunnel");
        assert_eq!((report.from_upstream, report.to_client), (7, 7));
    }
}
