//! What an exchange has to remember besides its heads.

use std::{net::IpAddr, sync::Arc};

use super::{Ending, fate::Facts, pace::Paces};
use crate::{
    http1::Framing,
    rewrite::{Offer, SentMethod},
    time::Tick,
    violation::Violation,
};

/// What an exchange has to remember besides its heads.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not exclude each other")]
pub(super) struct Work {
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
    pub(super) elsewhere: Box<[IpAddr]>,
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

impl Default for Work {
    fn default() -> Self {
        Self {
            framing: Framing::Empty,
            offer: Offer::Nothing,
            method: SentMethod::Other,
            expectation: Expectation::Nothing,
            facts: Facts::default(),
            may_pool: false,
            origin: Origin::Fresh,
            interim: 0,
            pipelined: false,
            empty_lines: 0,
            tries: 0,
            failure: None,
            addresses: None,
            elsewhere: Box::default(),
            content_lost: false,
            upstream_broke: false,
            content_received: 0,
            final_read: FinalRead::NotNeeded,
            paces: None,
            admitted_at: None,
            told_at: Tick(0),
            refusal: None,
            ending: Ending::Fin,
        }
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
