//! Finished: an exchange is over, or the tunnel that came of it, and it is decided what becomes of the client.

use super::{
    Common, Ending,
    fate::{self, Fact, Facts, Next, Stand},
};
use crate::Side;

/// What is left of an exchange, or of a tunnel.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    facts: Facts,
    /// How the client's connection is closed, where it is.
    ending: Ending,
}

impl Finished {
    pub(super) fn exchange(facts: Facts, ending: Ending) -> Self {
        Self { facts, ending }
    }

    /// There is nothing more to be said to the client of a tunnel.
    pub(super) fn tunnel(ending: Ending) -> Self {
        let mut facts = Facts::NONE;
        facts.note(Fact::Gone);
        Self { facts, ending }
    }

    /// What follows.
    pub(super) fn next(&self, common: &Common) -> Next {
        let (leg, request) = (common.leg(Side::Downstream), common.flow(Side::Downstream));
        let stand = Stand {
            is_complete: request.is_complete(),
            has_more: !request.inbox.raw().is_empty(),
            reads: leg.reads(),
            writes: leg.writes(),
        };
        let fate = fate::fate(self.facts, common.draining.is_some());
        let lingering = common.settings().lingering_close;
        fate::next(fate, stand, lingering, self.ending, common.record.outcome())
    }
}
