//! A response head: interim, switching protocols, or final.

use super::{
    Expectation, Fact, Fate, FinalRead, Origin, Session, Verdict, around::Coding, request::is_upgrade,
    upstream::Failure,
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
    violation::{Culprit, Violation},
};

/// Interim responses that one exchange may have (A10).
const MAX_INTERIM: u16 = 100;

impl Session {
    /// Reads one response head: an interim one, a 101, or the final one.
    pub(super) fn read_response_head(&mut self, turn: &mut Turn<'_>) -> bool {
        let limit = self.record.proxy().map_or(0, |proxy| proxy.buffer_size).min(MAX_HEAD);
        let inbox = &self.flow(Side::Upstream).inbox;
        if inbox.raw().is_empty() || !self.leg(Side::Upstream).exists() || self.holds_what_came() {
            return false;
        }
        if self.work.origin == Origin::Pool
            && !self.work.flows[Side::Downstream.index()].outbox.head_is_sent()
        {
            // Whatever this is, it answers nothing that we asked (E7).
            self.fail_attempt(Failure::Closed, turn);
            return true;
        }
        let inbox = &mut self.work.flows[Side::Upstream.index()].inbox;
        let Some(heads) = &mut self.record.heads else { return false };
        let parsed = inbox.parse(|raw, scanned| heads.response.parse(raw, scanned, limit));
        let outcome = match parsed {
            Ok(Parsed::Partial) => {
                inbox.make_room(limit, turn.buffers);
                return false;
            }
            Ok(Parsed::Complete(length)) => {
                inbox.take_head(length, turn.buffers);
                self.take_response_head(turn)
            }
            Err(violation) => Err(violation),
        };
        match outcome {
            Ok(()) => {}
            // The response is well-formed; what we were to make of it isn't.
            Err(violation) if violation.culprit() == Culprit::Configuration => self.refuse(violation, turn),
            Err(violation) => self.fail_attempt(Failure::Head(violation), turn),
        }
        true
    }

    fn take_response_head(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(heads) = &self.record.heads else { return Err(Violation::OriginHead) };
        let response = &heads.response;
        let options = response.fields.options();
        if options.forbidden {
            return Err(Violation::OriginNominatedField);
        }
        self.record.figures.attempt.status = response.status;
        match response.status {
            101 => self.take_switch(turn),
            100..=199 => self.take_interim(turn),
            _ => self.take_final(options, turn),
        }
    }

    /// RFC 9110 §15.2: interim responses are forwarded to clients that know them; a 100 once at most.
    fn take_interim(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.work.interim += 1;
        self.work.told_at = self.tick;
        if self.work.interim > MAX_INTERIM {
            return Err(Violation::TooManyInterim);
        }
        self.message_event(Side::Upstream, message::Event::Interim);
        let record = &self.record;
        let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
        let is_continue = heads.response.status == 100;
        if heads.request.version == Version::Http10
            || (is_continue && self.work.expectation == Expectation::Answered)
        {
            return Ok(());
        }
        if is_continue {
            self.work.expectation = Expectation::Answered;
        }
        let mut length = 0;
        self.work.flows[Side::Upstream.index()].outbox.write(turn.buffers, |out| {
            let start = out.len();
            write_interim(record, &heads.response, out);
            length = out.len() - start;
        });
        self.record.figures.head_sent += length as u64;
        Ok(())
    }

    /// A 101: the tunnel will open when the client asked, we passed it on, and the answer fits (A5, A6).
    fn take_switch(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let (Some(heads), Some(proxy)) = (&self.record.heads, self.record.proxy()) else {
            return Err(Violation::UnaskedSwitch);
        };
        if !is_upgrade(self.work.offer) {
            return Err(Violation::UnaskedSwitch);
        }
        check_switch(heads, proxy)?;
        if !self.leg(Side::Upstream).writes() {
            self.fail_attempt(Failure::Unwritable, turn);
            return Ok(());
        }
        self.record.figures.attempt.answered = Some(self.tick);
        self.message_event(Side::Upstream, message::Event::HeadAlone);
        self.exchange_event(exchange::Event::Switch);
        self.let_content_go();
        Ok(())
    }

    /// The final response's head: from here on the client has a byte of it, and nothing can be retried.
    fn take_final(&mut self, options: ConnectionOptions, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(heads) = &self.record.heads else { return Err(Violation::OriginHead) };
        let (request, response) = (&heads.request, &heads.response);
        let status = response.status;
        let sent_head = self.work.method == SentMethod::Head;
        let framing = response_framing(&response.fields, response.version, status, sent_head)?;
        let says_close = !options.persists(response.version);
        // What announces content where there is none may be followed by it, and that would answer the next request.
        let announces = matches!(status, 204 | 304) && announces_content(&response.fields);
        if says_close || announces || framing.content == Framing::UntilClose {
            self.work.may_pool = false;
        }
        // A stale connection may say so itself instead of just ending (E10).
        if status == 408 && says_close && self.work.origin == Origin::Pool && self.may_retry() {
            return self.replace_stale(turn);
        }
        let is_http11_client = request.version == Version::Http11;
        if self.passes_on(status) {
            return self.pass_on(status, turn);
        }
        if status >= 300 && self.intercepts(status) {
            self.intercept(status, framing.content, turn);
            return Ok(());
        }
        let shown = self.shown_status(status);
        let drops_content = request.is_head() || matches!(shown, 204 | 205 | 304);
        // As nginx: trailer fields of the location's own need chunks to stand behind.
        let adds_trailers = is_http11_client && !drops_content && has_trailers(&self.record, shown);
        let unsized_content =
            matches!(framing.content, Framing::Chunked | Framing::UntilClose) && !drops_content;
        if unsized_content && !is_http11_client {
            // To a 1.0 client the end of the connection is the end of the content.
            self.work.facts.note(Fact::EndsContent);
        }
        if !self.flow(Side::Downstream).is_complete() && says_close {
            self.stop_sending_request();
        }
        if self.asked_for_upgrade() {
            self.work.final_read = FinalRead::Pending;
        }
        self.record.figures.attempt.answered = Some(self.tick);
        self.record.status = shown;
        self.write_final_head(framing, adds_trailers || unsized_content && is_http11_client, turn)
    }

    fn write_final_head(
        &mut self,
        framing: ResponseFraming,
        chunked: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        self.foresee_close();
        let Some(heads) = &self.record.heads else { return Err(Violation::OriginHead) };
        let (status, shown) = (heads.response.status, self.record.status);
        let has_none = |status: u16| matches!(status, 204 | 304);
        // Where an error page shows another status code, or what we sent was a HEAD, there is content, if only
        // none.
        let unshown = self.work.method == SentMethod::Head && !heads.request.is_head();
        let empty = shown == 205 || (has_none(status) || unshown) && !has_none(shown);
        let length = framing.shown_length.is_some() && !empty && shown != 204 && !chunked;
        let persistence = match self.fate() {
            Fate::Persist => Persistence::Keep,
            Fate::Close | Fate::Leave | Fate::Linger => Persistence::Close,
        };
        let shape = ResponseHead { status: shown, chunked, length, empty: empty && !chunked, persistence };
        self.pace_response(turn);
        self.write_to_client(turn, |record, now, out| {
            let Some(heads) = &record.heads else { return Err(Violation::OriginHead) };
            write_response(record, &heads.response, shape, now, out)?;
            Ok(out.len())
        })?;
        self.exchange_event(exchange::Event::FinalHead);
        self.let_content_go();
        if matches!(framing.content, Framing::Chunked | Framing::UntilClose) {
            // No end is in sight: it may be hours until the connection is released.
            self.work.pending.judgement = Some(Verdict::Success);
        }
        let coding = if chunked { Coding::Chunked } else { Coding::Plain };
        self.flow_mut(Side::Upstream).begin_content(framing.content, coding, turn.buffers);
        let event = if framing.content == Framing::Empty {
            message::Event::HeadAlone
        } else {
            message::Event::HeadWithContent
        };
        self.message_event(Side::Upstream, event);
        if framing.content == Framing::Empty {
            self.response_is_complete(turn);
        }
        Ok(())
    }

    /// The stream has ended where a response head was awaited.
    pub(super) fn miss_response(&mut self, turn: &mut Turn<'_>) -> bool {
        let upstream = self.leg(Side::Upstream);
        if !upstream.exists() || upstream.reads() || self.holds_what_came() {
            return false;
        }
        self.fail_attempt(Failure::Closed, turn);
        true
    }

    /// Whether something has come that isn't looked at yet. While the client has not taken an interim response
    /// nothing piles up behind it for one who doesn't read.
    pub(super) fn holds_what_came(&self) -> bool {
        let response = self.flow(Side::Upstream);
        !response.inbox.raw().is_empty() && (!response.outbox.head_is_sent() || self.holds_response())
    }
}

/// Whether a response names content, whatever its status code says (RFC 9110 §8.6, RFC 9112 §6.1). Its framing has been
/// found well-formed.
fn announces_content(fields: &Fields) -> bool {
    let none = |value: &[u8]| value.iter().all(|byte| *byte == b'0');
    fields.values(Known::TransferEncoding).next().is_some()
        || fields.values(Known::ContentLength).any(|value| !none(value))
}
