//! What several workers share: the only room of this crate with atomics or locks.

mod balance;
mod group;
mod roster;
mod seat;
mod sync;
mod upstreams;

pub(crate) use balance::{HashKey, seed};
pub use group::{Balance, Endpoint, Group, GroupId, KeepAlive, Peer};
pub use upstreams::{Lease, Named, PeerStatus, Upstreams};
