//! The tunnel: two streams relayed until both are over, or a timer says so (behaviour C).

use core::time::Duration;
use std::sync::Arc;

use super::{Disposal, Ending, Event, Fact, Relayed, Session, Verdict, flow::Content, outbox::Coding};
use crate::{
    Address, ClientInfo, Side,
    buffer::Turn,
    config::{Config, Handler, Location, Proxy, Route, Router, Settings, Target, Upgrade},
    record::{Ended, Outcome, TunnelRecord},
    rewrite::{Persistence, ResponseHead, write_response},
    shared::{GroupId, Upstreams},
    state::{connection, exchange, message, tunnel},
    time::Tick,
    timer::{Deadlines, Timer},
    violation::Violation,
};

/// When it is asked for the first time whether a tail has been acknowledged; then again after as long as it has been
/// waited for.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// How a tunnel lives whose handshake was done elsewhere.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TunnelConfig {
    /// The idle timer (C5). 60 s.
    pub idle_timeout: Duration,
    /// The write stall timers (C5). 60 s.
    pub send_timeout: Duration,
    /// Half-close and resets (C2, C3).
    pub upgrade: Upgrade,
    /// Lingering, and whether an expired timer resets (C3, C5).
    pub settings: Settings,
}

impl Default for TunnelConfig {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            upgrade: Upgrade::default(),
            settings: Settings::default(),
        }
    }
}

/// The timers of a tunnel: nobody else sets or stops them.
#[derive(Clone, Debug)]
pub(super) struct TunnelTimers([Tick; TIMERS.len()]);

impl Default for TunnelTimers {
    fn default() -> Self {
        Self([NEVER; TIMERS.len()])
    }
}

const NEVER: Tick = Tick(u64::MAX);

const TIMERS: [Timer; 7] = [
    Timer::ClientSend,
    Timer::UpstreamSend,
    Timer::TunnelIdle,
    Timer::HalfClose,
    Timer::LingerIdle,
    Timer::LingerTotal,
    Timer::Acknowledgement,
];

impl TunnelTimers {
    fn slot(&mut self, timer: Timer) -> Option<&mut Tick> {
        self.0.iter_mut().zip(TIMERS).find(|(_, of)| *of == timer).map(|(slot, _)| slot)
    }

    fn stop(&mut self, timer: Timer) {
        if let Some(slot) = self.slot(timer) {
            *slot = NEVER;
        }
    }

    /// Starts a timer that is wanted and doesn't run, stops one that isn't wanted.
    fn run(&mut self, now: Tick, timer: Timer, wanted: bool, span: Duration) {
        let Some(slot) = self.slot(timer) else { return };
        if !wanted {
            *slot = NEVER;
        } else if *slot == NEVER {
            *slot = now.after(span);
        }
    }

    /// How long what is left of the tunnel has been dropped.
    fn waited(&mut self, now: Tick, linger_total: Duration) -> Duration {
        let ends = self.slot(Timer::LingerTotal).map(|slot| *slot).filter(|ends| *ends != NEVER);
        linger_total.saturating_sub(ends.map_or(linger_total, |ends| ends.since(now)))
    }
}

#[derive(Debug)]
struct OnlyTunnel(Arc<Location>);

impl Router for OnlyTunnel {
    fn route(&self, _: &crate::RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

impl Session {
    /// A tunnel between two connections that have switched protocols already, in whatever server: `read_ahead`
    /// are bytes that were read behind the heads, from the client and from the origin server.
    #[must_use]
    pub fn tunnel(config: Arc<TunnelConfig>, read_ahead: [&[u8]; 2], turn: &mut Turn<'_>) -> Self {
        let mut proxy = Proxy::new(Target::Group(GroupId(0)), "");
        proxy.read_timeout = config.idle_timeout;
        proxy.send_timeout = config.send_timeout;
        proxy.upgrade = config.upgrade.clone();
        let mut location = Location::new(Handler::Proxy(Box::new(proxy)));
        let mut settings = config.settings.clone();
        settings.send_timeout = config.send_timeout;
        location.settings = Arc::new(settings);
        let location = Arc::new(location);
        let config = Config::new(Arc::new(OnlyTunnel(Arc::clone(&location))), Arc::new(Upstreams::default()));
        let unknown = Address::Unix(std::path::Path::new("").into());
        let client = ClientInfo { remote: unknown.clone(), local: unknown, serial: 0, secret: [0; 16] };
        let mut session = Self::unconnected(Arc::new(config), client, turn.now);
        session.record.begin(turn.buffers.heads(), turn.now);
        session.record.location = Some(location);
        session.record.status = 101;
        use exchange::Event as Step;
        for event in
            [Step::Greeted, Step::HeadBegun, Step::HeadComplete, Step::Dial, Step::Connected, Step::Switch]
        {
            session.exchange_event(event);
        }
        for (side, bytes) in Side::BOTH.into_iter().zip(read_ahead) {
            session.leg_event(side, connection::Event::Established);
            session.message_event(side, message::Event::HeadAlone);
            session.flow_mut(side).inbox.preload(bytes);
        }
        session.begin_tunnel(turn);
        session.settle(turn);
        session
    }

    /// Opens the tunnel once the request has been sent whole (A9): the client gets the 101, and what each
    /// side has sent behind its head are the first bytes of its stream (A8).
    pub(super) fn open_tunnel(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.exchange.state() != exchange::State::Switching {
            return false;
        }
        let request = self.flow(Side::Downstream);
        if !request.is_complete() || !request.is_sent() {
            return false;
        }
        if self.connects() {
            self.write_established(turn);
            self.begin_tunnel(turn);
            self.pending.judgement = Some(Verdict::Success);
            return true;
        }
        self.record.status = 101;
        let shape = ResponseHead {
            status: 101,
            chunked: false,
            length: false,
            empty: false,
            persistence: Persistence::Keep,
        };
        let written = self.write_to_client(turn, |record, now, out| {
            let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
            write_response(record, &heads.response, shape, now, out)?;
            Ok(out.len())
        });
        if let Err(violation) = written {
            self.refuse(violation, turn);
            return true;
        }
        self.begin_tunnel(turn);
        // It may be hours until the connection is released.
        self.pending.judgement = Some(Verdict::Success);
        true
    }

    fn begin_tunnel(&mut self, turn: &mut Turn<'_>) {
        self.exchange_event(exchange::Event::Open);
        self.tunnel_timers = TunnelTimers::default();
        self.work = super::Work::default();
        let mut scratch = turn.buffers.scratch();
        let mut ahead = [0; 2];
        for side in Side::BOTH {
            self.message_event(side, message::Event::Switch);
            let flow = self.flow_mut(side);
            flow.content = Content::Empty;
            flow.outbox.begin_content(Coding::Plain, turn.buffers);
            flow.tunnel = tunnel::Machine::default();
            let waiting = flow.inbox.raw().len();
            flow.inbox.promote(waiting);
            ahead[side.index()] = waiting as u64;
        }
        self.record.tunnel = Some(TunnelRecord {
            opened: self.tick,
            from_client: ahead[0],
            from_upstream: ahead[1],
            ended: None,
            cut: false,
        });
        if let Some(mut heads) = self.record.freeze(turn.now, &mut scratch) {
            // The values of log lines were found just now.
            if heads.take_given_up() {
                self.note(Event::MatchGivenUp);
            }
            turn.buffers.return_heads(heads);
        }
        turn.buffers.return_scratch(scratch);
        self.note(Event::TunnelOpened);
        // Whoever has ended already (A13) has ended its stream.
        for side in Side::BOTH {
            match self.leg(side).state() {
                connection::State::Failed => self.tunnel_side_failed(side),
                _ if self.leg(side).reads() => {}
                _ => self.tunnel_source_ended(side, false),
            }
        }
    }

    /// Bytes came in the tunnel.
    pub(super) fn tunnel_received(&mut self, from: Side, count: u64) {
        self.tunnel_timers.stop(Timer::LingerIdle);
        let flow = self.flow_mut(from);
        let waiting = flow.inbox.raw().len();
        if flow.tunnel.state() != tunnel::State::Flowing {
            flow.inbox.consume(waiting);
            return;
        }
        flow.inbox.promote(waiting);
        self.count(from, count);
        self.tunnel_moved(from);
    }

    fn count(&mut self, from: Side, count: u64) {
        if let Some(record) = &mut self.record.tunnel {
            match from {
                Side::Downstream => record.from_client += count,
                Side::Upstream => record.from_upstream += count,
            }
        }
    }

    /// A side has taken bytes.
    pub(super) fn tunnel_sent(&mut self, to: Side) {
        self.tunnel_timers.stop(match to {
            Side::Downstream => Timer::ClientSend,
            Side::Upstream => Timer::UpstreamSend,
        });
        self.tunnel_moved(to.opposite());
    }

    /// A timer has expired: where it is wanted, it starts anew.
    pub(super) fn tunnel_timer_expired(&mut self, timer: Timer) {
        self.tunnel_timers.stop(timer);
    }

    /// Bytes of this direction have moved: what waits for them waits from now.
    fn tunnel_moved(&mut self, from: Side) {
        self.tunnel_timers.stop(Timer::TunnelIdle);
        if self.flow(from.opposite()).tunnel.state() != tunnel::State::Flowing {
            self.tunnel_timers.stop(Timer::HalfClose);
        }
    }

    /// Bytes were moved past the session.
    pub(super) fn relayed(&mut self, from: Side, moved: Relayed) {
        if self.exchange.state() != exchange::State::Tunnelling {
            return;
        }
        let flow = self.flow_mut(from);
        if !matches!(flow.tunnel.state(), tunnel::State::Flowing | tunnel::State::Ending) {
            return;
        }
        flow.piped = (flow.piped + moved.taken).saturating_sub(moved.delivered);
        self.count(from, moved.taken);
        match from {
            Side::Downstream => {
                self.record.attempt.sent += moved.delivered;
                if moved.delivered > 0 {
                    self.tunnel_timers.stop(Timer::UpstreamSend);
                }
            }
            Side::Upstream => {
                self.record.attempt.received += moved.taken;
                self.record.sent += moved.delivered;
                if moved.delivered > 0 {
                    self.tunnel_timers.stop(Timer::ClientSend);
                }
            }
        }
        if moved.taken + moved.delivered > 0 {
            self.tunnel_moved(from);
        }
    }

    /// Whether bytes may be moved past the session.
    pub(super) fn may_relay(&self, from: Side) -> bool {
        let flow = self.flow(from);
        self.exchange.state() == exchange::State::Tunnelling
            && flow.tunnel.state() == tunnel::State::Flowing
            && flow.outbox.head_is_sent()
            && flow.inbox.content().is_empty()
            && self.leg(from).reads()
            && self.leg(from.opposite()).writes()
    }

    /// A source has ended: in order, or cut.
    pub(super) fn tunnel_source_ended(&mut self, from: Side, cut: bool) {
        if self.flow(from).tunnel.permits(tunnel::Event::SourceEnded) {
            self.tunnel_event(from, tunnel::Event::SourceEnded);
        }
        let ended = if from == Side::Downstream { Ended::Client } else { Ended::Upstream };
        if let Some(record) = &mut self.record.tunnel {
            record.ended.get_or_insert(ended);
            record.cut |= cut;
        }
    }

    /// A side can no longer be read or written.
    pub(super) fn tunnel_side_failed(&mut self, side: Side) {
        self.tunnel_source_ended(side, true);
        self.tunnel_sink_failed(side);
    }

    /// A side takes no more bytes (C3): what its peer still sends is dropped. What it had sent itself is
    /// still read and delivered: it may have written its last words and closed.
    pub(super) fn tunnel_sink_failed(&mut self, sink: Side) {
        if self.leg(sink).writes() {
            self.leg_event(sink, connection::Event::OurEnd);
        }
        let ended = if sink == Side::Downstream { Ended::Client } else { Ended::Upstream };
        if let Some(record) = &mut self.record.tunnel {
            record.ended.get_or_insert(ended);
            record.cut = true;
        }
        let flow = self.flow_mut(sink.opposite());
        flow.outbox.discard();
        flow.inbox.discard();
        flow.piped = 0;
        flow.cut = true;
        if flow.tunnel.permits(tunnel::Event::SinkFailed) {
            self.tunnel_event(sink.opposite(), tunnel::Event::SinkFailed);
        }
    }

    /// Lets directions end whose last byte has been delivered, and the tunnel with the second of them.
    pub(super) fn relay(&mut self) -> bool {
        let mut moved = false;
        for from in Side::BOTH {
            moved |= self.end_direction(from);
        }
        if self.is_over() && !self.has_tail_under_way() {
            self.end_tunnel(Outcome::Complete);
            return true;
        }
        moved
    }

    /// Whether nothing is left to be moved.
    fn is_over(&self) -> bool {
        let nobody_sends = !Side::BOTH.iter().any(|side| self.leg(*side).reads());
        (self.is_delivered() && nobody_sends) || Side::BOTH.iter().any(|side| self.has_gone(*side))
    }

    /// Whether both directions are over. What a side still sends may have to be read before it is closed: unread
    /// input destroys what it has not acknowledged yet (C3).
    fn is_delivered(&self) -> bool {
        Side::BOTH.iter().all(|side| self.flow(*side).tunnel.state() == tunnel::State::Over)
    }

    /// Whether nothing is moved any more: what is still read is dropped.
    fn only_lingers(&self) -> bool {
        let any = |wanted| Side::BOTH.iter().any(|side| self.flow(*side).tunnel.state() == wanted);
        self.is_delivered() || (any(tunnel::State::Discarding) && any(tunnel::State::Over))
    }

    /// Whether the tunnel ends with resets: `upgrade_relay_reset on`, and a stream was cut.
    fn relays_reset(&self) -> bool {
        self.record.tunnel.as_ref().is_some_and(|tunnel| tunnel.cut)
            && self.record.hop().is_some_and(|hop| hop.tunnel.relay_reset)
    }

    /// Whether a side takes nothing any more, sends nothing any more, and what it had sent is delivered: there is
    /// nothing left for which its peer would have to be read (C3).
    fn has_gone(&self, side: Side) -> bool {
        self.flow(side.opposite()).cut
            && !self.leg(side).reads()
            && self.flow(side).tunnel.state() == tunnel::State::Over
    }

    /// Whether what is to follow would destroy what is still under way to this side (C3): a reset that is passed on,
    /// or closing without reading what it still sends.
    pub(super) fn awaits_acknowledgement(&self, to: Side) -> bool {
        let flow = self.flow(to.opposite());
        self.exchange.state() == exchange::State::Tunnelling
            && !flow.cut
            && !flow.acknowledged
            && (self.relays_reset() || self.leg(to).reads())
            && self.is_over()
    }

    /// The same of either side.
    fn has_tail_under_way(&self) -> bool {
        Side::BOTH.iter().any(|side| self.awaits_acknowledgement(*side))
    }

    /// All that was sent to a side has arrived.
    pub(super) fn acknowledged(&mut self, to: Side) {
        if self.awaits_acknowledgement(to) {
            self.flow_mut(to.opposite()).acknowledged = true;
        }
    }

    fn end_direction(&mut self, from: Side) -> bool {
        let to = from.opposite();
        let flow = self.flow(from);
        let delivered = flow.piped == 0 && flow.is_sent();
        match flow.tunnel.state() {
            tunnel::State::Ending if delivered => {
                self.tunnel_event(from, tunnel::Event::Delivered);
                if self.leg(to).writes() && !(self.relays_reset() && self.has_gone(from)) {
                    self.leg_event(to, connection::Event::OurEnd);
                    self.pending.shut_down(to);
                }
                self.after_direction(to);
                true
            }
            _ => false,
        }
    }

    /// `upgrade_half_close off`: either end ends both (C2), as soon as the tail has been delivered.
    fn after_direction(&mut self, other: Side) {
        let half_close = self.record.hop().is_some_and(|hop| hop.tunnel.half_close);
        if !half_close && self.flow(other).tunnel.permits(tunnel::Event::SourceEnded) {
            self.tunnel_event(other, tunnel::Event::SourceEnded);
        }
    }

    /// What a side sends in vain has been read for long enough (C3). Where that side still takes what its peer has left
    /// behind, it gets it without being read.
    pub(super) fn lingered_in_tunnel(&mut self) {
        if self.only_lingers() {
            return self.end_tunnel(Outcome::Complete);
        }
        for side in Side::BOTH {
            let flow = self.flow_mut(side);
            flow.ignored |= flow.tunnel.state() == tunnel::State::Discarding;
        }
    }

    /// Both directions are over, or nobody waits for them any more.
    pub(super) fn end_tunnel(&mut self, outcome: Outcome) {
        let ended = match outcome {
            Outcome::TimedOut(timer) => Some(Ended::Timer(timer)),
            Outcome::Drained => Some(Ended::Drain),
            _ => None,
        };
        let mut cut = false;
        if let Some(record) = &mut self.record.tunnel {
            if ended.is_some() {
                record.ended = ended;
            }
            cut = record.cut;
        }
        let relays_reset = self.relays_reset();
        let resets = matches!(outcome, Outcome::TimedOut(_)) && self.settings().reset_timedout_connection;
        let ending = if relays_reset || resets { Ending::Reset } else { Ending::Fin };
        self.work.ending = ending;
        self.work.facts.note(Fact::Gone);
        self.release(Verdict::Success, Disposal::Close(ending));
        self.flow_mut(Side::Downstream).inbox.discard();
        self.exchange_event(exchange::Event::Finish);
        let outcome = if cut && outcome == Outcome::Complete { Outcome::Cut } else { outcome };
        if let Some(ended) = self.record.tunnel.as_ref().and_then(|tunnel| tunnel.ended) {
            self.note(Event::TunnelClosed(ended));
        }
        self.finish(outcome);
    }

    /// C5, C2, C3: which timers run follows from what each direction waits for.
    pub(super) fn settle_tunnel_timers(&mut self) {
        let Some(hop) = self.record.hop() else { return };
        let (idle, send, half) = (hop.read_timeout, hop.send_timeout, hop.tunnel.half_close_timeout);
        let (client_send, linger_idle, linger_total) = {
            let settings = self.settings();
            (settings.send_timeout, settings.lingering_timeout, settings.lingering_time)
        };
        let waits = |side: Side| self.flow(side).is_waiting() && self.leg(side.opposite()).writes();
        let (to_origin, to_client) = (waits(Side::Downstream), waits(Side::Upstream));
        let state = |side: Side| self.flow(side).tunnel.state();
        let any = |wanted| Side::BOTH.iter().any(|side| state(*side) == wanted);
        let half_closed = any(tunnel::State::Over) && any(tunnel::State::Flowing);
        // While what one side had sent is still on its way, the other may be silent for as long as it likes.
        let reads_in_vain = Side::BOTH
            .iter()
            .any(|side| state(*side) == tunnel::State::Discarding && !self.flow(*side).ignored);
        let (lingers, has_tail) = (self.only_lingers(), self.has_tail_under_way());
        let (now, timers) = (self.tick, &mut self.tunnel_timers);
        timers.run(now, Timer::UpstreamSend, to_origin, send);
        timers.run(now, Timer::ClientSend, to_client, client_send);
        // The idle timer stands still while a write stall timer runs.
        timers.run(now, Timer::TunnelIdle, !(to_origin || to_client), idle);
        timers.run(now, Timer::HalfClose, half_closed, half.min(idle));
        timers.run(now, Timer::LingerIdle, lingers, linger_idle);
        timers.run(now, Timer::LingerTotal, lingers || reads_in_vain, linger_total);
        let until_next_look = timers.waited(now, linger_total).max(FIRST_LOOK);
        timers.run(now, Timer::Acknowledgement, has_tail, until_next_look);
    }

    /// The tunnel's timers, as they are set.
    pub(super) fn add_tunnel_deadlines(&self, deadlines: &mut Deadlines) {
        for (timer, at) in TIMERS.into_iter().zip(self.tunnel_timers.0) {
            deadlines.add(timer, at);
        }
    }
}
