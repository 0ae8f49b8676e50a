//! A tunnel that puts frames of its own among those of two peers (G10): whatever the cuts, the moments and the windows,
//! each peer gets what the other has sent, and frames of ours between. An independent reader takes them apart.

use core::{num::NonZeroU64, time::Duration};

use proptest::{prelude::*, sample::select};
use underpass_core::{
    DrainSettings, Draining, Lifetime, MessageRate, PingSettings, Side, TunnelSettings, WebSocketSettings,
};
use underpass_testkit::{
    frames::{Frame, read},
    session_world::{Completion, End, World},
};

/// What happens.
#[derive(Clone, Debug)]
enum Happening {
    /// So many more bytes of what a side has to say are sent.
    Sends(Side, usize),
    /// A side takes so many bytes more.
    Window(Side, usize),
    /// A side answers the last Ping that it has got, whoever's it was, or one before.
    Answers(Side, usize),
    Passes(u64),
    Drains,
    Ends(Side),
}

fn side() -> impl Strategy<Value = Side> {
    select(Side::BOTH.to_vec())
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (side(), 1..400_usize).prop_map(|(side, count)| Happening::Sends(side, count)),
        3 => (side(), 1..600_usize).prop_map(|(side, count)| Happening::Window(side, count)),
        4 => (side(), 0..2_usize).prop_map(|(side, back)| Happening::Answers(side, back)),
        4 => (1..4_000_u64).prop_map(Happening::Passes),
    ]
}

fn ending() -> impl Strategy<Value = Option<Happening>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(Happening::Drains)),
        1 => side().prop_map(|side| Some(Happening::Ends(side))),
    ]
}

/// Messages, some in fragments, with control frames among them.
fn stream(from: Side) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![5 => 0..30_usize, 2 => 100..300_usize, 1 => 60_000..70_000_usize];
    let frame = (
        length,
        any::<bool>(),
        prop_oneof![3 => Just(None), 1 => select(vec![0x89_u8, 0x8a]).prop_map(Some)],
    );
    prop::collection::vec(frame, 0..12).prop_map(move |parts| {
        let mask = |number: usize| (from == Side::Downstream).then_some([number as u8, 3, 5, 7]);
        let mut bytes = Vec::new();
        let mut inside = false;
        for (number, (length, last, control)) in parts.into_iter().enumerate() {
            let first = u8::from(last) << 7 | if inside { 0 } else { 2 };
            inside = !last;
            let content = (0..length).map(|at| (at % 251) as u8).collect();
            bytes.extend(Frame { first, mask: mask(number), content }.bytes());
            if let Some(first) = control {
                let content = b"a peer's own"[..12 - number].to_vec();
                bytes.extend(Frame { first, mask: mask(number), content }.bytes());
            }
        }
        bytes
    })
}

fn settings() -> impl Strategy<Value = TunnelSettings> {
    (prop::collection::vec(100..5_000_u64, 4), any::<[bool; 5]>()).prop_map(|(spans, has)| {
        let span = |number: usize| Duration::from_millis(spans[number]);
        let mut ping = PingSettings::every(span(0));
        ping.timeout = span(1) + Duration::from_secs(2);
        let mut websocket = WebSocketSettings::default();
        websocket.ping = Some(ping);
        websocket.message_rate = has[0].then(|| MessageRate::new(span(2) / 10, 2));
        websocket.strict = has[4];
        let mut settings = TunnelSettings::default();
        settings.websocket = Some(websocket);
        settings.max_lifetime = has[1].then(|| Lifetime::new(span(3) * 5, 30));
        settings.limit_rate = NonZeroU64::new(if has[2] { 20_000 } else { 0 });
        let mut drain = DrainSettings::default();
        drain.window = has[3].then(|| span(3));
        settings.drain = drain;
        settings
    })
}

fn end(world: &mut World, side: Side) -> &mut End {
    match side {
        Side::Downstream => &mut world.client,
        Side::Upstream => world.origin(),
    }
}

fn answers(world: &mut World, side: Side, back: usize) -> Vec<u8> {
    let bytes = end(world, side).received().to_vec();
    let pings = read(side.opposite(), &bytes)
        .frames
        .into_iter()
        .filter(|found| found.first == 0x89 && found.content.len() as u64 == found.length);
    let Some(ping) = pings.rev().nth(back) else { return Vec::new() };
    let mask = (side == Side::Downstream).then_some([9, 9, 8, 8]);
    Frame { first: 0x8a, mask, content: ping.content }.bytes()
}

/// What a side has got of what the other has sent, and how many of ours: a Ping or a Close whose payload the other has
/// never sent. `sent` is all that the other has sent.
fn without_ours(to: Side, got: &[u8], sent: &[u8]) -> (Vec<u8>, usize) {
    let (mut theirs, mut ours) = (Vec::new(), 0);
    let reading = read(to.opposite(), got);
    let mut from = 0;
    for (index, found) in reading.frames.iter().enumerate() {
        let until = reading.frames.get(index + 1).map_or(reading.taken, |next| next.at);
        let bytes = &got[found.at..until];
        // A Pong that answers a Ping of ours is cut out of what was sent: skip it there.
        if sent[theirs.len()..].starts_with(bytes) && !bytes.is_empty() {
            theirs.extend_from_slice(bytes);
        } else {
            assert!(matches!(found.first, 0x89 | 0x88), "no frame of ours: {found:?}");
            ours += 1;
        }
        from = until;
    }
    // What is left is the beginning of a frame: of theirs, or of ours where the tunnel has ended meanwhile.
    let rest = &got[from..];
    if sent[theirs.len()..].starts_with(rest) {
        theirs.extend_from_slice(rest);
    } else {
        assert!(matches!(rest.first(), Some(0x89 | 0x88)), "no frame of ours: {rest:?}");
        ours += 1;
    }
    (theirs, ours)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_peer_gets_what_the_other_sent_and_frames_of_ours_between(
        settings in settings(),
        streams in (stream(Side::Downstream), stream(Side::Upstream)),
        happenings in prop::collection::vec(happening(), 0..60),
        ending in ending(),
        splices in any::<bool>(),
        late in prop::option::weighted(0.3, any::<u64>()),
    ) {
        let mut world = World::tunnel(settings, [b"", b""]);
        world.splices = splices && late.is_none();
        world.completion = late.map(Completion::with_seed);
        world.run();
        let streams = [streams.0, streams.1];
        let mut at = [0; 2];
        // What goes on of what each side has sent: all but its answers to Pings of ours.
        let mut sent = [Vec::new(), Vec::new()];
        let mut between = |side: Side, at: &[usize; 2]| {
            // An answer stands between two frames only.
            let so_far = read(side, &streams[side as usize][..at[side as usize]]);
            so_far.taken == at[side as usize]
                && so_far.frames.last().is_none_or(|last| last.content.len() as u64 == last.length)
        };
        for happening in happenings.iter().chain(&ending) {
            match happening {
                Happening::Sends(side, count) => {
                    let whole = &streams[*side as usize];
                    let to = whole.len().min(at[*side as usize] + count);
                    let bytes = whole[at[*side as usize]..to].to_vec();
                    at[*side as usize] = to;
                    sent[*side as usize].extend_from_slice(&bytes);
                    end(&mut world, *side).send(&bytes);
                }
                Happening::Window(side, count) => end(&mut world, *side).set_window(*count),
                Happening::Answers(side, back) if between(*side, &at) => {
                    let answer = answers(&mut world, *side, *back);
                    let theirs = read(*side, &answer).frames.first().is_some_and(|found| {
                        found.content.starts_with(b"a peer's own"[..found.content.len().min(12)].as_ref())
                    });
                    if theirs {
                        sent[*side as usize].extend_from_slice(&answer);
                    }
                    end(&mut world, *side).send(&answer);
                }
                Happening::Answers(..) => {}
                Happening::Passes(ms) => world.elapse(Duration::from_millis(*ms)),
                Happening::Drains => {
                    let (session, mut turn) = world.parts();
                    session.handle_drain(Draining::Quit(None), &mut turn);
                }
                Happening::Ends(side) => end(&mut world, *side).end(),
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
            let (theirs, _) = without_ours(to, &got, all);
            prop_assert!(all.starts_with(&theirs), "{to:?} got {} bytes that are not those that were sent", theirs.len());
            let closes = read(to.opposite(), &got).frames.iter().filter(|found| found.first == 0x88).count();
            prop_assert!(closes <= 1);
        }
        world.elapse(Duration::from_secs(3600));
        prop_assert!(world.done, "every tunnel ends");
    }
}
