//! Content on its way, in both directions: read off one connection, sent to the other from the same memory.

use std::io::ErrorKind;

use super::{
    Disposal, Event, Fact, FinalRead, Origin, Session, Verdict, content::Step, flow::Content,
    upstream::Failure,
};
use crate::{
    Side,
    buffer::Turn,
    fault::Fault,
    http1::{Broken, Version},
    record::Outcome,
    state::{connection, exchange, message},
    violation::Violation,
};

impl Session {
    /// Bytes were sent.
    pub(super) fn sent(&mut self, to: Side, result: Result<usize, Fault>, turn: &mut Turn<'_>) {
        if self.may_send(to) {
            self.flow_mut(to.opposite()).offer(false);
        }
        if !self.leg(to).writes() {
            return;
        }
        match result {
            Ok(0) => {}
            Ok(count) => {
                let flow = self.flow_mut(to.opposite());
                flow.moves.take();
                let content = flow.outbox.sent(count, &mut flow.inbox);
                let keeps = flow.inbox.keeps();
                match to {
                    Side::Downstream => {
                        self.record.figures.sent += count as u64;
                        self.pace_sent(count);
                    }
                    Side::Upstream => {
                        self.record.figures.attempt.sent += count as u64;
                        self.work.content_lost |= content > 0 && !keeps;
                    }
                }
            }
            Err(fault) if fault.is_transient() => {}
            // The origin server may have answered before it closed: what it said is read first (E8).
            Err(fault) if to == Side::Upstream && self.is_stale() => {
                self.fail_attempt(Failure::Broken(fault), turn);
            }
            Err(fault) if to == Side::Upstream && self.may_still_answer() => {
                // Who takes nothing behind an end in order has a broken pipe; all else is a cut (RFC 9112 §8).
                self.work.upstream_broke = fault.kind != ErrorKind::BrokenPipe;
                self.lose_request();
            }
            Err(fault) => self.failed(to, fault, turn),
        }
    }

    fn may_still_answer(&self) -> bool {
        matches!(self.exchange.state(), exchange::State::Awaiting | exchange::State::Responding)
            && self.leg(Side::Upstream).reads()
    }

    /// A connection from the pool that fails before it has said anything has answered nothing (E7, E10).
    fn is_stale(&self) -> bool {
        self.exchange.state() == exchange::State::Awaiting
            && self.work.origin == Origin::Pool
            && self.record.figures.attempt.received == 0
    }

    /// The origin server takes no more of the request; what it has said before is still read.
    pub(super) fn lose_request(&mut self) {
        if self.record.figures.attempt.sent == 0 {
            // Another peer may still be asked.
            self.flow_mut(Side::Downstream).inbox.keep(true);
        }
        self.stop_sending_request();
    }

    /// No more of the request is sent.
    pub(super) fn stop_sending_request(&mut self) {
        if self.leg(Side::Upstream).writes() {
            self.leg_event(Side::Upstream, connection::Event::OurEnd);
        }
        self.work.may_pool = false;
        self.withhold_request();
        if !self.flow(Side::Downstream).is_complete() {
            self.work.facts.note(Fact::Unread);
        }
    }

    /// What is left of the request isn't sent where it was to be sent.
    fn withhold_request(&mut self) {
        self.flow_mut(Side::Downstream).outbox.discard();
        self.withhold_content();
    }

    /// The same of its content: it is kept for another peer, or dropped.
    fn withhold_content(&mut self) {
        let work = &mut *self.work;
        let inbox = &mut work.flows[Side::Downstream.index()].inbox;
        let waiting = inbox.content().len();
        work.content_lost |= waiting > 0 && !inbox.keeps();
        inbox.sent(waiting);
    }

    /// Content that was sent isn't kept any more, nor is what will be.
    pub(super) fn let_content_go(&mut self) {
        let work = &mut *self.work;
        let inbox = &mut work.flows[Side::Downstream.index()].inbox;
        work.content_lost |= !inbox.kept().is_empty();
        inbox.keep(false);
    }

    /// Where the rest of the content finds no room beside what is kept of it, another peer can't be asked any more.
    pub(super) fn make_room_for_content(&mut self) {
        let request = self.flow(Side::Downstream);
        let more_comes = request.message.state() == message::State::Content;
        if more_comes && !request.inbox.kept().is_empty() && !request.inbox.has_space() {
            self.let_content_go();
        }
    }

    /// Reads request content; what is wanted by nobody any more is dropped.
    pub(super) fn read_request_content(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.flow(Side::Downstream).message.state() != message::State::Content {
            return false;
        }
        let (step, taken) = self.take_request_content();
        let too_large = self.content_is_too_large();
        if too_large && self.exchange.permits(exchange::Event::Reply) {
            self.refuse(Violation::ContentTooLarge, turn);
            return true;
        }
        if too_large && self.leg(Side::Upstream).writes() {
            // The response has begun: it goes on without the rest of the request (E8).
            self.note(Event::Violation(Violation::ContentTooLarge));
            self.stop_sending_request();
        }
        if self.drops_content() {
            self.drop_content();
        }
        // Once there was somebody to send to who takes no more, content is wanted by nobody.
        let upstream = self.leg(Side::Upstream);
        let had_upstream = upstream.exists() || self.exchange.state() == exchange::State::Responding;
        if had_upstream && !upstream.writes() {
            self.withhold_content();
        }
        if matches!(step, Step::Moved) && taken == 0 && !self.leg(Side::Downstream).reads() {
            // The client has ended inside its request (A13).
            self.message_event(Side::Downstream, message::Event::Broken);
            self.abort(Outcome::ClientLeft);
            return true;
        }
        match step {
            Step::Moved => taken > 0,
            Step::Over => {
                self.message_event(Side::Downstream, message::Event::ContentEnded);
                true
            }
            Step::Broken(broken) => {
                let violation = broken_request(broken);
                self.message_event(Side::Downstream, message::Event::Broken);
                if self.exchange.permits(exchange::Event::Reply) {
                    self.refuse(violation, turn);
                } else {
                    // The response has begun: there is no telling the client any more.
                    self.note(Event::Violation(violation));
                    self.abort(Outcome::ClientLeft);
                }
                true
            }
        }
    }

    /// Reads what has come of the request's content; says what that comes to, and how many bytes it was.
    pub(super) fn take_request_content(&mut self) -> (Step, usize) {
        let waiting = |session: &Self| {
            let inbox = &session.flow(Side::Downstream).inbox;
            (inbox.raw().len(), inbox.content().len())
        };
        let (raw_before, content_before) = waiting(self);
        let step = self.read_content(Side::Downstream);
        let (raw_after, content_after) = waiting(self);
        let taken = raw_before - raw_after;
        self.work.content_received += (content_after - content_before) as u64;
        self.record.figures.request_length += taken as u64;
        (step, taken)
    }

    /// Whether more content has come than is permitted.
    pub(super) fn content_is_too_large(&self) -> bool {
        let limit = self.settings().client_max_body_size;
        limit > 0 && self.work.content_received > limit
    }

    pub(super) fn read_response_content(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.flow(Side::Upstream).message.state() != message::State::Content {
            return false;
        }
        let to_head = self.record.heads.as_ref().is_some_and(|heads| heads.request.is_head());
        if to_head || matches!(self.record.status, 204 | 205 | 304) {
            return self.drop_response_content(turn);
        }
        let before = self.flow(Side::Upstream).inbox.raw().len();
        match self.read_content(Side::Upstream) {
            Step::Moved if before > self.flow(Side::Upstream).inbox.raw().len() => true,
            Step::Moved if !self.leg(Side::Upstream).reads() => {
                self.response_source_ended(turn);
                true
            }
            Step::Moved => false,
            Step::Over => {
                self.message_event(Side::Upstream, message::Event::ContentEnded);
                self.response_is_complete(turn);
                true
            }
            Step::Broken(broken) => {
                self.note(Event::Violation(match broken {
                    Broken::Chunk => Violation::OriginChunk,
                    Broken::Trailer => Violation::OriginTrailer,
                }));
                self.cut_response();
                true
            }
        }
    }

    /// A 205 has no content, whatever came with it (E12), nor has what an error page shows as a 204 or 304: the
    /// connection goes with the rest.
    fn drop_response_content(&mut self, turn: &mut Turn<'_>) -> bool {
        self.work.may_pool = false;
        self.flow_mut(Side::Upstream).inbox.discard();
        self.message_event(Side::Upstream, message::Event::ContentEnded);
        self.response_is_complete(turn);
        true
    }

    /// The response was read whole. What is left of the request is wanted by nobody (E8), unless it only
    /// waits to be sent: the report may be on its way.
    pub(super) fn response_is_complete(&mut self, turn: &Turn<'_>) {
        self.add_trailers(turn);
        if !self.flow(Side::Downstream).is_complete() {
            self.stop_sending_request();
        }
        self.release_origin(false);
    }

    /// Lets the upstream connection go when its exchange is over: to the pool when it is clean, else closed
    /// (E7). With `now` the time is up for what has not been sent.
    pub(super) fn release_origin(&mut self, now: bool) -> bool {
        let (request, response) = (self.flow(Side::Downstream), self.flow(Side::Upstream));
        if !response.is_complete() || !self.leg(Side::Upstream).exists() {
            return false;
        }
        let sent_whole = request.is_complete() && request.is_sent();
        if !sent_whole && !now && self.leg(Side::Upstream).writes() {
            return false;
        }
        let clean = sent_whole
            && response.inbox.raw().is_empty()
            && self.leg(Side::Upstream).state() == connection::State::Open
            && self.work.may_pool
            && !self.draining;
        self.withhold_request();
        // Whatever it answered: a status code speaks against a peer only where another is asked instead.
        self.release(
            Verdict::Success,
            if clean { Disposal::Pool } else { Disposal::Close(super::Ending::Fin) },
        );
        // What is left over answers nothing that we asked; the content before it is still on its way.
        self.flow_mut(Side::Upstream).inbox.consume(usize::MAX);
        true
    }

    /// The response was read whole and sent whole: the exchange is over.
    pub(super) fn end_response(&mut self) -> bool {
        let flow = self.flow(Side::Upstream);
        let cut = flow.message.state() == message::State::Cut;
        if !(flow.is_complete() || cut) || !flow.is_sent() || self.must_read_first() {
            return false;
        }
        self.release_origin(true);
        if self.leg(Side::Upstream).exists() {
            self.drop_upstream(Verdict::Failure);
        }
        self.close_behind_refused_upgrade();
        self.exchange_event(exchange::Event::Finish);
        self.finish(if cut { Outcome::Cut } else { Outcome::Complete });
        true
    }

    /// A7: the client is read once more before a refused upgrade's response is sent, and so before it can know of
    /// the refusal: what it has sent by then is no answer to it. It takes no time: the shell reads before it sleeps,
    /// and when it sleeps there was nothing. E11: so is one who was answered whole, before it is left.
    pub(super) fn must_read_first(&self) -> bool {
        use exchange::State;
        matches!(self.exchange.state(), State::Responding | State::Replying | State::Lingering)
            && self.work.final_read == FinalRead::Pending
            && self.wants(Side::Downstream)
    }

    /// A7: where the bytes behind a refused upgrade are here already, its response can say what they lead to
    /// (RFC 9112 §9.6).
    pub(super) fn foresee_close(&mut self) {
        let behind = !self.flow(Side::Downstream).inbox.raw().is_empty();
        if self.asked_for_upgrade() && behind {
            self.work.facts.note(Fact::BehindUpgrade);
        }
    }

    /// A7: bytes behind a refused upgrade are somebody's tunnel, never a request.
    pub(super) fn close_behind_refused_upgrade(&mut self) {
        self.foresee_close();
        if self.asked_for_upgrade() {
            self.flow_mut(Side::Downstream).inbox.discard();
        }
    }

    /// The origin server has ended its direction, and what came before the end was read.
    fn response_source_ended(&mut self, turn: &mut Turn<'_>) {
        let in_order =
            self.leg(Side::Upstream).state() != connection::State::Failed && !self.work.upstream_broke;
        if self.flow(Side::Upstream).content == Content::UntilClose && in_order {
            self.message_event(Side::Upstream, message::Event::ContentEnded);
            self.response_is_complete(turn);
        } else {
            self.note(Event::UpstreamClosed);
            self.cut_response();
        }
    }

    /// Whether the end of the connection is the end of the content, so that only a reset tells a cut (E9).
    pub(super) fn only_reset_tells(&self) -> bool {
        self.exchange.state() == exchange::State::Responding
            && self.record.heads.as_ref().is_some_and(|heads| heads.request.version == Version::Http10)
            && matches!(self.flow(Side::Upstream).content, Content::Chunked(_) | Content::UntilClose)
            && !(self.flow(Side::Upstream).is_complete() && self.flow(Side::Upstream).is_sent())
    }

    /// The response ends too early: what came of it is delivered, and nothing makes it look whole (E9).
    pub(super) fn cut_response(&mut self) {
        if self.flow(Side::Upstream).message.state() == message::State::Content {
            self.message_event(Side::Upstream, message::Event::Broken);
        }
        self.work.facts.note(Fact::Unread);
        if self.only_reset_tells() {
            self.work.ending = super::Ending::Reset;
            self.work.facts.note(Fact::Gone);
        }
        self.release(Verdict::Failure, Disposal::Close(super::Ending::Fin));
        let request = self.flow_mut(Side::Downstream);
        request.stop_sending();
        self.flow_mut(Side::Upstream).inbox.consume(usize::MAX);
    }
}

/// What is wrong with a request whose content is.
pub(super) fn broken_request(broken: Broken) -> Violation {
    match broken {
        Broken::Chunk => Violation::BadChunk,
        Broken::Trailer => Violation::BadTrailer,
    }
}
