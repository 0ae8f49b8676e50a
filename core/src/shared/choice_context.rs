//! The facts about an exchange by which a peer is chosen for it.

use std::net::IpAddr;

use super::balance::HashKey;
use crate::time::Tick;

/// For whom a peer is chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChoiceContext<'a> {
    /// Numbers of the peers that were tried before.
    pub(super) tried: &'a [u32],
    pub(super) client: Option<IpAddr>,
    pub(super) key: HashKey,
    pub(super) chance: u64,
    pub(super) now: Tick,
}
