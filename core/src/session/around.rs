//! What goes around content on its way out: heads in front, chunk sizes between, trailers behind.

use super::segment::Segment;

/// How content is framed on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// As it is.
    #[default]
    Plain,
    /// In chunks (RFC 9112 §7.1).
    Chunked,
}

/// What goes before, between and behind the content. Lent by the worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(super) head: Vec<u8>,
    pub(super) head_sent: usize,
    /// Follows when the head is gone: bytes that are offered never move.
    pub(super) later: Vec<u8>,
    pub(super) coding: Coding,
    pub(super) chunk: Option<Chunk>,
    /// Trailer fields that may go on, as lines.
    pub(super) trailers: Vec<u8>,
    /// The last chunk has been written.
    pub(super) ended: bool,
}

impl Around {
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.later.clear();
        self.trailers.clear();
        (self.head_sent, self.coding, self.chunk, self.ended) = (0, Coding::Plain, None, false);
    }

    /// The bytes that the longest of its parts takes.
    pub(crate) fn memory(&self) -> usize {
        self.head.capacity().max(self.later.capacity()).max(self.trailers.capacity())
    }

    /// Takes memory for so many bytes of a head, or of what follows it.
    #[cfg(test)]
    pub(crate) fn reserve(&mut self, length: usize, of_head: bool) {
        let part = if of_head { &mut self.head } else { &mut self.later };
        part.reserve_exact(length);
    }

    pub(super) fn head_is_sent(&self) -> bool {
        self.head_sent == self.head.len() && self.later.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.head_is_sent() && self.chunk.is_none() && (self.coding == Coding::Plain || self.ended)
    }

    /// At most so many bytes of the head were sent; says how many these are. What follows it takes its place.
    pub(super) fn sent_of_head(&mut self, count: usize) -> usize {
        let head = count.min(self.head.len() - self.head_sent);
        self.head_sent += head;
        if self.head_sent == self.head.len() && !self.later.is_empty() {
            std::mem::swap(&mut self.head, &mut self.later);
            self.later.clear();
            self.head_sent = 0;
        }
        head
    }

    pub(super) fn write(&mut self) -> &mut Vec<u8> {
        if self.head_sent == self.head.len() {
            self.head_sent = 0;
            self.head.clear();
            &mut self.head
        } else {
            &mut self.later
        }
    }
}

/// A chunk on its way. Its size is fixed when it is first offered.
pub(super) type Chunk = Segment<SizeLine, &'static [u8]>;

pub(super) const CRLF: &[u8] = b"\r\n";

/// The size of a chunk in hex, and CRLF (RFC 9112 §7.1).
#[derive(Clone, Debug)]
pub(super) struct SizeLine {
    bytes: [u8; 18],
    from: usize,
}

impl SizeLine {
    pub(super) fn new(length: usize) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut bytes = [0; 18];
        let mut at = 16;
        let mut rest = length;
        if let Some(end) = bytes.get_mut(16..) {
            end.copy_from_slice(CRLF);
        }
        while at > 0 && (rest > 0 || at == 16) {
            at -= 1;
            if let Some(slot) = bytes.get_mut(at) {
                *slot = HEX.get(rest & 15).copied().unwrap_or(b'0');
            }
            rest >>= 4;
        }
        Self { bytes, from: at }
    }
}

impl AsRef<[u8]> for SizeLine {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.from..).unwrap_or_default()
    }
}
