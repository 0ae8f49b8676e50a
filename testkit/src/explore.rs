//! Visits every state that a session can reach under a small alphabet of inputs, breadth first.
//!
//! What is explored is the real `Session` in a [`World`], not a model of it. Two states are the same when the
//! session's snapshots are equal, and so are what its peers have still in flight and what the alphabet has
//! left. Every transition is shown to the caller's properties; and from every new state it is tried whether the
//! session comes to its end when both peers end their streams and time passes.

use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use underpass_core::Side;

use crate::sim::{Connect, World};

/// One input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The client sends the message with this number.
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
    /// The origin server sends the message with this number.
    OriginSends(usize),
    /// The origin server sends the next byte of its content.
    OriginByte,
    /// The origin server shuts its direction down.
    OriginEnds,
    /// The origin server resets.
    OriginResets,
    /// The peer takes nothing more.
    Stalls(Side),
    /// A peer that has stalled takes one byte.
    TakesOne(Side),
    /// A peer that has stalled takes everything.
    TakesAll(Side),
    /// Time passes to the next deadline.
    Deadline,
    /// The worker drains.
    Drains,
}

/// What may happen, and how often.
#[derive(Clone, Debug)]
pub struct Alphabet {
    /// Messages that the client may send.
    pub client: Vec<&'static [u8]>,
    /// Messages that the origin server may send.
    pub origin: Vec<&'static [u8]>,
    /// Messages of the client in one run.
    pub client_messages: u8,
    /// Messages of the origin server in one run.
    pub origin_messages: u8,
    /// Bytes of content each way.
    pub bytes: u8,
    /// How often each peer may stall, and take one byte while it does.
    pub stalls: u8,
    /// Whether the worker may drain.
    pub drains: bool,
    /// Inputs in one run at most; states at that depth are not expanded.
    pub depth: usize,
}

/// What was used of an alphabet, and what both sides have said: the properties' view of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Everything that the client has sent.
    pub from_client: Vec<u8>,
    /// Everything that each connection's origin server has sent.
    pub from_origins: Vec<Vec<u8>>,
    client_messages: u8,
    origin_messages: u8,
    client_bytes: u8,
    origin_bytes: u8,
    stalls: [u8; 2],
    ones: [u8; 2],
    stalled: [bool; 2],
    client_over: bool,
    origins_over: Vec<bool>,
    drained: bool,
}

/// What an exploration has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Transitions between them.
    pub transitions: usize,
    /// Inputs on the longest path that was needed.
    pub depth: usize,
    /// Whether every state was expanded.
    pub closed: bool,
}

impl std::fmt::Display for Explored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = if self.closed { "closed" } else { "stopped" };
        write!(f, "{} states, {} transitions, {end} at depth {}", self.states, self.transitions, self.depth)
    }
}

/// Explores from `start`, a world at rest. `check` is shown the state after every transition.
///
/// # Panics
/// When a session breaks the contract, can't come to its end, or `check` panics: the message of the run that
/// leads there is printed first.
pub fn explore(start: &World, alphabet: &Alphabet, check: &dyn Fn(&World, &History)) -> Explored {
    let root =
        Node { base: start.fork().expect("no errand is out"), tail: Vec::new(), history: History::default() };
    let mut seen = HashSet::from([key(start, &root.history)]);
    let mut frontier = VecDeque::from([(root, Vec::new())]);
    let mut explored = Explored { states: 1, transitions: 0, depth: 0, closed: true };
    while let Some((node, path)) = frontier.pop_front() {
        let (world, history) = node.replay(alphabet);
        if path.len() >= alphabet.depth {
            explored.closed &= actions(&world, &history, alphabet).is_empty();
            continue;
        }
        for action in actions(&world, &history, alphabet) {
            explored.transitions += 1;
            let mut path: Vec<Action> = path.clone();
            path.push(action);
            let told = Told(&path);
            let (mut world, mut history) = node.replay(alphabet);
            take(&mut world, &mut history, action, alphabet);
            // Every transition is checked: what led to a state that is known may still have been wrong.
            check(&world, &history);
            if seen.insert(key(&world, &history)) {
                let next = match world.fork() {
                    Some(base) => Node { base, tail: Vec::new(), history },
                    None => Node {
                        base: node.base.fork().expect("a base has no errand out"),
                        tail: [node.tail.as_slice(), &[action]].concat(),
                        history: node.history.clone(),
                    },
                };
                comes_to_an_end(world);
                explored.states += 1;
                explored.depth = explored.depth.max(path.len());
                std::mem::forget(told);
                frontier.push_back((next, path));
            } else {
                std::mem::forget(told);
            }
        }
    }
    explored
}

/// Says on the way out of a panic which run it was.
struct Told<'a>(&'a [Action]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        println!("the run: {:?}", self.0);
    }
}

/// A state: a world that can be copied, and what happened since to make it one that can't (its errand's token
/// exists once).
struct Node {
    base: World,
    tail: Vec<Action>,
    /// That of `base`.
    history: History,
}

impl Node {
    fn replay(&self, alphabet: &Alphabet) -> (World, History) {
        let mut world = self.base.fork().expect("a base has no errand out");
        let mut history = self.history.clone();
        for action in &self.tail {
            take(&mut world, &mut history, *action, alphabet);
        }
        (world, history)
    }
}

/// 128 bits of what a state is; a collision among a million states has a chance of 10^-27.
fn key(world: &World, history: &History) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        (world.done, world.is_out(), world.upstream().is_some()).hash(&mut hasher);
        if !world.done {
            world.session.snapshot(world.now().tick).hash(&mut hasher);
            world.client.state().hash(&mut hasher);
            if let Some(index) = world.upstream() {
                world.origins[index].end.state().hash(&mut hasher);
                history.origins_over.get(index).hash(&mut hasher);
            }
            world.origins.iter().filter(|origin| origin.idle).count().hash(&mut hasher);
            History {
                from_client: Vec::new(),
                from_origins: Vec::new(),
                origins_over: Vec::new(),
                ..history.clone()
            }
            .hash(&mut hasher);
        }
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}

/// What may happen next.
fn actions(world: &World, history: &History, alphabet: &Alphabet) -> Vec<Action> {
    let mut all = Vec::new();
    if world.done {
        return all;
    }
    if !history.client_over {
        if history.client_messages < alphabet.client_messages {
            all.extend((0..alphabet.client.len()).map(Action::ClientSends));
        }
        if history.client_bytes < alphabet.bytes {
            all.push(Action::ClientByte);
        }
        all.extend([Action::ClientEnds, Action::ClientResets]);
    }
    if world.is_out() {
        all.extend([Action::Connects, Action::Refuses]);
    }
    if let Some(index) = world.upstream()
        && !history.origins_over.get(index).copied().unwrap_or_default()
    {
        if history.origin_messages < alphabet.origin_messages {
            all.extend((0..alphabet.origin.len()).map(Action::OriginSends));
        }
        if history.origin_bytes < alphabet.bytes {
            all.push(Action::OriginByte);
        }
        all.extend([Action::OriginEnds, Action::OriginResets]);
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
    if world.deadline().is_some() {
        all.push(Action::Deadline);
    }
    if alphabet.drains && !history.drained {
        all.push(Action::Drains);
    }
    all
}

fn take(world: &mut World, history: &mut History, action: Action, alphabet: &Alphabet) {
    let content = |count: u8| [count];
    match action {
        Action::ClientSends(number) => {
            history.client_messages += 1;
            history.from_client.extend_from_slice(alphabet.client[number]);
            world.client_sends(alphabet.client[number]);
        }
        Action::ClientByte => {
            history.client_bytes += 1;
            history.from_client.extend_from_slice(&content(history.client_bytes));
            world.client_sends(content(history.client_bytes));
        }
        Action::ClientEnds => {
            history.client_over = true;
            world.client_ends();
        }
        Action::ClientResets => {
            history.client_over = true;
            world.client.reset();
            world.run();
        }
        Action::Connects => world.answer_dial(Connect::Accept),
        Action::Refuses => world.answer_dial(Connect::Refuse),
        Action::OriginSends(number) => {
            history.origin_messages += 1;
            said(world, history).extend_from_slice(alphabet.origin[number]);
            world.origin_sends(alphabet.origin[number]);
        }
        Action::OriginByte => {
            history.origin_bytes += 1;
            let byte = content(history.origin_bytes);
            said(world, history).extend_from_slice(&byte);
            world.origin_sends(byte);
        }
        Action::OriginEnds => {
            over(world, history);
            world.origin_ends();
        }
        Action::OriginResets => {
            over(world, history);
            world.origin().reset();
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
        Action::Deadline => {
            world.elapse_to_deadline();
        }
        Action::Drains => {
            history.drained = true;
            world.drain(None);
        }
    }
}

/// Everything that the origin server of the connection in use has said.
fn said<'h>(world: &World, history: &'h mut History) -> &'h mut Vec<u8> {
    let index = world.upstream().expect("a connection in use");
    if history.from_origins.len() <= index {
        history.from_origins.resize(index + 1, Vec::new());
    }
    &mut history.from_origins[index]
}

fn over(world: &World, history: &mut History) {
    let index = world.upstream().expect("a connection in use");
    if history.origins_over.len() <= index {
        history.origins_over.resize(index + 1, false);
    }
    history.origins_over[index] = true;
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

/// From everywhere the session comes to its end when its peers end their streams and time passes.
fn comes_to_an_end(mut world: World) {
    if world.done {
        return;
    }
    world.connects_else = Connect::Refuse;
    if world.is_out() {
        world.answer_dial(Connect::Refuse);
    }
    world.client_ends();
    if let Some(index) = world.upstream() {
        world.origins[index].end.end();
        world.run();
    }
    for _ in 0..64 {
        if world.done {
            return;
        }
        let waits = world.elapse_to_deadline();
        assert!(waits || world.done, "nothing will ever end {:?}", world.session.snapshot(world.now().tick));
    }
    panic!("time doesn't end {:?}", world.session.snapshot(world.now().tick));
}
