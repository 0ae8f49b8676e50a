//! The in side of a WebSocket: where frames begin and end (RFC 6455 §5).

use std::fmt;

use super::{FrameHeader, FrameViolation, Mask, Opcode, header::Expected};
use crate::address::Side;

/// Finds the frames in one direction of a WebSocket, by their headers alone.
///
/// It is shown the bytes that were received and not yet taken, in any cut, and says how many of them may go on as
/// what. It keeps no byte and changes none; of content it looks at nothing but, of control frames, the payload of a
/// [Pong](Frame::pong_payload) and the code of a [Close](Frame::close_code). A header that is not there whole is
/// not taken: the caller keeps its bytes, at most 13 of them, and shows them again with those that follow.
///
/// What counts as a violation is what RFC 6455 §5 demands of every endpoint. RSV bits and extension data are not
/// judged: they belong to extensions, of which it knows nothing.
///
/// # One frame at a time
///
/// [`next`](Self::next) shows each frame before a byte of it is taken, so that a caller may hold it back, refuse it
/// or drop it:
///
/// ```
/// use underpass_core::{Side, websocket::{FrameScanner, Next, Opcode}};
///
/// // A text message in two fragments, with a Ping between them, as a server sends them.
/// let received = b"\x01\x03Hel\x89\x00\x80\x02lo";
/// let mut scanner = FrameScanner::new(Side::Upstream);
/// let (mut at, mut frames) = (0, Vec::new());
/// // Two bytes at a time: a header waits until it is there, a payload doesn't.
/// for end in (2..=received.len()).step_by(2).chain([received.len()]) {
///     loop {
///         match scanner.next(&received[at..end])? {
///             Next::Wait | Next::Closed => break,
///             Next::Payload(count) => at += count,
///             Next::Frame(frame) => {
///                 frames.push((frame.header().opcode, frame.message_length()));
///                 at += frame.take();
///             }
///         }
///     }
/// }
/// assert_eq!(at, received.len());
/// assert_eq!(frames, [(Opcode::Text, 3), (Opcode::Ping, 3), (Opcode::Continuation, 5)]);
/// # Ok::<(), underpass_core::websocket::FrameViolation>(())
/// ```
///
/// # Many frames at once
///
/// [`take_data`](Self::take_data) runs through data frames as far as they go, for a caller who has nothing to decide
/// about each. Bytes of a long frame need not come by at all: [`left`](Self::left) says how many may be moved
/// unseen, and [`skip`](Self::skip) that they were.
///
/// # A stream that ends
///
/// What is left of a header when the stream ends is no frame. A caller that passes everything on passes this on, too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameScanner {
    /// Bytes of payload of the current frame that are to come.
    left: Length,
    /// Bytes of payload of the message under way, those to come of its current frame included.
    message_length: Length,
    from: Side,
    /// A message has begun, and its last frame has not come.
    in_message: bool,
    /// A Close has begun, if not ended.
    closing: bool,
}

/// A length that needs no alignment: each tunnel of WebSocket has four, for as long as it lives (G10).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Length([u8; 8]);

impl Length {
    const ZERO: Self = Self::of(0);

    const fn of(length: u64) -> Self {
        Self(length.to_ne_bytes())
    }

    #[inline]
    const fn get(self) -> u64 {
        u64::from_ne_bytes(self.0)
    }
}

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// What stands at the front of the bytes that were shown.
#[derive(Debug)]
#[must_use = "a frame that isn't taken is shown again"]
pub enum Next<'s, 'b> {
    /// Nothing that can be told: there are no bytes, or those of a header that is to be completed. A Close is told
    /// with the code in its payload, so that these two bytes are waited for.
    Wait,
    /// So many bytes are payload of the frame under way. They are taken.
    Payload(usize),
    /// A frame, of which nothing is taken yet.
    Frame(Frame<'s, 'b>),
    /// Nothing is to follow: a Close has been taken whole (RFC 6455 §5.5.1).
    Closed,
}

/// A frame whose header has come. It is taken by [`take`](Self::take); one that is dropped will be shown again.
#[must_use = "a frame that isn't taken is shown again"]
pub struct Frame<'s, 'b> {
    scanner: &'s mut FrameScanner,
    header: FrameHeader,
    /// What was shown, from the beginning of the header on.
    bytes: &'b [u8],
}

/// What [`FrameScanner::take_data`] has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "the bytes that were taken are to go on"]
pub struct DataRun {
    /// How many bytes from the front were taken.
    pub taken: usize,
    /// The last place at or before them where no frame is under way, so that a control frame may be put in between;
    /// absent where there is none.
    pub boundary: Option<usize>,
    /// How many frames have begun.
    pub frames: usize,
    /// How many of them end a message.
    pub messages: usize,
}

impl FrameScanner {
    /// A scanner for what comes from this side, from the first byte behind the opening handshake on. A client's frames
    /// ([`Side::Downstream`]) have to be masked, a server's must not be (RFC 6455 §5.1).
    #[must_use]
    pub const fn new(from: Side) -> Self {
        Self { left: Length::ZERO, message_length: Length::ZERO, from, in_message: false, closing: false }
    }

    /// Says what stands at the front of `bytes`: all that was received behind what was taken last.
    ///
    /// Payload is taken at once, a frame when the caller says so. It costs the same however many bytes there are.
    ///
    /// # Errors
    /// The frame at the front breaks a rule. Nothing of it is taken, and asked again, the scanner says the same.
    pub fn next<'s, 'b>(&'s mut self, bytes: &'b [u8]) -> Result<Next<'s, 'b>, FrameViolation> {
        if self.left() > 0 {
            let count = self.take_payload(bytes);
            return Ok(if count == 0 { Next::Wait } else { Next::Payload(count) });
        }
        if self.closing {
            return Ok(Next::Closed);
        }
        let Some(header) = self.read(bytes)? else { return Ok(Next::Wait) };
        // A code comes with the header that announces it.
        if header.opcode == Opcode::Close && header.length >= 2 && bytes.len() < header.size + 2 {
            return Ok(Next::Wait);
        }
        Ok(Next::Frame(Frame { scanner: self, header, bytes }))
    }

    /// Takes payload and data frames from the front of `bytes` as far as nobody needs to be asked: up to a control
    /// frame, a violation, a header that isn't whole, or the frame that makes a message longer than `limit` bytes of
    /// payload. [`next`](Self::next) tells which of these it is.
    ///
    /// ```
    /// use underpass_core::{Side, websocket::{FrameScanner, Next, Opcode}};
    ///
    /// let mut scanner = FrameScanner::new(Side::Upstream);
    /// let received = b"\x82\x01a\x02\x01b\x80\x01c\x89\x00";
    /// let run = scanner.take_data(received, None);
    /// assert_eq!((run.taken, run.boundary, run.frames, run.messages), (9, Some(9), 3, 2));
    /// let Ok(Next::Frame(ping)) = scanner.next(&received[run.taken..]) else { panic!("a frame") };
    /// assert_eq!(ping.header().opcode, Opcode::Ping);
    /// ```
    pub fn take_data(&mut self, bytes: &[u8], limit: Option<u64>) -> DataRun {
        let limit = limit.unwrap_or(u64::MAX);
        let mut run = DataRun { taken: self.take_payload(bytes), ..DataRun::default() };
        if self.is_at_boundary() {
            run.boundary = Some(run.taken);
        }
        while self.is_at_boundary() && !self.closing {
            let rest = bytes.get(run.taken..).unwrap_or_default();
            let Ok(Some(header)) = self.read(rest) else { break };
            if header.opcode.is_control() || self.message_with(&header) > limit {
                break;
            }
            run.taken += self.take(&header, rest);
            run.frames += 1;
            run.messages += usize::from(header.fin);
            if self.is_at_boundary() {
                run.boundary = Some(run.taken);
            }
        }
        run
    }

    /// Bytes of payload that are to come of the frame under way: so many may be relayed without being shown. None
    /// between frames.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left.get()
    }

    /// So many bytes of payload were moved without being shown; at most [`left`](Self::left) count.
    pub fn skip(&mut self, count: u64) {
        self.left = Length::of(self.left().saturating_sub(count));
    }

    /// Whether no frame is under way, so that a control frame may be put in here, be it between the fragments of a
    /// message (RFC 6455 §5.4).
    #[must_use]
    pub const fn is_at_boundary(&self) -> bool {
        self.left() == 0
    }

    /// Whether a message has begun whose last frame has not (RFC 6455 §5.4).
    #[must_use]
    pub const fn is_in_message(&self) -> bool {
        self.in_message
    }

    /// Whether a Close was taken whole: nothing is to follow in this direction (RFC 6455 §5.5.1).
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closing && self.is_at_boundary()
    }

    /// Whether a Close was taken, be it not whole.
    pub(crate) const fn has_close(&self) -> bool {
        self.closing
    }

    /// The side that the frames come from.
    #[must_use]
    pub const fn from(&self) -> Side {
        self.from
    }

    fn read(&self, bytes: &[u8]) -> Result<Option<FrameHeader>, FrameViolation> {
        let expected = Expected { masked: self.from == Side::Downstream, in_message: self.in_message };
        FrameHeader::read(bytes, expected)
    }

    /// Takes a frame whose header stands at the front; says how many bytes of it are there.
    fn take(&mut self, header: &FrameHeader, bytes: &[u8]) -> usize {
        self.left = Length::of(header.length);
        if header.opcode.is_control() {
            self.closing |= header.opcode == Opcode::Close;
        } else {
            self.in_message = !header.fin;
            self.message_length = Length::of(if header.fin { 0 } else { self.message_with(header) });
        }
        header.size + self.take_payload(bytes.get(header.size..).unwrap_or_default())
    }

    /// Takes the payload that stands at the front.
    fn take_payload(&mut self, bytes: &[u8]) -> usize {
        let count = usize::try_from(self.left()).unwrap_or(usize::MAX).min(bytes.len());
        self.skip(count as u64);
        count
    }

    /// Bytes of payload of the message under way, with those of the frame if it belongs there.
    fn message_with(&self, header: &FrameHeader) -> u64 {
        let more = if header.opcode.is_control() { 0 } else { header.length };
        self.message_length.get().saturating_add(more)
    }
}

impl<'b> Frame<'_, 'b> {
    /// What its header says.
    #[must_use]
    pub const fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// Bytes of payload that its message has with it: its own, and those of the fragments before. It is the length as
    /// framed, that is, compressed where an extension compresses. For a control frame, the length of the message that
    /// it stands in so far.
    #[must_use]
    pub fn message_length(&self) -> u64 {
        self.scanner.message_with(&self.header)
    }

    /// Whether all of its payload has come.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bytes.len().saturating_sub(self.header.size) as u64 >= self.header.length
    }

    /// The code of a Close (RFC 6455 §7.4), unmasked. Absent in other frames, and in a Close without one (which
    /// §7.1.5 takes for 1005), or with half of one.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        if self.header.opcode != Opcode::Close {
            return None;
        }
        let mut payload = self.payload();
        Some(u16::from_be_bytes([payload.next()?, payload.next()?]))
    }

    /// The payload of a Pong, unmasked, at most 125 bytes. Absent in other frames, and as long as it has not come
    /// whole: a caller who has to know it holds the frame back until then.
    ///
    /// ```
    /// use underpass_core::{Side, websocket::{FrameScanner, Next}};
    ///
    /// let mut scanner = FrameScanner::new(Side::Downstream);
    /// let received = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    /// let Ok(Next::Frame(pong)) = scanner.next(&received[..9]) else { panic!("a frame") };
    /// assert!(pong.pong_payload().is_none(), "it is to be shown again with more");
    /// let Ok(Next::Frame(pong)) = scanner.next(received) else { panic!("a frame") };
    /// assert!(pong.pong_payload().is_some_and(|payload| payload.eq(*b"Hello")));
    /// assert_eq!(pong.take(), received.len());
    /// ```
    #[must_use]
    pub fn pong_payload(&self) -> Option<Unmasked<'b>> {
        (self.header.opcode == Opcode::Pong && self.is_whole()).then(|| self.payload())
    }

    /// Takes the frame: says how many bytes from the front are its header and what is there of its payload. What
    /// becomes of them, whether they go on or are dropped, is the caller's business.
    #[must_use = "the bytes that were taken are to go on or to be dropped"]
    pub fn take(self) -> usize {
        self.scanner.take(&self.header, self.bytes)
    }

    /// What is there of the payload.
    fn payload(&self) -> Unmasked<'b> {
        let payload = self.bytes.get(self.header.size..).unwrap_or_default();
        let length = usize::try_from(self.header.length).unwrap_or(usize::MAX).min(payload.len());
        let masked = payload.get(..length).unwrap_or_default();
        Unmasked { masked: masked.iter(), mask: self.header.mask.unwrap_or(Mask::new([0; 4])) }
    }
}

/// The header; no content.
impl fmt::Debug for Frame<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The bytes of a control frame's payload, unmasked one by one.
#[derive(Clone)]
#[must_use = "an iterator does nothing unless it is asked"]
pub struct Unmasked<'b> {
    masked: std::slice::Iter<'b, u8>,
    mask: Mask,
}

impl Iterator for Unmasked<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.masked.next()? ^ self.mask.key()[0];
        self.mask = self.mask.advanced(1);
        Some(byte)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.masked.size_hint()
    }
}

impl ExactSizeIterator for Unmasked<'_> {}

/// How many bytes there are; no content.
impl fmt::Debug for Unmasked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmasked").field("left", &self.masked.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
