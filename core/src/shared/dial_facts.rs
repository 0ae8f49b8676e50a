//! The facts about a dial by which a group chooses a peer for it.

use std::net::IpAddr;

use super::balance::HashKey;
use crate::time::Tick;

/// For which dial a peer is chosen, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct DialFacts<'a> {
    /// Numbers of the peers that were tried before.
    pub(super) tried: &'a [u32],
    pub(super) client: Option<IpAddr>,
    pub(super) key: HashKey,
    pub(super) chance: u64,
    pub(super) now: Tick,
}
