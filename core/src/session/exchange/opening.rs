//! Opening a tunnel (A8, A9).

use super::{Common, Exchange, Verdict};
use crate::{
    Side,
    buffer::Turn,
    rewrite::{Persistence, ResponseHead, write_response},
    state::exchange,
    violation::Violation,
};

impl Exchange {
    /// Opens the tunnel once the request has been sent whole (A9): the client gets the 101, and what each
    /// side has sent behind its head are the first bytes of its stream (A8).
    pub(super) fn open_tunnel(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> bool {
        if self.machine.state() != exchange::State::Switching {
            return false;
        }
        let request = common.flow(Side::Downstream);
        if !request.is_complete() || !request.is_sent() {
            return false;
        }
        if common.connects() {
            common.write_established(turn);
            self.become_tunnel(common);
            return true;
        }
        common.record.status = 101;
        let shape = ResponseHead {
            status: 101,
            chunked: false,
            length: false,
            empty: false,
            persistence: Persistence::Keep,
        };
        let written = common.write_to_client(turn, |record, now, out| {
            let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
            write_response(record, &heads.response, shape, now, out)?;
            Ok(out.len())
        });
        if let Err(violation) = written {
            self.refuse(common, violation, turn);
            return true;
        }
        self.become_tunnel(common);
        true
    }

    fn become_tunnel(&mut self, common: &mut Common) {
        self.exchange_event(common, exchange::Event::Open);
        // It may be hours until the connection is released.
        common.work.pending.judgement = Some(Verdict::Success);
    }
}
