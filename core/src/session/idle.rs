//! Idle: no byte of a request has come, be it the first one or the next.

use super::{Common, receiving::Receiving};
use crate::{
    Side,
    buffer::Turn,
    draining,
    time::Tick,
    timer::{Deadlines, Timer},
};

/// Empty lines that are skipped in front of a request line (E3).
const EMPTY_LINES: u8 = 4;

/// A client whose request is awaited.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    /// Since when the next request is awaited. Of the first one, only when the process was asked to end is noted here: it is
    /// awaited since the client was accepted.
    since: Tick,
    /// Bytes of its request were here before the exchange before it was over.
    pipelined: bool,
    /// Empty lines that have come before its request line.
    empty_lines: u8,
}

/// What an idle client has come to.
pub(super) enum Found {
    /// No byte of a request.
    Nothing,
    /// Its end, or a request that isn't begun any more.
    End,
    /// The first byte of a request.
    Request,
}

impl Idle {
    pub(super) fn begin(pipelined: bool, common: &Common) -> Self {
        Self { since: common.tick, pipelined, empty_lines: 0 }
    }

    /// Looks at what has come.
    pub(super) fn look(&mut self, common: &mut Common) -> Found {
        self.skip_empty_lines(common);
        if matches!(common.flow(Side::Downstream).inbox.raw(), b"" | b"\r") {
            let is_over = !common.leg(Side::Downstream).reads();
            return if is_over { Found::End } else { Found::Nothing };
        }
        if self.has_drained(common) {
            return Found::End;
        }
        // What is known of the exchange before has to be handed out first.
        if common.work.pending.exchange_done { Found::Nothing } else { Found::Request }
    }

    /// RFC 9112 §2.2: empty lines before a request line are no request yet; a few of them are skipped (E3).
    fn skip_empty_lines(&mut self, common: &mut Common) {
        while self.empty_lines < EMPTY_LINES {
            let length = match common.flow(Side::Downstream).inbox.raw() {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => return,
            };
            self.empty_lines += 1;
            common.flow_mut(Side::Downstream).inbox.consume(length);
        }
    }

    /// The first byte of a request head has come.
    pub(super) fn begin_request(&self, common: &mut Common, turn: &mut Turn<'_>) -> Receiving {
        let mut heads = common.record.heads.take();
        if let Some(heads) = &mut heads {
            heads.clear();
        }
        let mut heads = heads.unwrap_or_else(|| turn.buffers.heads());
        heads.left_at = (common.draining == Some(draining::Cause::Quit)).then_some(self.since);
        common.record.begin(heads, turn);
        common.record.figures.pipelined = self.pipelined;
        Receiving::begin(common)
    }

    /// The process is asked to end, and wasn't before.
    pub(super) fn note_quit(&mut self, common: &Common) {
        if common.record.requests == 0 {
            self.since = common.tick;
        }
    }

    /// Whether pipelined bytes, or an end, wait behind an exchange that has just ended: there is work to do at once.
    pub(super) fn has_more(&self, common: &Common) -> bool {
        !matches!(common.flow(Side::Downstream).inbox.raw(), b"" | b"\r")
            || !common.leg(Side::Downstream).reads()
    }

    /// Whether no further request is begun (C8). A client that has not asked yet is no idle one: its request is on its
    /// way, and gets its answer.
    pub(super) fn has_drained(&self, common: &Common) -> bool {
        common.draining.is_some() && common.record.requests > 0
    }

    /// The first request is waited for since the client was accepted, the PROXY protocol header in front of it included.
    pub(super) fn add_deadlines(&self, common: &Common, deadlines: &mut Deadlines) {
        if common.record.requests == 0 {
            let until = common.record.accepted.after(common.edge().client_header_timeout);
            deadlines.add(Timer::ClientHeader, until);
        } else {
            deadlines.add(Timer::KeepAlive, self.since.after(common.settings().keepalive_timeout));
        }
    }

    /// What its behaviour depends on besides its deadlines.
    pub(super) fn outline(&self) -> u8 {
        // What is pipelined is shown in log lines, and decides nothing.
        let Self { since: _, pipelined: _, empty_lines } = self;
        *empty_lines
    }
}
