//! What was received on one side: content on its way to the other, and bytes not yet understood.

use crate::buffer::Buffers;

/// One IO buffer, while there is something in it.
///
/// `start..ready` is content for the other side, offered by `transmit` from this very memory;
/// `raw..filled` has not been parsed. Offered content never moves; only what lies behind it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    block: Option<Box<[u8]>>,
    start: usize,
    ready: usize,
    raw: usize,
    filled: usize,
    /// The space behind `filled` has been handed out, and its report has not come.
    lent: bool,
    /// How far the raw bytes have been searched for the end of a head.
    pub(crate) scanned: usize,
}

impl Inbox {
    /// Space to receive into; `None` when there is none.
    pub(crate) fn space(&mut self, buffers: &mut Buffers) -> Option<&mut [u8]> {
        let block = self.block.get_or_insert_with(|| buffers.block());
        // Raw bytes may move while nothing is offered in front of them and nothing is being received.
        if self.filled == block.len() && !self.lent && self.start == self.ready && self.raw > 0 {
            block.copy_within(self.raw..self.filled, 0);
            self.filled -= self.raw;
            (self.start, self.ready, self.raw) = (0, 0, 0);
        }
        let space = block.get_mut(self.filled..).filter(|space| !space.is_empty())?;
        self.lent = true;
        Some(space)
    }

    /// Whether [`Self::space`] would find any.
    pub(crate) fn has_space(&self, size: usize) -> bool {
        match &self.block {
            None => size > 0,
            Some(block) => self.filled < block.len() || (self.start == self.ready && self.raw > 0),
        }
    }

    /// Takes bytes that somebody else has read.
    pub(crate) fn preload(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.block = Some(bytes.into());
            (self.start, self.ready, self.raw, self.filled) = (0, 0, 0, bytes.len());
        }
    }

    /// So many bytes were received.
    pub(crate) fn received(&mut self, count: usize) {
        self.lent = false;
        let capacity = self.block.as_ref().map_or(0, |block| block.len());
        self.filled = (self.filled + count).min(capacity);
    }

    /// The bytes that have not been parsed.
    pub(crate) fn raw(&self) -> &[u8] {
        self.block.as_ref().and_then(|block| block.get(self.raw..self.filled)).unwrap_or_default()
    }

    /// The content that waits to be sent.
    pub(crate) fn content(&self) -> &[u8] {
        self.block.as_ref().and_then(|block| block.get(self.start..self.ready)).unwrap_or_default()
    }

    /// The first `count` raw bytes have been understood and are not forwarded.
    pub(crate) fn consume(&mut self, count: usize) {
        self.raw = (self.raw + count).min(self.filled);
        self.scanned = 0;
        if self.start == self.ready {
            (self.start, self.ready) = (self.raw, self.raw);
        }
    }

    /// The first `count` raw bytes are content.
    pub(crate) fn promote(&mut self, count: usize) {
        let count = count.min(self.filled - self.raw);
        if self.ready != self.raw
            && let Some(block) = &mut self.block
        {
            block.copy_within(self.raw..self.raw + count, self.ready);
        }
        self.ready += count;
        self.raw += count;
    }

    /// Lets a decoder work on the raw bytes in place: it gets the buffer and the positions `ready` and
    /// `raw`, and says where they are afterwards.
    pub(crate) fn decode<T>(
        &mut self,
        decode: impl FnOnce(&mut [u8], usize, usize) -> (usize, usize, T),
    ) -> T {
        let filled = self.filled;
        let bytes = self.block.as_mut().and_then(|block| block.get_mut(..filled)).unwrap_or_default();
        let (ready, raw, outcome) = decode(bytes, self.ready, self.raw);
        (self.ready, self.raw) = (ready, raw);
        outcome
    }

    /// So many bytes of content were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.start = (self.start + count).min(self.ready);
        if self.start == self.ready {
            (self.start, self.ready) = (self.raw, self.raw);
        }
    }

    /// Drops everything that is here.
    pub(crate) fn discard(&mut self) {
        (self.start, self.ready, self.raw) = (self.filled, self.filled, self.filled);
        self.scanned = 0;
    }

    /// Drops content that will never be sent, and keeps what has not been parsed.
    pub(crate) fn discard_content(&mut self) {
        (self.start, self.ready) = (self.raw, self.raw);
    }

    /// Gives the buffer back when nothing is in it.
    pub(crate) fn settle(&mut self, buffers: &mut Buffers) {
        if self.start == self.filled && !self.lent {
            if let Some(block) = self.block.take() {
                buffers.return_block(block);
            }
            (self.start, self.ready, self.raw, self.filled, self.scanned) = (0, 0, 0, 0, 0);
        }
    }

    /// Whether an IO buffer is held.
    #[cfg(test)]
    fn holds_buffer(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the positions are in order.
    pub(crate) fn is_sound(&self) -> bool {
        let capacity = self.block.as_ref().map_or(0, |block| block.len());
        self.start <= self.ready
            && self.ready <= self.raw
            && self.raw <= self.filled
            && self.filled <= capacity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_stays_where_it_was_received() {
        let mut buffers = Buffers::new(1024);
        let mut inbox = Inbox::default();
        let space = inbox.space(&mut buffers).expect("an empty buffer");
        space[..6].copy_from_slice(b"abcdef");
        let lent = space.as_ptr();
        inbox.received(6);
        inbox.consume(2);
        inbox.promote(3);
        assert_eq!(inbox.content(), b"cde");
        assert_eq!(inbox.content().as_ptr() as usize, lent as usize + 2);
        assert_eq!(inbox.raw(), b"f");
        inbox.sent(3);
        inbox.settle(&mut buffers);
        assert!(inbox.holds_buffer(), "a raw byte is left");
        inbox.promote(1);
        inbox.sent(1);
        inbox.settle(&mut buffers);
        assert!(!inbox.holds_buffer());
    }

    #[test]
    fn a_full_buffer_makes_room_only_when_nothing_is_offered() {
        let mut buffers = Buffers::new(1024);
        let mut inbox = Inbox::default();
        let length = inbox.space(&mut buffers).expect("an empty buffer").len();
        inbox.received(length);
        inbox.promote(1000);
        assert!(inbox.space(&mut buffers).is_none());
        assert!(!inbox.has_space(1024));
        inbox.sent(1000);
        assert!(inbox.has_space(1024));
        assert_eq!(inbox.space(&mut buffers).map(|space| space.len()), Some(1000));
        assert_eq!(inbox.raw().len(), 24);
        assert!(inbox.is_sound());
    }
}
