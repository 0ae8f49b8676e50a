//! What may happen next, and letting it happen.

use std::net::IpAddr;

use underpass_core::{Admission, Refusal, Side, Tick};

use super::{
    alphabet::{Action, Alphabet, History, Over},
    frames,
    origin::{in_use, origin_sends, said},
};
use crate::session_world::{Connect, Late, World};

/// What may happen next.
pub(super) fn actions(world: &World, history: &History, alphabet: &Alphabet) -> Vec<Action> {
    let mut all = Vec::new();
    if world.done {
        return all;
    }
    if history.client_over.is_none() {
        let messages = alphabet.client.get(history.messages[0]).map_or(0, |messages| messages.len());
        if frames::may_send_message(history, alphabet, Side::Downstream) {
            all.extend((0..messages).map(Action::ClientSends));
        }
        if may_send_byte(history, alphabet, Side::Downstream) {
            all.push(Action::ClientByte);
        }
        all.extend(frames::actions(world, history, alphabet, Side::Downstream));
        all.push(Action::ClientEnds);
    }
    if matches!(history.client_over, None | Some(Over::Ended)) {
        all.push(Action::ClientResets);
    }
    if world.dials() {
        all.extend([Action::Connects, Action::Refuses]);
    }
    if world.looks_up() {
        all.extend([Action::Resolves, Action::ResolvesNot]);
    }
    if world.claims() {
        all.extend([Action::Admits, Action::Delays, Action::Forbids]);
    }
    if let Some(index) = world.upstream()
        && history.origin_over(index).is_none()
    {
        let messages = alphabet.origin.get(history.messages[1]).map_or(0, |messages| messages.len());
        if frames::may_send_message(history, alphabet, Side::Upstream) {
            all.extend((0..messages).map(Action::OriginSends));
        }
        if may_send_byte(history, alphabet, Side::Upstream) {
            all.push(Action::OriginByte);
        }
        all.extend(frames::actions(world, history, alphabet, Side::Upstream));
        all.push(Action::OriginEnds);
    }
    if let Some(index) = world.upstream()
        && matches!(history.origin_over(index), None | Some(Over::Ended))
    {
        all.push(Action::OriginResets);
    }
    if alphabet.pooled_ends && pooled(world, history).is_some() {
        all.push(Action::PooledEnds);
    }
    for side in Side::BOTH {
        let exists = side == Side::Downstream || world.upstream().is_some();
        if history.stalled[side as usize] {
            all.push(Action::TakesAll(side));
            if exists && history.ones[side as usize] < alphabet.stalls {
                all.push(Action::TakesOne(side));
            }
        } else if exists && history.stalls[side as usize] < alphabet.stalls {
            all.push(Action::Stalls(side));
        }
    }
    let late = world.late().len();
    all.extend((0..late).flat_map(|number| Late::ALL.map(|late| Action::ComesBack(number, late))));
    if world.deadline().is_some() {
        all.push(Action::Deadline);
    }
    if alphabet.drains && history.drained.is_none() {
        all.push(Action::Drains);
    }
    all
}

/// Lets it happen.
pub(super) fn take(world: &mut World, history: &mut History, action: Action, alphabet: &Alphabet) {
    match action {
        Action::ClientSends(number) => {
            let message = alphabet.client[history.messages[0]][number];
            history.messages[0] += 1;
            history.from_client.extend_from_slice(message);
            world.client_sends(message);
        }
        Action::ClientByte => {
            let byte = next_byte(history, alphabet, Side::Downstream);
            history.from_client.push(byte);
            world.client_sends([byte]);
        }
        Action::ClientEnds => {
            history.client_over = Some(Over::Ended);
            world.client_ends();
        }
        Action::ClientResets => {
            history.client_over = Some(Over::reset(history.client_over));
            world.client.reset();
            world.run();
        }
        Action::Connects => world.answer_dial(Connect::Accept),
        Action::Refuses => world.answer_dial(Connect::Refuse),
        Action::Resolves => world.answer_lookup(Ok(&[IpAddr::from([127, 0, 0, 1])])),
        Action::ResolvesNot => world.answer_lookup(Err(std::io::ErrorKind::NotFound.into())),
        Action::Admits => world.answer_claim(Admission::Granted),
        Action::Delays => {
            let until = Tick(world.now().tick.0 + 500_000_000);
            world.answer_claim(Admission::Delayed(until));
        }
        Action::Forbids => world.answer_claim(Admission::Refused(Refusal::Forbidden)),
        Action::OriginSends(number) => {
            let message = alphabet.origin[history.messages[1]][number];
            history.messages[1] += 1;
            said(world, history).extend_from_slice(message);
            origin_sends(world, message);
        }
        Action::OriginByte => {
            let byte = next_byte(history, alphabet, Side::Upstream);
            said(world, history).push(byte);
            origin_sends(world, &[byte]);
        }
        Action::OriginEnds => {
            let index = in_use(world);
            over(history, index, Over::Ended);
            world.origins[index].end.end();
            world.run();
        }
        Action::OriginResets => {
            let index = in_use(world);
            over(history, index, Over::reset(history.origin_over(index)));
            world.origins[index].end.reset();
            world.run();
        }
        Action::PooledEnds => {
            let index = pooled(world, history).expect("a pooled connection");
            over(history, index, Over::Ended);
            world.origins[index].end.end();
            world.run();
        }
        Action::Stalls(side) => {
            history.stalls[side as usize] += 1;
            open_window(world, history, side, 0);
        }
        Action::TakesOne(side) => {
            history.ones[side as usize] += 1;
            open_window(world, history, side, 1);
        }
        Action::TakesAll(side) => open_window(world, history, side, usize::MAX),
        Action::ComesBack(number, late) => world.comes_back(number, late),
        Action::Answers(..) | Action::AnswerByte(_) | Action::SaysClose(_) => {
            frames::take(world, history, action, alphabet);
        }
        Action::Deadline => {
            world.elapse_to_deadline();
        }
        Action::Drains => {
            history.drained = Some(world.exchanges.len());
            world.drain(None);
        }
    }
}

/// Whether a side has a byte of content to send, and nothing that has to be whole first.
fn may_send_byte(history: &History, alphabet: &Alphabet, side: Side) -> bool {
    let has_more = history.bytes[side as usize] < alphabet.bytes[side as usize];
    has_more && history.answering[side as usize].is_empty() && !history.closed[side as usize]
}

/// Takes the next byte of content.
fn next_byte(history: &mut History, alphabet: &Alphabet, side: Side) -> u8 {
    let number = &mut history.bytes[side as usize];
    *number += 1;
    alphabet.scripts[side as usize].get(usize::from(*number) - 1).copied().unwrap_or(*number)
}

/// A pooled connection that is open.
fn pooled(world: &World, history: &History) -> Option<usize> {
    (0..world.origins.len()).find(|index| world.origins[*index].idle && history.origin_over(*index).is_none())
}

fn over(history: &mut History, index: usize, over: Over) {
    if history.origins_over.len() <= index {
        history.origins_over.resize(index + 1, None);
    }
    history.origins_over[index] = Some(over);
}

fn open_window(world: &mut World, history: &mut History, side: Side, window: usize) {
    history.stalled[side as usize] = window != usize::MAX;
    match (side, world.upstream()) {
        (Side::Downstream, _) => world.client.set_window(window),
        (Side::Upstream, Some(index)) => world.origins[index].end.set_window(window),
        (Side::Upstream, None) => {}
    }
    world.run();
}
