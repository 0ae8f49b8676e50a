//! A tunnel's life, as both of its ends know it: who ends it and how, what each has sent and received.

use fastrand::Rng;
use std::cell::Cell;
use std::time::Duration;
use tokio::sync::Notify;

/// Whose end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Origin,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// This side ends its stream first; the other sends a last word once it has seen that, and ends its own.
    First(Side),
    /// Both end their streams when they have said everything.
    Together,
    /// This side resets its connection.
    Reset(Side),
}

/// A tunnel's life.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) serial: u64,
    pub(crate) ending: Ending,
    seed: u64,
    /// Messages that each side sends before it ends; no number stands for as many as there is time for.
    messages: [Option<u32>; 2],
    directions: [Direction; 2],
}

/// What goes from one side to the other.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    /// Bytes that were handed to the sender's socket.
    pub(crate) sent: Cell<u64>,
    /// Bytes that have come, each of them verified.
    pub(crate) received: Cell<u64>,
    /// The sender has ended its stream, or has reset its connection.
    pub(crate) is_over: Cell<bool>,
    /// The receiver has seen the end.
    pub(crate) end_seen: Cell<bool>,
    /// Tells the receiver's own sender that.
    pub(crate) seen: Notify,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Origin,
            Self::Origin => Self::Client,
        }
    }
}

impl Life {
    /// The life that belongs to these numbers.
    pub(crate) fn new(seed: u64, serial: u64) -> Self {
        let mut dice = dice(seed, serial, 2);
        let side = if dice.bool() { Side::Client } else { Side::Origin };
        let ending = match dice.u8(0..10) {
            0..5 => Ending::First(side),
            5..7 => Ending::Together,
            _ => Ending::Reset(side),
        };
        // Half of them are over soon.
        let most = if dice.bool() { 3 } else { 40 };
        let messages = [(); 2].map(|()| Some(dice.u32(0..=most)));
        Self { serial, ending, seed, messages, directions: Default::default() }
    }

    /// The same without an end of its own: it goes on until time is up, and ends in order.
    pub(crate) fn lasting(seed: u64, serial: u64) -> Self {
        let mut life = Self::new(seed, serial);
        life.messages = [None; 2];
        if let Ending::Reset(side) = life.ending {
            life.ending = Ending::First(side);
        }
        life
    }

    /// One that ends in this way after so many messages.
    #[cfg(test)]
    pub(crate) fn with(messages: u32, ending: Ending) -> Self {
        Self { ending, messages: [Some(messages); 2], ..Self::new(1, 7) }
    }

    /// What `side` sends.
    pub(crate) fn from(&self, side: Side) -> &Direction {
        &self.directions[side as usize]
    }

    /// The seed of the bytes that `side` sends.
    pub(crate) fn pattern(&self, side: Side) -> u64 {
        // Seeds lie far apart, so that two lives never have one in common.
        (self.seed << 48) ^ (self.serial << 1) ^ side as u64
    }

    /// The traffic of one side.
    pub(crate) fn traffic(&self, side: Side) -> Traffic {
        let dice = dice(self.seed, self.serial, side as u64);
        Traffic { dice, left: self.messages[side as usize] }
    }

    pub(crate) fn is_reset(&self) -> bool {
        matches!(self.ending, Ending::Reset(_))
    }

    /// What a life that doesn't end looks like.
    pub(crate) fn describe(&self) -> String {
        let direction = |side| {
            let Direction { sent, received, is_over, end_seen, .. } = self.from(side);
            let (sent, received) = (sent.get(), received.get());
            format!(
                "{side:?}: sent {sent} received {received} over {} seen {}",
                is_over.get(),
                end_seen.get()
            )
        };
        let (up, down) = (direction(Side::Client), direction(Side::Origin));
        format!("tunnel {} ({:?}; {up}; {down})", self.serial, self.ending)
    }
}

fn dice(seed: u64, serial: u64, part: u64) -> Rng {
    // Neighbouring seeds give this generator neighbouring first numbers.
    let mut dice = Rng::with_seed((seed << 40) ^ (serial << 2) ^ part);
    let again = dice.u64(..);
    dice.seed(again);
    dice
}

/// Messages, pauses between them, and how eagerly the other side's are read.
#[derive(Debug)]
pub(crate) struct Traffic {
    dice: Rng,
    left: Option<u32>,
}

impl Traffic {
    /// The pause before the next message and its length; `None` when all is said.
    pub(crate) fn next(&mut self) -> Option<(Duration, usize)> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let pause = if self.dice.u8(0..5) == 0 { 0 } else { self.dice.u64(0..2_000) };
        Some((Duration::from_millis(pause), self.length()))
    }

    /// Mostly a chat's messages, some files: a few don't fit into any buffer on the way.
    pub(crate) fn length(&mut self) -> usize {
        match self.dice.u8(0..20) {
            0 => self.dice.usize(16 << 10..128 << 10),
            1..6 => self.dice.usize(512..16 << 10),
            _ => self.dice.usize(1..512),
        }
    }

    /// How long a receiver does something else before it reads on; mostly it doesn't.
    pub(crate) fn distraction(&mut self) -> Option<Duration> {
        (self.dice.u8(0..16) == 0).then(|| Duration::from_millis(self.dice.u64(1..200)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Life, Side};

    #[test]
    fn a_life_follows_from_its_numbers() {
        let told = |serial| {
            let life = Life::new(1, serial);
            let mut traffic = life.traffic(Side::Client);
            (life.ending, std::iter::from_fn(|| traffic.next()).collect::<Vec<_>>())
        };
        assert_eq!(told(3), told(3));
        assert_ne!(told(3).1, told(4).1);
    }

    #[test]
    fn every_ending_comes_up() {
        let endings: Vec<_> = (0..200).map(|serial| Life::new(1, serial).ending).collect();
        for side in [Side::Client, Side::Origin] {
            assert!(endings.contains(&Ending::First(side)) && endings.contains(&Ending::Reset(side)));
        }
        assert!(endings.contains(&Ending::Together));
    }

    #[test]
    fn no_two_directions_share_a_pattern() {
        let mut seeds: Vec<_> = (0..1000)
            .map(|serial| Life::new(1, serial))
            .flat_map(|life| [Side::Client, Side::Origin].map(|side| life.pattern(side)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 2000);
    }
}
