//! WebSocket frames as peers write them (RFC 6455 §5.2): each message is one frame, masked by a client and plain from a
//! server.

use anyhow::{Context as _, Result, ensure};
use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// What a frame is for, of all that peers here send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole message.
    Message,
    /// To be answered with the same payload.
    Ping,
    /// Such an answer.
    Pong,
}

/// Who has sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Masks what it sends.
    Client,
    /// Doesn't.
    Server,
}

/// A frame whose header has come; its payload may be on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: Kind,
    /// How long its header is, in bytes.
    pub header: usize,
    /// How long the header and the payload are together.
    pub length: usize,
    key: [u8; 4],
}

impl Frame {
    /// The one at the beginning of `bytes`; `None` when its header isn't whole.
    ///
    /// # Errors
    /// When it isn't one that this sender may send.
    pub fn first(bytes: &[u8], sender: Sender) -> Result<Option<Self>> {
        let mut cursor = Cursor::new(bytes);
        let Some((header, payload)) = FrameHeader::parse(&mut cursor).context("a malformed frame")? else {
            return Ok(None);
        };
        let kind = match header.opcode {
            OpCode::Data(Data::Binary) => Kind::Message,
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            other => anyhow::bail!("a frame of a kind that nobody sends: {other}"),
        };
        ensure!(header.is_final, "a fragment, where nobody sends fragments");
        ensure!(!(header.rsv1 || header.rsv2 || header.rsv3), "a reserved bit that nobody has agreed on");
        ensure!(
            header.mask.is_some() == (sender == Sender::Client),
            "a {sender:?}'s frame that is masked: {}",
            header.mask.is_some()
        );
        let begin = usize::try_from(cursor.position())?;
        let length = begin.checked_add(usize::try_from(payload)?).context("a frame without an end")?;
        Ok(Some(Self { kind, header: begin, length, key: header.mask.unwrap_or_default() }))
    }

    /// Its payload in `bytes`, at whose beginning it stands whole; a client's mask is taken off in place.
    pub fn unmask<'a>(&self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        let payload = &mut bytes[self.header..self.length];
        mask(self.key, payload);
        payload
    }

    /// Makes a server's frame of the same payload of a client's that stands whole at the beginning of `bytes`; says where
    /// it begins. A header without a masking key is shorter, so that the payload stays where it is.
    ///
    /// # Errors
    /// When there is no room for the header, which then was no client's.
    pub fn answer(&self, bytes: &mut [u8]) -> Result<usize> {
        let payload = self.unmask(bytes).len();
        let header = header(if self.kind == Kind::Ping { Kind::Pong } else { self.kind }, None);
        let begin = self.header.checked_sub(header.len(payload as u64)).context("no room for a header")?;
        header.format(payload as u64, &mut &mut bytes[begin..self.header])?;
        Ok(begin)
    }
}

/// Appends a client's frame with this payload.
///
/// # Errors
/// None, for a vector takes what it is given.
pub fn append(frames: &mut Vec<u8>, kind: Kind, key: [u8; 4], payload: &[u8]) -> Result<()> {
    header(kind, Some(key)).format(payload.len() as u64, frames)?;
    let begin = frames.len();
    frames.extend_from_slice(payload);
    mask(key, &mut frames[begin..]);
    Ok(())
}

fn header(kind: Kind, mask: Option<[u8; 4]>) -> FrameHeader {
    let opcode = match kind {
        Kind::Message => OpCode::Data(Data::Binary),
        Kind::Ping => OpCode::Control(Control::Ping),
        Kind::Pong => OpCode::Control(Control::Pong),
    };
    FrameHeader { is_final: true, opcode, mask, ..FrameHeader::default() }
}

/// Puts a mask on, or takes it off (RFC 6455 §5.3): eight bytes at a time, for it is a part of what a client costs.
fn mask([a, b, c, d]: [u8; 4], payload: &mut [u8]) {
    let twice = [a, b, c, d, a, b, c, d];
    for piece in payload.chunks_mut(8) {
        for (byte, key) in piece.iter_mut().zip(twice) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Kind, Sender, append, mask};

    /// RFC 6455 §5.7.
    const HELLO: [u8; 11] = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

    #[test]
    fn the_example_of_rfc_6455() {
        let mut frames = Vec::new();
        append(&mut frames, Kind::Message, [0x37, 0xfa, 0x21, 0x3d], b"Hello").expect("a frame");
        assert_eq!(frames, HELLO);
    }

    #[test]
    fn a_mask_comes_off_whatever_the_length() {
        for length in 0..40 {
            let mut payload = (0..length).collect::<Vec<u8>>();
            mask([1, 2, 3, 4], &mut payload);
            let by_hand = (0..length).map(|index| index ^ (index % 4 + 1)).collect::<Vec<_>>();
            assert_eq!(payload, by_hand);
        }
    }

    #[test]
    fn a_server_answers_with_the_same_payload() {
        for length in [0, 1, 125, 126, 128, 65_535, 65_536] {
            let payload = vec![7; length];
            let mut frames = Vec::new();
            append(&mut frames, Kind::Message, [1, 2, 3, 4], &payload).expect("a frame");
            let frame = Frame::first(&frames, Sender::Client).expect("a frame").expect("its header");
            assert_eq!(frame.length, frames.len());
            let begin = frame.answer(&mut frames).expect("room");
            let answer =
                Frame::first(&frames[begin..], Sender::Server).expect("a frame").expect("its header");
            assert_eq!(answer.unmask(&mut frames[begin..]), payload);
        }
    }

    #[test]
    fn what_a_sender_may_not_send_is_an_error() {
        assert!(Frame::first(&HELLO[..5], Sender::Client).expect("a beginning").is_none());
        assert!(Frame::first(&HELLO, Sender::Server).is_err(), "masked");
        for first in [0x02, 0x80, 0x81, 0x83, 0x88, 0xc2] {
            let mut frame = HELLO;
            frame[0] = first;
            assert!(Frame::first(&frame, Sender::Client).is_err(), "{first:#x}");
        }
        assert!(Frame::first(&[0x82, 1, 7], Sender::Client).is_err(), "not masked");
        let endless = [0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(Frame::first(&endless, Sender::Server).is_err(), "no such length");
    }
}
