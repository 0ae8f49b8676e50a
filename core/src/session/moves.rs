//! When the bytes of one direction moved, and since when they don't: what deadlines count from.

use crate::time::Tick;

/// When the bytes of one direction last moved, and since when they don't.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moves {
    arrived: Tick,
    read: Tick,
    waiting: Since,
    delivered: Since,
    roomy: Since,
}

/// Since when something holds; the end of time while it doesn't.
#[derive(Clone, Copy, Debug)]
struct Since(Tick);

impl Default for Since {
    fn default() -> Self {
        Self(Tick(u64::MAX))
    }
}

impl Since {
    fn hold(&mut self, holds: bool, now: Tick) {
        self.0 = if holds { self.0.min(now) } else { Self::default().0 };
    }

    fn held(self) -> Option<Tick> {
        (self.0 != Self::default().0).then_some(self.0)
    }

    /// What nobody has looked at yet holds from now on.
    fn or_now(self, now: Tick) -> Tick {
        self.0.min(now)
    }
}

impl Moves {
    /// Bytes came from the source.
    pub(super) fn arrive(&mut self, now: Tick) {
        self.arrived = now;
    }

    /// A message, or its head, was read to its end.
    pub(super) fn read_whole(&mut self, now: Tick) {
        self.read = now;
    }

    /// The sink has taken bytes: what is left waits from now on.
    pub(super) fn take(&mut self) {
        self.waiting = Since::default();
    }

    /// What holds after an input.
    pub(super) fn settle(&mut self, waits: bool, is_delivered: bool, has_room: bool, now: Tick) {
        self.waiting.hold(waits, now);
        self.delivered.hold(is_delivered, now);
        self.roomy.hold(has_room, now);
    }

    /// When bytes last came.
    pub(super) fn arrived(self) -> Tick {
        self.arrived
    }

    /// When a message or its head was last read to its end.
    pub(super) fn read(self) -> Tick {
        self.read
    }

    /// Since when bytes have waited for the sink, or since it last took any.
    pub(super) fn waiting(self, now: Tick) -> Tick {
        self.waiting.or_now(now)
    }

    /// Since when all that came has been sent.
    pub(super) fn delivered(self, now: Tick) -> Tick {
        self.delivered.or_now(now)
    }

    /// Since when there has been room for more.
    pub(super) fn roomy(self) -> Option<Tick> {
        self.roomy.held()
    }
}
