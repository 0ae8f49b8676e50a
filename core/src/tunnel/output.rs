//! What a tunnel asks of its shell.

use super::TunnelReport;
use crate::{Note, Side, Wait};

/// What to do next. Poll until [`TunnelOutput::Wait`] or [`TunnelOutput::Done`].
///
/// Exhaustive on purpose: a shell that forgets one doesn't compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a tunnel that isn't obeyed stands still"]
pub enum TunnelOutput {
    /// Shut down the write direction of this side's connection.
    Shutdown(Side),
    /// Something for a log: that the tunnel has opened, which timer fired, who has closed it.
    Note(Note),
    /// It is time for a line about the tunnel's progress ([`TunnelSettings::log_every`](crate::TunnelSettings)).
    Progress,
    /// Nothing to do until one of these happens.
    Wait(Wait),
    /// The tunnel is over: close each connection as its side's [`SideReport::ending`](crate::SideReport::ending) says, and drop
    /// it.
    Done(TunnelReport),
}

/// What is polled once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    Shutdown(Side),
    Note(Note),
    Progress,
}

impl From<Said> for TunnelOutput {
    fn from(said: Said) -> Self {
        match said {
            Said::Shutdown(side) => Self::Shutdown(side),
            Said::Note(note) => Self::Note(note),
            Said::Progress => Self::Progress,
        }
    }
}

/// What waits to be polled, and what keeps reports from taking the short path: one word, which is zero while bytes
/// flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Busy(u16);

impl Busy {
    /// Notes, in the order in which they are told.
    pub(super) const OPENED: u16 = 1;
    pub(super) const ILLEGAL: u16 = 1 << 1;
    pub(super) const VIOLATED: u16 = 1 << 2;
    pub(super) const TIMED_OUT: u16 = 1 << 3;
    pub(super) const CLOSED: u16 = 1 << 4;
    /// A line about its progress is due.
    pub(super) const PROGRESS: u16 = 1 << 5;
    /// Write directions that are to be shut down: the client's, the origin server's.
    const SHUTDOWN: [u16; 2] = [1 << 6, 1 << 7];
    /// It is over.
    pub(super) const DONE: u16 = 1 << 8;

    // These are no output.

    /// A head is in front of what the client gets.
    pub(super) const FRONT: u16 = 1 << 9;
    /// A frame of ours is on its way, or waits for its place.
    pub(super) const OWN: u16 = 1 << 10;
    /// It is being ended by our own wish.
    pub(super) const CLOSING: u16 = 1 << 11;
    /// What comes has a rate.
    pub(super) const PACED: u16 = 1 << 12;
    /// A side that isn't read, for its rate's sake: the client, the origin server.
    const PAUSED: [u16; 2] = [1 << 13, 1 << 14];
    /// The client isn't read, for it sends too many messages.
    pub(super) const TOO_SOON: u16 = 1 << 15;

    /// Time alone may permit a side to be read again.
    pub(super) const RATED: u16 = Self::PACED | Self::TOO_SOON;

    /// Whether reports can't take the short path.
    #[inline]
    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether there is something to be polled besides waiting.
    #[inline]
    pub(super) fn speaks(self) -> bool {
        self.0 & (Self::FRONT - 1) != 0
    }

    #[inline]
    pub(super) fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }

    pub(super) fn set(&mut self, bit: u16) {
        self.0 |= bit;
    }

    pub(super) fn clear(&mut self, bit: u16) {
        self.0 &= !bit;
    }

    /// Takes a bit: whether it was set.
    pub(super) fn take(&mut self, bit: u16) -> bool {
        let had = self.has(bit);
        self.clear(bit);
        had
    }

    /// Whether a side isn't read for the sake of a rate.
    #[inline]
    pub(super) fn is_paused(self, side: Side) -> bool {
        self.has(Self::PAUSED[side.index()]) || (side == Side::Downstream && self.has(Self::TOO_SOON))
    }

    /// Whether any side isn't read for the sake of a rate.
    #[inline]
    pub(super) fn holds_back(self) -> bool {
        self.0 & (Self::PAUSED[0] | Self::PAUSED[1] | Self::TOO_SOON) != 0
    }

    /// Whether a side isn't read for the sake of a rate of bytes.
    #[inline]
    pub(super) fn is_paced(self, side: Side) -> bool {
        self.has(Self::PAUSED[side.index()])
    }

    pub(super) fn pause(&mut self, side: Side, pauses: bool) {
        match pauses {
            true => self.set(Self::PAUSED[side.index()]),
            false => self.clear(Self::PAUSED[side.index()]),
        }
    }

    pub(super) fn shut_down(&mut self, side: Side) {
        self.set(Self::SHUTDOWN[side.index()]);
    }

    pub(super) fn take_shutdown(&mut self) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.take(Self::SHUTDOWN[side.index()]))
    }
}
