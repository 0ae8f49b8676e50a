//! Tunnels of WebSocket, and what their peers get: read by an independent reader of frames.

use core::time::Duration;

use super::demands::SECOND;
use underpass_core::{PingSettings, Side, TunnelReport, TunnelSettings, WebSocketSettings};
use underpass_testkit::{
    frames::{Found, Frame, read},
    session_world::{End, World},
};

pub(crate) const PING: u8 = 0x89;

pub(crate) const PONG: u8 = 0x8a;

pub(crate) const CLOSE: u8 = 0x88;

pub(crate) const TEXT: u8 = 0x81;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A tunnel of WebSocket with these settings.
pub(crate) fn websocket(websocket: WebSocketSettings, change: impl FnOnce(&mut TunnelSettings)) -> World {
    let mut settings = TunnelSettings::default();
    settings.websocket = Some(websocket);
    change(&mut settings);
    open(settings)
}

pub(crate) fn open(settings: TunnelSettings) -> World {
    let mut world = World::tunnel(settings, [b"", b""]);
    world.run();
    world.notes.clear();
    world
}

pub(crate) fn pinging(change: impl FnOnce(&mut PingSettings)) -> World {
    let mut ping = PingSettings::every(10 * SECOND);
    change(&mut ping);
    let mut settings = WebSocketSettings::default();
    settings.ping = Some(ping);
    websocket(settings, |_| {})
}

pub(crate) fn end(world: &mut World, side: Side) -> &mut End {
    match side {
        Side::Downstream => &mut world.client,
        Side::Upstream => world.origin(),
    }
}

pub(crate) fn sends(world: &mut World, side: Side, bytes: impl AsRef<[u8]>) {
    match side {
        Side::Downstream => world.client_sends(bytes),
        Side::Upstream => world.origin_sends(bytes),
    }
}

/// A frame as this side sends it.
pub(crate) fn frame(from: Side, first: u8, content: &[u8]) -> Vec<u8> {
    let mask = (from == Side::Downstream).then_some([1, 2, 3, 4]);
    Frame { first, mask, content: content.to_vec() }.bytes()
}

pub(crate) fn close(from: Side, code: u16) -> Vec<u8> {
    frame(from, CLOSE, &code.to_be_bytes())
}

/// The frames that a side has got: whatever is no frame is a failure.
pub(crate) fn got(world: &mut World, side: Side) -> Vec<Found> {
    let bytes = end(world, side).received().to_vec();
    let reading = read(side.opposite(), &bytes);
    assert_eq!((reading.violation, reading.taken), (None, bytes.len()), "{side:?} got {bytes:?}");
    reading.frames
}

/// What a side has got: the first byte of each frame, and its content.
pub(crate) fn told(world: &mut World, side: Side) -> Vec<(u8, Vec<u8>)> {
    got(world, side).into_iter().map(|found| (found.first, found.content)).collect()
}

/// The codes and reasons of the Closes that a side has got.
pub(crate) fn closes(world: &mut World, side: Side) -> Vec<(u16, String)> {
    let frames = got(world, side);
    let closes = frames.into_iter().filter(|found| found.first == CLOSE);
    closes
        .map(|found| {
            (found.code.expect("a code"), String::from_utf8(found.content[2..].to_vec()).expect("text"))
        })
        .collect()
}

/// The payload of the last Ping that a side has got.
pub(crate) fn pinged(world: &mut World, side: Side) -> Vec<u8> {
    let frames = got(world, side);
    frames.into_iter().rev().find(|found| found.first == PING).expect("a Ping").content
}

pub(crate) fn pings(world: &mut World, side: Side) -> usize {
    got(world, side).iter().filter(|found| found.first == PING).count()
}

/// Lets time pass until the side gets a Ping.
pub(crate) fn until_pinged(world: &mut World, side: Side) {
    let before = pings(world, side);
    while pings(world, side) == before {
        assert!(world.elapse_to_deadline(), "a Ping is to come");
    }
}

pub(crate) fn answers(world: &mut World, side: Side) {
    let payload = pinged(world, side);
    sends(world, side, frame(side, PONG, &payload));
}

pub(crate) fn report(world: &World) -> TunnelReport {
    world.session.tunnel_report().expect("it is a tunnel")
}

pub(crate) fn of_side(report: &TunnelReport, side: Side) -> underpass_core::SideReport {
    match side {
        Side::Downstream => report.client,
        Side::Upstream => report.upstream,
    }
}

pub(crate) fn goodbye() -> [(u16, String); 1] {
    [(GOODBYE.0, GOODBYE.1.into())]
}

pub(crate) const GOODBYE: (u16, &str) = (1012, "service restart");
