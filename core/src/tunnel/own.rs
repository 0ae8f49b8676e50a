//! Frames of our own on their way.

use crate::websocket::{ControlFrame, Mask};

/// A frame of ours that goes, or waits to go, to one side. It lies in memory that doesn't move while a shell sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnFrame {
    frame: ControlFrame,
    kind: Kind,
    sent: u8,
}

/// What a frame of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Ping,
    Close,
}

impl OwnFrame {
    pub(super) fn new(frame: ControlFrame, kind: Kind) -> Self {
        Self { frame, kind, sent: 0 }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn frame(&self) -> &ControlFrame {
        &self.frame
    }

    /// What is still to be sent.
    pub(super) fn rest(&self) -> &[u8] {
        self.frame.as_bytes().get(usize::from(self.sent)..).unwrap_or_default()
    }

    /// At most so many bytes of it were sent; says how many these are.
    pub(super) fn sent(&mut self, count: usize) -> usize {
        let count = count.min(self.rest().len());
        self.sent += u8::try_from(count).unwrap_or(0);
        count
    }

    pub(super) fn is_sent(&self) -> bool {
        self.rest().is_empty()
    }
}

/// How many bytes the payload of a Ping of ours has: its number, and what nobody can guess of it.
pub(super) const PING: usize = 4 + UNGUESSABLE;

const UNGUESSABLE: usize = 8;

/// How many bytes the payload of a Pong has that answers one.
pub(crate) const ANSWER: u64 = PING as u64;

/// What Ping number `number` to this side says (G3).
pub(super) fn ping_payload(drawn: [u8; 20], number: u32) -> [u8; PING] {
    let mut payload = [0; PING];
    let bytes = number.to_le_bytes().into_iter().chain(drawn.into_iter().take(UNGUESSABLE));
    payload.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    payload
}

/// The masking key among bytes that nobody can foresee (RFC 6455 §5.3).
pub(super) fn mask(drawn: [u8; 20]) -> Mask {
    let [.., a, b, c, d] = drawn;
    Mask::new([a, b, c, d])
}
