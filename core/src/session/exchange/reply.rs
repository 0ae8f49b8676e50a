//! Responses in our own name (E11).

use core::time::Duration;

use super::{Common, Event, Exchange, Fact, Fate, FinalRead, Verdict};
use crate::{
    Side,
    buffer::Turn,
    config::Return,
    http1::write_encoded_path,
    record::{Outcome, Record},
    rewrite::{OwnResponse, Persistence, asks_for_upgrade, check_additions, max_forwards, reason, write_own},
    state::{exchange, message},
    template::Template,
    time::{Now, write_decimal},
    violation::{Culprit, Violation},
};

/// The media type of our own words.
const PLAIN: &[u8] = b"text/plain";

impl Exchange {
    /// A rule was broken: it is noted, and answered where there is still somebody to answer.
    pub(super) fn refuse(&mut self, common: &mut Common, violation: Violation, turn: &mut Turn<'_>) {
        self.refuse_with(common, violation, violation.status(), turn);
    }

    /// The same, answered with a status code of the configuration's choice.
    pub(super) fn refuse_with(
        &mut self,
        common: &mut Common,
        violation: Violation,
        status: u16,
        turn: &mut Turn<'_>,
    ) {
        if common.record.location.is_none()
            && let Some(level) = common.server_level()
        {
            // Nobody knows where it was to go: it is logged where the server says.
            common.enter_server(&level);
        }
        common.note(Event::Violation(violation));
        self.answer_violation(common, violation, status, turn);
    }

    /// Answers a violation that has been noted.
    pub(super) fn reply_to(&mut self, common: &mut Common, violation: Violation, turn: &mut Turn<'_>) {
        self.answer_violation(common, violation, violation.status(), turn);
    }

    fn answer_violation(
        &mut self,
        common: &mut Common,
        violation: Violation,
        status: u16,
        turn: &mut Turn<'_>,
    ) {
        common.drop_upstream(if violation.culprit() == Culprit::Origin {
            Verdict::Failure
        } else {
            Verdict::Unjudged
        });
        let retry_after = common.retry_after(violation);
        if let Some(detour) = common.detour_mut() {
            detour.retry_after = retry_after;
        }
        if status == 444 {
            // `limit_req_status 444` and the like.
            return self.close_unanswered(common);
        }
        if may_have_page(violation) && self.goes_to_error_page(common, page_of(violation, status), turn) {
            return;
        }
        if !self.machine.permits(exchange::Event::Reply) {
            return self.abort(common, Outcome::ClientLeft);
        }
        let mut text = turn.buffers.scratch();
        write_page(status, &mut text);
        // What the client did wrong it may know, and how to have it otherwise; the rest is for the log.
        if violation.culprit() == Culprit::Client {
            violation.explain(&mut text);
        }
        self.reply(common, status, PLAIN, &text, turn);
        turn.buffers.return_scratch(text);
    }

    /// nginx's `return`. A status code alone, from 400 on, is an error, and may have a page; so may a redirection.
    pub(super) fn answer(&mut self, common: &mut Common, answer: &Return, turn: &mut Turn<'_>) {
        match (&answer.text, answer.status) {
            (_, 444) => self.close_unanswered(common),
            (Some(target), status @ (301..=303 | 307 | 308)) => {
                let mut uri = turn.buffers.scratch();
                // As in nginx, `$status` in the text is the code that is returned.
                common.record.status = status;
                common.record.write_template(target, turn.now, &mut uri);
                self.redirect(common, status, &uri, turn);
                turn.buffers.return_scratch(uri);
            }
            (Some(text), status) => {
                self.answer_with(common, status, answer.content_type.as_deref(), text, turn);
            }
            (None, status @ (301..=303 | 307 | 308 | 400..=599)) => self.conclude(common, status, turn),
            // As in nginx, what is no error says nothing more.
            (None, status) => self.reply(common, common.shown_status(status), PLAIN, b"", turn),
        }
    }

    fn answer_with(
        &mut self,
        common: &mut Common,
        status: u16,
        kind: Option<&str>,
        text: &Template,
        turn: &mut Turn<'_>,
    ) {
        let shown = common.shown_status(status);
        let mut content = turn.buffers.scratch();
        common.record.status = shown;
        common.record.write_template(text, turn.now, &mut content);
        let path = common.record.heads.as_ref().map_or(b"".as_slice(), |heads| heads.path());
        let by_path = || common.record.location.as_ref().map(|location| location.types.of(path));
        let mut media_type = turn.buffers.scratch();
        media_type.extend_from_slice(kind.or_else(by_path).map_or(PLAIN, str::as_bytes));
        self.reply(common, shown, &media_type, &content, turn);
        turn.buffers.return_scratch(media_type);
        turn.buffers.return_scratch(content);
    }

    /// The page that says a status code in words.
    pub(super) fn reply_page(&mut self, common: &mut Common, status: u16, turn: &mut Turn<'_>) {
        let mut text = turn.buffers.scratch();
        write_page(status, &mut text);
        self.reply(common, status, PLAIN, &text, turn);
        turn.buffers.return_scratch(text);
    }

    /// Sends the client to another URI; a path is one of this server. Where an error page answers instead, the field
    /// stays in its response, as in nginx.
    pub(super) fn redirect(&mut self, common: &mut Common, status: u16, uri: &[u8], turn: &mut Turn<'_>) {
        common.lead_to(uri);
        self.conclude(common, status, turn);
    }

    pub(super) fn reply_redirect(
        &mut self,
        common: &mut Common,
        status: u16,
        uri: &[u8],
        turn: &mut Turn<'_>,
    ) {
        common.lead_to(uri);
        self.reply_page(common, status, turn);
    }

    /// `/x` for `location /x/`: 301 to the path with a slash, the query kept.
    pub(super) fn redirect_to_slash(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let mut uri = turn.buffers.scratch();
        if let Some(heads) = &common.record.heads {
            write_encoded_path(heads.path(), &mut uri);
            uri.push(b'/');
            if !heads.query().is_empty() {
                uri.push(b'?');
                uri.extend_from_slice(heads.query());
            }
        }
        self.redirect(common, 301, &uri, turn);
        turn.buffers.return_scratch(uri);
    }

    pub(super) fn answer_options(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        self.reply(common, 200, PLAIN, b"", turn);
    }

    fn reply(
        &mut self,
        common: &mut Common,
        status: u16,
        content_type: &[u8],
        content: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let request = common.record.heads.as_ref().map(|heads| &heads.request);
        let is_connect = request.is_some_and(|request| request.method() == b"CONNECT");
        if is_connect && matches!(status, 200..=299) {
            // RFC 9110 §9.3.6: the client would take it for its tunnel.
            return self.refuse(common, Violation::ConnectRefused, turn);
        }
        let refuses_upgrade = request.is_some_and(asks_for_upgrade);
        if let Some(detour) = common.detour_mut() {
            // A7: an upgrade that we answer ourselves is refused, as one that an origin server answers otherwise.
            detour.upgrade |= refuses_upgrade;
        }
        let mut scratch = turn.buffers.scratch();
        let checked = check_additions(&common.record, status, turn.now, &mut scratch);
        turn.buffers.return_scratch(scratch);
        match checked {
            Err(violation) if status < 400 => {
                common.lead_to(b"");
                return self.refuse(common, violation, turn);
            }
            // What is an error already stays one; the line that can't be sent is left out.
            Err(violation) => common.note(Event::Violation(violation)),
            Ok(()) => {}
        }
        // Whether the client's connection can go on: only when the request was understood and read whole.
        // A refused CONNECT ends its connection: what comes behind it is nobody's request (D3; RFC 9931).
        let understood = common.flow(Side::Downstream).is_complete() && !is_connect;
        let ends = !understood && !self.reads_on_behind(common, status);
        if ends {
            self.facts.note(Fact::Unread);
            // A head that was refused ends the reading of messages here.
            if matches!(
                common.flow(Side::Downstream).message.state(),
                message::State::Head | message::State::Content
            ) {
                common.message_event(Side::Downstream, message::Event::Broken);
            }
        }
        self.bound_persistence(common);
        self.foresee_close(common);
        let persistence =
            if self.fate(common) == Fate::Persist { Persistence::Keep } else { Persistence::Close };
        let to_head = common.record.heads.as_ref().is_some_and(|heads| heads.request.is_head());
        let own = OwnResponse { status, content_type, content, persistence, to_head };
        common.record.status = status;
        self.pace_reply(common, turn);
        // Writing it can't fail: what could was checked above.
        let _ = common.write_to_client(turn, |record, now, out| Ok(write_own(record, own, now, out)));
        common.flow_mut(Side::Downstream).stop_sending();
        if ends {
            common.flow_mut(Side::Downstream).inbox.discard();
        }
        if self.asked_for_upgrade(common) {
            self.final_read = FinalRead::Pending;
        }
        self.exchange_event(common, exchange::Event::Reply);
    }

    /// Our response was sent whole: the exchange is over.
    pub(super) fn end_reply(&mut self, common: &mut Common) -> bool {
        if !common.leg(Side::Downstream).reads() && !common.flow(Side::Downstream).is_complete() {
            self.facts.note(Fact::Gone);
        }
        if self.fate(common) == Fate::Linger && !common.flow(Side::Downstream).is_complete() {
            // What comes behind a refused head is nobody's.
            common.flow_mut(Side::Downstream).inbox.discard();
        }
        if !common.flow(Side::Upstream).is_sent()
            || self.must_read_first(common)
            || self.waits_for_unwanted_content(common)
        {
            return false;
        }
        self.close_behind_refused_upgrade(common);
        self.exchange_event(common, exchange::Event::Finish);
        common.finish(Outcome::Complete);
        true
    }
}

/// What needs nothing of the exchange but its record and connections.
impl Common {
    /// The status code that the client gets of a response with this one: an error page may have its own. Whatever a
    /// configuration says, it is one of a final response.
    pub(super) fn shown_status(&self, status: u16) -> u16 {
        let shown = self.record.heads.as_ref().and_then(|heads| heads.detour.status).unwrap_or(status);
        if matches!(shown, 200..=599) { shown } else { 500 }
    }

    /// Whether the process was asked to end before the request began, which then opens no tunnel (C8).
    pub(super) fn leaves(&self) -> bool {
        self.record.heads.as_ref().is_some_and(|heads| heads.left_at.is_some())
    }

    /// When a client that gets no tunnel may come again, in seconds (RFC 9110 §10.2.3).
    fn retry_after(&self, violation: Violation) -> Option<u32> {
        match violation {
            // One may end at any moment.
            Violation::TooManyTunnels => Some(1),
            Violation::Leaving => {
                let left_at = self.record.heads.as_ref()?.left_at?;
                let window = self.record.hop().and_then(|hop| hop.tunnel.drain.window);
                let ends = [self.ends_by.get(), window.map(|window| left_at.after(window))];
                let left =
                    ends.into_iter().flatten().min().map_or(Duration::ZERO, |end| end.since(self.tick));
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
            }
            _ => None,
        }
    }

    fn lead_to(&mut self, uri: &[u8]) {
        if let Some(detour) = self.detour_mut() {
            detour.redirect.clear();
            detour.redirect.extend_from_slice(uri);
        }
    }

    /// `OPTIONS` with `Max-Forwards: 0` ends here (RFC 9110 §7.6.2).
    pub(super) fn answers_options_itself(&self) -> bool {
        self.record.heads.as_ref().is_some_and(|heads| {
            heads.request.method() == b"OPTIONS"
                && heads
                    .request
                    .fields
                    .values(crate::http1::Known::MaxForwards)
                    .any(|value| max_forwards(value) == Some(0))
        })
    }

    /// Writes the head of a final response, or more: `write` says where in the memory it got the head ends.
    /// It is counted, and kept where a log line asks for fields of it.
    ///
    /// # Errors
    /// What `write` says is wrong; nothing of it will be sent.
    pub(super) fn write_to_client(
        &mut self,
        turn: &mut Turn<'_>,
        write: impl FnOnce(&Record, Now, &mut Vec<u8>) -> Result<usize, Violation>,
    ) -> Result<(), Violation> {
        let now = turn.now;
        let record = &self.record;
        let keeps = self.record.logs_what_is_sent();
        let mut kept = turn.buffers.scratch();
        let mut length = Ok(0);
        self.work.flows[Side::Upstream.index()].outbox.write(turn.buffers, |out| {
            let start = out.len();
            length = write(record, now, out).map(|end| end - start);
            match length {
                Ok(length) if keeps => {
                    kept.extend_from_slice(out.get(start..start + length).unwrap_or_default());
                }
                Ok(_) => {}
                Err(_) => out.truncate(start),
            }
        });
        if let (true, Some(heads)) = (keeps, &mut self.record.heads) {
            std::mem::swap(&mut heads.sent, &mut kept);
        }
        turn.buffers.return_scratch(kept);
        self.record.figures.head_sent += length? as u64;
        Ok(())
    }
}

/// Whether an error page may answer. What a client does too slowly it won't wait for, and a response that was never
/// asked for is not worth another request.
fn may_have_page(violation: Violation) -> bool {
    !matches!(violation, Violation::RewriteCycle | Violation::UnknownLocation | Violation::BodyTimeout)
}

/// The status code by which an error page is found for a violation that is answered with `status`.
fn page_of(violation: Violation, status: u16) -> u16 {
    if status == violation.status() { violation.page() } else { status }
}

fn write_page(status: u16, out: &mut Vec<u8>) {
    write_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.push(b'\n');
}
