//! A request: its head is read, and everything is said of it that can be said before anybody is dialled.

use super::{Common, Event, Exchange, Expectation, Fact, receiving::Head};
use crate::{
    Side,
    buffer::Turn,
    config::Proxy,
    http1::{Fields, Framing, Known, elements, request_framing},
    record::{NoUpgrade, Outcome},
    rewrite::{Offer, Plan, write_request},
    state::{exchange, message},
    violation::Violation,
};

impl Exchange {
    /// What came of a head begins the exchange.
    pub(in crate::session) fn begin(&mut self, common: &mut Common, head: Head, turn: &mut Turn<'_>) {
        match head {
            Head::Partial => {}
            Head::Complete => {
                if let Err(violation) = self.take_request_head(common) {
                    self.refuse(common, violation, turn);
                }
            }
            Head::Refused(violation) => self.refuse(common, violation, turn),
            Head::Cut => {
                self.abort(common, Outcome::ClientLeft);
                common.record.status = 400;
            }
        }
    }

    /// A head is complete: its framing is read, and everything that is refused wherever the request goes.
    fn take_request_head(&mut self, common: &mut Common) -> Result<(), Violation> {
        let level = common.server_level();
        if let Some(level) = &level {
            common.enter_server(level);
        }
        let Some(heads) = &common.record.heads else { return Err(Violation::BadRequestLine) };
        let request = &heads.request;
        if request.asks_for_https() && common.record.client.tls.is_none() {
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
        if passed_too_often(request, &common.record.config.identity.pseudonym) {
            return Err(Violation::Loop);
        }
        if options.persists(request.version) {
            self.facts.note(Fact::Persistent);
        }
        self.framing = framing;
        self.expectation = expectation;
        common.flow_mut(Side::Downstream).content = framing.into();
        common.message_event(
            Side::Downstream,
            if framing == Framing::Empty {
                message::Event::HeadAlone
            } else {
                message::Event::HeadWithContent
            },
        );
        self.exchange_event(common, exchange::Event::HeadComplete);
        self.check_tls(common)
    }

    /// Writes the head that goes upstream, before anybody is dialled: what is wrong with it is the client's
    /// or the configuration's fault, and no origin server's.
    pub(super) fn write_forwarded_head(
        &mut self,
        common: &mut Common,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let Some(heads) = &mut common.record.heads else { return Err(Violation::BadRequestLine) };
        let mut offered = std::mem::take(&mut heads.offered);
        let mut head = turn.buffers.scratch();
        let outcome = self.compose_head(common, &mut offered, &mut head, turn);
        let keeps = self.may_repeat(common);
        let request = &mut common.flow_mut(Side::Downstream).inbox;
        request.rewind();
        request.keep(keeps);
        let drops = common.record.proxy().is_some_and(Proxy::drops_content);
        if drops {
            // What was read of it for another location goes nowhere, either.
            common.drop_content();
        }
        let outbox = &mut common.work.flows[Side::Downstream.index()].outbox;
        outbox.discard();
        if outcome.is_ok() {
            outbox.write(turn.buffers, |out| std::mem::swap(out, &mut head));
            let coding = match self.framing {
                Framing::Chunked if !drops => super::around::Coding::Chunked,
                _ => super::around::Coding::Plain,
            };
            outbox.begin_content(coding, turn.buffers);
            if common.flow(Side::Downstream).is_complete() {
                // What was read of the content is still here; what stood behind it goes with it again.
                common.pass_trailers(Side::Downstream);
            }
        }
        turn.buffers.return_scratch(head);
        if let Some(heads) = &mut common.record.heads {
            heads.offered = offered;
        }
        outcome
    }

    fn compose_head(
        &mut self,
        common: &mut Common,
        offered: &mut Vec<u8>,
        head: &mut Vec<u8>,
        turn: &Turn<'_>,
    ) -> Result<(), Violation> {
        let mut plan = Plan::make(&common.record, turn.now, offered, head)?;
        if common.flow(Side::Downstream).message.state() == message::State::Cut {
            // A tunnel begins behind a request that has come whole.
            if plan.offer != Offer::Nothing {
                plan.no_upgrade = Some(NoUpgrade::ContentGone);
            }
            plan.offer = Offer::Nothing;
        }
        (self.offer, self.method) = (plan.offer, plan.method);
        let no_upgrade = plan.no_upgrade;
        let is_users =
            common.record.heads.as_ref().is_some_and(|heads| takes_connection(&heads.request.fields));
        self.may_pool = !plan.closes() && !is_users;
        if write_request(&common.record, self.framing, plan, turn.now, offered, head)? {
            common.note(Event::UnderscoreDropped);
        }
        if let Some(reason) = no_upgrade.filter(|_| self.machine.state() == exchange::State::Routing) {
            // Another attempt goes to the same location, for which it has been told.
            common.note(Event::NoUpgrade(reason));
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

impl Exchange {
    /// Whether what comes behind the request may be a tunnel's and is no request.
    pub(super) fn switches(&self, common: &Common) -> bool {
        self.asked_for_upgrade(common) || common.connects()
    }

    /// Whether an upgrade went upstream, be it to a location that an error page has taken the request from, or was
    /// refused by ourselves.
    pub(super) fn asked_for_upgrade(&self, common: &Common) -> bool {
        is_upgrade(self.offer) || common.record.heads.as_ref().is_some_and(|heads| heads.detour.upgrade)
    }
}

/// What is broken by a field that is no list and has two lines (B3).
fn repeated_field(fields: &Fields) -> Option<Violation> {
    if !fields.repeats_any() {
        return None;
    }
    fields.iter().find_map(|field| {
        let violation = field.known().repeated()?;
        fields.only(field.known()).is_none().then_some(violation)
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
