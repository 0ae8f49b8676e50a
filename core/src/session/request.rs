//! A request: its head is read, and everything is said of it that can be said before anybody is dialled.

use std::sync::Arc;

use super::{Event, Expectation, Fact, Session};
use crate::{
    Side,
    buffer::Turn,
    config::Proxy,
    http1::{Fields, Framing, Known, Parsed, elements, most_of_request, request_framing},
    proxy_protocol::{self, Greeting},
    record::{NoUpgrade, Outcome},
    rewrite::{Offer, Plan, write_request},
    state::{exchange, message},
    violation::Violation,
};

impl Session {
    /// Reads the PROXY protocol header that the connection begins with.
    pub(super) fn read_greeting(&mut self) -> bool {
        let ended = !self.leg(Side::Downstream).reads();
        match proxy_protocol::read(self.flow(Side::Downstream).inbox.raw()) {
            Greeting::Complete(length, header) => {
                self.flow_mut(Side::Downstream).inbox.consume(length);
                if header.is_some() {
                    self.record.forwarded.get_or_insert_default().header = header;
                }
                self.exchange_event(exchange::Event::Greeted);
            }
            Greeting::Partial if !ended => return false,
            Greeting::Partial => self.close_client(super::Ending::Fin),
            // Whoever this is, it is not the proxy that was announced, and gets no answer.
            Greeting::Malformed => {
                self.note(Event::Violation(Violation::BadProxyHeader));
                self.close_client(super::Ending::Fin);
            }
        }
        true
    }

    /// Reads the next request head, and begins its exchange.
    pub(super) fn read_request_head(&mut self, turn: &mut Turn<'_>) -> bool {
        let ended = !self.leg(Side::Downstream).reads();
        if self.exchange.state() == exchange::State::Idle {
            self.skip_empty_lines();
        }
        let raw = self.flow(Side::Downstream).inbox.raw();
        if raw.is_empty() || (self.exchange.state() == exchange::State::Idle && raw == b"\r") {
            return ended && self.client_is_gone();
        }
        if self.exchange.state() == exchange::State::Idle {
            if self.has_drained() {
                self.close_client(super::Ending::Fin);
                return true;
            }
            if self.work.pending.exchange_done {
                // What is known of the exchange before has to be handed out first.
                return false;
            }
            self.begin_request(turn);
        }
        let edge = Arc::clone(&self.record.config.edge);
        let Some(heads) = &mut self.record.heads else { return false };
        let inbox = &mut self.work.flows[Side::Downstream.index()].inbox;
        let parsed = inbox.parse(|raw, scanned| heads.request.parse(raw, scanned, &edge));
        match parsed {
            Ok(Parsed::Complete(length)) => {
                inbox.take_head(length, turn.buffers);
                self.record.figures.request_length = length as u64;
                if let Err(violation) = self.begin_exchange() {
                    self.refuse(violation, turn);
                }
                true
            }
            Ok(Parsed::Partial) => {
                inbox.make_room(most_of_request(&edge), turn.buffers);
                ended && self.client_is_gone()
            }
            Err(violation) => {
                self.refuse(violation, turn);
                true
            }
        }
    }

    /// RFC 9112 §2.2: empty lines before a request line are no request yet; a few of them are skipped (E3).
    fn skip_empty_lines(&mut self) {
        while self.work.empty_lines < 4 {
            let length = match self.flow(Side::Downstream).inbox.raw() {
                [b'\r', b'\n', ..] => 2,
                [b'\n', ..] => 1,
                _ => return,
            };
            self.work.empty_lines += 1;
            self.flow_mut(Side::Downstream).inbox.consume(length);
        }
    }

    /// The stream has ended where a head was awaited.
    fn client_is_gone(&mut self) -> bool {
        if self.exchange.state() == exchange::State::Idle {
            self.close_client(super::Ending::Fin);
        } else {
            self.abort(Outcome::ClientLeft);
            self.record.status = 400;
        }
        true
    }

    /// The first byte of a request head has come.
    fn begin_request(&mut self, turn: &mut Turn<'_>) {
        let heads = self.record.heads.take().unwrap_or_else(|| turn.buffers.heads());
        self.record.begin(heads, turn);
        self.record.figures.pipelined = self.work.pipelined;
        if let Some(heads) = &mut self.record.heads {
            heads.clear();
        }
        self.exchange_event(exchange::Event::HeadBegun);
    }

    /// A head is complete: its framing is read, and everything that is refused wherever the request goes.
    fn begin_exchange(&mut self) -> Result<(), Violation> {
        let level = self.server_level();
        if let Some(level) = &level {
            self.enter_server(level);
        }
        let Some(heads) = &self.record.heads else { return Err(Violation::BadRequestLine) };
        let request = &heads.request;
        if request.asks_for_https() && self.record.client.tls.is_none() {
            return Err(Violation::WrongScheme);
        }
        let framing = request_framing(&request.fields, request.version)?;
        let options = request.fields.options();
        if options.overlong {
            return Err(Violation::ListTooEmpty);
        }
        if options.forbidden {
            return Err(Violation::NominatedField);
        }
        if let Some(violation) = repeated_field(&request.fields) {
            return Err(violation);
        }
        if request.method() == b"TRACE" {
            return Err(Violation::TraceRefused);
        }
        let expectation = expectation(request, framing)?;
        if passed_too_often(request, &self.record.config.identity.pseudonym) {
            return Err(Violation::Loop);
        }
        if options.persists(request.version) {
            self.work.facts.note(Fact::Persistent);
        }
        self.work.framing = framing;
        self.work.expectation = expectation;
        self.flow_mut(Side::Downstream).content = framing.into();
        self.message_event(
            Side::Downstream,
            if framing == Framing::Empty {
                message::Event::HeadAlone
            } else {
                message::Event::HeadWithContent
            },
        );
        self.exchange_event(exchange::Event::HeadComplete);
        self.check_tls()
    }

    /// Writes the head that goes upstream, before anybody is dialled: what is wrong with it is the client's
    /// or the configuration's fault, and no origin server's.
    pub(super) fn write_forwarded_head(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(heads) = &mut self.record.heads else { return Err(Violation::BadRequestLine) };
        let mut offered = std::mem::take(&mut heads.offered);
        let mut head = turn.buffers.scratch();
        let outcome = self.compose_head(&mut offered, &mut head, turn);
        let keeps = self.may_repeat();
        let request = &mut self.flow_mut(Side::Downstream).inbox;
        request.rewind();
        request.keep(keeps);
        let drops = self.record.proxy().is_some_and(Proxy::drops_content);
        if drops {
            // What was read of it for another location goes nowhere, either.
            self.drop_content();
        }
        let work = &mut *self.work;
        let outbox = &mut work.flows[Side::Downstream.index()].outbox;
        outbox.discard();
        if outcome.is_ok() {
            outbox.write(turn.buffers, |out| std::mem::swap(out, &mut head));
            let coding = match work.framing {
                Framing::Chunked if !drops => super::around::Coding::Chunked,
                _ => super::around::Coding::Plain,
            };
            outbox.begin_content(coding, turn.buffers);
            if self.flow(Side::Downstream).is_complete() {
                // What was read of the content is still here; what stood behind it goes with it again.
                self.pass_trailers(Side::Downstream);
            }
        }
        turn.buffers.return_scratch(head);
        if let Some(heads) = &mut self.record.heads {
            heads.offered = offered;
        }
        outcome
    }

    fn compose_head(
        &mut self,
        offered: &mut Vec<u8>,
        head: &mut Vec<u8>,
        turn: &Turn<'_>,
    ) -> Result<(), Violation> {
        let mut plan = Plan::make(&self.record, turn.now, offered, head)?;
        if self.flow(Side::Downstream).message.state() == message::State::Cut {
            // A tunnel begins behind a request that has come whole.
            if plan.offer != Offer::Nothing {
                plan.no_upgrade = Some(NoUpgrade::ContentGone);
            }
            plan.offer = Offer::Nothing;
        }
        (self.work.offer, self.work.method) = (plan.offer, plan.method);
        let no_upgrade = plan.no_upgrade;
        let is_users =
            self.record.heads.as_ref().is_some_and(|heads| takes_connection(&heads.request.fields));
        self.work.may_pool = !plan.closes() && !is_users;
        if write_request(&self.record, self.work.framing, plan, turn.now, offered, head)? {
            self.note(Event::UnderscoreDropped);
        }
        if let Some(reason) = no_upgrade.filter(|_| self.exchange.state() == exchange::State::Routing) {
            // Another attempt goes to the same location, for which it has been told.
            self.note(Event::NoUpgrade(reason));
        }
        Ok(())
    }
}

/// Whether a request carries credentials that authenticate its connection and not the request (RFC 4559 §4.1, NTLM):
/// whoever had the connection next would be that user.
fn takes_connection(fields: &Fields) -> bool {
    fields.values(Known::Authorization).any(|value| {
        let scheme = value.split(|byte| *byte == b' ').next().unwrap_or_default();
        [b"NTLM".as_slice(), b"Negotiate"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
    })
}

impl Session {
    /// Whether what comes behind the request may be a tunnel's and is no request.
    pub(super) fn switches(&self) -> bool {
        self.asked_for_upgrade() || self.connects()
    }

    /// Whether an upgrade went upstream, be it to a location that an error page has taken the request from, or was
    /// refused by ourselves.
    pub(super) fn asked_for_upgrade(&self) -> bool {
        is_upgrade(self.work.offer) || self.record.heads.as_ref().is_some_and(|heads| heads.detour.upgrade)
    }
}

/// What is broken by a field that is no list and has two lines (B3).
fn repeated_field(fields: &Fields) -> Option<Violation> {
    if !fields.repeats_any() {
        return None;
    }
    fields.iter().find_map(|field| {
        let violation = field.known.repeated()?;
        fields.only(field.known).is_none().then_some(violation)
    })
}

/// Reads `Expect` (A10): dropped where there is no content to wait for.
fn expectation(request: &crate::http1::Request, framing: Framing) -> Result<Expectation, Violation> {
    let mut found = Expectation::Nothing;
    for element in elements(request.fields.values(Known::Expect)) {
        if !element.eq_ignore_ascii_case(b"100-continue") {
            return Err(Violation::UnmetExpectation);
        }
        // RFC 9110 §10.1.1: in an HTTP/1.0 request it is ignored.
        if framing != Framing::Empty && request.version == crate::Version::Http11 {
            found = Expectation::Continue;
        }
    }
    Ok(found)
}

/// Whether `Via` shows our pseudonym more than 8 times (E14).
fn passed_too_often(request: &crate::http1::Request, pseudonym: &str) -> bool {
    let received_by = |element: &&[u8]| {
        element
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty())
            .nth(1)
            .is_some_and(|name| name.eq_ignore_ascii_case(pseudonym.as_bytes()))
    };
    elements(request.fields.values(Known::Via)).filter(received_by).count() > 8
}

/// Whether the request asked for an upgrade that goes upstream.
pub(super) fn is_upgrade(offer: Offer) -> bool {
    offer != Offer::Nothing
}
