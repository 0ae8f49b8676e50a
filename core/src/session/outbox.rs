//! What is sent to one side: heads in front, framing around the content, the content itself from the
//! other side's inbox.

use std::io::IoSlice;

use super::{
    around::{Around, CRLF, Chunk, Coding, SizeLine},
    inbox::Inbox,
};
use crate::buffer::Buffers;

/// At most four pieces of memory to be sent, in order.
#[derive(Clone, Copy, Debug)]
pub struct Slices<'a> {
    slices: [IoSlice<'a>; 4],
    count: usize,
}

impl<'a> Slices<'a> {
    /// Of these pieces at most so many bytes.
    fn new(pieces: [&'a [u8]; 4], limit: usize) -> Self {
        let mut slices = [IoSlice::new(&[]); 4];
        let (mut count, mut left) = (0, limit);
        for piece in pieces {
            let piece = piece.get(..left).unwrap_or(piece);
            left -= piece.len();
            if let Some(slot) = slices.get_mut(count).filter(|_| !piece.is_empty()) {
                *slot = IoSlice::new(piece);
                count += 1;
            }
        }
        Self { slices, count }
    }

    /// One piece, or none where it is empty.
    #[inline]
    pub(crate) fn one(piece: &'a [u8]) -> Self {
        let mut slices = [IoSlice::new(&[]); 4];
        slices[0] = IoSlice::new(piece);
        Self { slices, count: usize::from(!piece.is_empty()) }
    }

    /// Two pieces, without those that are empty.
    pub(crate) fn two(first: &'a [u8], second: &'a [u8]) -> Self {
        Self::new([first, second, b"", b""], usize::MAX)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.iter().map(|slice| slice.len()).sum()
    }
}

impl<'a> std::ops::Deref for Slices<'a> {
    type Target = [IoSlice<'a>];

    fn deref(&self) -> &Self::Target {
        self.slices.get(..self.count).unwrap_or_default()
    }
}

/// The out side of one direction. What stands around content is held only while there is some of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox {
    around: Option<Box<Around>>,
    /// What was given up after it had been offered: it stays until its report. Rare, so that it costs a
    /// quiet session a pointer only.
    retired: Option<Box<Retired>>,
    offered: bool,
}

/// Pieces that were given up one after the other.
#[derive(Clone, Debug)]
struct Retired {
    #[expect(dead_code, reason = "it is kept, not read: its owner is a write that goes on")]
    around: Box<Around>,
    #[expect(dead_code, reason = "so are those before it")]
    earlier: Option<Box<Self>>,
}

/// What an outbox will do, reduced to what can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outline {
    later: Vec<u8>,
    trailers: Vec<u8>,
    coding: Coding,
    chunk_left: Option<u64>,
    ended: bool,
}

const CRLF_LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

impl Outbox {
    pub(super) const NONE: Self = Self { around: None, retired: None, offered: false };

    /// Whether it has no memory, and nobody else has any of it.
    pub(crate) fn is_vacant(&self) -> bool {
        let Self { around, retired, offered } = self;
        around.is_none() && retired.is_none() && !offered
    }

    /// Writes bytes that go before the content that follows.
    pub(crate) fn write(&mut self, buffers: &mut Buffers, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.around.get_or_insert_with(|| buffers.around()).write());
    }

    /// From here on content is framed like this.
    pub(crate) fn begin_content(&mut self, coding: Coding, buffers: &mut Buffers) {
        if coding == Coding::Chunked || self.around.is_some() {
            let around = self.around.get_or_insert_with(|| buffers.around());
            (around.coding, around.ended) = (coding, false);
        }
    }

    /// Where trailer fields are noted; the last chunk brings them along. Absent when content isn't chunked.
    pub(crate) fn trailers(&mut self) -> Option<&mut Vec<u8>> {
        self.around
            .as_mut()
            .filter(|around| around.coding == Coding::Chunked)
            .map(|around| &mut around.trailers)
    }

    /// Drops what has not been sent; nothing else will be.
    pub(crate) fn discard(&mut self) {
        if self.offered && self.around.is_some() {
            let earlier = self.retired.take();
            self.retired = self.around.take().map(|around| Box::new(Retired { around, earlier }));
        }
        if let Some(around) = &mut self.around {
            around.clear();
        }
    }

    /// Notes that bytes have been offered, or that the offer is over.
    pub(crate) fn offer(&mut self, offered: bool) {
        self.offered = offered;
        if !offered {
            self.retired = None;
        }
    }

    /// Whether the bytes before the content are all sent.
    pub(crate) fn head_is_sent(&self) -> bool {
        self.around.as_ref().is_none_or(|around| around.head_is_sent())
    }

    /// Whether nothing is left to be sent of what has been promised.
    pub(crate) fn is_done(&self, inbox: &Inbox, complete: bool) -> bool {
        inbox.content().is_empty()
            && self.around.as_ref().is_none_or(|around| {
                let ended = around.coding == Coding::Plain || around.ended;
                around.head_is_sent() && around.chunk.is_none() && (ended || !complete)
            })
    }

    /// Opens the next chunk, or writes the last one, when it is time; gives back what isn't needed.
    pub(crate) fn settle(&mut self, inbox: &Inbox, complete: bool, buffers: &mut Buffers) {
        let Some(around) = &mut self.around else { return };
        if around.coding == Coding::Chunked && around.chunk.is_none() && !around.ended {
            let length = inbox.content().len();
            if length > 0 {
                around.ended = complete && around.trailers.is_empty();
                let suffix = if around.ended { CRLF_LAST_CHUNK } else { CRLF };
                around.chunk = Some(Chunk::new(SizeLine::new(length), length as u64, suffix));
            } else if complete {
                around.ended = true;
                let mut trailers = std::mem::take(&mut around.trailers);
                let out = around.write();
                out.extend_from_slice(b"0\r\n");
                out.append(&mut trailers);
                out.extend_from_slice(CRLF);
                around.trailers = trailers;
            }
        }
        self.settle_head(buffers);
    }

    /// Gives all memory back.
    pub(crate) fn recycle(&mut self, buffers: &mut Buffers) {
        if let Some(around) = self.around.take() {
            buffers.return_around(around);
        }
    }

    /// What will be sent besides what [`Self::slices`] shows, for snapshots.
    pub(crate) fn outline(&self) -> Outline {
        // What was given up and offered is somebody else's write, and ends with its report.
        let Self { around, retired: _, offered: _ } = self;
        let Some(around) = around else { return Outline::default() };
        // What is left of the head is shown.
        let Around { head: _, head_sent: _, later, coding, chunk, trailers, ended } = &**around;
        Outline {
            later: later.clone(),
            trailers: trailers.clone(),
            coding: *coding,
            chunk_left: chunk.as_ref().map(Chunk::left),
            ended: *ended,
        }
    }

    /// What is left of the head, and content of somebody else's behind it.
    pub(crate) fn slices_in_front_of<'a>(&'a self, content: &'a [u8]) -> Slices<'a> {
        let Some(around) = &self.around else { return Slices::one(content) };
        let head = around.head.get(around.head_sent..).unwrap_or_default();
        let content = if around.later.is_empty() { content } else { b"" };
        Slices::new([head, content, b"", b""], usize::MAX)
    }

    /// So many bytes of that were sent; says how many of them belonged to the head.
    pub(crate) fn sent_in_front(&mut self, count: usize) -> usize {
        self.around.as_mut().map_or(0, |around| around.sent_of_head(count))
    }

    /// Gives the memory of a head back that has gone, when nothing else is to come.
    pub(crate) fn settle_head(&mut self, buffers: &mut Buffers) {
        if !self.offered
            && let Some(around) = self.around.take_if(|around| around.is_idle())
        {
            buffers.return_around(around);
        }
    }

    /// What can be sent now.
    pub(crate) fn slices<'a>(&'a self, inbox: &'a Inbox) -> Slices<'a> {
        self.slices_within(inbox, usize::MAX)
    }

    /// At most so many bytes of that.
    pub(crate) fn slices_within<'a>(&'a self, inbox: &'a Inbox, limit: usize) -> Slices<'a> {
        Slices::new(self.pieces(inbox), limit)
    }

    /// Whether anything can be sent now.
    pub(crate) fn is_waiting(&self, inbox: &Inbox) -> bool {
        let Some(around) = &self.around else { return inbox.has_content() };
        // A head is waited for first; behind it there is what goes around content, or content alone.
        !around.head_is_sent()
            || match (&around.chunk, around.coding) {
                (Some(_), _) => self.pieces(inbox).iter().any(|piece| !piece.is_empty()),
                (None, Coding::Plain) => inbox.has_content(),
                (None, Coding::Chunked) => false,
            }
    }

    fn pieces<'a>(&'a self, inbox: &'a Inbox) -> [&'a [u8]; 4] {
        let Some(around) = &self.around else { return [inbox.content(), b"", b"", b""] };
        let head = around.head.get(around.head_sent..).unwrap_or_default();
        if !around.later.is_empty() {
            return [head, b"", b"", b""];
        }
        match (&around.chunk, around.coding) {
            (Some(chunk), _) => {
                let [prefix, content, suffix] = chunk.pieces(inbox.content());
                [head, prefix, content, suffix]
            }
            (None, Coding::Plain) => [head, inbox.content(), b"", b""],
            (None, Coding::Chunked) => [head, b"", b"", b""],
        }
    }

    /// What goes before the content, as long as nothing of it was sent.
    pub(crate) fn unsent_head(&self) -> Option<&[u8]> {
        self.around.as_ref().filter(|around| around.head_sent == 0).map(|around| around.head.as_slice())
    }

    /// So many bytes of [`Self::slices`] were sent; says how many of them were content.
    pub(crate) fn sent(&mut self, count: usize, inbox: &mut Inbox) -> usize {
        let Some(around) = &mut self.around else {
            let content = count.min(inbox.content().len());
            inbox.sent(content);
            return content;
        };
        let has_later = !around.later.is_empty();
        let behind_head = count - around.sent_of_head(count);
        if has_later {
            return 0;
        }
        let content = match &mut around.chunk {
            Some(chunk) => {
                let content = chunk.sent(behind_head, inbox.content().len());
                if chunk.is_done() {
                    around.chunk = None;
                }
                content
            }
            None if around.coding == Coding::Plain => behind_head.min(inbox.content().len()),
            None => 0,
        };
        inbox.sent(content);
        content
    }
}

#[cfg(test)]
mod tests;
