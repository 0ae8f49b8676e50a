//! A session reduced to what its behaviour depends on.

use core::time::Duration;
use std::fmt;

use super::{
    Common, FinalRead, Session, Work,
    exchange::Outline,
    flow::{Content, Flow},
    legs::Lent,
    outbox,
    phase::{Phase, Stage},
};
use crate::{
    Side, draining,
    http1::Scan,
    state::{connection, message, phase},
    time::Tick,
    timer::Timer,
    tunnel::TunnelSnapshot,
};

/// States, buffered bytes, deadlines relative to a moment; no addresses, and no totals but those that a limit
/// is compared with within one exchange. For explorers, replay and status pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    stage: Stage,
    legs: [connection::State; 2],
    flows: [FlowSnapshot; 2],
    /// While one is open, or its outputs wait.
    tunnel: Option<TunnelSnapshot>,
    /// Nanoseconds until each timer that runs.
    timers: Vec<(Timer, u64)>,
    pending: super::pending::Pending,
    /// While there is one.
    exchange: Option<Outline>,
    /// Of a client that is lingered on.
    final_read: Option<FinalRead>,
    tried: Vec<u32>,
    empty_lines: u8,
    /// Who reads from an origin server, and who writes to one.
    lent: [Lent; 2],
    nothing_sent: bool,
    nothing_received: bool,
    /// The request that is being answered, as received.
    request: Vec<u8>,
    /// Where it was led since.
    detour: crate::record::Detour,
    draining: Option<draining::Cause>,
    /// The request that is being answered opens no tunnel.
    leaves: bool,
    status: u16,
}

/// One direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FlowSnapshot {
    message: message::State,
    content: Content,
    raw: Vec<u8>,
    content_kept: Option<Vec<u8>>,
    content_waiting: Vec<u8>,
    waiting: Vec<u8>,
    outbox: outbox::Outline,
    inbox: (bool, Scan),
    has_space: bool,
}

impl FlowSnapshot {
    fn of(flow: &Flow) -> Self {
        let Flow { inbox, outbox, message, content, moves: _ } = flow;
        Self {
            message: message.state(),
            content: *content,
            raw: inbox.raw().to_vec(),
            content_kept: inbox.keeps().then(|| inbox.kept().to_vec()),
            waiting: outbox.slices(inbox).iter().map(|slice| &**slice).collect::<Vec<_>>().concat(),
            content_waiting: inbox.content().to_vec(),
            outbox: outbox.outline(),
            inbox: inbox.outline(),
            has_space: inbox.has_space(),
        }
    }
}

/// In short: states, what waits, the timers that run. For people; two snapshots that read alike may differ.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.stage)?;
        if let Some(tunnel) = &self.tunnel {
            write!(f, ", {tunnel}")?;
            return if self.draining.is_some() { f.write_str(", draining") } else { Ok(()) };
        }
        for (name, side) in [("client", Side::Downstream), ("upstream", Side::Upstream)] {
            let (leg, flow) = (self.legs[side.index()], &self.flows[side.index()]);
            if matches!(leg, connection::State::Absent) {
                continue;
            }
            write!(f, ", {name} {leg:?}")?;
            write!(f, " {:?}", flow.message)?;
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
        if self.draining.is_some() { f.write_str(", draining") } else { Ok(()) }
    }
}

impl Snapshot {
    /// Everything is taken apart, so that nothing that is added later goes unseen: what doesn't matter is named, too.
    pub(super) fn of(session: &Session, now: Tick) -> Self {
        let Session { common, phase } = session;
        let Common {
            record,
            // They are a tunnel's while there is one.
            legs: _,
            work,
            // A number that only ever is compared with its own copies.
            errands: _,
            epochs,
            draining,
            // A deadline.
            ends_by: _,
            // Deadlines are relative to the moment that was asked for.
            tick: _,
            // What tests cover, and nothing that decides.
            taken: _,
        } = common;
        // Frames that a tunnel has left are memory only.
        let Work { flows: [from_client, from_upstream], pending, own_frames: _ } = &**work;
        // The heads and the counts of an exchange that is over wait to be given back, and are of no consequence.
        let is_over = session.is_between_exchanges();
        let deadlines = session.deadlines().running();
        let under_way = record.heads.as_ref().filter(|_| !is_over);
        let tunnel = phase.tunnel().map(|tunnel| tunnel.snapshot(now));
        Self {
            stage: session.stage(),
            legs: Side::BOTH.map(|side| session.leg_state(side)),
            flows: [FlowSnapshot::of(from_client), FlowSnapshot::of(from_upstream)],
            timers: match &tunnel {
                Some(tunnel) => tunnel.timers().to_vec(),
                None => deadlines.map(|(timer, at)| (timer, at.0.saturating_sub(now.0))).collect(),
            },
            tunnel,
            pending: pending.clone(),
            exchange: match phase {
                Phase::Exchange(exchange) => Some(exchange.outline(common, now)),
                _ => None,
            },
            final_read: match phase {
                Phase::Lingering(lingering) => Some(lingering.outline()),
                _ => None,
            },
            tried: if is_over { Vec::new() } else { record.tried().collect() },
            empty_lines: match phase {
                Phase::Idle(idle) => idle.outline(),
                _ => 0,
            },
            lent: [epochs.reading(), epochs.writing()],
            nothing_sent: is_over || record.figures.attempt.sent == 0,
            request: under_way.map_or_else(Vec::new, |heads| heads.request.fields.bytes().to_vec()),
            nothing_received: is_over || record.figures.attempt.received == 0,
            detour: under_way.map_or_else(Default::default, |heads| heads.detour.clone()),
            draining: *draining,
            leaves: under_way.is_some_and(|heads| heads.left_at.is_some()),
            status: record.status,
        }
    }

    /// The state of the exchange, by its name in `docs/design/state.md`.
    #[must_use]
    pub fn exchange(&self) -> String {
        format!("{:?}", self.stage)
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
        let in_tunnel = self.tunnel.as_ref().map_or(0, |tunnel| tunnel.buffered(side));
        flow.raw.len() + flow.waiting.len() + in_tunnel
    }

    /// Whether the tunnel is open.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.stage == Stage::Phase(phase::State::Tunnelling)
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.stage == Stage::Phase(phase::State::Closed)
    }
}
