//! The header of a frame (RFC 6455 §5.2).

use super::{FrameViolation, Mask};

/// What a frame is for (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// It goes on with the message that an earlier frame began.
    Continuation,
    /// It begins a message of text, or is all of it.
    Text,
    /// It begins a message of bytes, or is all of it.
    Binary,
    /// It closes its direction (§5.5.1).
    Close,
    /// It asks for a Pong (§5.5.2).
    Ping,
    /// It answers a Ping, or tells that its sender lives (§5.5.3).
    Pong,
}

impl Opcode {
    /// Whether frames of this kind are control frames: they belong to no message, have at most 125 bytes of payload
    /// and are never fragmented (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// The four bits that stand for it.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// The kind that the lower four bits of a frame's first byte stand for; `None` where they are reserved.
    const fn of(first: u8) -> Option<Self> {
        Some(match first & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }
}

/// What the header of a frame says (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FrameHeader {
    /// FIN: the frame is the last of its message. Always set for a control frame.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3, as the bits 4, 2 and 1. They belong to extensions, and mean nothing here.
    pub rsv: u8,
    /// What the frame is for.
    pub opcode: Opcode,
    /// How many bytes of payload follow the header, extension data included; less than 2⁶³.
    pub length: u64,
    /// What the payload is masked with, from its first byte on; absent when it isn't.
    pub mask: Option<Mask>,
    /// How many bytes the header itself has: 2 to 14.
    pub size: usize,
}

/// What the headers before this one leave to be said about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The frames are a client's, which masks each of them.
    pub(super) masked: bool,
    /// A message has begun and not ended.
    pub(super) in_message: bool,
}

/// The longest payload of a control frame, and the longest that the second byte of a header can tell (§5.2, §5.5).
pub(super) const SHORT: usize = 125;

impl FrameHeader {
    /// Whether the frame ends a message; a control frame never does.
    #[must_use]
    pub const fn ends_message(&self) -> bool {
        self.fin && !self.opcode.is_control()
    }

    /// Reads the header that stands at the front; `None` when more bytes are needed.
    ///
    /// What is checked first is what comes first, so that a violation is the same in every cut.
    pub(super) fn read(bytes: &[u8], expected: Expected) -> Result<Option<Self>, FrameViolation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let opcode = Opcode::of(first).ok_or(FrameViolation::ReservedOpcode)?;
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => {
                return Err(FrameViolation::FragmentedControl);
            }
            Opcode::Continuation if !expected.in_message => return Err(FrameViolation::StrayContinuation),
            Opcode::Text | Opcode::Binary if expected.in_message => {
                return Err(FrameViolation::InterleavedMessage);
            }
            _ => {}
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        if masked != expected.masked {
            return Err(if masked { FrameViolation::Masked } else { FrameViolation::Unmasked });
        }
        let Some((length, key)) = read_length(second & 0x7f, bytes)? else { return Ok(None) };
        if opcode.is_control() && length > SHORT as u64 {
            return Err(FrameViolation::LongControl);
        }
        let (mask, size) = if masked {
            let Some(bytes) = bytes.get(key..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            (Some(Mask::new(*bytes)), key + 4)
        } else {
            (None, key)
        };
        Ok(Some(Self { fin, rsv: first >> 4 & 7, opcode, length, mask, size }))
    }
}

/// The payload length, and where it ends; `None` when more bytes are needed.
fn read_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, FrameViolation> {
    let behind = bytes.get(2..).unwrap_or_default();
    let (length, end, shorter) = match short {
        126 => {
            let Some(bytes) = behind.first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*bytes)), 4, SHORT as u64)
        }
        127 => {
            let Some(bytes) = behind.first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*bytes), 10, u64::from(u16::MAX))
        }
        short => return Ok(Some((u64::from(short), 2))),
    };
    if length > i64::MAX as u64 {
        return Err(FrameViolation::LengthTooLarge);
    }
    if length <= shorter {
        return Err(FrameViolation::LengthNotShortest);
    }
    Ok(Some((length, end)))
}
