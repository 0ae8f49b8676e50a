//! The origin server's side: it is dialled, its failures are judged, its connection is let go.

use super::{
    Admission, Connected, DialError, Disposal, Ending, Event, Expectation, Origin, Refusal, Session, Verdict,
};
use crate::{
    Side,
    buffer::Turn,
    config::Target,
    fault::Fault,
    rewrite::SentMethod,
    state::{connection, exchange, message},
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

impl Session {
    pub(super) fn admitted(&mut self, errand: u32, admission: Admission, turn: &mut Turn<'_>) {
        if errand != self.errands || self.exchange.state() != exchange::State::Admitting {
            return;
        }
        match admission {
            Admission::Granted => self.enter_handler(turn),
            Admission::Delayed(until) => {
                self.work.admitted_at = Some(until);
            }
            Admission::Refused(refusal) => {
                let violation = match refusal {
                    Refusal::Forbidden => Violation::Forbidden,
                    Refusal::Unauthorized if self.connects() => Violation::ProxyUnauthorized,
                    Refusal::Unauthorized => Violation::Unauthorized,
                    Refusal::Limited(_) => Violation::Limited,
                };
                let delay = self.settings().auth_delay;
                match refusal {
                    // nginx: who guesses passwords waits for each answer, and nobody else does.
                    Refusal::Unauthorized if !delay.is_zero() => {
                        self.work.refusal = Some(violation);
                        self.work.admitted_at = Some(self.tick.after(delay));
                    }
                    Refusal::Limited(status) if (400..600).contains(&status) => {
                        self.refuse_with(violation, status, turn);
                    }
                    _ => self.refuse(violation, turn),
                }
            }
        }
    }

    pub(super) fn connected(
        &mut self,
        errand: u32,
        result: Result<Connected, DialError>,
        turn: &mut Turn<'_>,
    ) {
        if errand != self.errands || self.exchange.state() != exchange::State::Dialling {
            return;
        }
        self.work.pending.dialling = false;
        match result {
            Ok(connected) => {
                self.record.figures.attempt.connected = Some(self.tick);
                self.work.upstream_broke = false;
                self.work.origin = match connected {
                    Connected::Fresh => Origin::Fresh,
                    Connected::Reused => Origin::Pool,
                };
                self.leg_event(Side::Upstream, connection::Event::Established);
                self.flow_mut(Side::Upstream).inbox.discard();
                self.exchange_event(exchange::Event::Connected);
                if self.connects() {
                    return self.switch_to_tunnel();
                }
                self.ask_for_content(turn);
            }
            Err(DialError::NoPeer) => {
                if let Some(group) = self.record.hop().map(|hop| hop.group) {
                    self.record.figures.attempt.found_nobody(group);
                }
                self.record.figures.attempt.status = Violation::NoPeer.status();
                // The client is told of the last peer that was asked, if there was one.
                self.note(Event::Violation(Violation::NoPeer));
                self.reply_to(self.work.failure.unwrap_or(Violation::NoPeer), turn);
            }
            Err(DialError::OwnListener) => {
                self.note(Event::Violation(Violation::DestinationDenied));
                self.reply_to(self.work.failure.unwrap_or(Violation::DestinationDenied), turn);
            }
            Err(DialError::Local(fault)) => self.fail_attempt(Failure::Local(fault), turn),
            Err(DialError::Io(fault)) => self.fail_attempt(Failure::Connect(fault), turn),
            Err(DialError::Tls) => self.fail_attempt(Failure::Tls, turn),
        }
    }

    /// Content is wanted from now on: a client that waits for a 100 gets it (A10).
    fn ask_for_content(&mut self, turn: &mut Turn<'_>) {
        let nothing_came =
            self.work.content_received == 0 && self.flow(Side::Downstream).inbox.raw().is_empty();
        // RFC 9110 §10.1.1 lets it be left out where content has come, §7.8 not before a 101.
        let is_wanted = nothing_came || self.asked_for_upgrade();
        if self.work.expectation == Expectation::Continue && is_wanted {
            let line = b"HTTP/1.1 100 Continue\r\n\r\n";
            self.record.figures.head_sent += line.len() as u64;
            self.flow_mut(Side::Upstream).outbox.write(turn.buffers, |out| out.extend_from_slice(line));
            self.work.expectation = Expectation::Answered;
        }
    }

    pub(super) fn upstream_failed(&mut self, fault: Fault, turn: &mut Turn<'_>) {
        match self.exchange.state() {
            // What it has said before is read when its time has come (E8), as in front of an end.
            exchange::State::Awaiting if self.holds_what_came() => self.lose_request(),
            exchange::State::Awaiting => self.fail_attempt(Failure::Broken(fault), turn),
            // It has said everything: the advance that follows lets it go.
            exchange::State::Responding if self.flow(Side::Upstream).is_complete() => {}
            exchange::State::Responding => {
                self.note(Event::UpstreamFailed(fault));
                self.cut_response();
            }
            exchange::State::Switching => {
                self.drop_upstream(Verdict::Failure);
                self.refuse(Violation::OriginFailed, turn);
            }
            _ => {}
        }
    }

    /// An attempt failed before a byte of the final response was given to the client (E10, E13).
    pub(super) fn fail_attempt(&mut self, failure: Failure, turn: &mut Turn<'_>) {
        // As in nginx, an attempt that brought no response is logged with the status that it comes to.
        self.record.figures.attempt.status = failure.violation().status();
        let stale = self.work.origin == Origin::Pool
            && self.record.figures.attempt.received == 0
            && matches!(failure, Failure::Closed | Failure::Broken(_));
        let unread = self.work.origin == Origin::Pool
            && !self.flow(Side::Downstream).outbox.head_is_sent()
            && matches!(failure, Failure::Closed);
        let may_retry = self.may_retry();
        let outcome = if (stale || unread) && may_retry {
            self.replace_stale(turn)
        } else {
            self.note(failure.event());
            self.work.failure = Some(failure.violation());
            if may_retry && self.may_try_next(failure) {
                self.note(Event::NextPeer);
                self.retry(Verdict::Failure, Origin::Pool, turn)
            } else {
                self.drop_upstream(Verdict::Failure);
                self.reply_to(failure.violation(), turn);
                Ok(())
            }
        };
        if let Err(violation) = outcome {
            self.refuse(violation, turn);
        }
    }

    /// Whether the request can be sent once more as it was.
    pub(super) fn may_retry(&self) -> bool {
        !self.work.content_lost && (self.may_repeat() || self.record.figures.attempt.sent == 0)
    }

    /// Whether the request may be sent once more though bytes of it were sent (RFC 9110 §9.2.2).
    pub(super) fn may_repeat(&self) -> bool {
        let non_idempotent = self.record.hop().is_some_and(|hop| hop.next_upstream.non_idempotent);
        non_idempotent || self.work.method != SentMethod::Other
    }

    fn may_try_next(&self, failure: Failure) -> bool {
        let wanted = self.record.hop().is_some_and(|hop| match failure {
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
        wanted && self.has_next()
    }

    /// Whether the status code of a final response makes another peer be tried. The last one's response is
    /// forwarded as it is, and so is one to a request that can't be repeated (nginx does likewise).
    pub(super) fn passes_on(&self, status: u16) -> bool {
        let is_listed = self.record.hop().is_some_and(|hop| hop.next_upstream.statuses.contains(&status));
        is_listed && self.may_retry() && self.has_next()
    }

    /// Another peer is asked instead of the one that has answered.
    pub(super) fn pass_on(&mut self, status: u16, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.record.figures.attempt.answered = Some(self.tick);
        self.work.failure = None;
        self.note(Event::NextPeer);
        // That something is forbidden or isn't there says nothing of the peer (nginx's `max_fails`).
        let verdict = if matches!(status, 403 | 404) { Verdict::Success } else { Verdict::Failure };
        self.retry(verdict, Origin::Pool, turn)
    }

    /// Whether there is another peer, and `proxy_next_upstream_tries` and `_timeout` permit to ask it.
    fn has_next(&self) -> bool {
        let Some(hop) = self.record.hop() else { return false };
        let next = hop.next_upstream;
        let tries = usize::try_from(self.work.tries).unwrap_or(usize::MAX);
        let is_there = match (&self.work.addresses, hop.target) {
            _ if self.record.given_address().is_some() => tries < 1,
            (Some((addresses, _)), _) => tries < addresses.len(),
            (None, Some(Target::Peers { peers, .. })) => {
                self.record.choice_context(self.tick).is_some_and(|context| peers.has_next(&context))
            }
            (None, _) => {
                self.record.config.upstreams.group(hop.group).is_some_and(|group| tries < group.tries())
            }
        };
        let allowed = usize::try_from(next.tries).unwrap_or(usize::MAX);
        let in_time = next.within.is_zero() || self.tick.since(self.record.first_try()) < next.within;
        in_time && is_there && (allowed == 0 || tries < allowed)
    }

    /// The connection from the pool was no good: a fresh one is used, once. That is no try of its own, for
    /// the peer was not asked.
    pub(super) fn replace_stale(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.note(Event::StaleConnection);
        self.record.figures.attempt.tried = None;
        self.work.tries = self.work.tries.saturating_sub(1);
        self.retry(Verdict::Unjudged, Origin::Fresh, turn)
    }

    fn retry(&mut self, verdict: Verdict, origin: Origin, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.drop_upstream(verdict);
        self.record.next_attempt(turn.now);
        self.flow_mut(Side::Upstream).message = message::Machine::default();
        if !self.connects() {
            self.write_forwarded_head(turn)?;
        }
        self.exchange_event(exchange::Event::Retry);
        self.dial(origin, turn);
        Ok(())
    }

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

    /// The upstream connection, or the dial under way, goes back to the shell.
    pub(super) fn release(&mut self, verdict: Verdict, disposal: Disposal) {
        self.work.pending.errand = None;
        if self.leg(Side::Upstream).exists() {
            self.leg_event(Side::Upstream, connection::Event::Close);
            self.work.pending.release = Some((verdict, disposal));
        } else if std::mem::take(&mut self.work.pending.dialling) {
            // The shell is on its way: the dial is cancelled.
            self.work.pending.release = Some((verdict, disposal));
        }
        self.work.pending.forget_shutdown(Side::Upstream);
        // An errand that is still out brings nothing that is wanted.
        let _number = self.next_errand();
        if self.record.figures.attempt.peer.is_some() {
            self.record.figures.attempt.over.get_or_insert(self.tick);
        }
    }
}
