//! Visits every state that a session can reach under a small alphabet of inputs, breadth first.
//!
//! What is explored is the real `Session` in a [`World`], not a model of it. Two states are the same when the
//! session's snapshots are equal, and so are what its peers have still in flight, what the alphabet has left, and
//! what the caller's properties make of the bytes on either side. Every transition is shown to these properties.
//! From every new state the run is brought to its end in three ways: its peers fall silent for ever, they end
//! their streams, and the worker drains in limited time.

mod action;
mod alphabet;
mod end;
pub mod frames;
mod origin;

pub use alphabet::{Action, Alphabet, Frames, History, Over};

use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    time::{Duration, Instant},
};

use underpass_core::Rows;

use action::{actions, take};

use crate::session_world::World;

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
    /// How long it took.
    pub elapsed: Duration,
    /// The rows of the tables that were taken.
    pub rows: Rows,
}

impl std::fmt::Display for Explored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let closed = if self.closed { "yes" } else { "no" };
        let Self { states, transitions, depth, elapsed, .. } = self;
        let seconds = elapsed.as_secs_f32();
        write!(
            f,
            "closed={closed} states={states} transitions={transitions} depth={depth} seconds={seconds:.1}"
        )
    }
}

/// Explores from `start`, a world at rest. `check` is shown the state after every transition, and says what its
/// properties rest on: what differs in that is not the same state.
///
/// # Panics
/// When a session breaks the contract, can't come to its end, or `check` panics: the message of the run that
/// leads there is printed first.
pub fn explore(start: &World, alphabet: &Alphabet, check: &dyn Fn(&World, &History) -> u64) -> Explored {
    let began = Instant::now();
    let root =
        Node { base: start.fork().expect("no errand is out"), tail: Vec::new(), history: History::default() };
    let mut seen = HashSet::from([key(start, &root.history, check(start, &root.history))]);
    let mut frontier = VecDeque::from([(root, Vec::new())]);
    let mut explored = Explored {
        states: 1,
        transitions: 0,
        depth: 0,
        closed: true,
        elapsed: Duration::ZERO,
        rows: start.session.rows_taken(),
    };
    while let Some((node, path)) = frontier.pop_front() {
        let (world, history) = node.replay(alphabet);
        let next = actions(&world, &history, alphabet);
        if path.len() >= alphabet.depth {
            explored.closed &= next.is_empty();
            continue;
        }
        for action in next {
            explored.transitions += 1;
            let mut path: Vec<Action> = path.clone();
            path.push(action);
            let told = Told(&path);
            let (world, history) = node.after(action, alphabet);
            // Every transition is checked: what led to a state that is known may still have been wrong.
            let view = check(&world, &history);
            explored.rows = explored.rows.union(world.session.rows_taken());
            if seen.insert(key(&world, &history, view)) {
                end::gone_is_gone(&world);
                if !world.done {
                    let with_the_drain = |world| end::with_the_drain(world, alphabet.frames.grace);
                    let ends: [&dyn Fn(World) -> World; 3] =
                        [&end::in_silence, &end::with_its_peers, &with_the_drain];
                    for ends in ends {
                        let (world, _) = node.after(action, alphabet);
                        explored.rows = explored.rows.union(ends(world).session.rows_taken());
                    }
                    if let Some(leads_on) = alphabet.frames.leads_on {
                        let (world, history) = node.after(action, alphabet);
                        leads_on(world, &history);
                    }
                }
                let next = match world.fork() {
                    Some(base) => Node { base, tail: Vec::new(), history },
                    None => Node {
                        base: node.base.fork().expect("a base has no errand out"),
                        tail: [node.tail.as_slice(), &[action]].concat(),
                        history: node.history.clone(),
                    },
                };
                explored.states += 1;
                explored.depth = explored.depth.max(path.len());
                std::mem::forget(told);
                frontier.push_back((next, path));
            } else {
                std::mem::forget(told);
            }
        }
    }
    explored.elapsed = began.elapsed();
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

    fn after(&self, action: Action, alphabet: &Alphabet) -> (World, History) {
        let (mut world, mut history) = self.replay(alphabet);
        take(&mut world, &mut history, action, alphabet);
        (world, history)
    }
}

/// 128 bits of what a state is; a collision among a million states has a chance of 10^-27.
fn key(world: &World, history: &History, view: u64) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, view, world.done).hash(&mut hasher);
        (world.dials(), world.looks_up(), world.claims(), world.upstream().is_some()).hash(&mut hasher);
        if !world.done {
            world.session.snapshot(world.now().tick).hash(&mut hasher);
            world.client.state().hash(&mut hasher);
            if let Some(index) = world.upstream() {
                world.origins[index].end.state().hash(&mut hasher);
                history.origin_over(index).hash(&mut hasher);
            }
            for (index, origin) in world.origins.iter().enumerate().filter(|(_, origin)| origin.idle) {
                (origin.end.state(), history.origin_over(index)).hash(&mut hasher);
            }
            history.outline().hash(&mut hasher);
            world.under_way().hash(&mut hasher);
        }
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}
