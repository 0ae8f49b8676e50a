//! Content on its way out, with bytes of our own around it.

/// So many bytes of content, with bytes of our own in front of them and behind them.
///
/// A chunk is one (RFC 9112 §7.1): the line with its size, its data, and CRLF. A control frame of ours that has to wait
/// for the end of the frame under way is another (RFC 6455 §5.4): what is left of the frame, and the control frame as
/// the suffix. Where no frame is under way the control frame is the prefix, and nothing is left. Content behind a
/// segment is held back until the segment has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment<P, S> {
    prefix: Part<P>,
    left: u64,
    suffix: Part<S>,
}

impl<P: AsRef<[u8]>, S: AsRef<[u8]>> Segment<P, S> {
    /// `prefix`, `length` bytes of content, `suffix`.
    pub(crate) fn new(prefix: P, length: u64, suffix: S) -> Self {
        Self { prefix: Part::new(prefix), left: length, suffix: Part::new(suffix) }
    }

    /// What can be sent now, in order, when this is all the content that there is. What belongs behind content that
    /// has not come is not among it.
    pub(crate) fn pieces<'a>(&'a self, content: &'a [u8]) -> [&'a [u8]; 3] {
        let length = self.content_in(content.len());
        let suffix = if length as u64 == self.left { self.suffix.rest() } else { b"" };
        [self.prefix.rest(), content.get(..length).unwrap_or_default(), suffix]
    }

    /// So many bytes of [`Self::pieces`] were sent, when `available` bytes of content were there; says how many of
    /// them were content. What was never offered doesn't count.
    pub(crate) fn sent(&mut self, count: usize, available: usize) -> usize {
        let behind_prefix = count - self.prefix.take(count);
        let content = behind_prefix.min(self.content_in(available));
        self.left -= content as u64;
        if self.left == 0 {
            self.suffix.take(behind_prefix - content);
        }
        content
    }

    /// How many bytes of content are to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether all of it was sent.
    pub(crate) fn is_done(&self) -> bool {
        self.prefix.rest().is_empty() && self.left == 0 && self.suffix.rest().is_empty()
    }

    /// How much of so much content belongs to it.
    fn content_in(&self, available: usize) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(available)
    }
}

/// Bytes of our own, and how many of them were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part<T> {
    bytes: T,
    sent: usize,
}

impl<T: AsRef<[u8]>> Part<T> {
    fn new(bytes: T) -> Self {
        Self { bytes, sent: 0 }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.as_ref().get(self.sent..).unwrap_or_default()
    }

    /// At most `count` of the rest were sent; says how many these are.
    fn take(&mut self, count: usize) -> usize {
        let taken = count.min(self.rest().len());
        self.sent += taken;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::websocket::{CloseCode, ControlFrame};

    /// Sends as much as can be of `content`, which comes in pieces of `comes` bytes and goes in pieces of `goes`.
    fn send<P: AsRef<[u8]>, S: AsRef<[u8]>>(
        segment: &mut Segment<P, S>,
        content: &[u8],
        comes: usize,
        goes: usize,
    ) -> (Vec<u8>, usize) {
        // Some is there before the prefix has gone, or none.
        let (mut wire, mut from, mut to) = (Vec::new(), 0, content.len().min(comes - 1));
        for _ in 0..1000 {
            let pieces = segment.pieces(&content[from..to]).concat();
            let count = goes.min(pieces.len());
            if count == 0 && to == content.len() {
                return (wire, from);
            }
            wire.extend_from_slice(&pieces[..count]);
            from += segment.sent(count, to - from);
            if count == 0 {
                to = content.len().min(to + comes);
            }
        }
        panic!("it never ends: {wire:?}");
    }

    proptest! {
        #[test]
        fn what_goes_out_is_prefix_content_and_suffix(
            prefix in prop::collection::vec(any::<u8>(), 0..20),
            content in prop::collection::vec(any::<u8>(), 0..60),
            suffix in prop::collection::vec(any::<u8>(), 0..20),
            length in 0..80_usize,
            comes in 1..30_usize,
            goes in 1..30_usize,
        ) {
            let mut segment = Segment::new(prefix.clone(), length as u64, suffix.clone());
            let (wire, taken) = send(&mut segment, &content, comes, goes);
            let whole = [prefix, content[..length.min(content.len())].to_vec()].concat();
            prop_assert_eq!(taken, length.min(content.len()), "what is behind it is held back");
            if content.len() < length {
                prop_assert_eq!((wire, segment.is_done()), (whole, false));
                prop_assert_eq!(segment.left(), (length - content.len()) as u64);
            } else {
                prop_assert_eq!((wire, segment.is_done()), ([whole, suffix].concat(), true));
            }
        }
    }

    #[test]
    fn a_control_frame_waits_for_the_end_of_a_frame() {
        // Three bytes of a frame are left, behind them stands another one.
        let content = b"abc\x81\x01d";
        let close = ControlFrame::close(CloseCode::GOING_AWAY, "", None).expect("it fits");
        for step in 1..8 {
            let mut segment = Segment::new(b"", 3, close.clone());
            let sent = send(&mut segment, content, step, step);
            assert_eq!(sent, (b"abc\x88\x02\x03\xe9".to_vec(), 3));
            let mut at_once = Segment::new(close.clone(), 0, b"");
            assert_eq!(send(&mut at_once, content, step, step), (close.as_bytes().to_vec(), 0));
        }
    }

    #[test]
    fn what_was_never_offered_was_not_sent() {
        let mut segment = Segment::new(b"<", 5, b">");
        assert_eq!((segment.sent(100, 2), segment.left()), (2, 3));
        assert!(!segment.is_done());
        assert_eq!(segment.pieces(b"cde!").concat(), b"cde>");
        assert_eq!((segment.sent(3, 4), segment.left(), segment.is_done()), (3, 0, false));
        assert_eq!((segment.sent(9, 1), segment.is_done()), (0, true));
    }

    #[test]
    fn a_frame_longer_than_memory_is_no_overflow() {
        let mut segment = Segment::new(b"", u64::MAX, b">");
        assert_eq!(segment.pieces(b"abc").concat(), b"abc");
        assert_eq!((segment.sent(3, 3), segment.left()), (3, u64::MAX - 3));
    }
}
