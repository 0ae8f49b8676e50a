//! The far end of a connection: a client or an origin server, scripted from outside.

use std::{collections::VecDeque, io::ErrorKind};

use underpass_core::{Ending, Fault};

/// What a scripted peer's socket does next towards the proxy. One read gets one segment at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Bytes(Vec<u8>),
    End,
    Fail(Fault),
}

/// One connection, seen from the peer.
#[derive(Clone, Debug)]
pub struct End {
    sending: VecDeque<Segment>,
    /// Bytes that came from the proxy.
    received: Vec<u8>,
    /// How many bytes more the proxy may write before its writes would block.
    window: usize,
    /// What the proxy did to its direction.
    saw: Option<Ending>,
    /// Writing to this peer fails, and so.
    refusal: Option<ErrorKind>,
}

impl Default for End {
    fn default() -> Self {
        Self { sending: VecDeque::new(), received: Vec::new(), window: usize::MAX, saw: None, refusal: None }
    }
}

/// What the script does.
impl End {
    /// Sends bytes, to be read in one piece where there is space for them.
    pub fn send(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.sending.push_back(Segment::Bytes(bytes.to_vec()));
        }
    }

    /// Shuts its own direction down.
    pub fn end(&mut self) {
        self.sending.push_back(Segment::End);
    }

    /// Resets: what it had sent and was not read is lost.
    pub fn reset(&mut self) {
        self.sending.clear();
        self.sending.push_back(Segment::Fail(ErrorKind::ConnectionReset.into()));
        self.refusal = Some(ErrorKind::BrokenPipe);
        self.saw.get_or_insert(Ending::Reset);
    }

    /// From now on writing to it fails; what it has sent can still be read.
    pub fn refuse(&mut self) {
        self.refusal = Some(ErrorKind::BrokenPipe);
    }

    /// Resets behind what it has sent, which can still be read. As the system does, it tells that once: after a write
    /// that was told, reads find what had come, and then an end.
    pub fn reset_behind(&mut self) {
        self.sending.push_back(Segment::Fail(ErrorKind::ConnectionReset.into()));
        self.refusal = Some(ErrorKind::ConnectionReset);
    }

    /// From now on so many bytes more are taken; `usize::MAX` for no limit.
    pub fn set_window(&mut self, window: usize) {
        self.window = window;
    }

    /// Everything that came.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Whether the proxy has ended its direction, and how.
    #[must_use]
    pub fn saw(&self) -> Option<Ending> {
        self.saw
    }

    /// Bytes that it has sent and nobody has read.
    #[must_use]
    pub fn unread(&self) -> Vec<u8> {
        let bytes = self.sending.iter().filter_map(|segment| match segment {
            Segment::Bytes(bytes) => Some(bytes.as_slice()),
            Segment::End | Segment::Fail(_) => None,
        });
        bytes.flatten().copied().collect()
    }

    /// What remains of the script's sending, and the window, as a value that can be compared.
    #[must_use]
    pub fn state(&self) -> impl std::hash::Hash + Eq + Clone + std::fmt::Debug + use<> {
        (self.sending.clone(), self.window, self.saw.is_some(), self.refusal)
    }
}

/// What the proxy's shell does.
impl End {
    /// Whether a read would bring something.
    pub(super) fn is_readable(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Whether a write would come to something.
    pub(super) fn takes(&self) -> bool {
        self.window > 0 || self.refusal.is_some()
    }

    /// Whether a read would bring bytes.
    pub(super) fn has_bytes(&self) -> bool {
        matches!(self.sending.front(), Some(Segment::Bytes(_)))
    }

    /// A reset that a socket would show in passing.
    pub(super) fn failure(&self) -> Option<Fault> {
        match self.sending.front() {
            Some(Segment::Fail(fault)) => Some(*fault),
            _ => None,
        }
    }

    /// Whether nothing that was sent to it is still under way: it is, to a peer that takes nothing more.
    pub(super) fn has_acknowledged(&self) -> bool {
        self.window > 0
    }

    /// One `recv`.
    pub(super) fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        let is_last = self.sending.len() == 1;
        match self.sending.front_mut() {
            None => Err(Fault::WOULD_BLOCK),
            Some(Segment::Fail(fault)) => Err(*fault),
            // The end of a stream can be read again and again.
            Some(Segment::End) if is_last => Ok(0),
            Some(Segment::End) => {
                self.sending.pop_front();
                self.read(space)
            }
            Some(Segment::Bytes(bytes)) => {
                let count = bytes.len().min(space.len());
                space[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                if bytes.is_empty() {
                    self.sending.pop_front();
                }
                Ok(count)
            }
        }
    }

    /// One vectored `send`.
    pub(super) fn write<'a>(&mut self, slices: impl Iterator<Item = &'a [u8]>) -> Result<usize, Fault> {
        if let Some(refusal) = self.refusal {
            if let Some(last @ Segment::Fail(_)) = self.sending.back_mut()
                && refusal == ErrorKind::ConnectionReset
            {
                *last = Segment::End;
            }
            return Err(refusal.into());
        }
        assert!(self.saw.is_none(), "the proxy writes to a direction that it has ended");
        let mut count = 0;
        for slice in slices {
            let taken = slice.len().min(self.window);
            self.received.extend_from_slice(&slice[..taken]);
            if self.window != usize::MAX {
                self.window -= taken;
            }
            count += taken;
        }
        if count == 0 { Err(Fault::WOULD_BLOCK) } else { Ok(count) }
    }

    /// The proxy's `shutdown(WRITE)`.
    pub(super) fn shut_down(&mut self) {
        self.saw.get_or_insert(Ending::Fin);
    }

    /// The proxy's `close`. Input that it has not read turns an orderly one into a reset, as in TCP.
    pub(super) fn close(&mut self, ending: Ending) {
        let ending = if self.has_bytes() { Ending::Reset } else { ending };
        match self.saw {
            Some(Ending::Fin) if ending == Ending::Reset => self.saw = Some(Ending::Reset),
            Some(_) => {}
            None => self.saw = Some(ending),
        }
        self.refusal = Some(ErrorKind::BrokenPipe);
    }
}
