//! What a peer has still to send.

use super::network::{EndOf, Network};

/// Bytes that go out in pieces, with pauses between them.
#[derive(Debug, Default)]
pub(super) struct Sender {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
    pause: u64,
    /// The next piece goes then.
    not_before: u64,
    /// They belong to a tunnel.
    is_stream: bool,
    /// Bytes of a tunnel that were sent.
    pub(super) streamed: usize,
}

impl Sender {
    pub(super) fn begin(&mut self, bytes: Vec<u8>, piece: usize, pause: u64) {
        // Enough is enough.
        let piece = if piece == 0 { 0 } else { piece.max(bytes.len() / 200) };
        *self = Self { bytes, piece, pause, streamed: self.streamed, ..Self::default() };
    }

    pub(super) fn begin_stream(&mut self, bytes: Vec<u8>) {
        self.begin(bytes, 0, 0);
        self.is_stream = true;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn stop(&mut self) {
        self.begin(Vec::new(), 0, 0);
    }

    /// Sends what can be sent; says when to go on, if time has to pass before.
    pub(super) fn send(&mut self, network: &mut Network, end: EndOf, now: u64) -> Option<u64> {
        while !self.is_idle() {
            if now < self.not_before {
                return Some(self.not_before);
            }
            let rest = &self.bytes[self.at..];
            let count = if self.piece == 0 { rest.len() } else { self.piece.min(rest.len()) };
            match network.write(end, std::iter::once(&rest[..count]), usize::MAX, now) {
                Ok(count) => {
                    self.at += count;
                    self.streamed += if self.is_stream { count } else { 0 };
                    if self.piece > 0 && self.pause > 0 {
                        self.not_before = now + self.pause;
                    }
                }
                // It goes on when there is room, or never: the end of the connection is seen by reading.
                Err(fault) if fault.is_transient() => return None,
                Err(_) => self.stop(),
            }
        }
        None
    }
}
