//! What was received on one side: content on its way to the other, and bytes not yet understood.

use crate::{
    buffer::Buffers,
    http1::{Broken, ChunkedDecoder, Progress, Scan},
    tunnel::Held,
};

/// One IO buffer, while there is something in it; a larger block while a head comes that needs one.
///
/// `start..ready` is content for the other side, offered by `transmit` from this very memory; `kept..start` has been
/// sent and may have to be sent again; `raw..filled` has not been parsed. Offered content never moves; only what lies
/// behind it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    block: Option<Box<[u8]>>,
    at: Positions,
    /// The space behind `filled` has been handed out, and its report has not come.
    lent: bool,
    /// Content has been offered, and its report has not come: the buffer stays, whatever becomes of it.
    offered: bool,
    /// Content that was sent is kept.
    keeps: bool,
    /// A buffer with content that was given up after it had been offered.
    retired: Option<Box<[u8]>>,
    /// How far the raw bytes have been searched for the end of a head.
    scan: Scan,
}

/// Positions in the buffer, `kept <= start <= ready <= raw <= filled`. A quiet session has them too: they are small.
#[derive(Clone, Copy, Debug, Default)]
struct Positions {
    kept: u32,
    start: u32,
    ready: u32,
    raw: u32,
    filled: u32,
}

impl Positions {
    fn start(self) -> usize {
        self.start as usize
    }

    fn ready(self) -> usize {
        self.ready as usize
    }

    fn raw(self) -> usize {
        self.raw as usize
    }

    fn filled(self) -> usize {
        self.filled as usize
    }

    /// Without content.
    fn behind_content(self) -> Self {
        let Self { raw, filled, .. } = self;
        Self { kept: raw, start: raw, ready: raw, raw, filled }
    }
}

/// A position in a buffer, which is never larger than 4 GiB.
fn small(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

impl Inbox {
    pub(super) const NONE: Self = Self {
        block: None,
        at: Positions { kept: 0, start: 0, ready: 0, raw: 0, filled: 0 },
        lent: false,
        offered: false,
        keeps: false,
        retired: None,
        scan: Scan::NONE,
    };

    /// Whether it has no memory, and nobody else has any of it.
    pub(super) fn is_vacant(&self) -> bool {
        let Self { block, at: _, lent, offered, keeps: _, retired, scan: _ } = self;
        block.is_none() && retired.is_none() && !(*lent || *offered)
    }

    /// Space to receive into; `None` when there is none.
    pub(crate) fn space(&mut self, buffers: &mut Buffers) -> Option<&mut [u8]> {
        let block = self.block.get_or_insert_with(|| buffers.block());
        let Positions { kept, filled, .. } = self.at;
        // Raw bytes may move while nothing is offered in front of them and nothing is being received.
        if self.at.filled() == block.len() && self.offered && !self.lent && kept == filled {
            // Nothing of it is wanted any more, but its content may still be on its way: it makes place.
            self.retired = Some(std::mem::replace(block, buffers.block()));
            (self.at, self.offered) = (Positions::default(), false);
        }
        let Positions { kept, ready, raw, filled, .. } = self.at;
        let may_move = !self.lent && !self.offered && kept == ready && raw > 0;
        if self.at.filled() == block.len() && may_move {
            block.copy_within(self.at.raw()..self.at.filled(), 0);
            self.at = Positions { filled: filled - raw, ..Positions::default() };
        }
        let space = block.get_mut(self.at.filled()..).filter(|space| !space.is_empty())?;
        self.lent = true;
        // Of a block that was made for a large head: no more than an IO buffer holds comes behind the head.
        let length = space.len().min(buffers.size());
        space.get_mut(..length)
    }

    /// Makes room for a head that fills its block and isn't whole: up to `most` bytes in all (K6). Its size doubles, so
    /// that a byte is moved once on the average, however the head is cut. Nothing else comes into that room but what is
    /// read together with the head's last bytes: [`Self::take_head`] moves it.
    pub(crate) fn make_room(&mut self, most: usize, buffers: &mut Buffers) {
        let Some(block) = &mut self.block else { return };
        let size = block.len();
        // Where something stands in front of the raw bytes, they have room when that has gone.
        let is_full = self.at.raw == 0 && self.at.filled() == size;
        let larger = size.saturating_mul(2).min(most);
        if !is_full || larger <= size || self.lent || self.offered {
            return;
        }
        let mut room = vec![0; larger].into_boxed_slice();
        if let Some(start) = room.get_mut(..size) {
            start.copy_from_slice(block);
        }
        buffers.return_block(std::mem::replace(block, room));
    }

    /// Whether [`Self::space`] would find any.
    pub(crate) fn has_space(&self) -> bool {
        self.block.as_ref().is_none_or(|block| {
            let Positions { kept, ready, raw, filled, .. } = self.at;
            let may_move = !self.offered && kept == ready && raw > 0;
            self.at.filled() < block.len() || may_move || kept == filled
        })
    }

    /// Parts with its buffer, for a tunnel: what has not been parsed is the first of its bytes.
    pub(crate) fn hand_over(&mut self) -> Held {
        let Positions { raw, filled, .. } = std::mem::take(&mut self.at);
        self.scan = Scan::NONE;
        Held::new(self.block.take(), [raw, filled], std::mem::take(&mut self.lent))
    }

    /// Takes a buffer back that may still be in use. Nothing in it is wanted any more.
    pub(crate) fn take_back(&mut self, held: Held) {
        let (block, filled, lent, offered) = held.into_parts();
        self.block = block;
        self.at = Positions { raw: filled, filled, ..Positions::default() }.behind_content();
        (self.lent, self.offered) = (lent, offered);
    }

    /// So many bytes were received.
    pub(crate) fn received(&mut self, count: usize) {
        self.lent = false;
        let capacity = self.block.as_ref().map_or(0, |block| block.len());
        self.at.filled = small((self.at.filled() + count).min(capacity));
    }

    /// The bytes that have come into the space that was handed out, before they are reported: so many.
    pub(crate) fn arriving(&self, count: usize) -> &[u8] {
        self.bytes(self.at.filled, small(self.at.filled().saturating_add(count)))
    }

    /// The bytes that have not been parsed.
    pub(crate) fn raw(&self) -> &[u8] {
        self.bytes(self.at.raw, self.at.filled)
    }

    /// The content that waits to be sent.
    pub(crate) fn content(&self) -> &[u8] {
        self.bytes(self.at.start, self.at.ready)
    }

    /// Whether content waits to be sent.
    pub(crate) fn has_content(&self) -> bool {
        self.at.start < self.at.ready
    }

    fn bytes(&self, from: u32, to: u32) -> &[u8] {
        self.block.as_ref().and_then(|block| block.get(from as usize..to as usize)).unwrap_or_default()
    }

    /// Reads a head off the raw bytes: `parse` gets them, and how far they were searched before.
    pub(crate) fn parse<T>(&mut self, parse: impl FnOnce(&[u8], &mut Scan) -> T) -> T {
        let mut scan = self.scan;
        let outcome = parse(self.raw(), &mut scan);
        self.scan = scan;
        outcome
    }

    /// The first `count` raw bytes have been understood and are not forwarded.
    pub(crate) fn consume(&mut self, count: usize) {
        self.at.raw = small(self.at.raw().saturating_add(count).min(self.at.filled()));
        self.scan = Scan::NONE;
        self.skip_gap();
    }

    /// The first `count` raw bytes were a head. Where that needed more than an IO buffer, what stands behind it moves
    /// into one, before anything of it is content, and the larger block is freed.
    pub(crate) fn take_head(&mut self, count: usize, buffers: &mut Buffers) {
        self.consume(count);
        let is_larger = self.block.as_ref().is_some_and(|block| block.len() > buffers.size());
        if !is_larger || self.lent || self.offered || self.at.kept != self.at.raw {
            return;
        }
        let mut block = buffers.block();
        let rest = self.raw();
        let Some(start) = block.get_mut(..rest.len()) else { return };
        start.copy_from_slice(rest);
        self.at = Positions { filled: small(rest.len()), ..Positions::default() };
        self.block = Some(block);
    }

    /// The first `count` raw bytes are content.
    pub(crate) fn promote(&mut self, count: usize) {
        let count = count.min(self.at.filled() - self.at.raw());
        if self.at.ready != self.at.raw
            && let Some(block) = &mut self.block
        {
            block.copy_within(self.at.raw()..self.at.raw() + count, self.at.ready());
        }
        self.at.ready += small(count);
        self.at.raw += small(count);
    }

    /// Decodes the raw bytes in place. What comes back is the trailer section, once the content is over.
    pub(crate) fn decode(&mut self, decoder: &mut ChunkedDecoder) -> Result<Option<&[u8]>, Broken> {
        let Positions { kept, start, ready, raw, filled } = self.at;
        let bytes =
            self.block.as_mut().and_then(|block| block.get_mut(..filled as usize)).unwrap_or_default();
        // What is kept and what follows are one piece.
        let decoded = decoder.decode(bytes, (kept as usize, ready as usize), raw as usize);
        self.at.kept = small(decoded.start);
        self.at.start = if kept == ready { self.at.kept } else { start };
        (self.at.ready, self.at.raw) = (small(decoded.ready), small(decoded.raw));
        self.skip_gap();
        match decoded.progress {
            Progress::More => Ok(None),
            Progress::Over(from, to) => Ok(Some(self.bytes(small(from), small(to)))),
            Progress::Broken(broken) => Err(broken),
        }
    }

    /// So many bytes of content were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.at.start = small((self.at.start() + count).min(self.at.ready()));
        if !self.keeps {
            self.at.kept = self.at.start;
        }
        self.skip_gap();
    }

    /// Content that is sent from here on is kept, or it isn't, and none that was.
    pub(crate) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
        self.sent(0);
    }

    /// What is kept is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.at.start = self.at.kept;
    }

    /// Whether content that is sent is kept.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// The content that was sent and is kept.
    pub(crate) fn kept(&self) -> &[u8] {
        self.bytes(self.at.kept, self.at.start)
    }

    /// Without content, the next begins where the raw bytes do: it needs no move then.
    fn skip_gap(&mut self) {
        if self.at.kept == self.at.ready {
            self.at = self.at.behind_content();
        }
    }

    /// Drops everything that is here.
    pub(crate) fn discard(&mut self) {
        self.at = Positions { raw: self.at.filled, ..self.at }.behind_content();
        self.scan = Scan::NONE;
    }

    /// Drops content that will never be sent, and keeps what has not been parsed.
    pub(crate) fn discard_content(&mut self) {
        self.at = self.at.behind_content();
    }

    /// Gives the buffer back when nothing is in it.
    pub(crate) fn settle(&mut self, buffers: &mut Buffers) {
        if self.at.kept == self.at.filled && !self.lent && !self.offered {
            if let Some(block) = self.block.take() {
                buffers.return_block(block);
            }
            (self.at, self.scan) = (Positions::default(), Scan::NONE);
        }
    }

    /// Notes that content has been offered, or that the offer is over.
    pub(crate) fn offer(&mut self, offered: bool) {
        self.offered = offered;
        if !offered {
            self.retired = None;
        }
    }

    /// Whether an IO buffer is held.
    #[cfg(test)]
    fn holds_buffer(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the space behind what is here has been handed out, and how far raw bytes were searched.
    pub(crate) fn outline(&self) -> (bool, Scan) {
        (self.lent, self.scan)
    }

    /// Whether the positions are in order.
    pub(crate) fn is_sound(&self) -> bool {
        let capacity = self.block.as_ref().map_or(0, |block| block.len());
        let Positions { kept, start, ready, raw, filled } = self.at;
        kept <= start && start <= ready && ready <= raw && raw <= filled && filled as usize <= capacity
    }
}

#[cfg(test)]
mod large_heads;

#[cfg(test)]
mod tests;
