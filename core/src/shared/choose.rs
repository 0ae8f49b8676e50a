//! Choosing the peer that a dial goes to.

use super::{choice_context::ChoiceContext, sync::Arc, upstreams::Upstreams};
use crate::{
    session::{Choice, Dial, DialError},
    time::Tick,
};

impl Upstreams {
    /// Chooses where `dial` goes, and takes a lease on it: a primary peer by the group's [`super::Balance`], a
    /// backup when no primary can be chosen. Left out are peers that the exchange has tried already, that are
    /// down, have `max_conns` leases, or have failed too often of late.
    ///
    /// `now` has the same epoch in all workers.
    ///
    /// # Errors
    /// [`DialError::NoPeer`] when none is left, [`DialError::OwnListener`] when only addresses of this machine are
    /// at which we listen ourselves ([`Dial::tell_local`]).
    pub fn choose(self: &Arc<Self>, dial: &Dial, now: Tick) -> Result<Choice, DialError> {
        if let Some(own) = dial.own_address() {
            return own.map(|own| Choice(self.lease_of_stranger(dial.group(), dial.bind(), own)));
        }
        let context = ChoiceContext {
            tried: &dial.tried,
            client: dial.client,
            key: dial.key,
            chance: dial.chance,
            now,
        };
        self.lease(dial.group(), dial.bind(), &context).map(Choice).ok_or(DialError::NoPeer)
    }
}
