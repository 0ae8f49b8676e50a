//! Request content that nobody wants, behind an answer of our own that is no refusal: it is read to its end and dropped,
//! so that the next request can follow on the same connection (E11; nginx's `ngx_http_discard_request_body`).

use super::{Event, Expectation, Fact, Fate, Session, content::Step, forward::broken_request};
use crate::{Side, http1::Framing, state::message, violation::Violation};

impl Session {
    /// Whether the content of a request that is answered with this status code is read to its end. Only what its head
    /// says decides: what is in the buffer is chance.
    pub(super) fn reads_on_behind(&self, status: u16) -> bool {
        let limit = self.settings().client_max_body_size;
        let may_be_read = match self.work.framing {
            Framing::Length(length) => limit == 0 || length <= limit,
            Framing::Empty | Framing::Chunked | Framing::UntilClose => true,
        };
        status < 400
            && may_be_read
            && self.has_unread_content()
            && self.fate() == Fate::Persist
            // RFC 9110 §10.1.1: a client that waits for a 100 may send no content any more.
            && self.work.expectation != Expectation::Continue
            && !self.asked_for_upgrade()
    }

    /// Drops what has come of it.
    pub(super) fn read_unwanted_content(&mut self) -> bool {
        if !self.has_unread_content() {
            return false;
        }
        let (step, taken) = self.take_request_content();
        self.flow_mut(Side::Downstream).inbox.discard_content();
        match step {
            _ if self.content_is_too_large() => {
                self.note(Event::Violation(Violation::ContentTooLarge));
                self.give_unwanted_content_up(Fact::Unread);
            }
            Step::Over => self.message_event(Side::Downstream, message::Event::ContentEnded),
            Step::Moved if taken > 0 => {}
            Step::Moved if self.leg(Side::Downstream).reads() => return false,
            Step::Moved => self.give_unwanted_content_up(Fact::Gone),
            Step::Broken(broken) => {
                self.note(Event::Violation(broken_request(broken)));
                self.give_unwanted_content_up(Fact::Unread);
            }
        }
        true
    }

    /// What is left of it is not told from another request any more: the connection ends behind the answer.
    pub(super) fn give_unwanted_content_up(&mut self, fact: Fact) {
        self.message_event(Side::Downstream, message::Event::Broken);
        self.work.facts.note(fact);
    }

    /// Whether the answer waits for the end of the content before it is over.
    pub(super) fn waits_for_unwanted_content(&self) -> bool {
        self.has_unread_content() && self.fate() == Fate::Persist
    }

    pub(super) fn has_unread_content(&self) -> bool {
        self.flow(Side::Downstream).message.state() == message::State::Content
    }
}
