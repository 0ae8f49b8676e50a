//! What may happen to a session, and what has.

use std::time::Duration;

use underpass_core::Side;

use crate::session_world::{Late, World};

/// One input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The client sends the message with this number of those that may come next.
    ClientSends(usize),
    /// The client sends the next byte of its content.
    ClientByte,
    /// The client shuts its direction down.
    ClientEnds,
    /// The client resets.
    ClientResets,
    /// The dial that is out succeeds.
    Connects,
    /// It is refused.
    Refuses,
    /// The name that is looked up has an address.
    Resolves,
    /// It has none.
    ResolvesNot,
    /// The request is admitted.
    Admits,
    /// It is admitted from a later moment on.
    Delays,
    /// It is not admitted.
    Forbids,
    /// The origin server sends the message with this number of those that may come next.
    OriginSends(usize),
    /// The origin server sends the next byte of its content.
    OriginByte,
    /// The origin server shuts its direction down.
    OriginEnds,
    /// The origin server resets.
    OriginResets,
    /// A connection that lies in the pool is shut down by its origin server.
    PooledEnds,
    /// The peer takes nothing more.
    Stalls(Side),
    /// A peer that has stalled takes one byte.
    TakesOne(Side),
    /// A peer that has stalled takes everything.
    TakesAll(Side),
    /// A read or a write of a connection that was released comes back, the one with this number, and so.
    ComesBack(usize, Late),
    /// The peer answers a Ping of ours: the last one that it has got, or the one so many before.
    Answers(Side, usize),
    /// It sends the next byte of an answer.
    AnswerByte(Side),
    /// It says Close.
    SaysClose(Side),
    /// Time passes to the next deadline.
    Deadline,
    /// The worker drains.
    Drains,
}

/// What may happen, and how often.
#[derive(Clone, Debug)]
pub struct Alphabet {
    /// For each message of the client in one run: those that it may be.
    pub client: Vec<&'static [&'static [u8]]>,
    /// The same for origin servers, all of them together.
    pub origin: Vec<&'static [&'static [u8]]>,
    /// Bytes of content that the client may send, and an origin server.
    pub bytes: [u8; 2],
    /// The bytes of content, where they aren't numbers: frames, cut at every byte. So many may be sent.
    pub scripts: [&'static [u8]; 2],
    /// What peers that know WebSocket may do.
    pub frames: Frames,
    /// How often each peer may stall, and take one byte while it does.
    pub stalls: u8,
    /// Whether the worker may drain.
    pub drains: bool,
    /// Whether pooled connections may be shut down.
    pub pooled_ends: bool,
    /// Inputs in one run at most; states at that depth are not expanded.
    pub depth: usize,
}

impl Default for Alphabet {
    fn default() -> Self {
        Self {
            client: Vec::new(),
            origin: Vec::new(),
            bytes: [0; 2],
            scripts: [b""; 2],
            frames: Frames::default(),
            stalls: 0,
            drains: true,
            pooled_ends: false,
            depth: 60,
        }
    }
}

/// How a peer has ended what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// In order.
    Ended,
    /// In order, and then with a reset.
    EndedAndReset,
    /// With a reset.
    Reset,
}

impl Over {
    /// What it is after a reset.
    pub(super) fn reset(before: Option<Self>) -> Self {
        if before == Some(Self::Ended) { Self::EndedAndReset } else { Self::Reset }
    }
}

/// What was used of an alphabet, and what both sides have said: the properties' view of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// Everything that the client has sent.
    pub from_client: Vec<u8>,
    /// Everything that each connection's origin server has sent.
    pub from_origins: Vec<Vec<u8>>,
    /// How the client has ended.
    pub client_over: Option<Over>,
    /// How each connection's origin server has.
    pub origins_over: Vec<Option<Over>>,
    /// Exchanges that were over when the worker began to drain.
    pub drained: Option<usize>,
    /// What is left of an answer to a Ping of ours, by the side that gives it. Answers are not in what it has sent.
    pub answering: [Vec<u8>; 2],
    /// Who has said Close.
    pub closed: [bool; 2],
    pub(super) answers: [u8; 2],
    pub(super) messages: [usize; 2],
    pub(super) bytes: [u8; 2],
    pub(super) stalls: [u8; 2],
    pub(super) ones: [u8; 2],
    pub(super) stalled: [bool; 2],
}

impl History {
    /// What it means for what comes next, without what was said and the fate of connections that are gone.
    pub(super) fn outline(&self) -> Self {
        Self { from_client: Vec::new(), from_origins: Vec::new(), origins_over: Vec::new(), ..self.clone() }
    }

    /// What a side has sent, but for its answers to Pings of ours: of the origin server, on its first connection.
    #[must_use]
    pub fn from(&self, side: Side) -> &[u8] {
        match side {
            Side::Downstream => &self.from_client,
            Side::Upstream => self.from_origins.first().map_or(b"", Vec::as_slice),
        }
    }

    /// Whether a side takes nothing at the moment.
    #[must_use]
    pub fn is_stalled(&self, side: Side) -> bool {
        self.stalled[side as usize]
    }

    pub(super) fn origin_over(&self, index: usize) -> Option<Over> {
        self.origins_over.get(index).copied().flatten()
    }
}

/// What peers may do with frames, and how often.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames {
    /// Whether messages are frames, so that each stands between two others.
    pub are_messages: bool,
    /// Answers to Pings of ours, by side.
    pub answers: [u8; 2],
    /// Whether an answer may come byte by byte.
    pub in_pieces: bool,
    /// Whether each side may say Close.
    pub closes: [bool; 2],
    /// How much longer than a drain a tunnel may wait for the answers to its Closes.
    pub grace: Duration,
    /// What holds besides of every new state: it is shown a world of its own, to lead on.
    pub leads_on: Option<fn(World, &History)>,
}
