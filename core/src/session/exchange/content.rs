//! Content and trailer sections as they are read: how much of the raw bytes belongs to them, and what of it goes on.

use super::{Common, Event, flow::Content};
use crate::{
    Side,
    buffer::Turn,
    config::Proxy,
    http1::{Broken, Fields},
    rewrite::{trailer_passes, write_line, write_trailers},
    state::message,
};

/// What reading content has come to.
pub(super) enum Step {
    /// There is more to come; what was here has been read as far as it goes.
    Moved,
    /// The content is over.
    Over,
    /// Its framing is broken.
    Broken(Broken),
}

impl Common {
    /// Takes what the framing says off the raw bytes.
    pub(super) fn read_content(&mut self, from: Side) -> Step {
        let flow = &mut self.work.flows[from.index()];
        let available = flow.inbox.raw().len();
        match &mut flow.content {
            Content::Empty => Step::Over,
            Content::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
                *left -= count as u64;
                let over = *left == 0;
                flow.inbox.promote(count);
                if over { Step::Over } else { Step::Moved }
            }
            Content::UntilClose => {
                flow.inbox.promote(available);
                Step::Moved
            }
            Content::Chunked(decoder) => match flow.inbox.decode(decoder) {
                Ok(Some(b"\r\n")) => Step::Over,
                Ok(Some(section)) => {
                    let Some(heads) = self.record.heads.as_mut() else { return Step::Over };
                    let head = match from {
                        Side::Downstream => &heads.request.fields,
                        Side::Upstream => &heads.response.fields,
                    };
                    let trailers = &mut heads.trailers[from.index()];
                    trailers.copy(section);
                    match trailers.parse_trailers() {
                        Ok(()) => {
                            trailers.nominate_by(head);
                            if self.pass_trailers(from) && self.record.passes_trailers() {
                                self.note(Event::TrailerDropped);
                            }
                            Step::Over
                        }
                        Err(_) => Step::Broken(Broken::Trailer),
                    }
                }
                Ok(None) => Step::Moved,
                Err(broken) => Step::Broken(broken),
            },
        }
    }

    /// Puts the trailer fields that may go on behind the content (E2). Says whether others are dropped.
    pub(super) fn pass_trailers(&mut self, from: Side) -> bool {
        let record = &self.record;
        let trailers = record.heads.as_ref().and_then(|heads| heads.trailers.get(from.index()));
        // Where content isn't chunked (an HTTP/1.0 client), there is no place for them.
        let mut kept = self.work.flows[from.index()].outbox.trailers();
        let mut dropped = false;
        for field in trailers.into_iter().flat_map(Fields::iter) {
            let passes = trailer_passes(record, from, field);
            dropped |= !passes;
            if let (Some(kept), true) = (&mut kept, passes) {
                write_line(kept, field.name(), field.value());
            }
        }
        dropped
    }

    /// Trailer fields that the location adds; all of them are remembered for the log.
    pub(super) fn add_trailers(&mut self, turn: &Turn<'_>) {
        let Some(trailers) = self.work.flows[Side::Upstream.index()].outbox.trailers() else { return };
        let written = write_trailers(&self.record, turn.now, trailers);
        if let Some(heads) = &mut self.record.heads {
            heads.sent_trailers.clone_from(trailers);
        }
        if let Err(violation) = written {
            // The response has begun: all that is left is to go without them, and to say so.
            self.note(Event::Violation(violation));
        }
    }
}

impl Common {
    /// Whether the location has no use for the client's content: it is read, as far as limits go, and dropped.
    pub(super) fn drops_content(&self) -> bool {
        self.record.proxy().is_some_and(Proxy::drops_content)
    }

    pub(super) fn drop_content(&mut self) {
        let request = &mut self.work.flows[Side::Downstream.index()].inbox;
        let is_empty = request.content().is_empty();
        request.discard_content();
        if !is_empty && let Some(detour) = self.detour_mut() {
            // Another location that wants it can't have it any more.
            detour.content_gone = true;
        }
    }

    /// Whether the response has to wait for the end of content that goes nowhere: to the origin server the
    /// request is complete before it is.
    pub(super) fn holds_response(&self) -> bool {
        self.drops_content() && self.flow(Side::Downstream).message.state() == message::State::Content
    }
}
