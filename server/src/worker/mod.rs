//! One worker, whatever runtime it runs in.
//!
//! | file | what it holds |
//! |---|---|
//! | `reactor` | what a runtime provides, all that a shell implements |
//! | `serve` | the worker: whose turn it is, timers, accepting, the end |
//! | `pump` | one session's turn: obeys its outputs, moves its bytes |
//! | `errand` | what a session waits for besides bytes: a name, a password, a connection |
//! | `socket` | what is done with one connection, besides its bytes |
//! | `machine` | which addresses are this machine's |
//! | `netlink` | one question to Linux, and its answer |
//! | `rtnetlink` | what Linux says of a route |
//! | `sock_diag` | what Linux says of a connection |
//! | `acceptor` | one listening socket |
//! | `slots` | the sessions of a worker, by number |
//! | `timer` | the one timer that a worker has of its runtime |
//!
//! Everything is generic over [`Reactor`] and compiled for the runtime that a shell names: between a session
//! and its socket stands no box and no table of functions.

mod acceptor;
mod errand;
mod machine;
#[cfg(target_os = "linux")]
mod netlink;
mod pump;
mod reactor;
#[cfg(target_os = "linux")]
mod rtnetlink;
mod serve;
mod slots;
#[cfg(target_os = "linux")]
mod sock_diag;
mod socket;
mod timer;

#[cfg(test)]
mod tests;

pub use reactor::{Reactor, Stream};
pub use serve::serve;
