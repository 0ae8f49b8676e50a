//! What several workers share: the only room of this crate with atomics or locks.

mod group;
mod sync;
mod upstreams;

pub use group::{Balance, Endpoint, Group, GroupId, KeepAlive, Peer};
pub use upstreams::{Lease, Upstreams};
