//! Choosing the peer that a dial goes to.

use super::{
    dial_facts::DialFacts,
    group::Group,
    lease::{Holder, Lease, Told},
    peers::{ChoiceContext, Peers},
    sync::Arc,
    upstreams::Upstreams,
};
use crate::{
    Address,
    session::{Choice, Dial, DialError},
    time::Tick,
};

impl Upstreams {
    /// Chooses where `dial` goes, and takes a lease on it: a primary peer by the group's [`super::Balance`], a
    /// backup when no primary can be chosen. Left out are peers that the exchange has tried already, that are
    /// down, have `max_conns` leases, or have failed too often of late.
    pub(crate) fn choose(self: &Arc<Self>, dial: &Dial, now: Tick) -> Result<Choice, DialError> {
        if let Some(own) = dial.own_address() {
            // An address that is none of the group's peers: nobody counts it.
            return own.map(|own| self.lease(dial, own, Holder::Nobody));
        }
        let facts =
            DialFacts { tried: &dial.tried, client: dial.client, key: dial.key, chance: dial.chance, now };
        let choose = |group: &Group| group.peer_table().hold().choose(group.balance(), &facts);
        let peer = self.group(dial.group()).and_then(choose).ok_or(DialError::NoPeer)?;
        Ok(self.lease(dial, peer, Holder::Group))
    }

    /// Has `peers`, which are none of the group's, choose where `dial` goes.
    pub(crate) fn choose_of(
        self: &Arc<Self>,
        peers: &dyn Peers,
        dial: &Dial,
        context: &ChoiceContext<'_>,
    ) -> Result<Choice, DialError> {
        let chosen = peers.choose(context).ok_or(DialError::NoPeer)?;
        // They have no numbers: any will do that the exchange's tries have not had.
        let number = dial.tried.iter().max().map_or(0, |last| last.saturating_add(1));
        let peer = (number, chosen.address().clone());
        Ok(self.lease(dial, peer, Holder::Chosen(Told::new(chosen))))
    }

    fn lease(self: &Arc<Self>, dial: &Dial, peer: (u32, Address), holder: Holder) -> Choice {
        let connections = (dial.group(), dial.bind(), dial.tls().cloned());
        Choice(Lease::new(self, connections, peer, holder))
    }
}
