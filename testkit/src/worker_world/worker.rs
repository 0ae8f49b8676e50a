//! What a shell keeps: for all sessions of a worker, and for each of them.

use underpass_core::{
    Buffers, Dial, EndedBy, Outcome, Pool, Pooled, Snapshot, Wait, shared::Lease, trace::Traced,
};

use super::{network::EndOf, script};

/// What the sessions share.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) buffers: Buffers,
    pub(super) pool: Pool<EndOf>,
    pub(super) live: Vec<Live>,
    pub(super) draining: bool,
}

/// A session, and what its shell keeps for it.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a session")]
pub(super) struct Live {
    /// Absent when it is over.
    pub(super) session: Option<Traced>,
    pub(super) client: EndOf,
    pub(super) client_closed: bool,
    pub(super) upstream: Option<Upstream>,
    pub(super) dial: Option<Errand>,
    /// Answers that nobody waits for any more.
    pub(super) late: Vec<(u32, Dial)>,
    pub(super) errands: u32,
    pub(super) wait: Option<Wait>,
    pub(super) splices: bool,
    pub(super) notices_resets: bool,
    pub(super) told_of_reset: [bool; 2],
    pub(super) pipes: [Vec<u8>; 2],
    pub(super) facts: Facts,
    /// Bytes that were read from the client.
    pub(super) read: usize,
    /// No further request may be taken (rule A7).
    pub(super) is_last: bool,
    pub(super) exchanges: Vec<Exchange>,
    /// What it was after each report, where it is traced.
    pub(super) snapshots: Vec<Snapshot>,
}

/// An upstream connection in use.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) end: Pooled<EndOf>,
    pub(super) lease: Lease,
    /// Bytes that were read from it since it was made.
    pub(super) read: u64,
}

/// A dial that is out.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) dial: Dial,
    pub(super) lease: Lease,
    pub(super) number: u32,
    pub(super) meets: script::Dial,
}

/// What the shell has done in the exchange under way.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What was given to the client, its beginning.
    pub(super) to_client: Vec<u8>,
    pub(super) sent: u64,
    /// Bytes that went upstream in each attempt.
    pub(super) attempts: Vec<u64>,
}

/// An exchange that is over, as its record had it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) status: u16,
    pub(super) outcome: Outcome,
    pub(super) tunnel: Option<(u64, u64, Option<EndedBy>, bool)>,
    pub(super) attempts: usize,
    /// Number of its last origin server.
    pub(super) origin: Option<usize>,
}

impl Live {
    pub(super) fn new(session: Traced, client: EndOf, splices: bool, notices_resets: bool) -> Self {
        Self { session: Some(session), client, splices, notices_resets, ..Self::default() }
    }
}
