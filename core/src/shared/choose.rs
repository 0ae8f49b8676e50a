//! Choosing the peer that a dial goes to.

use super::{
    peers::{ChoiceContext, Peers},
    sync::Arc,
    upstreams::Upstreams,
};
use crate::{
    session::{Choice, Dial, DialError},
    time::Tick,
};

impl Upstreams {
    /// Chooses where `dial` goes, and takes a lease on it: a primary peer by the group's [`super::Balance`], a
    /// backup when no primary can be chosen. Left out are peers that the exchange has tried already, that are
    /// down, have `max_conns` leases, or have failed too often of late.
    pub(crate) fn choose(self: &Arc<Self>, dial: &Dial, now: Tick) -> Result<Choice, DialError> {
        if let Some(own) = dial.own_address() {
            return own.map(|own| Choice(self.lease_of_stranger(dial, own)));
        }
        self.lease(dial, now).map(Choice).ok_or(DialError::NoPeer)
    }

    /// Has `peers`, which are none of the group's, choose where `dial` goes.
    pub(crate) fn choose_of(
        self: &Arc<Self>,
        peers: &dyn Peers,
        dial: &Dial,
        context: &ChoiceContext<'_>,
    ) -> Result<Choice, DialError> {
        let chosen = peers.choose(context).ok_or(DialError::NoPeer)?;
        Ok(Choice(self.lease_of_chosen(dial, chosen)))
    }
}
