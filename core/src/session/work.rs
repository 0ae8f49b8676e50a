//! What an exchange has to remember besides its heads.

use std::{mem, net::IpAddr, sync::Arc};

use super::{Ending, fate::Facts, flow::Flow, pace::Paces, pending::Pending};
use crate::{
    buffer::{Buffers, Lend, Spares},
    http1::Framing,
    rewrite::{Offer, SentMethod},
    time::Tick,
    violation::Violation,
};

/// What an exchange has to remember besides its heads.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
pub(crate) struct Work {
    /// By the side that the bytes come from.
    pub(super) flows: [Flow; 2],
    pub(super) pending: Pending,
    pub(super) framing: Framing,
    pub(super) offer: Offer,
    pub(super) method: SentMethod,
    pub(super) expectation: Expectation,
    /// What the future of the client's connection follows from.
    pub(super) facts: Facts,
    /// Nothing that was said speaks against another exchange on the upstream connection.
    pub(super) may_pool: bool,
    pub(super) origin: Origin,
    pub(super) interim: u16,
    /// Bytes of the request were here before the exchange before it was over.
    pub(super) pipelined: bool,
    /// Empty lines before the request line.
    pub(super) empty_lines: u8,
    pub(super) tries: u32,
    /// Why the last attempt failed.
    pub(super) failure: Option<Violation>,
    pub(super) addresses: Option<(Arc<[IpAddr]>, u16)>,
    /// Those among them that may be dialled only where they are none of this machine (D4).
    pub(super) elsewhere: Vec<IpAddr>,
    /// Request content has left our buffers: it can't be sent again.
    pub(super) content_lost: bool,
    /// A write was told that the origin server's connection broke. The system says so once: reads find what had
    /// come, and then an end that is none.
    pub(super) upstream_broke: bool,
    /// Bytes of request content that came.
    pub(super) content_received: u64,
    pub(super) final_read: FinalRead,
    /// Boxed: few exchanges have a rate, and every session has the pointer.
    pub(super) paces: Option<Box<Paces>>,
    /// When the request is admitted, or refused.
    pub(super) admitted_at: Option<Tick>,
    /// When the origin server's last head was complete.
    pub(super) told_at: Tick,
    /// The answer that waits for `auth_delay`.
    pub(super) refusal: Option<Violation>,
    /// How the client's connection is closed in the end.
    pub(super) ending: Ending,
}

impl Work {
    const NONE: Self = Self {
        flows: [Flow::NONE, Flow::NONE],
        pending: Pending::NONE,
        framing: Framing::Empty,
        offer: Offer::Nothing,
        method: SentMethod::Other,
        expectation: Expectation::Nothing,
        facts: Facts::NONE,
        may_pool: false,
        origin: Origin::Fresh,
        interim: 0,
        pipelined: false,
        empty_lines: 0,
        tries: 0,
        failure: None,
        addresses: None,
        elsewhere: Vec::new(),
        content_lost: false,
        upstream_broke: false,
        content_received: 0,
        final_read: FinalRead::NotNeeded,
        paces: None,
        admitted_at: None,
        told_at: Tick(0),
        refusal: None,
        ending: Ending::Fin,
    };

    /// An exchange is over, and so is all that was its own; what has been decided is still to be polled, and what has
    /// come to be read.
    pub(super) fn forget(&mut self) {
        let (flows, pending) = (mem::take(&mut self.flows), mem::take(&mut self.pending));
        *self = Self { flows, pending, ..Self::NONE };
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::NONE
    }
}

impl Lend for Work {
    fn quiet() -> &'static Self {
        static NONE: Work = Work::NONE;
        &NONE
    }

    /// Whether it says nothing that it wouldn't say without memory. When bytes moved last, nobody asks between
    /// exchanges.
    fn is_quiet(&self) -> bool {
        // Everything is taken apart, so that nothing that is added later is lost.
        let Self {
            flows,
            pending,
            framing,
            offer,
            method,
            expectation,
            facts,
            may_pool,
            origin,
            interim,
            pipelined,
            empty_lines,
            tries,
            failure,
            addresses,
            elsewhere,
            content_lost,
            upstream_broke,
            content_received,
            final_read,
            paces,
            admitted_at,
            told_at,
            refusal,
            ending,
        } = self;
        let none = &Self::NONE;
        flows.iter().all(Flow::is_quiet)
            && *pending == none.pending
            && (*framing, *offer, *method) == (none.framing, none.offer, none.method)
            && (*expectation, *facts, *may_pool) == (none.expectation, none.facts, none.may_pool)
            && (*origin, *interim, *pipelined) == (none.origin, none.interim, none.pipelined)
            && (*empty_lines, *tries, *failure) == (none.empty_lines, none.tries, none.failure)
            && addresses.is_none()
            && elsewhere.is_empty()
            && (*content_lost, *upstream_broke) == (none.content_lost, none.upstream_broke)
            && (*content_received, *final_read) == (none.content_received, none.final_read)
            && paces.is_none()
            && (*admitted_at, *told_at, *refusal) == (none.admitted_at, none.told_at, none.refusal)
            && *ending == none.ending
    }

    fn clear(&mut self) {
        *self = Self::NONE;
    }

    fn spare(buffers: &mut Buffers) -> &mut Spares {
        &mut buffers.works
    }
}

/// `Expect: 100-continue` (A10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expectation {
    Nothing,
    /// The client waits for a 100.
    Continue,
    /// A 100 was sent.
    Answered,
}

/// Where the upstream connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// It was made for this exchange.
    Fresh,
    /// From the pool: it may be stale.
    Pool,
}

/// Whether the client has been read since a refused upgrade's head came (A7), or since all was said to it that is
/// (E11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FinalRead {
    NotNeeded,
    Pending,
    Done,
}
