//! Explorations of tunnels that know WebSocket: frames of ours are put in at every point (G).

use std::{num::NonZeroU64, time::Duration};

use underpass_core::{Lifetime, PingSettings, TunnelSettings, WebSocketSettings};
use underpass_testkit::{
    explore::{Alphabet, Frames},
    session_world::World,
};

use super::{
    alphabets::{Exploration, deep},
    lives_as_long_as_its_peers_answer,
};

const SECOND: Duration = Duration::from_secs(1);

/// A message of one byte in two fragments, as an origin server sends it.
const FRAGMENTS: &[u8] = b"\x01\x01x\x80\x00";
/// The first of them.
const FRAGMENT: &[u8] = b"\x01\x01x";
/// The shortest message, as an origin server sends it.
const SHORT: &[u8] = b"\x81\x00";
/// A message of one byte, as a client sends it.
const MASKED: &[u8] = b"\x82\x81\x01\x02\x03\x04y";
/// A Ping of its own.
const PING: &[u8] = b"\x89\x00";
const MASKED_PING: &[u8] = b"\x89\x80\x01\x02\x03\x04";
const MASKED_PONG: &[u8] = b"\x8a\x80\x01\x02\x03\x04";
/// An opcode that nobody knows.
const BROKEN: &[u8] = b"\x83\x00";

/// A tunnel of WebSocket at rest: what closes it comes before what everybody is given up for.
fn tunnel(frames: WebSocketSettings, change: impl FnOnce(&mut TunnelSettings)) -> World {
    let mut settings = TunnelSettings::default();
    settings.websocket = Some(frames);
    (settings.idle_timeout, settings.half_close_timeout) = (3 * SECOND, 3 * SECOND);
    (settings.client_send_timeout, settings.upstream_send_timeout) = (3 * SECOND, 3 * SECOND);
    (settings.lingering_time, settings.lingering_timeout) = (SECOND, SECOND);
    settings.close_timeout = SECOND;
    change(&mut settings);
    let mut world = World::tunnel(settings, [b"", b""]);
    world.run();
    world
}

fn pinging_only(client: bool, upstream: bool) -> WebSocketSettings {
    let mut ping = PingSettings::every(SECOND);
    (ping.client, ping.upstream) = (client, upstream);
    let mut frames = WebSocketSettings::default();
    frames.ping = Some(ping);
    frames
}

fn frames() -> Frames {
    Frames { are_messages: true, grace: SECOND, ..Frames::default() }
}

/// Pings to both sides, answers that are late and missing, at every point of a fragment that goes the same way.
pub(crate) static PINGS: Exploration = Exploration::of_frames(
    "pings",
    || tunnel(pinging_only(true, true), |_| {}),
    || Alphabet {
        bytes: [0, 3],
        scripts: [b"", FRAGMENT],
        frames: Frames { answers: [2, 2], leads_on: Some(lives_as_long_as_its_peers_answer), ..frames() },
        drains: false,
        ..Alphabet::default()
    },
);

/// Pings of the other end's own, and answers that come twice.
pub(crate) static RELAYED_PINGS: Exploration = Exploration::of_frames(
    "relayed-pings",
    || tunnel(pinging_only(true, false), |_| {}),
    || Alphabet {
        client: vec![&[MASKED_PONG]],
        origin: vec![&[PING]],
        frames: Frames { answers: [2, 0], ..frames() },
        drains: false,
        ..Alphabet::default()
    },
);

/// Answers that come byte by byte, between frames of the same side.
pub(crate) static ANSWERS_IN_PIECES: Exploration = Exploration::of_frames(
    "answers-in-pieces",
    || tunnel(pinging_only(false, true), |_| {}),
    || Alphabet {
        bytes: [0, 2],
        scripts: [b"", b"\x81\x00"],
        frames: Frames { answers: [0, 1], in_pieces: true, ..frames() },
        stalls: u8::from(deep()),
        drains: false,
        ..Alphabet::default()
    },
);

/// Closes of ours, of the peers, and both at once, at every point of a frame, to peers that may take nothing.
pub(crate) static CLOSES: Exploration = Exploration::of_frames(
    "closes",
    || {
        tunnel(WebSocketSettings::default(), |settings| {
            settings.max_lifetime = Some(Lifetime::new(2 * SECOND, 0));
        })
    },
    || Alphabet {
        bytes: [0, 2],
        scripts: [b"", SHORT],
        frames: Frames { closes: [true; 2], ..frames() },
        stalls: 1,
        drains: false,
        ..Alphabet::default()
    },
);

/// A drain with a window, in the middle of fragments.
pub(crate) static WINDOWS: Exploration = Exploration::of_frames(
    "windows",
    || tunnel(WebSocketSettings::default(), |settings| settings.drain.window = Some(SECOND)),
    || Alphabet {
        bytes: if deep() { [0, 5] } else { [0, 2] },
        scripts: [b"", if deep() { FRAGMENTS } else { SHORT }],
        frames: Frames { closes: [true; 2], ..frames() },
        stalls: 1,
        ..Alphabet::default()
    },
);

/// A message that is too long.
pub(crate) static LIMITS: Exploration = Exploration::of_frames(
    "limits",
    || {
        let mut frames = WebSocketSettings::default();
        frames.message_limit = NonZeroU64::new(1);
        tunnel(frames, |_| {})
    },
    || Alphabet {
        bytes: [0, 6],
        scripts: [b"", b"\x01\x01x\x80\x01y"],
        frames: Frames { closes: [true; 2], ..frames() },
        stalls: 1,
        drains: false,
        ..Alphabet::default()
    },
);

/// A client that says nothing, whatever it answers.
pub(crate) static SILENCE: Exploration = Exploration::of_frames(
    "silence",
    || {
        let mut frames = WebSocketSettings::default();
        frames.client_silence = Some(SECOND);
        tunnel(frames, |_| {})
    },
    || Alphabet {
        client: vec![&[MASKED_PING, MASKED]],
        bytes: [0, 2],
        scripts: [b"", SHORT],
        frames: Frames { closes: [true; 2], ..frames() },
        drains: false,
        ..Alphabet::default()
    },
);

/// A violation where that isn't borne.
pub(crate) static VIOLATIONS: Exploration = Exploration::of_frames(
    "violations",
    || {
        let mut frames = pinging_only(true, true);
        frames.strict = true;
        tunnel(frames, |_| {})
    },
    || Alphabet {
        client: vec![&[MASKED, BROKEN]],
        bytes: [0, 4],
        scripts: [b"", b"\x82\x00\x83\x00"],
        frames: Frames { closes: [true; 2], answers: [1, 0], ..frames() },
        ..Alphabet::default()
    },
);
