//! A session reduced to what its behaviour depends on.

use core::time::Duration;
use std::fmt;

use super::{Fate, Session, flow::Content, outbox::Outline};
use crate::{
    Side,
    http1::Framing,
    rewrite::{Offer, SentMethod},
    state::{connection, exchange, message, tunnel},
    time::Tick,
    timer::Timer,
};

/// States, buffered bytes, deadlines relative to a moment; no addresses, and no totals but those that a limit
/// is compared with within one exchange. For explorers, replay and status pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are compared; nothing is decided by them")]
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
    method: SentMethod,
    expectation: super::Expectation,
    look: super::Look,
    ending: super::Ending,
    failure: Option<crate::violation::Violation>,
    interim: u16,
    tries: u32,
    tried: Vec<u32>,
    framing: Framing,
    empty_lines: u8,
    resolved: bool,
    elsewhere: usize,
    /// Rate, what is free, and for how long what has moved counts.
    paces: [Option<(u64, u64, u64)>; 2],
    refusal: Option<crate::violation::Violation>,
    content_lost: bool,
    upstream_broke: bool,
    content_received: u64,
    nothing_sent: bool,
    nothing_received: bool,
    /// The request that is being answered, as received.
    request: Vec<u8>,
    /// Where it was led since.
    detour: crate::record::Detour,
    draining: bool,
    status: u16,
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are compared; nothing is decided by them")]
struct FlowSnapshot {
    message: message::State,
    tunnel: tunnel::State,
    content: Content,
    raw: Vec<u8>,
    content_kept: Option<Vec<u8>>,
    content_waiting: Vec<u8>,
    waiting: Vec<u8>,
    outbox: Outline,
    inbox: (bool, u32),
    has_space: bool,
    piped: u64,
    cut: bool,
    acknowledged: bool,
    ignored: bool,
}

/// In short: states, what waits, the timers that run. For people; two snapshots that read alike may differ.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.exchange)?;
        for (name, side) in [("client", Side::Downstream), ("upstream", Side::Upstream)] {
            let (leg, flow) = (self.legs[side.index()], &self.flows[side.index()]);
            if matches!(leg, connection::State::Absent) {
                continue;
            }
            write!(f, ", {name} {leg:?}")?;
            match flow.message {
                message::State::Switched => write!(f, " {:?}", flow.tunnel)?,
                message => write!(f, " {message:?}")?,
            }
            let (raw, waiting) = (flow.raw.len(), flow.waiting.len());
            if raw > 0 {
                write!(f, " {raw} unread")?;
            }
            if waiting > 0 {
                write!(f, " {waiting} to forward")?;
            }
        }
        for (timer, left) in &self.timers {
            write!(f, ", {timer:?} in {:?}", Duration::from_nanos(*left))?;
        }
        if self.draining { f.write_str(", draining") } else { Ok(()) }
    }
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
                content_kept: flow.inbox.keeps().then(|| flow.inbox.kept().to_vec()),
                waiting: flow
                    .outbox
                    .slices(&flow.inbox)
                    .iter()
                    .map(|slice| &**slice)
                    .collect::<Vec<_>>()
                    .concat(),
                content_waiting: flow.inbox.content().to_vec(),
                outbox: flow.outbox.outline(),
                inbox: flow.inbox.outline(),
                has_space: flow.inbox.has_space(),
                piped: flow.piped,
                cut: flow.cut,
                acknowledged: flow.acknowledged,
                ignored: flow.ignored,
            }
        };
        let work = &session.work;
        // The heads of an exchange that is over wait to be given back, and are of no consequence.
        let is_over = matches!(
            session.exchange.state(),
            exchange::State::Idle | exchange::State::Lingering | exchange::State::Closed
        );
        let under_way = session.record.heads.as_ref().filter(|_| !is_over);
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
            method: work.method,
            expectation: work.expectation,
            look: work.look,
            ending: work.ending,
            failure: work.failure,
            interim: work.interim,
            tries: work.tries,
            tried: if is_over { Vec::new() } else { session.record.tried().collect() },
            framing: work.framing,
            empty_lines: work.empty_lines,
            resolved: work.addresses.is_some(),
            elsewhere: work.elsewhere.len(),
            paces: work.paces.as_ref().map_or([None; 2], |paces| paces.outline(now)),
            refusal: work.refusal,
            content_lost: work.content_lost,
            upstream_broke: work.upstream_broke,
            content_received: work.content_received,
            nothing_sent: session.record.attempt.sent == 0,
            request: under_way.map_or_else(Vec::new, |heads| heads.request.fields.bytes().to_vec()),
            nothing_received: session.record.attempt.received == 0,
            detour: under_way.map_or_else(Default::default, |heads| heads.detour.clone()),
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
