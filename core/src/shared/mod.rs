//! What several workers share: the only room of this crate with atomics or locks.

mod sync;
mod upstreams;

pub use upstreams::{Group, GroupId, KeepAlive, Lease, Peer, Upstreams};
