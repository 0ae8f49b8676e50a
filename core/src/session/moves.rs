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
        Self::NEVER
    }
}

impl Since {
    const NEVER: Self = Self(Tick(u64::MAX));

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
    pub(super) const NONE: Self = Self {
        arrived: Tick(0),
        read: Tick(0),
        waiting: Since::NEVER,
        delivered: Since::NEVER,
        roomy: Since::NEVER,
    };

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_on_holds_since_it_began() {
        let mut moves = Moves::default();
        assert_eq!((moves.waiting(Tick(3)), moves.roomy()), (Tick(3), None));
        moves.settle(true, false, true, Tick(5));
        moves.settle(true, false, true, Tick(7));
        assert_eq!((moves.waiting(Tick(9)), moves.roomy()), (Tick(5), Some(Tick(5))));
        assert_eq!(moves.delivered(Tick(9)), Tick(9), "it is not, or nobody has looked");
        moves.settle(false, true, false, Tick(10));
        moves.settle(true, true, true, Tick(11));
        assert_eq!((moves.waiting(Tick(12)), moves.roomy()), (Tick(11), Some(Tick(11))));
        assert_eq!(moves.delivered(Tick(12)), Tick(10));
    }

    #[test]
    fn what_is_left_of_a_write_waits_anew() {
        let mut moves = Moves::default();
        moves.settle(true, false, true, Tick(5));
        moves.take();
        moves.settle(true, false, true, Tick(8));
        assert_eq!(moves.waiting(Tick(9)), Tick(8));
    }

    #[test]
    fn the_last_movement_counts() {
        let mut moves = Moves::default();
        moves.arrive(Tick(4));
        moves.read_whole(Tick(6));
        assert_eq!((moves.arrived(), moves.read()), (Tick(4), Tick(6)));
    }
}
