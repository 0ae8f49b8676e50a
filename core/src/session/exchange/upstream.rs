//! The origin server's side: it is dialled, its failures are judged, its connection is let go.

use super::{
    Admission, Common, Connected, DialError, Disposal, Ending, Event, Exchange, Expectation, Origin, Refusal,
    Verdict,
};
use crate::{
    Side,
    buffer::Turn,
    config::Target,
    fault::Fault,
    rewrite::SentMethod,
    state::{connection, exchange, message},
    time::MaybeTick,
    timer::Timer,
    violation::Violation,
};

/// Why an attempt failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    /// No connection could be made.
    Connect(Fault),
    /// There was no TLS handshake.
    Tls,
    /// None could be made for a reason of our own.
    Local(Fault),
    /// It ended before the response head was complete.
    Closed,
    /// It broke.
    Broken(Fault),
    /// A timer fired.
    Timeout(Timer),
    /// The response head can't be forwarded.
    Head(Violation),
    /// It has agreed to switch protocols, and takes nothing that is sent to it.
    Unwritable,
}

impl Failure {
    /// E13.
    fn violation(self) -> Violation {
        match self {
            Self::Connect(_) => Violation::ConnectFailed,
            Self::Tls => Violation::OriginHandshake,
            Self::Local(_) => Violation::LocalFault,
            Self::Closed => Violation::OriginClosed,
            Self::Broken(_) | Self::Unwritable => Violation::OriginFailed,
            Self::Timeout(Timer::Connect) => Violation::ConnectTimeout,
            Self::Timeout(Timer::UpstreamSend) => Violation::SendTimeout,
            Self::Timeout(Timer::Handshake) => Violation::HandshakeTimeout,
            Self::Timeout(_) => Violation::ReadTimeout,
            Self::Head(violation) => violation,
        }
    }

    fn event(self) -> Event {
        match self {
            Self::Connect(fault) => Event::ConnectFailed(fault),
            Self::Tls => Event::HandshakeFailed,
            Self::Local(fault) => Event::LocalFault(fault),
            Self::Closed => Event::UpstreamClosed,
            Self::Broken(fault) => Event::UpstreamFailed(fault),
            Self::Timeout(timer) => Event::TimedOut(timer),
            Self::Head(violation) => Event::Violation(violation),
            Self::Unwritable => Event::Violation(self.violation()),
        }
    }
}

impl Exchange {
    pub(super) fn admitted(
        &mut self,
        common: &mut Common,
        errand: u32,
        admission: Admission,
        turn: &mut Turn<'_>,
    ) {
        if errand != common.errands || self.machine.state() != exchange::State::Admitting {
            return;
        }
        match admission {
            Admission::Granted => self.enter_handler(common, turn),
            Admission::Delayed(until) => {
                self.admitted_at = Some(until);
            }
            Admission::Refused(refusal) => {
                let violation = match refusal {
                    Refusal::Forbidden => Violation::Forbidden,
                    Refusal::Unauthorized if common.connects() => Violation::ProxyUnauthorized,
                    Refusal::Unauthorized => Violation::Unauthorized,
                    Refusal::Limited(_) => Violation::Limited,
                    Refusal::TooManyTunnels => Violation::TooManyTunnels,
                };
                let delay = common.settings().auth_delay;
                match refusal {
                    // nginx: who guesses passwords waits for each answer, and nobody else does.
                    Refusal::Unauthorized if !delay.is_zero() => {
                        self.refusal = Some(violation);
                        self.admitted_at = Some(common.tick.after(delay));
                    }
                    Refusal::Limited(status) if (400..600).contains(&status) => {
                        self.refuse_with(common, violation, status, turn);
                    }
                    _ => self.refuse(common, violation, turn),
                }
            }
        }
    }

    pub(super) fn connected(
        &mut self,
        common: &mut Common,
        errand: u32,
        result: Result<Connected, DialError>,
        turn: &mut Turn<'_>,
    ) {
        if errand != common.errands || self.machine.state() != exchange::State::Dialling {
            return;
        }
        common.work.pending.dialling = false;
        match result {
            Ok(connected) => {
                common.record.figures.attempt.connected = MaybeTick::at(common.tick);
                self.upstream_broke = false;
                self.origin = match connected {
                    Connected::Fresh => Origin::Fresh,
                    Connected::Reused => Origin::Pool,
                };
                common.leg_event(Side::Upstream, connection::Event::Established);
                common.flow_mut(Side::Upstream).inbox.discard();
                self.exchange_event(common, exchange::Event::Connected);
                if common.connects() {
                    return self.switch_to_tunnel(common);
                }
                self.ask_for_content(common, turn);
            }
            Err(DialError::NoPeer) => {
                if let Some(group) = common.record.hop().map(|hop| hop.group) {
                    common.record.figures.attempt.found_nobody(group);
                }
                common.record.figures.attempt.status = Violation::NoPeer.status();
                // The client is told of the last peer that was asked, if there was one.
                common.note(Event::Violation(Violation::NoPeer));
                self.reply_to(common, self.failure.unwrap_or(Violation::NoPeer), turn);
            }
            Err(DialError::OwnListener) => {
                common.note(Event::Violation(Violation::DestinationDenied));
                self.reply_to(common, self.failure.unwrap_or(Violation::DestinationDenied), turn);
            }
            Err(DialError::Local(fault)) => self.fail_attempt(common, Failure::Local(fault), turn),
            Err(DialError::Io(fault)) => self.fail_attempt(common, Failure::Connect(fault), turn),
            Err(DialError::Tls) => self.fail_attempt(common, Failure::Tls, turn),
        }
    }

    /// Content is wanted from now on: a client that waits for a 100 gets it (A10).
    fn ask_for_content(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let nothing_came = self.content_received == 0 && common.flow(Side::Downstream).inbox.raw().is_empty();
        // RFC 9110 §10.1.1 lets it be left out where content has come, §7.8 not before a 101.
        let is_wanted = nothing_came || self.asked_for_upgrade(common);
        if self.expectation == Expectation::Continue && is_wanted {
            let line = b"HTTP/1.1 100 Continue\r\n\r\n";
            common.record.figures.head_sent += line.len() as u64;
            common.flow_mut(Side::Upstream).outbox.write(turn.buffers, |out| out.extend_from_slice(line));
            self.expectation = Expectation::Answered;
        }
    }

    pub(in crate::session) fn upstream_failed(
        &mut self,
        common: &mut Common,
        fault: Fault,
        turn: &mut Turn<'_>,
    ) {
        match self.machine.state() {
            // What it has said before is read when its time has come (E8), as in front of an end.
            exchange::State::Awaiting if self.holds_what_came(common) => self.lose_request(common),
            exchange::State::Awaiting => self.fail_attempt(common, Failure::Broken(fault), turn),
            // It has said everything: the advance that follows lets it go.
            exchange::State::Responding if common.flow(Side::Upstream).is_complete() => {}
            exchange::State::Responding => {
                common.note(Event::UpstreamFailed(fault));
                self.cut_response(common);
            }
            exchange::State::Switching => {
                common.drop_upstream(Verdict::Failure);
                self.refuse(common, Violation::OriginFailed, turn);
            }
            _ => {}
        }
    }

    /// An attempt failed before a byte of the final response was given to the client (E10, E13).
    pub(super) fn fail_attempt(&mut self, common: &mut Common, failure: Failure, turn: &mut Turn<'_>) {
        // As in nginx, an attempt that brought no response is logged with the status that it comes to.
        common.record.figures.attempt.status = failure.violation().status();
        let stale = self.origin == Origin::Pool
            && common.record.figures.attempt.received == 0
            && matches!(failure, Failure::Closed | Failure::Broken(_));
        let unread = self.origin == Origin::Pool
            && !common.flow(Side::Downstream).outbox.head_is_sent()
            && matches!(failure, Failure::Closed);
        let may_retry = self.may_retry(common);
        let outcome = if (stale || unread) && may_retry {
            self.replace_stale(common, turn)
        } else {
            common.note(failure.event());
            self.failure = Some(failure.violation());
            if may_retry && self.may_try_next(common, failure) {
                common.note(Event::NextPeer);
                self.retry(common, Verdict::Failure, Origin::Pool, turn)
            } else {
                common.drop_upstream(Verdict::Failure);
                self.reply_to(common, failure.violation(), turn);
                Ok(())
            }
        };
        if let Err(violation) = outcome {
            self.refuse(common, violation, turn);
        }
    }

    /// Whether the request can be sent once more as it was.
    pub(super) fn may_retry(&self, common: &Common) -> bool {
        !self.content_lost && (self.may_repeat(common) || common.record.figures.attempt.sent == 0)
    }

    /// Whether the request may be sent once more though bytes of it were sent (RFC 9110 §9.2.2).
    pub(super) fn may_repeat(&self, common: &Common) -> bool {
        let non_idempotent = common.record.hop().is_some_and(|hop| hop.next_upstream.non_idempotent);
        non_idempotent || self.method != SentMethod::Other
    }

    fn may_try_next(&self, common: &Common, failure: Failure) -> bool {
        let wanted = common.record.hop().is_some_and(|hop| match failure {
            // Another peer may be reached from another address, or by another port.
            Failure::Connect(_)
            | Failure::Tls
            | Failure::Local(_)
            | Failure::Closed
            | Failure::Broken(_)
            | Failure::Unwritable => hop.next_upstream.error,
            Failure::Timeout(_) => hop.next_upstream.timeout,
            Failure::Head(_) => hop.next_upstream.invalid_header,
        });
        wanted && self.has_next(common)
    }

    /// Whether the status code of a final response makes another peer be tried. The last one's response is
    /// forwarded as it is, and so is one to a request that can't be repeated (nginx does likewise).
    pub(super) fn passes_on(&self, common: &Common, status: u16) -> bool {
        let is_listed = common.record.hop().is_some_and(|hop| hop.next_upstream.statuses.contains(&status));
        is_listed && self.may_retry(common) && self.has_next(common)
    }

    /// Another peer is asked instead of the one that has answered.
    pub(super) fn pass_on(
        &mut self,
        common: &mut Common,
        status: u16,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        common.record.figures.attempt.answered = MaybeTick::at(common.tick);
        self.failure = None;
        common.note(Event::NextPeer);
        // That something is forbidden or isn't there says nothing of the peer (nginx's `max_fails`).
        let verdict = if matches!(status, 403 | 404) { Verdict::Success } else { Verdict::Failure };
        self.retry(common, verdict, Origin::Pool, turn)
    }

    /// Whether there is another peer, and `proxy_next_upstream_tries` and `_timeout` permit to ask it.
    fn has_next(&self, common: &Common) -> bool {
        let Some(hop) = common.record.hop() else { return false };
        let next = hop.next_upstream;
        let tries = usize::try_from(self.tries).unwrap_or(usize::MAX);
        let is_there = match (&self.addresses, hop.target) {
            _ if common.record.given_address().is_some() => tries < 1,
            (Some((addresses, _)), _) => tries < addresses.len(),
            (None, Some(Target::Peers { peers, .. })) => {
                common.record.choice_context(common.tick).is_some_and(|context| peers.has_next(&context))
            }
            (None, _) => {
                common.record.config.upstreams.group(hop.group).is_some_and(|group| tries < group.tries())
            }
        };
        let allowed = usize::try_from(next.tries).unwrap_or(usize::MAX);
        let in_time = next.within.is_zero() || common.tick.since(common.record.first_try()) < next.within;
        in_time && is_there && (allowed == 0 || tries < allowed)
    }

    /// The connection from the pool was no good: a fresh one is used, once. That is no try of its own, for
    /// the peer was not asked.
    pub(super) fn replace_stale(
        &mut self,
        common: &mut Common,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        common.note(Event::StaleConnection);
        common.record.figures.attempt.tried = None;
        self.tries = self.tries.saturating_sub(1);
        self.retry(common, Verdict::Unjudged, Origin::Fresh, turn)
    }

    fn retry(
        &mut self,
        common: &mut Common,
        verdict: Verdict,
        origin: Origin,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        common.drop_upstream(verdict);
        common.record.next_attempt(turn.now);
        common.flow_mut(Side::Upstream).message = message::Machine::default();
        if !common.connects() {
            self.write_forwarded_head(common, turn)?;
        }
        self.exchange_event(common, exchange::Event::Retry);
        self.dial(common, origin, turn);
        Ok(())
    }
}

impl Common {
    /// Gives the upstream connection up, or the dial for one.
    pub(super) fn drop_upstream(&mut self, verdict: Verdict) {
        let reset = if self.leg(Side::Upstream).state() == connection::State::Failed {
            Ending::Reset
        } else {
            Ending::Fin
        };
        self.release(verdict, Disposal::Close(reset));
        self.flow_mut(Side::Downstream).outbox.discard();
        self.flow_mut(Side::Upstream).inbox.discard();
    }
}
