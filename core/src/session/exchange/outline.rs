//! What the behaviour of an exchange depends on, besides its deadlines.

use super::{Common, Exchange, Expectation, FinalRead, Origin, fate};
use crate::{
    http1::Framing,
    rewrite::{Offer, SentMethod},
    session::{
        Ending,
        fate::{Facts, Fate},
    },
    time::Tick,
    violation::Violation,
};

/// What two exchanges that behave alike have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are compared; nothing is decided by them")]
pub(in crate::session) struct Outline {
    fate: Fate,
    facts: Facts,
    may_pool: bool,
    origin: Origin,
    offer: Offer,
    method: SentMethod,
    expectation: Expectation,
    final_read: FinalRead,
    failure: Option<Violation>,
    interim: u16,
    tries: u32,
    framing: Framing,
    resolved: bool,
    elsewhere: usize,
    /// Rate, what is free, and for how long what has moved counts.
    paces: [Option<(u64, u64, u64)>; 2],
    refusal: Option<Violation>,
    content_lost: bool,
    upstream_broke: bool,
    content_received: u64,
    ending: Ending,
}

impl Exchange {
    /// Everything is taken apart, so that nothing that is added later goes unseen: what doesn't matter is named, too.
    pub(in crate::session) fn outline(&self, common: &Common, now: Tick) -> Outline {
        let Self {
            // The snapshot has it with the phase.
            machine: _,
            // Deadlines count from these, or are one.
            entered: _,
            admitted_at: _,
            told_at: _,
            framing,
            offer,
            method,
            expectation,
            facts,
            may_pool,
            origin,
            interim,
            tries,
            failure,
            addresses,
            elsewhere,
            content_lost,
            upstream_broke,
            content_received,
            final_read,
            paces,
            refusal,
            ending,
        } = self;
        Outline {
            fate: fate::fate(*facts, common.draining.is_some()),
            facts: *facts,
            may_pool: *may_pool,
            origin: *origin,
            offer: *offer,
            method: *method,
            expectation: *expectation,
            final_read: *final_read,
            failure: *failure,
            interim: *interim,
            tries: *tries,
            framing: *framing,
            resolved: addresses.is_some(),
            elsewhere: elsewhere.len(),
            paces: paces.as_ref().map_or([None; 2], |paces| paces.outline(now)),
            refusal: *refusal,
            content_lost: *content_lost,
            upstream_broke: *upstream_broke,
            content_received: *content_received,
            ending: *ending,
        }
    }
}
