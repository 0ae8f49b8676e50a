//! Which connection a report is about, and which one has memory of the session.
//!
//! A session has one connection to its client, and one after the other to origin servers: after a retry, after a stale
//! connection of the pool, with the next exchange. A loop in which reads and writes complete (`io_uring`) may report one
//! of the connection before while there is another. So a connection has a name, a [`Leg`], and each report says of which
//! it is. `Common::takes_report` is the only place that looks at it: it takes back what was lent, and lets nothing in that
//! is of an earlier connection.

use super::{Input, Session};
use crate::Side;

/// A connection of a session: the client's, or the origin server's so manieth.
///
/// Small and copied: a shell keeps it beside the socket that it is the name of. It names a connection within its
/// session only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leg {
    side: Side,
    epoch: Epoch,
}

/// Which of the connections that a side has one after the other: they are counted from 1, with each
/// [`Dial`](crate::Dial) that a session gives out, and zero is the side that has had none. After 2³² connections of one
/// session the numbers begin again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u32);

impl Epoch {
    /// Of a side that has had no connection.
    const NONE: Self = Self(0);

    /// The first of a side.
    pub const FIRST: Self = Self(1);

    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Leg {
    /// The client's connection: a session has one.
    pub const CLIENT: Self = Self { side: Side::Downstream, epoch: Epoch::FIRST };

    /// The origin server's connection of this number. Most shells take the name from the dial instead
    /// ([`Dial::leg`](super::Dial::leg)).
    #[must_use]
    pub const fn origin(epoch: Epoch) -> Self {
        Self { side: Side::Upstream, epoch }
    }

    /// Whose connection it is.
    #[must_use]
    pub const fn side(self) -> Side {
        self.side
    }

    /// Which of this side's connections.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        self.epoch
    }
}

/// The origin server's connection of the moment, and which one has memory.
///
/// Memory is lent to one connection at a time, for each direction: until an earlier one has reported, the present one
/// reads and writes nothing. So nothing needs to be copied or set aside, and what is lent is bounded. The client has one
/// connection, and needs no such care.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Epochs {
    /// Of the last dial that was given out.
    origin: Epoch,
    /// Who was given space to receive into, and has not reported.
    reading: Epoch,
    /// Who was given bytes to send, and has not reported.
    writing: Epoch,
}

/// Who has the memory of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lent {
    ToNobody,
    /// To the connection that there is, or to the last one while there is none.
    Now,
    /// To one before it.
    Earlier,
}

impl Epochs {
    /// The origin server's connection of the moment, or the last one.
    pub(super) fn origin(self) -> Leg {
        Leg::origin(self.origin)
    }

    /// The name of the next connection.
    pub(super) fn next_origin(&mut self) -> Leg {
        self.origin = Epoch(self.origin.0.checked_add(1).unwrap_or(Epoch::FIRST.0));
        self.origin()
    }

    pub(super) fn lend_to_read(&mut self) {
        self.reading = self.origin;
    }

    pub(super) fn lend_to_write(&mut self) {
        self.writing = self.origin;
    }

    /// Takes back the space that this connection was given to receive into; says whether it was.
    pub(super) fn take_back_space(&mut self, leg: Leg) -> bool {
        Self::take_back(&mut self.reading, leg)
    }

    /// The same of the bytes to send.
    pub(super) fn take_back_bytes(&mut self, leg: Leg) -> bool {
        Self::take_back(&mut self.writing, leg)
    }

    fn take_back(lent: &mut Epoch, leg: Leg) -> bool {
        *lent == leg.epoch && std::mem::take(lent) != Epoch::NONE
    }

    pub(super) fn reading(self) -> Lent {
        self.lent(self.reading)
    }

    pub(super) fn writing(self) -> Lent {
        self.lent(self.writing)
    }

    fn lent(self, to: Epoch) -> Lent {
        match to {
            Epoch::NONE => Lent::ToNobody,
            _ if to == self.origin => Lent::Now,
            _ => Lent::Earlier,
        }
    }
}

impl Session {
    /// The connection that this side has now, or had last: for the origin server's, the last one that a dial was given
    /// out for. A shell in which a read or a write ends before it polls again, and which drops the connection at
    /// [`Output::Release`](super::Output::Release), may ask this when it reports. Another one keeps the name that the
    /// dial brought ([`Dial::leg`](super::Dial::leg)).
    #[must_use]
    pub fn connection(&self, side: Side) -> Leg {
        self.common.connection(side)
    }
}

impl Input<'_> {
    /// The connection that a report is of.
    pub(super) fn leg(&self) -> Option<Leg> {
        match *self {
            Self::Received(leg, _) | Self::Sent(leg, _) | Self::Relayed(leg, _) | Self::Acknowledged(leg) => {
                Some(leg)
            }
            _ => None,
        }
    }
}
