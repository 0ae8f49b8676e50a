//! One worker, whatever runtime it runs in.
//!
//! | file | what it holds |
//! |---|---|
//! | `reactor` | what a runtime provides, all that a shell implements |
//! | `network` | a worker's sockets and its time, as the worker sees them |
//! | `selector` | the sockets, watched by a selector of the worker's own |
//! | `serve` | the worker: whose turn it is, timers, accepting, the end |
//! | `pump` | one session's turn: obeys its outputs, moves its bytes |
//! | `guest` | who has a place: a session, or a connection before its session or behind it |
//! | `entrance` | a client before its session: a PROXY protocol header, a TLS handshake |
//! | `secured` | a connection that may be under TLS |
//! | `farewell` | a connection behind its session, with something to be sent before it is closed |
//! | `errand` | what a session waits for besides bytes: a name, a password, a connection |
//! | `socket` | what is done with one connection, besides its bytes |
//! | `machine` | which addresses are this machine's |
//! | `netlink` | one question to Linux, and its answer |
//! | `rtnetlink` | what Linux says of a route |
//! | `sock_diag` | what Linux says of a connection |
//! | `acceptor` | one listening socket |
//! | `slots` | the guests of a worker, by number |
//! | `timer` | the one timer that a worker has of its runtime |
//!
//! Everything is generic over a network and compiled for the runtime that a shell names: between a session and its socket
//! stands no box and no table of functions.

mod acceptor;
mod entrance;
mod errand;
mod farewell;
mod guest;
mod machine;
#[cfg(target_os = "linux")]
mod netlink;
mod network;
mod pump;
mod reactor;
#[cfg(target_os = "linux")]
mod rtnetlink;
mod secured;
mod selector;
mod serve;
mod slots;
#[cfg(target_os = "linux")]
mod sock_diag;
mod socket;
mod timer;
mod watch;

#[cfg(test)]
mod tests;

use network::{Network, Stream};
pub use reactor::{Look, Reactor};
pub use serve::serve;
pub use watch::Watch;
