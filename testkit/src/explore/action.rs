//! What may happen to a session, and what has.

use std::net::IpAddr;

use underpass_core::{Admission, Refusal, Side, Tick};

use super::frames::{self, Frames};
use crate::session_world::{Connect, Late, World};

/// One input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The client sends the message with this number of those that may come next.
    ClientSends(usize),
    /// The client sends the next byte of its content.
    ClientByte,
    /// The client shuts its direction down.
    ClientEnds,
    /// The client resets.
    ClientResets,
    /// The dial that is out succeeds.
    Connects,
    /// It is refused.
    Refuses,
    /// The name that is looked up has an address.
    Resolves,
    /// It has none.
    ResolvesNot,
    /// The request is admitted.
    Admits,
    /// It is admitted from a later moment on.
    Delays,
    /// It is not admitted.
    Forbids,
    /// The origin server sends the message with this number of those that may come next.
    OriginSends(usize),
    /// The origin server sends the next byte of its content.
    OriginByte,
    /// The origin server shuts its direction down.
    OriginEnds,
    /// The origin server resets.
    OriginResets,
    /// A connection that lies in the pool is shut down by its origin server.
    PooledEnds,
    /// The peer takes nothing more.
    Stalls(Side),
    /// A peer that has stalled takes one byte.
    TakesOne(Side),
    /// A peer that has stalled takes everything.
    TakesAll(Side),
    /// A read or a write of a connection that was released comes back, the one with this number, and so.
    ComesBack(usize, Late),
    /// The peer answers a Ping of ours: the last one that it has got, or the one so many before.
    Answers(Side, usize),
    /// It sends the next byte of an answer.
    AnswerByte(Side),
    /// It says Close.
    SaysClose(Side),
    /// Time passes to the next deadline.
    Deadline,
    /// The worker drains.
    Drains,
}

/// What may happen, and how often.
#[derive(Clone, Debug)]
pub struct Alphabet {
    /// For each message of the client in one run: those that it may be.
    pub client: Vec<&'static [&'static [u8]]>,
    /// The same for origin servers, all of them together.
    pub origin: Vec<&'static [&'static [u8]]>,
    /// Bytes of content that the client may send, and an origin server.
    pub bytes: [u8; 2],
    /// The bytes of content, where they aren't numbers: frames, cut at every byte. So many may be sent.
    pub scripts: [&'static [u8]; 2],
    /// What peers that know WebSocket may do.
    pub frames: Frames,
    /// How often each peer may stall, and take one byte while it does.
    pub stalls: u8,
    /// Whether the worker may drain.
    pub drains: bool,
    /// Whether pooled connections may be shut down.
    pub pooled_ends: bool,
    /// Inputs in one run at most; states at that depth are not expanded.
    pub depth: usize,
}

impl Default for Alphabet {
    fn default() -> Self {
        Self {
            client: Vec::new(),
            origin: Vec::new(),
            bytes: [0; 2],
            scripts: [b""; 2],
            frames: Frames::default(),
            stalls: 0,
            drains: true,
            pooled_ends: false,
            depth: 60,
        }
    }
}

/// How a peer has ended what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// In order.
    Ended,
    /// In order, and then with a reset.
    EndedAndReset,
    /// With a reset.
    Reset,
}

impl Over {
    /// What it is after a reset.
    fn reset(before: Option<Self>) -> Self {
        if before == Some(Self::Ended) { Self::EndedAndReset } else { Self::Reset }
    }
}

/// What was used of an alphabet, and what both sides have said: the properties' view of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Everything that the client has sent.
    pub from_client: Vec<u8>,
    /// Everything that each connection's origin server has sent.
    pub from_origins: Vec<Vec<u8>>,
    /// How the client has ended.
    pub client_over: Option<Over>,
    /// How each connection's origin server has.
    pub origins_over: Vec<Option<Over>>,
    /// Exchanges that were over when the worker began to drain.
    pub drained: Option<usize>,
    /// What is left of an answer to a Ping of ours, by the side that gives it. Answers are not in what it has sent.
    pub answering: [Vec<u8>; 2],
    /// Who has said Close.
    pub closed: [bool; 2],
    pub(super) answers: [u8; 2],
    messages: [usize; 2],
    bytes: [u8; 2],
    stalls: [u8; 2],
    ones: [u8; 2],
    stalled: [bool; 2],
}

impl History {
    /// What it means for what comes next, without what was said and the fate of connections that are gone.
    pub(super) fn outline(&self) -> Self {
        Self { from_client: Vec::new(), from_origins: Vec::new(), origins_over: Vec::new(), ..self.clone() }
    }

    /// What a side has sent, but for its answers to Pings of ours: of the origin server, on its first connection.
    #[must_use]
    pub fn from(&self, side: Side) -> &[u8] {
        match side {
            Side::Downstream => &self.from_client,
            Side::Upstream => self.from_origins.first().map_or(b"", Vec::as_slice),
        }
    }

    /// Whether a side takes nothing at the moment.
    #[must_use]
    pub fn is_stalled(&self, side: Side) -> bool {
        self.stalled[side as usize]
    }

    pub(super) fn origin_over(&self, index: usize) -> Option<Over> {
        self.origins_over.get(index).copied().flatten()
    }
}

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

fn in_use(world: &World) -> usize {
    world.upstream().expect("a connection in use")
}

pub(super) fn origin_sends(world: &mut World, bytes: &[u8]) {
    let index = in_use(world);
    world.origins[index].end.send(bytes);
    world.run();
}

/// A pooled connection that is open.
fn pooled(world: &World, history: &History) -> Option<usize> {
    (0..world.origins.len()).find(|index| world.origins[*index].idle && history.origin_over(*index).is_none())
}

/// Everything that the origin server of the connection in use has said.
pub(super) fn said<'h>(world: &World, history: &'h mut History) -> &'h mut Vec<u8> {
    let index = in_use(world);
    if history.from_origins.len() <= index {
        history.from_origins.resize(index + 1, Vec::new());
    }
    &mut history.from_origins[index]
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
