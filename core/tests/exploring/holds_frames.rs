//! What holds in every state of a tunnel that knows WebSocket (G).

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use underpass_core::{EndedBy, Side};
use underpass_testkit::{
    explore::{
        History,
        frames::{OURS, THEIR_CODE, answer, is_between_frames, pings, received, sends},
    },
    frames::{Found, read},
    session_world::World,
};

const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// Checks everything, and says what it rests on.
pub(crate) fn holds_frames(world: &World, history: &History) -> u64 {
    assert!(world.done || world.deadline().is_some(), "a tunnel waits without a deadline");
    let mut seen = DefaultHasher::new();
    for to in Side::BOTH {
        let got = received(world, to);
        let theirs = theirs(to, got, history);
        (theirs, pings(world, to).len().min(3)).hash(&mut seen);
        (read(to.opposite(), got).frames.len() > theirs).hash(&mut seen);
    }
    seen.finish()
}

/// Takes what a side has got apart: whole frames are frames of ours or those that the other side has sent, in their order;
/// says how many bytes are the other side's.
fn theirs(to: Side, got: &[u8], history: &History) -> usize {
    let from = to.opposite();
    let sent = history.from(from);
    let reading = read(from, got);
    let mut theirs = 0;
    let mut until = 0;
    for (index, found) in reading.frames.iter().enumerate() {
        let end = reading.frames.get(index + 1).map_or(reading.taken, |next| next.at);
        let is_whole = found.content.len() as u64 == found.length;
        let is_last = reading.frames.len() == index + 1 && end == got.len();
        assert!(is_whole || is_last, "{to:?}: what stands behind a frame is inside of it");
        if found.first == CLOSE {
            assert!(is_last, "{to:?}: bytes stand behind a Close: {got:?}");
        }
        if !is_ours(found) {
            theirs += same(to, &got[found.at..end], &sent[theirs..], from, history);
        }
        until = end;
    }
    let tail = &got[until..];
    if !is_beginning_of_ours(tail) || sent[theirs..].starts_with(tail) {
        theirs += same(to, tail, &sent[theirs..], from, history);
    }
    theirs
}

/// A piece of what a side has got is the next of what the other has sent; says how long it is.
fn same(to: Side, piece: &[u8], left: &[u8], from: Side, history: &History) -> usize {
    if left.starts_with(piece) {
        return piece.len();
    }
    // An answer to a Ping of ours that its side has cut short by its end can't be told from another Pong.
    let is_cut = !history.answering[from as usize].is_empty();
    assert!(is_cut && piece.first() == Some(&0x8a), "{to:?} got {piece:?}, and not {left:?}");
    0
}

/// Whether a whole frame, or one that is cut by the end of all, is ours: no peer's own control frame looks like it.
fn is_ours(found: &Found) -> bool {
    match found.first {
        PING => found.length == OURS as u64,
        CLOSE => found.code != Some(THEIR_CODE),
        _ => false,
    }
}

/// The first bytes of a header that may be one of ours.
fn is_beginning_of_ours(tail: &[u8]) -> bool {
    matches!(tail.first(), Some(&(PING | CLOSE)))
}

/// Pings keep a tunnel open exactly as long as its peers answer (G3): where both are open and take everything, answers to
/// every Ping keep it open for ever, and silence ends it, soon.
pub(crate) fn lives_as_long_as_its_peers_answer(mut world: World, history: &History) {
    world.checks = false;
    let is_open = |world: &World, side: Side| {
        let over = match side {
            Side::Downstream => history.client_over,
            Side::Upstream => history.origins_over.first().copied().flatten(),
        };
        let is_free = !history.is_stalled(side) && over.is_none() && !history.closed[side as usize];
        is_free
            && is_between_frames(history, side)
            && history.answering[side as usize].is_empty()
            && !read(side.opposite(), received(world, side)).frames.iter().any(|found| found.first == CLOSE)
    };
    if history.drained.is_some() || !Side::BOTH.into_iter().all(|side| is_open(&world, side)) {
        return;
    }
    // A Ping of the other side's own is to be answered, too: until then it serves as ours.
    let asked = |world: &World, side: Side| {
        let got = read(side.opposite(), received(world, side)).frames;
        got.into_iter().filter(|found| found.first == PING).map(|found| found.content).collect::<Vec<_>>()
    };
    let mut answered = Side::BOTH.map(|side| asked(&world, side).len().saturating_sub(1));
    let until = world.now().tick.after(Duration::from_secs(8));
    while world.now().tick < until {
        for side in Side::BOTH {
            let all = asked(&world, side);
            if all.len() > answered[side as usize] {
                answered[side as usize] = all.len();
                sends(&mut world, side, &answer(side, &all[all.len() - 1]));
            }
        }
        assert!(
            world.elapse_to_deadline(),
            "ended though its peers answer: {:?}",
            world.session.tunnel_report()
        );
    }
    // From now on nobody does.
    world.elapse(Duration::from_secs(4));
    assert!(world.done, "open though nobody answers");
    let ended = world.session.tunnel_report().expect("it is a tunnel").ended;
    assert!(matches!(ended, Some(EndedBy::Ping(_))), "{ended:?}");
}
