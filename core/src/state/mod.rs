//! The transition tables, and nothing else.
//!
//! Five machines decide what may happen: the [`phase`]s of a session, an [`exchange`], reading a [`message`], the life
//! of a [`connection`], and one direction of a [`tunnel`]. Each table lists its rows, `state + event => state`;
//! what isn't listed is illegal. The state itself is private to this room: the only way to change it is
//! an event. The full matrix of each table is checked in beside it, and the diagrams in `docs/design/state.md`
//! are generated from it.

#[macro_use]
mod table;

pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod message;
pub(crate) mod phase;
mod rows;
pub(crate) mod tunnel;

pub use rows::Rows;
pub(crate) use rows::Taken;

#[cfg(test)]
mod tests;
