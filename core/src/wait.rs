//! Values that sessions and tunnels share with a shell: their waits, bytes moved past them, the end of a connection.

use crate::{Side, time::Tick};

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// In order.
    Fin,
    /// With a reset (`SO_LINGER` of zero).
    Reset,
}

/// What a session waits for: the only source of the deadline, of read and write interest, and of
/// permission to relay past the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Call [`crate::Session::handle_timeout`] then; absent: nothing is timed. One that has passed means: at once.
    pub deadline: Option<Tick>,
    /// How many bytes may be moved past the session, by the side that they come from.
    relays: [u64; 2],
    interest: u8,
}

const READ: u8 = 0;

const WRITE: u8 = 2;

const ACKNOWLEDGE: u8 = 4;

impl Wait {
    pub(crate) fn new(deadline: Option<Tick>) -> Self {
        Self { deadline, relays: [0; 2], interest: 0 }
    }

    pub(crate) fn read(&mut self, from: Side, wanted: bool) {
        self.set(READ, from, wanted);
    }

    pub(crate) fn write(&mut self, to: Side, wanted: bool) {
        self.set(WRITE, to, wanted);
    }

    pub(crate) fn relay(&mut self, from: Side, count: u64) {
        self.relays[from.index()] = count;
    }

    pub(crate) fn acknowledge(&mut self, to: Side, wanted: bool) {
        self.set(ACKNOWLEDGE, to, wanted);
    }

    /// Whether bytes from this side are wanted.
    #[must_use]
    pub fn reads(self, from: Side) -> bool {
        self.has(READ, from)
    }

    /// Whether there are bytes for this side.
    #[must_use]
    pub fn writes(self, to: Side) -> bool {
        self.has(WRITE, to)
    }

    /// How many bytes from this side may be moved to the other without passing through the session (`splice`),
    /// reported with [`crate::Session::handle_relayed`]: what is left of a frame, or [`u64::MAX`] where nobody looks at
    /// frames. Once bytes from this side were reported as received the permission is over: they go first.
    #[must_use]
    pub fn relays(self, from: Side) -> u64 {
        self.relays[from.index()]
    }

    /// Whether the system of this side's peer has acknowledged all that was sent is to be found out now, and when it
    /// has, reported with [`crate::Session::handle_acknowledged`] (Linux: `SIOCOUTQ` of zero). The deadline says when
    /// to look again, and bounds the wait for a shell that can't tell.
    #[must_use]
    pub fn acknowledges(self, to: Side) -> bool {
        self.has(ACKNOWLEDGE, to)
    }

    fn set(&mut self, kind: u8, side: Side, on: bool) {
        self.interest |= u8::from(on) << (kind + side as u8);
    }

    fn has(self, kind: u8, side: Side) -> bool {
        self.interest & (1 << (kind + side as u8)) != 0
    }
}

/// Bytes moved past the session: out of one socket into the shell's pipe, out of the pipe into the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Relayed {
    /// Bytes taken from the source.
    pub taken: u64,
    /// Bytes delivered to the other side.
    pub delivered: u64,
}
