//! What peers that know WebSocket do in an exploration: they answer Pings of ours, and say Close.

use underpass_core::Side;

use super::{
    alphabet::{Action, Alphabet, Frames, History},
    origin::{origin_sends, said},
};
use crate::{
    frames::{Form, Found, Frame, read},
    session_world::World,
};

/// How many bytes the payload of a Ping of ours has; those of the peers' own are shorter.
pub const OURS: usize = 12;

/// The code of a Close of the peers' own.
pub const THEIR_CODE: u16 = 1000;

/// The payloads of the Pings of ours that a side has got whole.
#[must_use]
pub fn pings(world: &World, side: Side) -> Vec<Vec<u8>> {
    let got = received(world, side);
    let is_ours =
        |found: &Found| found.first == 0x89 && found.length == OURS as u64 && found.content.len() == OURS;
    read(side.opposite(), got).frames.into_iter().filter(is_ours).map(|found| found.content).collect()
}

/// What a side has got.
#[must_use]
pub fn received(world: &World, side: Side) -> &[u8] {
    match side {
        Side::Downstream => world.client.received(),
        Side::Upstream => world.upstream().map_or(b"", |index| world.origins[index].end.received()),
    }
}

/// Whether a side's next byte begins a frame.
#[must_use]
pub fn is_between_frames(history: &History, side: Side) -> bool {
    let sent = history.from(side);
    let reading = read(side, sent);
    let is_whole = |found: &Found| found.content.len() as u64 == found.length;
    reading.taken == sent.len() && reading.frames.last().is_none_or(is_whole)
}

/// The answer to a Ping of ours.
#[must_use]
pub fn answer(side: Side, payload: &[u8]) -> Vec<u8> {
    frame(side, 0x8a, payload)
}

/// A frame as this side sends it.
#[must_use]
pub fn frame(side: Side, first: u8, content: &[u8]) -> Vec<u8> {
    let mask = (side == Side::Downstream).then_some([1, 2, 3, 4]);
    Frame { first, mask, content: content.to_vec() }.bytes_with(Form::Shortest)
}

/// Whether a side may send a message now.
pub(super) fn may_send_message(history: &History, alphabet: &Alphabet, side: Side) -> bool {
    let is_free = !history.closed[side as usize] && history.answering[side as usize].is_empty();
    !alphabet.frames.are_messages || (is_free && is_between_frames(history, side))
}

/// What this side may do with frames next.
pub(super) fn actions(world: &World, history: &History, alphabet: &Alphabet, side: Side) -> Vec<Action> {
    let Frames { answers, closes, .. } = alphabet.frames;
    let at = side as usize;
    let mut all = Vec::new();
    if !history.answering[at].is_empty() {
        all.push(Action::AnswerByte(side));
        return all;
    }
    let may_answer = history.answers[at] < answers[at];
    let may_close = closes[at] && !history.closed[at];
    if (may_answer || may_close) && !history.closed[at] && is_between_frames(history, side) {
        if may_answer {
            let got = pings(world, side).len().min(2);
            all.extend((0..got).map(|back| Action::Answers(side, back)));
        }
        if may_close {
            all.push(Action::SaysClose(side));
        }
    }
    all
}

/// Lets it happen.
pub(super) fn take(world: &mut World, history: &mut History, action: Action, alphabet: &Alphabet) {
    match action {
        Action::Answers(side, back) => {
            history.answers[side as usize] += 1;
            let payload = pings(world, side).into_iter().nth_back(back).expect("a Ping that was got");
            let bytes = answer(side, &payload);
            if alphabet.frames.in_pieces {
                sends(world, side, &bytes[..1]);
                history.answering[side as usize] = bytes[1..].to_vec();
            } else {
                sends(world, side, &bytes);
            }
        }
        Action::AnswerByte(side) => {
            let byte = history.answering[side as usize].remove(0);
            sends(world, side, &[byte]);
        }
        Action::SaysClose(side) => {
            history.closed[side as usize] = true;
            let bytes = frame(side, 0x88, &THEIR_CODE.to_be_bytes());
            match side {
                Side::Downstream => history.from_client.extend_from_slice(&bytes),
                Side::Upstream => said(world, history).extend_from_slice(&bytes),
            }
            sends(world, side, &bytes);
        }
        _ => unreachable!("it has nothing to do with frames"),
    }
}

/// A side sends bytes, and everybody does what there is to do.
pub fn sends(world: &mut World, side: Side, bytes: &[u8]) {
    match side {
        Side::Downstream => world.client_sends(bytes),
        Side::Upstream => origin_sends(world, bytes),
    }
}
