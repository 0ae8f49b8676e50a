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
    /// The tunnel is over: close both connections as [`TunnelReport::ending`] says, and drop it.
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
pub(super) struct Busy(u8);

impl Busy {
    /// Notes, in the order in which they are told.
    pub(super) const OPENED: u8 = 1;
    pub(super) const ILLEGAL: u8 = 1 << 1;
    pub(super) const TIMED_OUT: u8 = 1 << 2;
    pub(super) const CLOSED: u8 = 1 << 3;
    /// Write directions that are to be shut down: the client's, the origin server's.
    const SHUTDOWN: [u8; 2] = [1 << 4, 1 << 5];
    /// It is over.
    pub(super) const DONE: u8 = 1 << 6;
    /// A head is in front of what the client gets. That is no output.
    pub(super) const FRONT: u8 = 1 << 7;

    /// Whether reports can't take the short path.
    #[inline]
    pub(super) fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether there is something to be polled besides waiting.
    #[inline]
    pub(super) fn speaks(self) -> bool {
        self.0 & !Self::FRONT != 0
    }

    #[inline]
    pub(super) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    pub(super) fn set(&mut self, bit: u8) {
        self.0 |= bit;
    }

    pub(super) fn clear(&mut self, bit: u8) {
        self.0 &= !bit;
    }

    /// Takes a bit: whether it was set.
    pub(super) fn take(&mut self, bit: u8) -> bool {
        let had = self.has(bit);
        self.clear(bit);
        had
    }

    pub(super) fn shut_down(&mut self, side: Side) {
        self.set(Self::SHUTDOWN[side.index()]);
    }

    pub(super) fn forget_shutdown(&mut self, side: Side) {
        self.clear(Self::SHUTDOWN[side.index()]);
    }

    pub(super) fn take_shutdown(&mut self) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.take(Self::SHUTDOWN[side.index()]))
    }
}
