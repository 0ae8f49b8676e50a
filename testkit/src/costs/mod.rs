//! What a byte costs (K6): a table of inputs that are meant to be dear, each with an ordinary one of the same length.
//!
//! Two readers share the table. `benches/costs` counts the instructions of each row under callgrind and asserts that
//! cost grows no faster than the input, and that no byte is dearer than ten ordinary ones. The criterion bench
//! `benches/benches/costs.rs` measures the time of the same rows.

mod check;
mod large_heads;
mod load;
mod play;
mod rows;

pub use check::{Count, Measure, Report, judge};
pub use play::Player;

use std::hint::black_box;

/// A costly input.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name, unique in the table.
    pub name: &'static str,
    /// What makes it dear, or would in a machine that does it badly.
    pub what: &'static str,
    /// The size at which it is measured, and then at twice as much.
    pub size: usize,
    /// How its cost may grow with its size.
    pub growth: Growth,
    /// How many times the cost of its ordinary companion it may have.
    pub times: u32,
    kind: Kind,
}

/// How cost may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// The size is bytes of input: twice as many cost twice as much.
    Linear,
    /// The size is that of the configuration, or of what the worker holds: twice as much costs hardly more.
    Flat,
    /// Past some size the search is given up, so that the cost is at most so many instructions.
    Bounded(u64),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// An exchange, for the given size.
    Exchange(fn(usize) -> Exchange),
    /// A configuration file of about so many bytes, and an ordinary one of the same number of lines.
    Load(fn(usize) -> String, fn(usize) -> String),
}

/// One connection of a client with one exchange.
#[derive(Clone, Debug, Default)]
struct Exchange {
    /// The configuration file.
    config: String,
    /// What the client sends.
    client: Vec<u8>,
    /// What the origin server sends once it has been asked; nothing where it isn't to be asked.
    origin: Vec<u8>,
    /// How many bytes one read brings at most.
    cut: usize,
    /// The status code that the client gets: otherwise something else was measured.
    status: u16,
    /// Paths that are asked for before, and whose connections are pooled.
    before: Vec<String>,
}

/// The table.
pub fn table() -> impl Iterator<Item = &'static Row> + Clone {
    rows::TABLE.iter().chain(large_heads::TABLE)
}

/// A row at one size, ready to be run as often as wanted.
#[derive(Debug)]
pub struct Prepared(Work);

#[derive(Debug)]
enum Work {
    Exchange(Box<Player>),
    Load(String),
}

impl Row {
    /// The costly input of this size.
    #[must_use]
    pub fn costly(&self, size: usize) -> Prepared {
        match self.kind {
            Kind::Exchange(make) => Prepared(Work::Exchange(Box::new(Player::new(make(size))))),
            Kind::Load(make, _) => Prepared(Work::Load(make(size))),
        }
    }

    /// An ordinary input with as many bytes, which come in the same pieces, under the same configuration.
    #[must_use]
    pub fn plain(&self, size: usize) -> Prepared {
        match self.kind {
            Kind::Exchange(make) => {
                Prepared(Work::Exchange(Box::new(Player::new(rows::ordinary(&make(size))))))
            }
            Kind::Load(_, make) => Prepared(Work::Load(make(size))),
        }
    }
}

impl Prepared {
    /// How many bytes of input there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Work::Exchange(player) => player.bytes(),
            Work::Load(text) => text.len(),
        }
    }

    /// Does the work once.
    ///
    /// # Panics
    /// When something else comes of it than the row says.
    pub fn run(&mut self) {
        match &mut self.0 {
            Work::Exchange(player) => player.run(),
            Work::Load(text) => load::load(black_box(text)),
        }
    }
}

/// Does the work once; callgrind counts what happens in here. Not inlined, so that it has a name to be found by.
#[inline(never)]
pub fn counted(prepared: &mut Prepared) {
    prepared.run();
}
