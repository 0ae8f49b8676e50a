//! Receiving: a request head has begun.

use std::sync::Arc;

use super::Common;
use crate::{
    Side,
    buffer::Turn,
    http1::{Parsed, most_of_request},
    time::Tick,
    timer::{Deadlines, Timer},
    violation::Violation,
};

/// A request head that is being received.
#[derive(Clone, Debug)]
pub(super) struct Receiving {
    since: Tick,
}

/// What a request head has come to.
pub(super) enum Head {
    /// There is more to come.
    Partial,
    /// It is whole.
    Complete,
    /// It breaks a rule.
    Refused(Violation),
    /// The stream has ended inside of it.
    Cut,
}

impl Receiving {
    pub(super) fn begin(common: &Common) -> Self {
        Self { since: common.tick }
    }

    /// Reads what has come of it.
    pub(super) fn read(&self, common: &mut Common, turn: &mut Turn<'_>) -> Head {
        let is_cut = !common.leg(Side::Downstream).reads();
        let edge = Arc::clone(&common.record.config.edge);
        let Some(heads) = &mut common.record.heads else { return Head::Partial };
        let inbox = &mut common.work.flows[Side::Downstream.index()].inbox;
        if inbox.raw().is_empty() {
            return if is_cut { Head::Cut } else { Head::Partial };
        }
        match inbox.parse(|raw, scan| heads.request.parse(raw, scan, &edge)) {
            Ok(Parsed::Complete(length)) => {
                inbox.take_head(length, turn.buffers);
                common.record.figures.request_length = length as u64;
                Head::Complete
            }
            Ok(Parsed::Partial) => {
                inbox.make_room(most_of_request(&edge), turn.buffers);
                if is_cut { Head::Cut } else { Head::Partial }
            }
            Err(violation) => Head::Refused(violation),
        }
    }

    /// The first head is waited for since the client was accepted.
    pub(super) fn add_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        let is_first = common.record.requests <= 1;
        let since = if is_first { common.record.accepted } else { self.since };
        deadlines.add(Timer::ClientHeader, since.after(common.edge().client_header_timeout));
    }
}
