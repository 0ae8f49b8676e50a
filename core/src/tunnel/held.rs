//! The bytes of one direction between their two connections.

use crate::buffer::Buffers;

/// The most bytes that are held back to be completed: the header of a frame and the code of a Close, or a Pong that may
/// be ours.
const MOST_MOVED: u32 = 32;

/// One IO buffer, while there is something in it: `start..end` has come and is to be sent on from this very memory,
/// `start..passed` at once; what is behind that has still to be looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    block: Option<Box<[u8]>>,
    start: u32,
    passed: u32,
    end: u32,
    /// The space behind `end` has been handed out, and its report has not come.
    lent: bool,
    /// What was given up may have been offered, and its report has not come.
    offered: bool,
}

impl Held {
    /// Bytes that have come and are to be sent, in a buffer of the worker's, whose space behind them may be lent.
    pub(crate) fn new(block: Option<Box<[u8]>>, [start, end]: [u32; 2], lent: bool) -> Self {
        Self { block, start, passed: start, end, lent, offered: false }
    }

    /// Takes bytes that somebody else has read.
    pub(super) fn ahead(bytes: &[u8], buffers: &mut Buffers) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let mut block = buffers.block();
        let block = match block.get_mut(..bytes.len()) {
            Some(space) => {
                space.copy_from_slice(bytes);
                block
            }
            None => {
                buffers.return_block(block);
                bytes.into()
            }
        };
        Self { block: Some(block), end: u32::try_from(bytes.len()).unwrap_or(u32::MAX), ..Self::default() }
    }

    /// Space to receive into; `None` when there is none.
    #[inline]
    pub(super) fn space(&mut self, buffers: &mut Buffers) -> Option<&mut [u8]> {
        self.move_to_front();
        let block = self.block.get_or_insert_with(|| buffers.block());
        let space = block.get_mut(self.end as usize..).filter(|space| !space.is_empty())?;
        self.lent = true;
        Some(space)
    }

    /// The beginning of a frame that stands at the end of a full buffer makes room for the rest of it. Where the shell has
    /// nothing of the buffer in its hands, only such few bytes are ever moved.
    fn move_to_front(&mut self) {
        if self.is_movable()
            && let Some(block) = &mut self.block
        {
            block.copy_within(self.start as usize..self.end as usize, 0);
            (self.end, self.start, self.passed) = (self.end - self.start, 0, 0);
        }
    }

    fn is_movable(&self) -> bool {
        let is_full = self.block.as_ref().is_some_and(|block| self.end as usize >= block.len());
        let is_free = !self.lent && !self.offered && !self.waits();
        is_full && is_free && self.start > 0 && (1..=MOST_MOVED).contains(&(self.end - self.start))
    }

    /// A full buffer of which nothing is wanted any more, but which may still be on its way: it makes place.
    pub(super) fn retire(&mut self) -> Option<Box<[u8]>> {
        let is_full = self.block.as_ref().is_some_and(|block| self.end as usize >= block.len());
        if !is_full || !self.is_empty() || self.lent || !self.offered {
            return None;
        }
        (self.start, self.passed, self.end, self.offered) = (0, 0, 0, false);
        self.block.take()
    }

    /// Whether [`Self::space`] finds any, a full buffer that can be [retired](Self::retire) included.
    #[inline]
    pub(super) fn has_space(&self) -> bool {
        self.block.as_ref().is_none_or(|block| (self.end as usize) < block.len() || self.is_empty())
            || self.is_movable()
    }

    /// So many bytes were received; says how many of them there was space for.
    #[inline]
    pub(super) fn received(&mut self, count: usize) -> usize {
        self.lent = false;
        let room = self.block.as_ref().map_or(0, |block| block.len() - self.end as usize);
        let count = count.min(room);
        // A buffer is never larger than 4 GiB.
        self.end += u32::try_from(count).unwrap_or(0);
        count
    }

    /// The bytes that have come into the space that was handed out, before they are reported. None, where none was.
    pub(super) fn arriving(&self, count: usize) -> Option<&[u8]> {
        let block = self.block.as_ref().filter(|_| self.lent)?;
        let (start, most) = (self.end as usize, block.len());
        block.get(start..start.saturating_add(count).min(most))
    }

    /// What waits to be sent.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.part(self.start, self.passed)
    }

    /// What has still to be looked at.
    #[inline]
    pub(super) fn unseen(&self) -> &[u8] {
        self.part(self.passed, self.end)
    }

    #[inline]
    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.block.as_ref().and_then(|block| block.get(from as usize..to as usize)).unwrap_or_default()
    }

    /// So many bytes of [`Self::unseen`] may be sent.
    #[inline]
    pub(super) fn pass(&mut self, count: usize) {
        self.passed += u32::try_from(count).unwrap_or(u32::MAX).min(self.end - self.passed);
    }

    /// All of it may.
    #[inline]
    pub(super) fn pass_all(&mut self) {
        self.passed = self.end;
    }

    /// So many bytes of [`Self::unseen`] go nowhere. Nothing waits in front of them.
    pub(super) fn swallow(&mut self, count: usize) {
        debug_assert!(!self.waits(), "what is in front goes first");
        self.pass(count);
        self.start = self.passed;
    }

    /// So many bytes of [`Self::unseen`] go nowhere; those behind them, a few at most, close up. Not while its space is
    /// lent.
    pub(super) fn cut_out(&mut self, count: usize) {
        debug_assert!(!self.lent, "what comes is to be found where it was read to");
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.end - self.passed);
        if let Some(block) = &mut self.block {
            block.copy_within((self.passed + count) as usize..self.end as usize, self.passed as usize);
        }
        self.end -= count;
    }

    /// Whether the space behind its end has been handed out.
    pub(super) fn is_lent(&self) -> bool {
        self.lent
    }

    /// Whether there is nothing in it.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether something waits to be sent.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.start != self.passed
    }

    /// At most so many bytes of it were sent; says how many these are.
    #[inline]
    pub(super) fn sent(&mut self, count: usize) -> usize {
        let waiting = self.passed - self.start;
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(waiting);
        self.start += count;
        count as usize
    }

    /// So many bytes that were received last are wanted by nobody.
    pub(super) fn drop_received(&mut self, count: usize) {
        self.end -= u32::try_from(count).unwrap_or(u32::MAX).min(self.end - self.start);
        self.passed = self.passed.min(self.end);
    }

    /// Gives up what waits, and keeps what has still to be looked at. It may be on its way.
    pub(super) fn discard_seen(&mut self) {
        self.offered |= self.waits();
        self.start = self.passed;
    }

    /// Gives up what waits. It may be on its way.
    pub(super) fn discard(&mut self) {
        self.offered |= self.waits();
        (self.start, self.passed) = (self.end, self.end);
    }

    /// The report about what was offered has come.
    pub(super) fn reported(&mut self) {
        self.offered = false;
    }

    /// Gives the buffer back when nothing is in it and nobody uses it.
    #[inline]
    pub(super) fn settle(&mut self, buffers: &mut Buffers) {
        if self.is_empty() && !self.lent && !self.offered {
            if let Some(block) = self.block.take() {
                buffers.return_block(block);
            }
            (self.start, self.passed, self.end) = (0, 0, 0);
        }
    }

    /// Gives the buffer back, whoever uses it.
    pub(super) fn recycle(&mut self, buffers: &mut Buffers) {
        (self.start, self.passed, self.lent, self.offered) = (self.end, self.end, false, false);
        self.settle(buffers);
    }

    /// Whether the positions are in order.
    pub(super) fn is_sound(&self) -> bool {
        let capacity = self.block.as_ref().map_or(0, |block| block.len());
        self.start <= self.passed && self.passed <= self.end && self.end as usize <= capacity
    }

    /// Whether it has a buffer, and whether others use it.
    pub(super) fn outline(&self) -> [bool; 3] {
        [self.block.is_some(), self.lent, self.offered]
    }

    /// The buffer, how far it is filled, and whether its space is lent and its bytes may be on their way.
    pub(crate) fn into_parts(mut self) -> (Option<Box<[u8]>>, u32, bool, bool) {
        self.discard();
        (self.block, self.end, self.lent, self.offered)
    }
}

#[cfg(test)]
mod tests;
