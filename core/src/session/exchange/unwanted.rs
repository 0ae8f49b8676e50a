//! Request content that nobody wants, behind an answer of our own that is no refusal: it is read to its end and dropped,
//! so that the next request can follow on the same connection (E11; nginx's `ngx_http_discard_request_body`).

use super::{Common, Event, Exchange, Expectation, Fact, Fate, content::Step, forward::broken_request};
use crate::{Side, http1::Framing, state::message, violation::Violation};

impl Exchange {
    /// Whether the content of a request that is answered with this status code is read to its end. Only what its head
    /// says decides: what is in the buffer is chance.
    pub(super) fn reads_on_behind(&self, common: &Common, status: u16) -> bool {
        let limit = common.settings().client_max_body_size;
        let may_be_read = match self.framing {
            Framing::Length(length) => limit == 0 || length <= limit,
            Framing::Empty | Framing::Chunked | Framing::UntilClose => true,
        };
        status < 400
            && may_be_read
            && common.has_unread_content()
            && self.fate(common) == Fate::Persist
            // RFC 9110 §10.1.1: a client that waits for a 100 may send no content any more.
            && self.expectation != Expectation::Continue
            && !self.asked_for_upgrade(common)
    }

    /// Drops what has come of it.
    pub(super) fn read_unwanted_content(&mut self, common: &mut Common) -> bool {
        if !common.has_unread_content() {
            return false;
        }
        let (step, taken) = self.take_request_content(common);
        common.flow_mut(Side::Downstream).inbox.discard_content();
        match step {
            _ if self.content_is_too_large(common) => {
                common.note(Event::Violation(Violation::ContentTooLarge));
                self.give_unwanted_content_up(common, Fact::Unread);
            }
            Step::Over => common.message_event(Side::Downstream, message::Event::ContentEnded),
            Step::Moved if taken > 0 => {}
            Step::Moved if common.leg(Side::Downstream).reads() => return false,
            Step::Moved => self.give_unwanted_content_up(common, Fact::Gone),
            Step::Broken(broken) => {
                common.note(Event::Violation(broken_request(broken)));
                self.give_unwanted_content_up(common, Fact::Unread);
            }
        }
        true
    }

    /// What is left of it is not told from another request any more: the connection ends behind the answer.
    pub(super) fn give_unwanted_content_up(&mut self, common: &mut Common, fact: Fact) {
        common.message_event(Side::Downstream, message::Event::Broken);
        self.facts.note(fact);
    }

    /// Whether the answer waits for the end of the content before it is over.
    pub(super) fn waits_for_unwanted_content(&self, common: &Common) -> bool {
        common.has_unread_content() && self.fate(common) == Fate::Persist
    }
}

impl Common {
    pub(super) fn has_unread_content(&self) -> bool {
        self.flow(Side::Downstream).message.state() == message::State::Content
    }
}
