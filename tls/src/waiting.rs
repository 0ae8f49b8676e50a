//! What waits between two calls, and gives its memory back when it goes.

use crate::{
    TlsError,
    connection::Connection,
    record::{self, Seen},
};

/// How long the records may be together that wait for the end of a handshake message: 64 KiB, as the library allows for a
/// message, and one record more.
pub const HANDSHAKE_MAX: usize = (1 << 16) + record::HEADER + record::SEALED_MAX;

/// Bytes that wait: what the library has seen and still needs (a part of a handshake message), then unseen records.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    seen: usize,
}

pub(crate) enum Next {
    Advanced {
        taken: usize,
        closed: bool,
    },
    /// All bytes were taken, and there is no whole record.
    Waiting,
}

impl Held {
    /// What the library has seen and still needs. No call into it goes without.
    pub(crate) fn seen(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.seen]
    }

    /// Takes the next record: from where it is lent, if nothing waits before it.
    pub(crate) fn next(
        &mut self,
        connection: &mut Connection,
        lent: &mut [u8],
        open: &mut dyn FnMut(&[u8]),
        send: &mut Vec<u8>,
    ) -> Result<Next, TlsError> {
        let mut taken = 0;
        loop {
            let waits = !self.bytes.is_empty();
            match record::look(if waits { &self.bytes[self.seen..] } else { lent }, record::SEALED_MAX) {
                Seen::Whole(whole) if waits => {
                    let end = self.seen + whole;
                    let advance = connection.advance(&mut self.bytes[..end], open, send)?;
                    self.forget(end, advance.discard);
                    return self.bounded(connection, Next::Advanced { taken, closed: advance.closed }, send);
                }
                Seen::Whole(whole) => {
                    let advance = connection.advance(&mut lent[..whole], open, send)?;
                    self.bytes.extend_from_slice(&lent[advance.discard..whole]);
                    self.seen = self.bytes.len();
                    return self.bounded(
                        connection,
                        Next::Advanced { taken: whole, closed: advance.closed },
                        send,
                    );
                }
                Seen::Missing(missing) if waits => {
                    let more = missing.min(lent.len() - taken);
                    self.bytes.extend_from_slice(&lent[taken..taken + more]);
                    taken += more;
                    if more < missing {
                        return Ok(Next::Waiting);
                    }
                }
                Seen::Missing(_) => {
                    self.bytes.extend_from_slice(lent);
                    return Ok(Next::Waiting);
                }
                Seen::Bad(error) => {
                    self.complain(connection, send);
                    return Err(error);
                }
            }
        }
    }

    /// The library has seen everything up to `end`, and needs the first `discard` bytes no more.
    fn forget(&mut self, end: usize, discard: usize) {
        if discard == self.bytes.len() {
            *self = Self::default();
        } else {
            self.bytes.drain(..discard);
            self.seen = end - discard;
        }
    }

    fn bounded(
        &mut self,
        connection: &mut Connection,
        next: Next,
        send: &mut Vec<u8>,
    ) -> Result<Next, TlsError> {
        if self.seen <= HANDSHAKE_MAX {
            return Ok(next);
        }
        self.complain(connection, send);
        Err(TlsError::HandshakeTooLong)
    }

    /// Has the library send `decode_error`, sealed if there are keys: it says that for a record of no known type.
    fn complain(&mut self, connection: &mut Connection, send: &mut Vec<u8>) {
        self.bytes.truncate(self.seen);
        self.bytes.extend_from_slice(&[0; record::HEADER]);
        // The error is known already, and a better one.
        let _ = connection.advance(&mut self.bytes, &mut |_| {}, send);
    }
}

/// One record's plaintext that found no room.
#[derive(Default)]
pub(crate) struct Opened {
    bytes: Vec<u8>,
    taken: usize,
}

impl Opened {
    pub(crate) fn left(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Puts what fits of a record into `plain`, keeps the rest, and says how much that was.
    pub(crate) fn put(&mut self, record: &[u8], plain: &mut [u8]) -> usize {
        let fits = if self.is_empty() { record.len().min(plain.len()) } else { 0 };
        plain[..fits].copy_from_slice(&record[..fits]);
        self.bytes.extend_from_slice(&record[fits..]);
        fits
    }

    /// Gives what fits of what was kept.
    pub(crate) fn take(&mut self, plain: &mut [u8]) -> usize {
        let left = self.left();
        let fits = left.len().min(plain.len());
        plain[..fits].copy_from_slice(&left[..fits]);
        self.taken += fits;
        if self.taken == self.bytes.len() {
            *self = Self::default();
        }
        fits
    }
}
