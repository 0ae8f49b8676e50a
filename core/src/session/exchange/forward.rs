//! Content on its way, in both directions: read off one connection, sent to the other from the same memory.

use std::io::ErrorKind;

use super::{
    Common, Disposal, Event, Exchange, Fact, FinalRead, Origin, Verdict, content::Step, flow::Content,
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

impl Exchange {
    /// Bytes were sent, so many of them content.
    pub(in crate::session) fn sent(&mut self, common: &Common, to: Side, count: usize, content: usize) {
        match to {
            Side::Downstream => self.pace_sent(common, count),
            Side::Upstream => {
                let keeps = common.flow(Side::Downstream).inbox.keeps();
                self.content_lost |= content > 0 && !keeps;
            }
        }
    }

    /// The origin server takes nothing more. Says whether the exchange goes on in spite of that.
    pub(in crate::session) fn bears_broken_request(
        &mut self,
        common: &mut Common,
        fault: Fault,
        turn: &mut Turn<'_>,
    ) -> bool {
        if self.is_stale(common) {
            self.fail_attempt(common, Failure::Broken(fault), turn);
            return true;
        }
        // The origin server may have answered before it closed: what it said is read first (E8).
        if self.may_still_answer(common) {
            // Who takes nothing behind an end in order has a broken pipe; all else is a cut (RFC 9112 §8).
            self.upstream_broke = fault.kind != ErrorKind::BrokenPipe;
            self.lose_request(common);
            return true;
        }
        false
    }

    fn may_still_answer(&self, common: &Common) -> bool {
        matches!(self.machine.state(), exchange::State::Awaiting | exchange::State::Responding)
            && common.leg(Side::Upstream).reads()
    }

    /// A connection from the pool that fails before it has said anything has answered nothing (E7, E10).
    fn is_stale(&self, common: &Common) -> bool {
        self.machine.state() == exchange::State::Awaiting
            && self.origin == Origin::Pool
            && common.record.figures.attempt.received == 0
    }

    /// The origin server takes no more of the request; what it has said before is still read.
    pub(super) fn lose_request(&mut self, common: &mut Common) {
        if common.record.figures.attempt.sent == 0 {
            // Another peer may still be asked.
            common.flow_mut(Side::Downstream).inbox.keep(true);
        }
        self.stop_sending_request(common);
    }

    /// No more of the request is sent.
    pub(super) fn stop_sending_request(&mut self, common: &mut Common) {
        if common.leg(Side::Upstream).writes() {
            common.leg_event(Side::Upstream, connection::Event::OurEnd);
        }
        self.may_pool = false;
        self.withhold_request(common);
        if !common.flow(Side::Downstream).is_complete() {
            self.facts.note(Fact::Unread);
        }
    }

    /// What is left of the request isn't sent where it was to be sent.
    fn withhold_request(&mut self, common: &mut Common) {
        common.flow_mut(Side::Downstream).outbox.discard();
        self.withhold_content(common);
    }

    /// The same of its content: it is kept for another peer, or dropped.
    fn withhold_content(&mut self, common: &mut Common) {
        let inbox = &mut common.work.flows[Side::Downstream.index()].inbox;
        let waiting = inbox.content().len();
        self.content_lost |= waiting > 0 && !inbox.keeps();
        inbox.sent(waiting);
    }

    /// Content that was sent isn't kept any more, nor is what will be.
    pub(super) fn let_content_go(&mut self, common: &mut Common) {
        let inbox = &mut common.work.flows[Side::Downstream.index()].inbox;
        self.content_lost |= !inbox.kept().is_empty();
        inbox.keep(false);
    }

    /// Where the rest of the content finds no room beside what is kept of it, another peer can't be asked any more.
    pub(in crate::session) fn make_room_for_content(&mut self, common: &mut Common) {
        let request = common.flow(Side::Downstream);
        let more_comes = request.message.state() == message::State::Content;
        if more_comes && !request.inbox.kept().is_empty() && !request.inbox.has_space() {
            self.let_content_go(common);
        }
    }

    /// Reads request content; what is wanted by nobody any more is dropped.
    pub(super) fn read_request_content(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> bool {
        if common.flow(Side::Downstream).message.state() != message::State::Content {
            return false;
        }
        let (step, taken) = self.take_request_content(common);
        let too_large = self.content_is_too_large(common);
        if too_large && self.machine.permits(exchange::Event::Reply) {
            self.refuse(common, Violation::ContentTooLarge, turn);
            return true;
        }
        if too_large && common.leg(Side::Upstream).writes() {
            // The response has begun: it goes on without the rest of the request (E8).
            common.note(Event::Violation(Violation::ContentTooLarge));
            self.stop_sending_request(common);
        }
        if common.drops_content() {
            common.drop_content();
        }
        // Once there was somebody to send to who takes no more, content is wanted by nobody.
        let upstream = common.leg(Side::Upstream);
        let had_upstream = upstream.exists() || self.machine.state() == exchange::State::Responding;
        if had_upstream && !upstream.writes() {
            self.withhold_content(common);
        }
        if matches!(step, Step::Moved) && taken == 0 && !common.leg(Side::Downstream).reads() {
            // The client has ended inside its request (A13).
            common.message_event(Side::Downstream, message::Event::Broken);
            self.abort(common, Outcome::ClientLeft);
            return true;
        }
        match step {
            Step::Moved => taken > 0,
            Step::Over => {
                common.message_event(Side::Downstream, message::Event::ContentEnded);
                true
            }
            Step::Broken(broken) => {
                let violation = broken_request(broken);
                common.message_event(Side::Downstream, message::Event::Broken);
                if self.machine.permits(exchange::Event::Reply) {
                    self.refuse(common, violation, turn);
                } else {
                    // The response has begun: there is no telling the client any more.
                    common.note(Event::Violation(violation));
                    self.abort(common, Outcome::ClientLeft);
                }
                true
            }
        }
    }

    /// Reads what has come of the request's content; says what that comes to, and how many bytes it was.
    pub(super) fn take_request_content(&mut self, common: &mut Common) -> (Step, usize) {
        let waiting = |common: &Common| {
            let inbox = &common.flow(Side::Downstream).inbox;
            (inbox.raw().len(), inbox.content().len())
        };
        let (raw_before, content_before) = waiting(common);
        let step = common.read_content(Side::Downstream);
        let (raw_after, content_after) = waiting(common);
        let taken = raw_before - raw_after;
        self.content_received += (content_after - content_before) as u64;
        common.record.figures.request_length += taken as u64;
        (step, taken)
    }

    /// Whether more content has come than is permitted.
    pub(super) fn content_is_too_large(&self, common: &Common) -> bool {
        let limit = common.settings().client_max_body_size;
        limit > 0 && self.content_received > limit
    }

    pub(super) fn read_response_content(&mut self, common: &mut Common, turn: &Turn<'_>) -> bool {
        if common.flow(Side::Upstream).message.state() != message::State::Content {
            return false;
        }
        let to_head = common.record.heads.as_ref().is_some_and(|heads| heads.request.is_head());
        if to_head || matches!(common.record.status, 204 | 205 | 304) {
            return self.drop_response_content(common, turn);
        }
        let before = common.flow(Side::Upstream).inbox.raw().len();
        match common.read_content(Side::Upstream) {
            Step::Moved if before > common.flow(Side::Upstream).inbox.raw().len() => true,
            Step::Moved if !common.leg(Side::Upstream).reads() => {
                self.response_source_ended(common, turn);
                true
            }
            Step::Moved => false,
            Step::Over => {
                common.message_event(Side::Upstream, message::Event::ContentEnded);
                self.response_is_complete(common, turn);
                true
            }
            Step::Broken(broken) => {
                common.note(Event::Violation(match broken {
                    Broken::Chunk => Violation::OriginChunk,
                    Broken::Trailer => Violation::OriginTrailer,
                }));
                self.cut_response(common);
                true
            }
        }
    }

    /// A 205 has no content, whatever came with it (E12), nor has what an error page shows as a 204 or 304: the
    /// connection goes with the rest.
    fn drop_response_content(&mut self, common: &mut Common, turn: &Turn<'_>) -> bool {
        self.may_pool = false;
        common.flow_mut(Side::Upstream).inbox.discard();
        common.message_event(Side::Upstream, message::Event::ContentEnded);
        self.response_is_complete(common, turn);
        true
    }

    /// The response was read whole. What is left of the request is wanted by nobody (E8), unless it only
    /// waits to be sent: the report may be on its way.
    pub(super) fn response_is_complete(&mut self, common: &mut Common, turn: &Turn<'_>) {
        common.add_trailers(turn);
        if !common.flow(Side::Downstream).is_complete() {
            self.stop_sending_request(common);
        }
        self.release_origin(common, false);
    }

    /// Lets the upstream connection go when its exchange is over: to the pool when it is clean, else closed
    /// (E7). With `now` the time is up for what has not been sent.
    pub(super) fn release_origin(&mut self, common: &mut Common, now: bool) -> bool {
        let (request, response) = (common.flow(Side::Downstream), common.flow(Side::Upstream));
        if !response.is_complete() || !common.leg(Side::Upstream).exists() {
            return false;
        }
        let sent_whole = request.is_complete() && request.is_sent();
        if !sent_whole && !now && common.leg(Side::Upstream).writes() {
            return false;
        }
        let clean = sent_whole
            && response.inbox.raw().is_empty()
            && common.leg(Side::Upstream).state() == connection::State::Open
            && self.may_pool
            && common.draining.is_none();
        self.withhold_request(common);
        // Whatever it answered: a status code speaks against a peer only where another is asked instead.
        common.release(
            Verdict::Success,
            if clean { Disposal::Pool } else { Disposal::Close(super::Ending::Fin) },
        );
        // What is left over answers nothing that we asked; the content before it is still on its way.
        common.flow_mut(Side::Upstream).inbox.consume(usize::MAX);
        true
    }

    /// The response was read whole and sent whole: the exchange is over.
    pub(super) fn end_response(&mut self, common: &mut Common) -> bool {
        let flow = common.flow(Side::Upstream);
        let cut = flow.message.state() == message::State::Cut;
        if !(flow.is_complete() || cut) || !flow.is_sent() || self.must_read_first(common) {
            return false;
        }
        self.release_origin(common, true);
        if common.leg(Side::Upstream).exists() {
            common.drop_upstream(Verdict::Failure);
        }
        self.close_behind_refused_upgrade(common);
        self.exchange_event(common, exchange::Event::Finish);
        common.finish(if cut { Outcome::Cut } else { Outcome::Complete });
        true
    }

    /// A7: the client is read once more before a refused upgrade's response is sent, and so before it can know of
    /// the refusal: what it has sent by then is no answer to it. It takes no time: the shell reads before it sleeps,
    /// and when it sleeps there was nothing. E11: so is one who was answered whole, before it is left.
    pub(in crate::session) fn must_read_first(&self, common: &Common) -> bool {
        use exchange::State;
        matches!(self.machine.state(), State::Responding | State::Replying)
            && self.final_read == FinalRead::Pending
            && common.may_read_client()
    }

    /// A7: where the bytes behind a refused upgrade are here already, its response can say what they lead to
    /// (RFC 9112 §9.6).
    pub(super) fn foresee_close(&mut self, common: &Common) {
        let behind = !common.flow(Side::Downstream).inbox.raw().is_empty();
        if self.asked_for_upgrade(common) && behind {
            self.facts.note(Fact::BehindUpgrade);
        }
    }

    /// A7: bytes behind a refused upgrade are somebody's tunnel, never a request.
    pub(super) fn close_behind_refused_upgrade(&mut self, common: &mut Common) {
        self.foresee_close(common);
        if self.asked_for_upgrade(common) {
            common.flow_mut(Side::Downstream).inbox.discard();
        }
    }

    /// The origin server has ended its direction, and what came before the end was read.
    fn response_source_ended(&mut self, common: &mut Common, turn: &Turn<'_>) {
        let in_order =
            common.leg(Side::Upstream).state() != connection::State::Failed && !self.upstream_broke;
        if common.flow(Side::Upstream).content == Content::UntilClose && in_order {
            common.message_event(Side::Upstream, message::Event::ContentEnded);
            self.response_is_complete(common, turn);
        } else {
            common.note(Event::UpstreamClosed);
            self.cut_response(common);
        }
    }

    /// Whether the end of the connection is the end of the content, so that only a reset tells a cut (E9).
    pub(super) fn only_reset_tells(&self, common: &Common) -> bool {
        self.machine.state() == exchange::State::Responding
            && common.record.heads.as_ref().is_some_and(|heads| heads.request.version == Version::Http10)
            && matches!(common.flow(Side::Upstream).content, Content::Chunked(_) | Content::UntilClose)
            && !(common.flow(Side::Upstream).is_complete() && common.flow(Side::Upstream).is_sent())
    }

    /// The response ends too early: what came of it is delivered, and nothing makes it look whole (E9).
    pub(super) fn cut_response(&mut self, common: &mut Common) {
        if common.flow(Side::Upstream).message.state() == message::State::Content {
            common.message_event(Side::Upstream, message::Event::Broken);
        }
        self.facts.note(Fact::Unread);
        if self.only_reset_tells(common) {
            self.ending = super::Ending::Reset;
            self.facts.note(Fact::Gone);
        }
        common.release(Verdict::Failure, Disposal::Close(super::Ending::Fin));
        let request = common.flow_mut(Side::Downstream);
        request.stop_sending();
        common.flow_mut(Side::Upstream).inbox.consume(usize::MAX);
    }
}

/// What is wrong with a request whose content is.
pub(super) fn broken_request(broken: Broken) -> Violation {
    match broken {
        Broken::Chunk => Violation::BadChunk,
        Broken::Trailer => Violation::BadTrailer,
    }
}
