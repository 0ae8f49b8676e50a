//! Groups of origin servers, and leases on their peers.

use std::net::{IpAddr, SocketAddr};

use super::{
    group::{Endpoint, Group, GroupId, KeepAlive},
    sync::{Arc, Ordering},
};
use crate::{
    Address,
    session::{Choice, Dial, DialError, Verdict},
    time::Tick,
};

/// All groups of a configuration, shared by its workers.
#[derive(Debug, Default)]
pub struct Upstreams {
    groups: Vec<Group>,
}

impl Upstreams {
    /// A table of `groups`; a [`GroupId`] is an index into it.
    #[must_use]
    pub fn new(groups: Vec<Group>) -> Self {
        Self { groups }
    }

    /// The group `id`.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0)
    }

    /// Chooses where `dial` goes: peers in turn, those that the exchange has tried already left out.
    ///
    /// # Errors
    /// [`DialError::NoPeer`] when every peer has been tried, or there is none.
    pub fn choose(self: &Arc<Self>, dial: &Dial, now: Tick) -> Result<Choice, DialError> {
        let _ = now;
        let group = self.group(dial.group()).ok_or(DialError::NoPeer)?;
        let lease = |number, address, counted| {
            Choice(Lease { table: Arc::clone(self), group: dial.group(), peer: number, address, counted })
        };
        if let Some((addresses, port)) = dial.addresses() {
            let (number, ip) = next_address(addresses, dial).ok_or(DialError::NoPeer)?;
            return Ok(lease(number, Address::Ip(SocketAddr::new(ip, port)), false));
        }
        let count = group.peers.len();
        if count == 0 {
            return Err(DialError::NoPeer);
        }
        let first = usize::try_from(group.turn.fetch_add(1, Ordering::Relaxed) % count as u64).unwrap_or(0);
        for index in (0..count).map(|step| (first + step) % count) {
            let (Some(slot), Ok(number)) = (group.peers.get(index), u32::try_from(index)) else { continue };
            let Endpoint::Address(address) = &slot.peer.endpoint else { continue };
            if !dial.has_tried(number) {
                slot.active.fetch_add(1, Ordering::Relaxed);
                return Ok(lease(number, address.clone(), true));
            }
        }
        Err(DialError::NoPeer)
    }

    /// How many leases on a peer are out.
    #[must_use]
    pub fn active(&self, group: GroupId, peer: usize) -> u32 {
        let slot = self.group(group).and_then(|group| group.peers.get(peer));
        slot.map_or(0, |slot| slot.active.load(Ordering::Relaxed))
    }
}

fn next_address(addresses: &[IpAddr], dial: &Dial) -> Option<(u32, IpAddr)> {
    (0..).zip(addresses.iter().copied()).find(|(number, _)| !dial.has_tried(*number))
}

/// One active connection to a peer. Dropping it un-counts, so that counts can't drift.
#[must_use = "a dropped lease is no longer counted"]
#[derive(Debug)]
pub struct Lease {
    table: Arc<Upstreams>,
    group: GroupId,
    peer: u32,
    address: Address,
    counted: bool,
}

impl Lease {
    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The group it belongs to.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// Number of the peer, by which its group knows it.
    pub(crate) fn number(&self) -> u32 {
        self.peer
    }

    /// The pool settings of its group.
    #[must_use]
    pub fn keepalive(&self) -> KeepAlive {
        self.table.group(self.group).map_or_else(KeepAlive::default, |group| *group.keepalive())
    }

    /// What the session thinks of the peer so far; the lease goes on.
    pub fn judge(&self, verdict: Verdict, now: Tick) {
        let _ = (verdict, now);
    }

    /// Ends the lease with what the session thinks of the peer.
    pub fn report(self, verdict: Verdict, now: Tick) {
        let _ = (verdict, now);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let slot = self.table.group(self.group).and_then(|group| group.peers.get(self.peer as usize));
        if let Some(slot) = slot {
            slot.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
