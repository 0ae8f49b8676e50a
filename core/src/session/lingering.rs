//! Lingering: the session's business with the client is over, and what it still sends is read and dropped, so that
//! closing with unread input doesn't destroy what it has not read yet (RFC 9112 §9.6).

use super::{Common, FinalRead, flow::Content};
use crate::{
    Side,
    state::connection,
    time::Tick,
    timer::{Deadlines, Timer},
};

/// A client that is lingered on.
#[derive(Clone, Debug)]
pub(super) struct Lingering {
    since: Tick,
    final_read: FinalRead,
}

impl Lingering {
    /// Drops what has come, and ends our direction. Behind a complete request that was answered whole the client is
    /// read `once`: one that has sent nothing is not waited for (nginx).
    pub(super) fn begin(once: bool, common: &mut Common) -> Self {
        common.flow_mut(Side::Downstream).inbox.discard();
        common.flow_mut(Side::Downstream).content = Content::Empty;
        // What a timer has left of a tunnel's tail goes nowhere.
        common.flow_mut(Side::Upstream).stop_sending();
        if common.leg(Side::Downstream).writes() {
            common.leg_event(Side::Downstream, connection::Event::OurEnd);
            common.work.pending.shut_down(Side::Downstream);
        }
        let final_read = if once { FinalRead::Pending } else { FinalRead::NotNeeded };
        Self { since: common.tick, final_read }
    }

    /// The client was read, whatever came of it.
    pub(super) fn was_read(&mut self) {
        if self.final_read == FinalRead::Pending {
            self.final_read = FinalRead::Done;
        }
    }

    /// E11: a client that was answered whole is read once more before it is left. It takes no time: the shell reads
    /// before it sleeps, and when it sleeps there was nothing.
    pub(super) fn must_read_first(&self, common: &Common) -> bool {
        self.final_read == FinalRead::Pending && common.may_read_client()
    }

    /// Drops what has come; says whether there is nothing more to wait for.
    pub(super) fn drop_input(&mut self, common: &mut Common) -> bool {
        let something_came = !common.flow(Side::Downstream).inbox.raw().is_empty();
        if something_came {
            self.final_read = FinalRead::NotNeeded;
        }
        common.flow_mut(Side::Downstream).inbox.discard();
        !common.leg(Side::Downstream).reads() || self.final_read == FinalRead::Done
    }

    pub(super) fn add_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        let (total, idle) = (common.settings().lingering_time, common.settings().lingering_timeout);
        let arrived = common.flow(Side::Downstream).moves.arrived();
        deadlines.add(Timer::LingerTotal, self.since.after(total));
        deadlines.add(Timer::LingerIdle, self.since.max(arrived).after(idle));
    }

    /// What its behaviour depends on besides its deadlines.
    pub(super) fn outline(&self) -> FinalRead {
        let Self { since: _, final_read } = self;
        *final_read
    }
}
