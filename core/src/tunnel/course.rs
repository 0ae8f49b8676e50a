//! One direction: what it does, with what only that state has.

use super::held::Held;
use crate::{
    state::{Taken, tunnel},
    time::Tick,
};

/// One direction's bytes, by the side that they come from, and what becomes of them.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) held: Held,
    pub(super) course: Course,
}

/// What a direction does. Which of these follows which, the table in `state::tunnel` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Course {
    /// Bytes are relayed: the source may send more, the sink takes them.
    Flowing(Carried),
    /// The source has ended, and what it had sent is still being delivered.
    Ending(Carried),
    /// The sink takes no more: what the source still sends is read and dropped (C3).
    Discarding(Reading),
    /// The source's bytes are over: all were delivered, or can't be.
    Over(Tail),
}

/// What a direction carries that is still to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Carried {
    /// Bytes in the shell's pipe: taken from the source past the machine, not yet delivered. No pipe holds 4 GiB.
    pub(super) piped: u32,
    /// When the sink last took something, or bytes began to wait for it.
    pub(super) since: Tick,
}

/// Whether what comes in vain is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reading {
    /// It is.
    InVain,
    /// It was, for long enough.
    NoMore,
}

/// What became of the last bytes of a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tail {
    /// The sink's connection took them.
    Sent,
    /// The sink's system has acknowledged them.
    Acknowledged,
    /// The sink takes nothing any more.
    Lost(Reading),
}

impl Course {
    /// Its state in the table.
    pub(super) const fn state(self) -> tunnel::State {
        match self {
            Self::Flowing(_) => tunnel::State::Flowing,
            Self::Ending(_) => tunnel::State::Ending,
            Self::Discarding(_) => tunnel::State::Discarding,
            Self::Over(_) => tunnel::State::Over,
        }
    }

    pub(super) fn permits(self, event: tunnel::Event) -> bool {
        tunnel::Machine::of(self.state()).permits(event)
    }

    /// Goes where the table leads; `false`, and no change, where it has no row.
    #[must_use = "an illegal transition must not go unnoticed"]
    pub(super) fn on(&mut self, event: tunnel::Event, taken: &mut Taken) -> bool {
        let mut machine = tunnel::Machine::of(self.state());
        taken.tunnel(machine, event);
        if !machine.on(event) {
            return false;
        }
        *self = match (machine.state(), *self) {
            (tunnel::State::Ending, Self::Flowing(carried) | Self::Ending(carried)) => Self::Ending(carried),
            (tunnel::State::Discarding, _) => Self::Discarding(Reading::InVain),
            (_, Self::Discarding(reading)) => Self::Over(Tail::Lost(reading)),
            _ if event == tunnel::Event::Delivered => Self::Over(Tail::Sent),
            _ => Self::Over(Tail::Lost(Reading::InVain)),
        };
        debug_assert_eq!(self.state(), machine.state(), "{event:?}");
        true
    }

    pub(super) fn is_flowing(self) -> bool {
        matches!(self, Self::Flowing(_))
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Over(_))
    }

    /// Whether the sink takes nothing any more.
    pub(super) fn is_cut(self) -> bool {
        matches!(self, Self::Discarding(_) | Self::Over(Tail::Lost(_)))
    }

    /// Whether the source isn't read any more, be it that it sends.
    pub(super) fn is_ignored(self) -> bool {
        matches!(self, Self::Discarding(Reading::NoMore) | Self::Over(Tail::Lost(Reading::NoMore)))
    }

    /// Bytes in the shell's pipe.
    pub(super) fn piped(self) -> u32 {
        match self {
            Self::Flowing(carried) | Self::Ending(carried) => carried.piped,
            Self::Discarding(_) | Self::Over(_) => 0,
        }
    }

    /// What it carries, while it delivers.
    pub(super) fn carried(&mut self) -> Option<&mut Carried> {
        match self {
            Self::Flowing(carried) | Self::Ending(carried) => Some(carried),
            Self::Discarding(_) | Self::Over(_) => None,
        }
    }
}
