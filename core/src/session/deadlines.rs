//! The deadlines of a session: each phase says its own. They follow from what the phase is, since when, and when bytes
//! last moved; nobody starts or stops anything.

use super::{Session, phase::Phase};
use crate::timer::{Deadlines, Timer};

impl Session {
    /// What is waited for no longer than until when.
    pub(super) fn deadlines(&self) -> Deadlines {
        let (common, mut deadlines) = (&self.common, Deadlines::default());
        // A tunnel has its own.
        if matches!(self.phase, Phase::Tunnel(_) | Phase::Closed) {
            return deadlines;
        }
        if let Some(until) = common.ends_by.get() {
            deadlines.add(Timer::Drain, until);
        }
        match &self.phase {
            Phase::Greeting => {
                let timeout = common.edge().client_header_timeout;
                deadlines.add(Timer::ClientHeader, common.record.accepted.after(timeout));
            }
            Phase::Idle(idle) => idle.add_deadlines(common, &mut deadlines),
            Phase::Receiving(receiving) => receiving.add_deadlines(common, &mut deadlines),
            Phase::Exchange(exchange) => exchange.add_deadlines(common, &mut deadlines),
            Phase::Lingering(lingering) => lingering.add_deadlines(common, &mut deadlines),
            Phase::Finished(_) | Phase::Tunnel(_) | Phase::Closed => {}
        }
        deadlines
    }
}
