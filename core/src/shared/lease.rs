//! A lease: the hold that a connection has on its peer, and how that hears what became of it.

use std::net::SocketAddr;

use super::{
    group::Group,
    peer::{GroupId, KeepAlive},
    peers::ChosenPeer,
    sync::{Arc, Lock},
    upstreams::Upstreams,
};
use crate::{Address, time::Tick, tls::SharedPeer, verdict::Verdict};

/// One active connection to a peer. Dropping it un-counts, so that counts can't drift.
#[must_use = "a dropped lease is no longer counted"]
#[derive(Debug)]
pub struct Lease {
    upstreams: Arc<Upstreams>,
    group: GroupId,
    number: u32,
    address: Address,
    /// Where connections to it come from, if not from anywhere.
    bind: Option<SocketAddr>,
    /// Whom they are secured with, if they are.
    tls: Option<SharedPeer>,
    holder: Holder,
}

/// Who counts a lease, and is told what became of it.
#[derive(Debug)]
pub(super) enum Holder {
    /// A peer of the group.
    Group,
    /// Nobody: it is at an address of the exchange's own, or over.
    Nobody,
    /// A peer that an embedder's own [`super::Peers`] have chosen.
    Chosen(Told),
}

/// A peer that hears one verdict.
#[derive(Debug)]
pub(super) struct Told {
    peer: Box<dyn ChosenPeer>,
    is_told: Lock<bool>,
}

impl Told {
    pub(super) fn new(peer: Box<dyn ChosenPeer>) -> Self {
        Self { peer, is_told: Lock::new(false) }
    }

    fn judge(&self, verdict: Verdict, now: Tick) {
        if !std::mem::replace(&mut *self.is_told.hold(), true) {
            self.peer.judge(verdict, now);
        }
    }
}

impl Lease {
    /// A lease on the peer `number` at `address`, for connections from `bind` that are secured with `tls`.
    pub(super) fn new(
        upstreams: &Arc<Upstreams>,
        (group, bind, tls): (GroupId, Option<SocketAddr>, Option<SharedPeer>),
        (number, address): (u32, Address),
        holder: Holder,
    ) -> Self {
        Self { upstreams: Arc::clone(upstreams), group, number, address, bind, tls, holder }
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn bind(&self) -> Option<SocketAddr> {
        self.bind
    }

    pub(crate) fn tls(&self) -> Option<&SharedPeer> {
        self.tls.as_ref()
    }

    /// The group it belongs to.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// Number of the peer, by which its group knows it.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The pool settings of its group.
    #[must_use]
    pub fn keepalive(&self) -> KeepAlive {
        self.upstreams.group(self.group).map_or_else(KeepAlive::default, |group| *group.keepalive())
    }

    /// What the session thinks of the peer so far; the lease goes on.
    pub fn judge(&self, verdict: Verdict, now: Tick) {
        if verdict == Verdict::Unjudged {
            return;
        }
        match &self.holder {
            Holder::Nobody => {}
            Holder::Chosen(peer) => peer.judge(verdict, now),
            Holder::Group => {
                if let Some(group) = self.counting_group() {
                    group.peer_table().hold().judge(self.number, verdict, now);
                }
            }
        }
    }

    /// Ends the lease with what the session thinks of the peer.
    pub fn report(mut self, verdict: Verdict, now: Tick) {
        if let Some(group) = self.counting_group() {
            let mut peer_table = group.peer_table().hold();
            peer_table.judge(self.number, verdict, now);
            peer_table.give_back(self.number);
        }
        if let Holder::Chosen(peer) = std::mem::replace(&mut self.holder, Holder::Nobody) {
            peer.judge(verdict, now);
        }
    }

    fn counting_group(&self) -> Option<&Group> {
        match self.holder {
            Holder::Group => self.upstreams.group(self.group),
            Holder::Nobody | Holder::Chosen(_) => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(group) = self.counting_group() {
            group.peer_table().hold().give_back(self.number);
        }
    }
}
