//! A response head: interim, switching protocols, or final.

use super::{
    Common, Exchange, Expectation, Fact, Fate, FinalRead, Origin, Verdict, around::Coding,
    request::is_upgrade, upstream::Failure,
};
use crate::{
    Side, Version,
    buffer::Turn,
    config::MAX_HEAD,
    http1::{ConnectionOptions, Fields, Framing, Known, Parsed, ResponseFraming, response_framing},
    rewrite::{
        Persistence, ResponseHead, SentMethod, check_switch, has_trailers, write_interim, write_response,
    },
    state::{exchange, message},
    time::MaybeTick,
    violation::{Culprit, Violation},
};

/// Interim responses that one exchange may have (A10).
const MAX_INTERIM: u16 = 100;

impl Exchange {
    /// Reads one response head: an interim one, a 101, or the final one.
    pub(super) fn read_response_head(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> bool {
        let limit = common.record.proxy().map_or(0, |proxy| proxy.buffer_size).min(MAX_HEAD);
        let inbox = &common.flow(Side::Upstream).inbox;
        if inbox.raw().is_empty() || !common.leg(Side::Upstream).exists() || self.holds_what_came(common) {
            return false;
        }
        if self.origin == Origin::Pool && !common.work.flows[Side::Downstream.index()].outbox.head_is_sent() {
            // Whatever this is, it answers nothing that we asked (E7).
            self.fail_attempt(common, Failure::Closed, turn);
            return true;
        }
        let inbox = &mut common.work.flows[Side::Upstream.index()].inbox;
        let Some(heads) = &mut common.record.heads else { return false };
        let parsed = inbox.parse(|raw, scan| heads.response.parse(raw, scan, limit));
        let outcome = match parsed {
            Ok(Parsed::Partial) => {
                inbox.make_room(limit, turn.buffers);
                return false;
            }
            Ok(Parsed::Complete(length)) => {
                inbox.take_head(length, turn.buffers);
                self.take_response_head(common, turn)
            }
            Err(violation) => Err(violation),
        };
        match outcome {
            Ok(()) => {}
            // The response is well-formed; what we were to make of it isn't.
            Err(violation) if violation.culprit() == Culprit::Configuration => {
                self.refuse(common, violation, turn);
            }
            Err(violation) => self.fail_attempt(common, Failure::Head(violation), turn),
        }
        true
    }

    fn take_response_head(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(heads) = &common.record.heads else { return Err(Violation::OriginHead) };
        let response = &heads.response;
        let options = response.fields.options();
        if options.forbidden {
            return Err(Violation::OriginNominatedField);
        }
        common.record.figures.attempt.status = response.status;
        match response.status {
            101 => self.take_switch(common, turn),
            100..=199 => self.take_interim(common, turn),
            _ => self.take_final(common, options, turn),
        }
    }

    /// RFC 9110 §15.2: interim responses are forwarded to clients that know them; a 100 once at most.
    fn take_interim(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.interim += 1;
        self.told_at = common.tick;
        if self.interim > MAX_INTERIM {
            return Err(Violation::TooManyInterim);
        }
        common.message_event(Side::Upstream, message::Event::Interim);
        let record = &common.record;
        let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
        let is_continue = heads.response.status == 100;
        if heads.request.version == Version::Http10
            || (is_continue && self.expectation == Expectation::Answered)
        {
            return Ok(());
        }
        if is_continue {
            self.expectation = Expectation::Answered;
        }
        let mut length = 0;
        common.work.flows[Side::Upstream.index()].outbox.write(turn.buffers, |out| {
            let start = out.len();
            write_interim(record, &heads.response, out);
            length = out.len() - start;
        });
        common.record.figures.head_sent += length as u64;
        Ok(())
    }

    /// A 101: the tunnel will open when the client asked, we passed it on, and the answer fits (A5, A6).
    fn take_switch(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let (Some(heads), Some(proxy)) = (&common.record.heads, common.record.proxy()) else {
            return Err(Violation::UnaskedSwitch);
        };
        if !is_upgrade(self.offer) {
            return Err(Violation::UnaskedSwitch);
        }
        check_switch(heads, proxy)?;
        if !common.leg(Side::Upstream).writes() {
            self.fail_attempt(common, Failure::Unwritable, turn);
            return Ok(());
        }
        common.record.figures.attempt.answered = MaybeTick::at(common.tick);
        common.message_event(Side::Upstream, message::Event::HeadAlone);
        self.exchange_event(common, exchange::Event::Switch);
        self.let_content_go(common);
        Ok(())
    }

    /// The final response's head: from here on the client has a byte of it, and nothing can be retried.
    fn take_final(
        &mut self,
        common: &mut Common,
        options: ConnectionOptions,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let Some(heads) = &common.record.heads else { return Err(Violation::OriginHead) };
        let (request, response) = (&heads.request, &heads.response);
        let status = response.status;
        let sent_head = self.method == SentMethod::Head;
        let framing = response_framing(&response.fields, response.version, status, sent_head)?;
        let says_close = !options.persists(response.version);
        // What announces content where there is none may be followed by it, and that would answer the next request.
        let announces = matches!(status, 204 | 304) && announces_content(&response.fields);
        if says_close || announces || framing.content == Framing::UntilClose {
            self.may_pool = false;
        }
        // A stale connection may say so itself instead of just ending (E10).
        if status == 408 && says_close && self.origin == Origin::Pool && self.may_retry(common) {
            return self.replace_stale(common, turn);
        }
        let is_http11_client = request.version == Version::Http11;
        if self.passes_on(common, status) {
            return self.pass_on(common, status, turn);
        }
        if status >= 300 && common.intercepts(status) {
            self.intercept(common, status, framing.content, turn);
            return Ok(());
        }
        let shown = common.shown_status(status);
        let drops_content = request.is_head() || matches!(shown, 204 | 205 | 304);
        // As nginx: trailer fields of the location's own need chunks to stand behind.
        let adds_trailers = is_http11_client && !drops_content && has_trailers(&common.record, shown);
        let unsized_content =
            matches!(framing.content, Framing::Chunked | Framing::UntilClose) && !drops_content;
        if unsized_content && !is_http11_client {
            // To a 1.0 client the end of the connection is the end of the content.
            self.facts.note(Fact::EndsContent);
        }
        if !common.flow(Side::Downstream).is_complete() && says_close {
            self.stop_sending_request(common);
        }
        if self.asked_for_upgrade(common) {
            self.final_read = FinalRead::Pending;
        }
        common.record.figures.attempt.answered = MaybeTick::at(common.tick);
        common.record.status = shown;
        self.write_final_head(common, framing, adds_trailers || unsized_content && is_http11_client, turn)
    }

    fn write_final_head(
        &mut self,
        common: &mut Common,
        framing: ResponseFraming,
        chunked: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        self.foresee_close(common);
        let Some(heads) = &common.record.heads else { return Err(Violation::OriginHead) };
        let (status, shown) = (heads.response.status, common.record.status);
        let has_none = |status: u16| matches!(status, 204 | 304);
        // Where an error page shows another status code, or what we sent was a HEAD, there is content, if only
        // none.
        let unshown = self.method == SentMethod::Head && !heads.request.is_head();
        let empty = shown == 205 || (has_none(status) || unshown) && !has_none(shown);
        let length = framing.shown_length.is_some() && !empty && shown != 204 && !chunked;
        let persistence = match self.fate(common) {
            Fate::Persist => Persistence::Keep,
            Fate::Close | Fate::Leave | Fate::Linger => Persistence::Close,
        };
        let shape = ResponseHead { status: shown, chunked, length, empty: empty && !chunked, persistence };
        self.pace_response(common, turn);
        common.write_to_client(turn, |record, now, out| {
            let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
            write_response(record, &heads.response, shape, now, out)?;
            Ok(out.len())
        })?;
        self.exchange_event(common, exchange::Event::FinalHead);
        self.let_content_go(common);
        if matches!(framing.content, Framing::Chunked | Framing::UntilClose) {
            // No end is in sight: it may be hours until the connection is released.
            common.work.pending.judgement = Some(Verdict::Success);
        }
        let coding = if chunked { Coding::Chunked } else { Coding::Plain };
        common.flow_mut(Side::Upstream).begin_content(framing.content, coding, turn.buffers);
        let event = if framing.content == Framing::Empty {
            message::Event::HeadAlone
        } else {
            message::Event::HeadWithContent
        };
        common.message_event(Side::Upstream, event);
        if framing.content == Framing::Empty {
            self.response_is_complete(common, turn);
        }
        Ok(())
    }

    /// The stream has ended where a response head was awaited.
    pub(super) fn miss_response(&mut self, common: &mut Common, turn: &mut Turn<'_>) -> bool {
        let upstream = common.leg(Side::Upstream);
        if !upstream.exists() || upstream.reads() || self.holds_what_came(common) {
            return false;
        }
        self.fail_attempt(common, Failure::Closed, turn);
        true
    }

    /// Whether something has come that isn't looked at yet. While the client has not taken an interim response
    /// nothing piles up behind it for one who doesn't read.
    pub(super) fn holds_what_came(&self, common: &Common) -> bool {
        let response = common.flow(Side::Upstream);
        !response.inbox.raw().is_empty() && (!response.outbox.head_is_sent() || common.holds_response())
    }
}

/// Whether a response names content, whatever its status code says (RFC 9110 §8.6, RFC 9112 §6.1). Its framing has been
/// found well-formed.
fn announces_content(fields: &Fields) -> bool {
    let none = |value: &[u8]| value.iter().all(|byte| *byte == b'0');
    fields.values(Known::TransferEncoding).next().is_some()
        || fields.values(Known::ContentLength).any(|value| !none(value))
}
