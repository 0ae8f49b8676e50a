//! Memory that a worker lends its sessions, and one direction's use of it.

mod loan;

pub(crate) use loan::{Lend, Loan, Spares};

use crate::{record::Heads, session::Around, time::Now};

/// The memory of one worker: IO buffers of one size and the scratch space of heads, lent and taken back.
///
/// Once a worker has been at its busiest nothing is allocated any more, except for heads that are larger than an IO
/// buffer (K6): they get memory of their own, which nobody keeps when they are done with.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "a piece moves between here and its session as one pointer")]
pub struct Buffers {
    size: usize,
    blocks: Vec<Box<[u8]>>,
    scratch: Vec<Vec<u8>>,
    heads: Vec<Box<Heads>>,
    arounds: Vec<Box<Around>>,
    pub(crate) figures: Spares,
    pub(crate) works: Spares,
    pub(crate) exchanges: Spares,
    /// What tunnels have for a while only, and frames of their own.
    pub(crate) rares: Spares,
    pub(crate) own_frames: Spares,
    /// What lines about tunnels tell.
    pub(crate) reports: Spares,
}

/// What a worker lends for one turn of its loop: time and memory.
#[derive(Debug)]
pub struct Turn<'w> {
    /// What time it is.
    pub now: Now,
    /// The worker's memory.
    pub buffers: &'w mut Buffers,
}

impl Buffers {
    /// Bytes of an IO buffer unless configured otherwise.
    pub const SIZE: usize = 16 << 10;

    /// The smallest size of an IO buffer: a trailer section has to fit.
    pub const MIN_SIZE: usize = 4 << 10;

    /// Spare pieces of each kind that are kept: what a burst needed beyond them is given back.
    const SPARE: usize = 64;

    /// The same of what is needed for a moment only: a frame of ours, what a line tells.
    const FEW: usize = 16;

    /// A spare piece is kept when it takes no more than so many bytes, which hold the largest head that fits an IO
    /// buffer, however its memory grew. What a larger head needed is given back.
    pub(crate) const LARGEST_SPARE: usize = 2 * Self::SIZE;

    /// An empty store of buffers of `size` bytes; at least [`Self::MIN_SIZE`].
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            size: size.max(Self::MIN_SIZE),
            blocks: Vec::new(),
            scratch: Vec::new(),
            heads: Vec::new(),
            arounds: Vec::new(),
            figures: Spares::default(),
            works: Spares::default(),
            exchanges: Spares::default(),
            rares: Spares::default(),
            own_frames: Spares::default(),
            reports: Spares::default(),
        }
    }

    /// Bytes of one IO buffer.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn block(&mut self) -> Box<[u8]> {
        self.blocks.pop().unwrap_or_else(|| vec![0; self.size].into_boxed_slice())
    }

    /// Takes an IO buffer back; a block of another size, made for a large head or read ahead of a tunnel, is freed.
    pub(crate) fn return_block(&mut self, block: Box<[u8]>) {
        if self.blocks.len() < Self::SPARE && block.len() == self.size {
            self.blocks.push(block);
        }
    }

    pub(crate) fn scratch(&mut self) -> Vec<u8> {
        self.scratch.pop().unwrap_or_default()
    }

    pub(crate) fn return_scratch(&mut self, mut scratch: Vec<u8>) {
        if self.scratch.len() < Self::SPARE && (1..=Self::LARGEST_SPARE).contains(&scratch.capacity()) {
            scratch.clear();
            self.scratch.push(scratch);
        }
    }

    pub(crate) fn around(&mut self) -> Box<Around> {
        self.arounds.pop().unwrap_or_default()
    }

    pub(crate) fn return_around(&mut self, mut around: Box<Around>) {
        if self.arounds.len() < Self::SPARE && around.memory() <= Self::LARGEST_SPARE {
            around.clear();
            self.arounds.push(around);
        }
    }

    pub(crate) fn heads(&mut self) -> Box<Heads> {
        self.heads.pop().unwrap_or_default()
    }
    /// Whether heads are small enough to be lent again: larger than an IO buffer they are freed.
    pub(crate) fn keeps(heads: &Heads) -> bool {
        heads.memory() <= Self::LARGEST_SPARE
    }

    pub(crate) fn return_heads(&mut self, mut heads: Box<Heads>) {
        if self.heads.len() < Self::SPARE && Self::keeps(&heads) {
            heads.clear();
            self.heads.push(heads);
        }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new(Self::SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_burst_needed_beyond_the_spare_pieces_is_not_kept() {
        let mut buffers = Buffers::default();
        for _ in 0..Buffers::SPARE + 2 {
            buffers.return_block(vec![0; Buffers::SIZE].into_boxed_slice());
            buffers.return_scratch(vec![1]);
            buffers.return_heads(Box::default());
            buffers.return_around(Box::default());
        }
        let kept = [buffers.blocks.len(), buffers.scratch.len(), buffers.heads.len(), buffers.arounds.len()];
        assert_eq!(kept, [Buffers::SPARE; 4]);
    }

    #[test]
    fn what_a_large_head_needed_is_not_kept() {
        for (length, kept) in [(2 * Buffers::SIZE, 1), (2 * Buffers::SIZE + 1, 0)] {
            let mut buffers = Buffers::default();
            let bytes = || Vec::with_capacity(length);
            buffers.return_scratch(bytes());
            for received in [true, false] {
                let mut heads = Box::<Heads>::default();
                if received {
                    heads.request.fields.copy(&vec![b'x'; length]);
                } else {
                    heads.sent = bytes();
                }
                buffers.return_heads(heads);
                let mut around = Box::<Around>::default();
                around.reserve(length, received);
                buffers.return_around(around);
            }
            assert_eq!(buffers.scratch.len(), kept);
            assert_eq!([buffers.heads.len(), buffers.arounds.len()], [2 * kept; 2], "{length}");
        }
    }

    #[test]
    fn a_buffer_of_another_size_is_none_of_ours() {
        // What was read ahead of a tunnel comes in memory of its own.
        let mut buffers = Buffers::new(8192);
        buffers.return_block(vec![0; 100].into_boxed_slice());
        assert_eq!(buffers.block().len(), 8192);
    }

    #[test]
    fn scratch_space_comes_back_empty_and_is_kept_for_its_memory() {
        let mut buffers = Buffers::default();
        buffers.return_scratch(Vec::new());
        assert!(buffers.scratch.is_empty(), "it has none");
        buffers.return_scratch(vec![1; 100]);
        let scratch = buffers.scratch();
        assert!(scratch.is_empty() && scratch.capacity() >= 100);
    }
}
