//! What several workers share: the only room of this crate with atomics or locks.

mod balance;
mod drain;
mod group;
mod limits;
#[cfg(all(test, loom))]
mod models;
mod roster;
mod seat;
mod swap;
mod sync;
mod upstreams;

pub(crate) use balance::{HashKey, seed};
pub use drain::{DrainGate, Pass};
pub use group::{Balance, Endpoint, Group, GroupId, KeepAlive, Peer};
pub use limits::{Demand, Excess, LimitConn, LimitReq, Permit, admit_request};
pub use swap::{Reader, Swap};
pub use upstreams::{Lease, Named, PeerStatus, Upstreams};
