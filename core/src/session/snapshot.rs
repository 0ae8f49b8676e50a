//! A session reduced to what its behaviour depends on.

use super::{Fate, Session, flow::Content};
use crate::{
    Side,
    rewrite::Offer,
    state::{connection, exchange, message, tunnel},
    time::Tick,
    timer::Timer,
};

/// States, buffered bytes, deadlines relative to a moment; no totals, no addresses. For explorers, replay
/// and status pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    exchange: exchange::State,
    legs: [connection::State; 2],
    flows: [FlowSnapshot; 2],
    /// Nanoseconds until each timer that runs.
    timers: Vec<(Timer, u64)>,
    pending: super::pending::Pending,
    client: Fate,
    upstream: Fate,
    origin: super::Origin,
    offer: Offer,
    expectation: super::Expectation,
    look: super::Look,
    ending: super::Ending,
    failure: Option<crate::violation::Violation>,
    interim: u16,
    tries: u32,
    tried: u64,
    content_sent: bool,
    nothing_received: bool,
    draining: bool,
    status: u16,
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FlowSnapshot {
    message: message::State,
    tunnel: tunnel::State,
    content: Content,
    raw: Vec<u8>,
    waiting: Vec<u8>,
    piped: u64,
}

impl Snapshot {
    pub(super) fn of(session: &Session, now: Tick) -> Self {
        let flow = |from: Side| {
            let flow = session.flow(from);
            FlowSnapshot {
                message: flow.message.state(),
                tunnel: flow.tunnel.state(),
                content: flow.content,
                raw: flow.inbox.raw().to_vec(),
                waiting: flow.outbox.slices(&flow.inbox).iter().flat_map(|slice| slice.to_vec()).collect(),
                piped: flow.piped,
            }
        };
        let work = &session.work;
        Self {
            exchange: session.exchange.state(),
            legs: Side::BOTH.map(|side| session.leg(side).state()),
            flows: Side::BOTH.map(flow),
            timers: session.timers.running().map(|(timer, at)| (timer, at.0.saturating_sub(now.0))).collect(),
            pending: session.pending.clone(),
            client: work.client,
            upstream: work.upstream,
            origin: work.origin,
            offer: work.offer,
            expectation: work.expectation,
            look: work.look,
            ending: work.ending,
            failure: work.failure,
            interim: work.interim,
            tries: work.tries,
            tried: work.tried,
            content_sent: work.content_sent > 0,
            nothing_received: session.record.attempt.received == 0,
            draining: session.draining,
            status: session.record.status,
        }
    }

    /// The state of the exchange, by its name in `docs/state.md`.
    #[must_use]
    pub fn exchange(&self) -> String {
        format!("{:?}", self.exchange)
    }

    /// The timers that run, with the nanoseconds that each has left.
    #[must_use]
    pub fn timers(&self) -> &[(Timer, u64)] {
        &self.timers
    }

    /// Bytes received from `side` that have not been sent on, understood or not.
    #[must_use]
    pub fn buffered(&self, side: Side) -> usize {
        let flow = &self.flows[side.index()];
        flow.raw.len() + flow.waiting.len()
    }

    /// Whether the tunnel is open.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.exchange == exchange::State::Tunnelling
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.exchange == exchange::State::Closed
    }
}
