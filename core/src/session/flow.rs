//! One direction: from the connection that bytes come from to the one that they go to.

use super::{around::Coding, inbox::Inbox, moves::Moves, outbox::Outbox};
use crate::{
    buffer::Buffers,
    http1::{ChunkedDecoder, Framing},
    state::message,
    time::Tick,
};

/// One direction's bytes, and how they are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// Reading messages off the source.
    pub(super) message: message::Machine,
    pub(super) content: Content,
    pub(super) moves: Moves,
}

/// How the content that is being read is framed, and how much is left of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Content {
    #[default]
    Empty,
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
}

impl From<Framing> for Content {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Empty,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(ChunkedDecoder::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

impl Flow {
    pub(super) const NONE: Self = Self {
        inbox: Inbox::NONE,
        outbox: Outbox::NONE,
        message: message::Machine::START,
        content: Content::Empty,
        moves: Moves::NONE,
    };

    /// Whether it holds nothing, nor is in the middle of anything.
    pub(super) fn is_quiet(&self) -> bool {
        let Self { inbox, outbox, message, content: _, moves: _ } = self;
        inbox.is_vacant() && outbox.is_vacant() && message.state() == message::State::Head
    }

    /// Whether the message has been read whole.
    pub(super) fn is_complete(&self) -> bool {
        self.message.state() == message::State::Complete
    }

    /// Whether nothing more will be read of the message.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.message.state(), message::State::Complete | message::State::Cut)
    }

    /// Whether more may be received.
    pub(super) fn has_room(&self) -> bool {
        self.inbox.has_space()
    }

    /// Whether all that was read of the message has been sent, with the end of its framing if it is complete.
    pub(super) fn is_sent(&self) -> bool {
        self.outbox.is_done(&self.inbox, self.is_complete())
    }

    /// Whether bytes wait for the sink.
    pub(super) fn is_waiting(&self) -> bool {
        self.outbox.is_waiting(&self.inbox)
    }

    /// Prepares the next chunk, and gives back memory that isn't needed.
    pub(super) fn settle(&mut self, now: Tick, buffers: &mut Buffers) {
        let complete = self.is_complete();
        self.outbox.settle(&self.inbox, complete, buffers);
        self.inbox.settle(buffers);
        let (waits, is_sent, has_room) = (self.is_waiting(), self.is_sent(), self.has_room());
        self.moves.settle(waits, is_sent, has_room, now);
    }

    /// What waits for the sink has been offered (`true`), or the offer is over: until then it neither moves
    /// nor changes.
    pub(super) fn offer(&mut self, offered: bool) {
        self.inbox.offer(offered);
        self.outbox.offer(offered);
    }

    /// What was to be sent will not be, nor what was sent be sent again.
    pub(super) fn stop_sending(&mut self) {
        self.outbox.discard();
        self.inbox.keep(false);
        self.inbox.discard_content();
    }

    /// Gives all memory back; nobody reads or writes it any more.
    pub(super) fn recycle(&mut self, buffers: &mut Buffers) {
        self.offer(false);
        self.inbox.received(0);
        self.inbox.discard();
        self.inbox.settle(buffers);
        self.outbox.recycle(buffers);
    }

    pub(super) fn begin_content(&mut self, framing: Framing, coding: Coding, buffers: &mut Buffers) {
        self.content = framing.into();
        self.outbox.begin_content(coding, buffers);
    }
}
