//! The property of rule G10: a tunnel puts frames of its own among those of two peers, and whatever the cuts, the moments
//! and the windows, each peer gets what the other has sent, and frames of ours between. tungstenite takes them apart.

use std::{num::NonZeroU64, time::Duration};

use arbitrary::Arbitrary;
use underpass_core::{
    DrainSettings, Draining, Lifetime, MessageRate, PingSettings, Side, TunnelSettings, WebSocketSettings,
};

use crate::{
    frames::{Frame, read},
    session_world::{Completion, End, World},
};

/// Two peers, a tunnel between them, and what happens.
#[derive(Clone, Debug, Arbitrary)]
pub struct Play {
    /// Milliseconds of intervals, answers, messages and lives.
    pub spans: [u16; 4],
    /// Whether messages have a rate, the tunnel an age, bytes a rate, and a drain a window; whether violations end it.
    pub has: [bool; 5],
    /// What each side has to say.
    pub streams: [Vec<Part>; 2],
    /// What happens, in its order.
    pub happenings: Vec<Happening>,
    /// Whether bytes are moved past the machine where that is permitted.
    pub splices: bool,
    /// Whether reads and writes complete late, and in which order.
    pub late: Option<u64>,
}

/// A data frame, and a control frame behind it.
#[derive(Clone, Debug, Arbitrary)]
pub struct Part {
    /// How long the payload is.
    pub length: u32,
    /// Whether it is the last of its message.
    pub last: bool,
    /// A Ping (`true`) or a Pong of the peer's own.
    pub control: Option<bool>,
}

/// What happens; a side is the client's (`true`) or the origin server's.
#[derive(Clone, Debug, Arbitrary)]
pub enum Happening {
    /// So many more bytes of what a side has to say are sent.
    Sends(bool, u16),
    /// A side takes so many bytes more.
    Window(bool, u16),
    /// A side answers the last Ping that it has got, whoever's it was, or one before.
    Answers(bool, u8),
    /// Milliseconds pass.
    Passes(u16),
    /// The worker drains.
    Drains,
    /// A side ends its stream.
    Ends(bool),
}

/// What a peer's own control frames say, or the beginning of it. No Ping of ours begins so: its number is small.
const THEIRS: &[u8; 12] = b"a peer's own";

impl Play {
    fn settings(&self) -> TunnelSettings {
        let span = |number: usize| Duration::from_millis(u64::from(self.spans[number].max(100)));
        let mut ping = PingSettings::every(span(0));
        ping.timeout = span(1) + Duration::from_secs(2);
        let mut websocket = WebSocketSettings::default();
        websocket.ping = Some(ping);
        websocket.message_rate = self.has[0].then(|| MessageRate::new(span(2) / 10, 2));
        websocket.strict = self.has[4];
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(websocket);
        settings.max_lifetime = self.has[1].then(|| Lifetime::new(span(3) * 5, 30));
        settings.limit_rate = NonZeroU64::new(if self.has[2] { 20_000 } else { 0 });
        let mut drain = DrainSettings::default();
        drain.window = self.has[3].then(|| span(3));
        settings.drain = drain;
        settings
    }

    /// What this side has to say, as it stands on the wire.
    fn stream(&self, from: Side) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut inside = false;
        for (number, part) in self.streams[from as usize].iter().take(12).enumerate() {
            let mask = (from == Side::Downstream).then_some([u8::try_from(number).unwrap_or(0), 3, 5, 7]);
            let first = u8::from(part.last) << 7 | if inside { 0 } else { 2 };
            inside = !part.last;
            let content = (0..part.length % 70_000).map(|at| (at % 251) as u8).collect();
            bytes.extend(Frame { first, mask, content }.bytes());
            if let Some(pings) = part.control {
                let content = THEIRS[..12 - number].to_vec();
                bytes.extend(Frame { first: if pings { PING } else { PONG }, mask, content }.bytes());
            }
        }
        bytes
    }
}

const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;

fn side(client: bool) -> Side {
    if client { Side::Downstream } else { Side::Upstream }
}

fn end(world: &mut World, side: Side) -> &mut End {
    match side {
        Side::Downstream => &mut world.client,
        Side::Upstream => world.origin(),
    }
}

/// The answer to the last Ping that a side has got whole, or to one before; nothing where there was none.
fn answer(world: &mut World, side: Side, back: usize) -> Option<Frame> {
    let bytes = end(world, side).received().to_vec();
    let frames = read(side.opposite(), &bytes).frames.into_iter();
    let pings = frames.filter(|found| found.first == PING && found.content.len() as u64 == found.length);
    let content = pings.rev().nth(back)?.content;
    let mask = (side == Side::Downstream).then_some([9, 9, 8, 8]);
    Some(Frame { first: PONG, mask, content })
}

/// Of what a side has got, what the other has sent. The rest has to be frames of ours.
fn without_ours(to: Side, got: &[u8], sent: &[u8]) -> Vec<u8> {
    let mut theirs = Vec::new();
    let reading = read(to.opposite(), got);
    let mut take = |bytes: &[u8]| {
        // The end of a tunnel may cut a frame of ours, too.
        if sent[theirs.len()..].starts_with(bytes) {
            theirs.extend_from_slice(bytes);
        } else {
            assert!(matches!(bytes.first(), Some(&(PING | CLOSE))), "{to:?} got no frame of ours: {bytes:?}");
        }
    };
    let mut from = 0;
    for (index, found) in reading.frames.iter().enumerate() {
        let until = reading.frames.get(index + 1).map_or(reading.taken, |next| next.at);
        take(&got[found.at..until]);
        from = until;
    }
    take(&got[from..]);
    theirs
}

/// Plays it, and checks what each peer got.
///
/// # Panics
/// When the property fails.
pub fn check(play: &Play) {
    let mut world = World::tunnel(play.settings(), [b"", b""]);
    world.splices = play.splices && play.late.is_none();
    world.completion = play.late.map(Completion::with_seed);
    world.run();
    let streams = Side::BOTH.map(|from| play.stream(from));
    let mut at = [0; 2];
    // What goes on of what each side has sent: all but its answers to Pings of ours.
    let mut sent = [Vec::new(), Vec::new()];
    let mut has_ended = [false; 2];
    for happening in play.happenings.iter().take(80) {
        match *happening {
            // Behind its end a side says nothing.
            Happening::Sends(client, _) | Happening::Answers(client, _) | Happening::Ends(client)
                if has_ended[side(client) as usize] => {}
            Happening::Sends(client, count) => {
                let (from, whole) = (side(client), &streams[side(client) as usize]);
                let to = whole.len().min(at[from as usize] + usize::from(count));
                let bytes = &whole[at[from as usize]..to];
                at[from as usize] = to;
                sent[from as usize].extend_from_slice(bytes);
                end(&mut world, from).send(bytes);
            }
            Happening::Window(client, count) => end(&mut world, side(client)).set_window(count.into()),
            Happening::Answers(client, back) => {
                let from = side(client);
                let said = &streams[from as usize][..at[from as usize]];
                let reading = read(from, said);
                let is_whole = |found: &crate::frames::Found| found.content.len() as u64 == found.length;
                // An answer stands between two frames.
                if reading.taken == said.len()
                    && reading.frames.last().is_none_or(is_whole)
                    && let Some(answer) = answer(&mut world, from, usize::from(back % 2))
                {
                    let bytes = answer.bytes();
                    if THEIRS.starts_with(&answer.content) {
                        sent[from as usize].extend_from_slice(&bytes);
                    }
                    end(&mut world, from).send(&bytes);
                }
            }
            Happening::Passes(ms) => world.elapse(Duration::from_millis(u64::from(ms % 4_000))),
            Happening::Drains => {
                let (session, mut turn) = world.parts();
                session.handle_drain(Draining::Quit(None), &mut turn);
            }
            Happening::Ends(client) => {
                has_ended[side(client) as usize] = true;
                end(&mut world, side(client)).end();
            }
        }
        world.run();
    }
    // Whatever was on its way arrives.
    for side in Side::BOTH {
        end(&mut world, side).set_window(usize::MAX);
    }
    world.run();
    world.elapse(Duration::from_secs(20));
    for to in Side::BOTH {
        let got = end(&mut world, to).received().to_vec();
        let all = &sent[to.opposite() as usize];
        let theirs = without_ours(to, &got, all);
        assert!(
            all.starts_with(&theirs),
            "{to:?} got {} bytes that are not those that were sent",
            theirs.len()
        );
        let closes = read(to.opposite(), &got).frames.iter().filter(|found| found.first == CLOSE).count();
        assert!(closes <= 1, "{to:?} got {closes} Closes");
    }
    world.elapse(Duration::from_secs(3600));
    assert!(world.done, "every tunnel ends");
}
