//! An attempt to have a request answered.

use std::num::NonZeroU32;

use crate::{
    Address,
    shared::GroupId,
    time::{MaybeTick, Tick},
};

/// One attempt to have the request answered by a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) peer: Option<Address>,
    /// No peer could be chosen: the number of the group and one.
    pub(super) nobody: Option<NonZeroU32>,
    /// The peer's number in its group, unless it is to count as not tried.
    pub(crate) tried: Option<u32>,
    /// It is the first for another location than those before.
    pub(crate) begins_group: bool,
    pub(crate) began: Tick,
    pub(crate) connected: MaybeTick,
    pub(crate) answered: MaybeTick,
    pub(crate) over: MaybeTick,
    pub(crate) status: u16,
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

impl Attempt {
    /// Nobody was asked.
    pub(super) const NONE: Self = Self {
        peer: None,
        nobody: None,
        tried: None,
        begins_group: false,
        began: Tick(0),
        connected: MaybeTick::NONE,
        answered: MaybeTick::NONE,
        over: MaybeTick::NONE,
        status: 0,
        sent: 0,
        received: 0,
    };

    /// Whether somebody was asked, or was to be asked.
    pub(crate) fn counts(&self) -> bool {
        self.peer.is_some() || self.nobody.is_some()
    }

    /// No peer of the group could be chosen.
    pub(crate) fn found_nobody(&mut self, GroupId(group): GroupId) {
        let number = u32::try_from(group.saturating_add(1)).unwrap_or(u32::MAX);
        self.nobody = NonZeroU32::new(number);
    }

    /// The group of which no peer could be chosen.
    pub(super) fn group(&self) -> Option<GroupId> {
        self.nobody.map(|number| GroupId(number.get() as usize - 1))
    }
}
