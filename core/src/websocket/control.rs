//! Control frames of our own (RFC 6455 §5.5).

use std::fmt;

use super::{Mask, Opcode, header::SHORT};

/// A Ping or a Close that we send ourselves, as it goes onto the wire.
///
/// It lies in memory of its own, so that it may stand between two pieces of what is relayed. Towards an origin server
/// it has to be masked, with a fresh key that nobody can foresee; towards a client it must not be (RFC 6455 §5.1,
/// §5.3). Drawing the key is the caller's business.
///
/// ```
/// use underpass_core::websocket::{CloseCode, ControlFrame, Mask};
///
/// let close = ControlFrame::close(CloseCode::SERVICE_RESTART, "service restart", None)?;
/// assert_eq!(close.as_bytes(), b"\x88\x11\x03\xf4service restart");
/// let ping = ControlFrame::ping(b"Hello", Some(Mask::new([0x37, 0xfa, 0x21, 0x3d])))?;
/// assert_eq!(ping.as_bytes(), b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
/// # Ok::<(), underpass_core::websocket::PayloadTooLong>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ControlFrame {
    /// Zeros behind its end.
    bytes: [u8; Self::MAX_SIZE],
    size: u8,
}

impl ControlFrame {
    /// The most bytes that a control frame has on the wire: 2 of header, 4 of masking key, 125 of payload.
    pub const MAX_SIZE: usize = 2 + 4 + SHORT;

    /// The longest reason of a Close, in bytes: its code takes the first two of the payload (RFC 6455 §5.5.1).
    pub const MAX_REASON: usize = SHORT - 2;

    /// A Ping; whoever gets it answers with a Pong of the same payload (RFC 6455 §5.5.2).
    ///
    /// # Errors
    /// The payload has more than 125 bytes.
    pub fn ping(payload: &[u8], mask: Option<Mask>) -> Result<Self, PayloadTooLong> {
        Self::new(Opcode::Ping, [payload, b""], mask)
    }

    /// A Close; behind it nothing may be sent (RFC 6455 §5.5.1). The reason is for logs and developers, not for people
    /// who use a program.
    ///
    /// # Errors
    /// The reason has more than [`MAX_REASON`](Self::MAX_REASON) bytes.
    pub fn close(code: CloseCode, reason: &str, mask: Option<Mask>) -> Result<Self, PayloadTooLong> {
        Self::new(Opcode::Close, [&code.0.to_be_bytes(), reason.as_bytes()], mask)
    }

    fn new(opcode: Opcode, payload: [&[u8]; 2], mask: Option<Mask>) -> Result<Self, PayloadTooLong> {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let short = u8::try_from(length).ok().filter(|_| length <= SHORT).ok_or(PayloadTooLong)?;
        let header = [0x80 | opcode.bits(), u8::from(mask.is_some()) << 7 | short];
        let key = mask.map(Mask::key);
        // Nothing is masked with zeros.
        let masks = mask.unwrap_or(Mask::new([0; 4])).bytes();
        let payload = payload.into_iter().flatten().zip(masks).map(|(byte, mask)| byte ^ mask);
        let frame = header.into_iter().chain(key.into_iter().flatten()).chain(payload);
        let mut bytes = [0; Self::MAX_SIZE];
        bytes.iter_mut().zip(frame).for_each(|(slot, byte)| *slot = byte);
        Ok(Self { bytes, size: 2 + 4 * u8::from(mask.is_some()) + short })
    }

    /// The whole frame.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.size)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for ControlFrame {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The bytes, as they are escaped in a string.
impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlFrame({})", self.as_bytes().escape_ascii())
    }
}

/// Why a WebSocket is closed (RFC 6455 §7.4): a code that may stand in a Close.
///
/// 1004 is reserved; 1005, 1006 and 1015 tell of what no Close has told, and never stand in one; 1016 to 2999 belong
/// to versions to come; the codes from 5000 on are nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// What the connection was for is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// An endpoint goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A message is too big to be processed.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// The server can't go on.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service is started again, and the client may come back (registered with IANA).
    pub const SERVICE_RESTART: Self = Self(1012);

    /// The code with this number: 1000 to 1003, 1007 to 1014 or 3000 to 4999; `None` for any other.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999) { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Its number.
impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was to be sent doesn't fit into a control frame: its payload has at most 125 bytes (RFC 6455 §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PayloadTooLong;

impl fmt::Display for PayloadTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload of a control frame has at most 125 bytes")
    }
}

impl std::error::Error for PayloadTooLong {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Side,
        websocket::{FrameScanner, Next},
    };

    const MASK: Mask = Mask::new([0xff, 0, 0x0f, 0xf0]);

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 122, 123] {
            let reason = "x".repeat(length);
            for (mask, side) in [(None, Side::Upstream), (Some(MASK), Side::Downstream)] {
                let close = ControlFrame::close(CloseCode::GOING_AWAY, &reason, mask).expect("it fits");
                let mut scanner = FrameScanner::new(side);
                let Ok(Next::Frame(frame)) = scanner.next(close.as_bytes()) else { panic!("a frame") };
                assert_eq!((frame.close_code(), frame.header().length), (Some(1001), length as u64 + 2));
                assert_eq!(frame.take(), close.as_bytes().len());
                assert!(scanner.is_closed());
            }
        }
        let mut payload = *b"\x8a\x84\xff\x00\x0f\xf0ping";
        MASK.apply(&mut payload[6..]);
        let ping = ControlFrame::ping(b"ping", Some(MASK)).expect("it fits");
        assert_eq!(ping.as_bytes()[1..], payload[1..]);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = "ä".repeat(62);
        assert_eq!(ControlFrame::close(CloseCode::NORMAL, &long, None), Err(PayloadTooLong), "124 bytes");
        assert_eq!(ControlFrame::ping(&[0; 126], None), Err(PayloadTooLong));
        assert_eq!(ControlFrame::ping(&[0; 257], None), Err(PayloadTooLong));
        let longest = ControlFrame::ping(&[0; 125], Some(MASK)).expect("it fits");
        assert_eq!(longest.as_bytes().len(), ControlFrame::MAX_SIZE);
    }

    #[test]
    fn codes_that_may_stand_in_a_close() {
        let may: Vec<u16> = (0..=u16::MAX).filter(|number| CloseCode::new(*number).is_some()).collect();
        let expected = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
        assert_eq!(may, expected.collect::<Vec<u16>>());
        assert_eq!(CloseCode::new(4321).map(CloseCode::number), Some(4321));
    }

    #[test]
    fn bytes_are_shown_escaped() {
        let ping = ControlFrame::ping(b"a\n", None).expect("it fits");
        assert_eq!(format!("{ping:?}"), "ControlFrame(\\x89\\x02a\\n)");
    }
}
