//! `error_page`: another response in the place of an error.

use super::{Common, Event, Exchange, Expectation, Fact, Origin, Verdict, request::is_upgrade};
use crate::{
    RequestHead, Side,
    buffer::Turn,
    config::{ErrorPage, ErrorStatus, ErrorTarget},
    http1::Framing,
    rewrite::Offer,
    state::{exchange, message},
    time::MaybeTick,
    violation::Violation,
};

/// The status codes of a redirection.
const REDIRECTIONS: [u16; 5] = [301, 302, 303, 307, 308];

impl Exchange {
    /// Answers with a status code alone: where the location has an error page for it, that is where the request
    /// goes; else the standard page says it.
    pub(super) fn conclude(&mut self, common: &mut Common, status: u16, turn: &mut Turn<'_>) {
        if !self.goes_to_error_page(common, status, turn) {
            self.reply_page(common, status, turn);
        }
    }

    /// Shows the error itself instead of its page.
    pub(super) fn show_error(&mut self, common: &mut Common, turn: &mut Turn<'_>) {
        let error = common.record.heads.as_ref().and_then(|heads| heads.detour.error);
        self.reply_page(common, error.unwrap_or(500), turn);
    }

    /// The origin server's answer isn't forwarded: its connection is let go, and the error page has the request.
    pub(super) fn intercept(
        &mut self,
        common: &mut Common,
        status: u16,
        content: Framing,
        turn: &mut Turn<'_>,
    ) {
        common.record.figures.attempt.answered = MaybeTick::at(common.tick);
        if let Some(detour) = common.detour_mut() {
            detour.intercepted = Some(status);
        }
        let request = common.flow(Side::Downstream);
        if content == Framing::Empty && request.is_complete() && request.is_sent() {
            common.message_event(Side::Upstream, message::Event::HeadAlone);
            self.release_origin(common, true);
        } else {
            common.drop_upstream(Verdict::Success);
        }
        self.conclude(common, status, turn);
    }

    /// Whether an error page has taken the request over.
    pub(super) fn goes_to_error_page(
        &mut self,
        common: &mut Common,
        status: u16,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(location) = common.record.location.clone() else { return false };
        let page = location.error_pages.iter().find(|page| page.statuses.contains(&status));
        let Some(page) = page.filter(|_| self.may_go_elsewhere(common, location.recursive_error_pages))
        else {
            return false;
        };
        let mut target = turn.buffers.scratch();
        match &page.target {
            ErrorTarget::Uri(template) | ErrorTarget::Url(template) => {
                common.record.write_template(template, turn.now, &mut target);
            }
            ErrorTarget::Named(name) => {
                target.push(b'@');
                target.extend_from_slice(name.as_bytes());
            }
        }
        // With variables in it, only the value shows what it is.
        match target.split_first() {
            Some((b'/', _)) => self.go_to_uri(common, status, page, &target, turn),
            Some((b'@', name)) => self.go_to_named(common, status, page, name, turn),
            _ => {
                let status = match page.status {
                    ErrorStatus::Fixed(fixed) if REDIRECTIONS.contains(&fixed) => fixed,
                    _ => 302,
                };
                self.reply_redirect(common, status, &target, turn);
            }
        }
        turn.buffers.return_scratch(target);
        true
    }

    /// A request that was not understood goes nowhere: what stands behind it may belong to it. A page's own
    /// error has no page, unless they may follow each other.
    fn may_go_elsewhere(&self, common: &Common, recursive: bool) -> bool {
        let Some(heads) = &common.record.heads else { return false };
        let was_understood = match common.flow(Side::Downstream).message.state() {
            message::State::Complete | message::State::Content => true,
            message::State::Cut => heads.detour.content_cut,
            message::State::Head | message::State::Switched => false,
        };
        was_understood
            && heads.request.method() != b"CONNECT"
            && (recursive || heads.detour.error.is_none())
            && self.machine.permits(exchange::Event::Reroute)
    }

    /// The request becomes a GET for another path, and goes through its server anew.
    fn go_to_uri(
        &mut self,
        common: &mut Common,
        status: u16,
        page: &ErrorPage,
        uri: &[u8],
        turn: &mut Turn<'_>,
    ) {
        if !self.count_internal_redirect(common, status, page, turn) {
            return;
        }
        self.give_content_up(common);
        self.framing = Framing::Empty;
        self.content_lost = false;
        if let Some(heads) = &mut common.record.heads {
            let at = memchr::memchr(b'?', uri).unwrap_or(uri.len());
            let (path, query) = uri.split_at_checked(at).unwrap_or_default();
            heads.rewrite_path(path, Some(query.get(1..).unwrap_or_default()));
            heads.request.become_get();
            (heads.detour.whole, heads.detour.content_gone) = (false, false);
        }
        self.reroute(common, turn);
    }

    /// The request as it is goes to a named location.
    fn go_to_named(
        &mut self,
        common: &mut Common,
        status: u16,
        page: &ErrorPage,
        name: &[u8],
        turn: &mut Turn<'_>,
    ) {
        if !self.count_internal_redirect(common, status, page, turn) {
            return;
        }
        let named = std::str::from_utf8(name).ok().zip(common.record.heads.as_ref());
        let named =
            named.and_then(|(name, heads)| common.record.config.router.named(&RequestHead(heads), name));
        let Some(named) = named else {
            common.note(Event::Violation(Violation::UnknownLocation));
            return self.reply_page(common, Violation::UnknownLocation.status(), turn);
        };
        // What has left our buffers can't be had again; what was too large isn't waited for.
        if self.content_lost || status == Violation::ContentTooLarge.status() {
            self.give_content_up(common);
        }
        if let Some(detour) = common.detour_mut() {
            (detour.is_named, detour.internal) = (true, true);
        }
        self.enter(common, &named);
        self.reroute(common, turn);
    }

    /// Counts the way to an error page; where that is one too many, the client is told.
    fn count_internal_redirect(
        &mut self,
        common: &mut Common,
        status: u16,
        page: &ErrorPage,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(detour) = common.detour_mut() else { return false };
        let status = answered(status);
        detour.error = Some(status);
        detour.status = match page.status {
            ErrorStatus::Kept => Some(status),
            ErrorStatus::Taken => None,
            ErrorStatus::Fixed(fixed) => Some(fixed),
        };
        let is_permitted = detour.turn();
        if !is_permitted {
            common.note(Event::Violation(Violation::RewriteCycle));
            self.reply_page(common, Violation::RewriteCycle.status(), turn);
        }
        is_permitted
    }

    /// The request's content is wanted by nobody any more. Where it hasn't come whole, what follows it on the
    /// connection can't be told from it.
    fn give_content_up(&mut self, common: &mut Common) {
        if self.framing == Framing::Empty {
            return;
        }
        if let Some(detour) = common.detour_mut() {
            detour.content_gone = true;
        }
        if self.expectation == Expectation::Continue {
            self.expectation = Expectation::Nothing;
        }
        let request = common.flow_mut(Side::Downstream);
        request.stop_sending();
        if request.message.state() == message::State::Content {
            request.inbox.discard();
            common.message_event(Side::Downstream, message::Event::Broken);
            self.facts.note(Fact::Unread);
            if let Some(detour) = common.detour_mut() {
                detour.content_cut = true;
            }
        }
    }

    /// Another location has the request. What was done for it before stays in the record.
    fn reroute(&mut self, common: &mut Common, turn: &Turn<'_>) {
        common.record.next_group(turn.now);
        let was_upgrade = is_upgrade(self.offer);
        if let Some(detour) = common.detour_mut() {
            detour.upgrade |= was_upgrade;
        }
        (self.offer, self.origin, self.failure, self.addresses) = (Offer::Nothing, Origin::Fresh, None, None);
        (self.tries, self.admitted_at) = (0, None);
        common.flow_mut(Side::Upstream).message = message::Machine::default();
        self.exchange_event(common, exchange::Event::Reroute);
    }
}

/// What needs nothing of the exchange but its record and connections.
impl Common {
    /// `proxy_intercept_errors`: whether the location has an error page for the origin server's answer.
    pub(super) fn intercepts(&self, status: u16) -> bool {
        let intercepts = self.record.proxy().is_some_and(|proxy| proxy.response.intercept_errors);
        let mut pages = self.record.location.iter().flat_map(|location| location.error_pages.iter());
        intercepts && pages.any(|page| page.statuses.contains(&status))
    }

    /// Whether the request would have to be sent with content that is gone.
    pub(super) fn lacks_content(&self) -> bool {
        self.record.heads.as_ref().is_some_and(|heads| heads.detour.content_gone)
    }
}

/// The status code that a client gets for one by which an error page is found: nginx's own for TLS are each a 400 (H2), of
/// RFC 9110 §15.5.1.
fn answered(status: u16) -> u16 {
    if matches!(status, 495..=497) { 400 } else { status }
}
