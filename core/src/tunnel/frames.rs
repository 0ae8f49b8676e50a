//! What is known of the frames in a tunnel of WebSocket (G1, G2).

use super::{FrameCount, secret::Seed};
use crate::{Side, websocket::FrameScanner};

/// Frames in both directions, by the side that they come from.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    pub(super) lanes: [Lane; 2],
    pub(super) seed: Seed,
}

/// Frames that come from one side.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) scanner: FrameScanner,
    pub(super) count: FrameCount,
    /// The code of the Close that this side has sent, once it has; 1005 when that had none.
    pub(super) code: u16,
    pub(super) sight: Sight,
    /// The frame under way is a control frame.
    pub(super) in_control: bool,
    /// So many bytes of a header that isn't whole have passed.
    pub(super) ahead: u8,
}

/// What becomes of the bytes of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sight {
    /// Frames are looked at and go on.
    Relays,
    /// Bytes go on as they are: frames can't be told any more (G2).
    Blind,
    /// Frames are looked at and dropped, while a Close of theirs is awaited (G5).
    Drops,
    /// Bytes are dropped as they are.
    DropsBlindly,
}

impl Frames {
    pub(super) fn new(seed: Seed) -> Self {
        let lane = |from| Lane {
            scanner: FrameScanner::new(from),
            count: FrameCount::default(),
            code: 0,
            sight: Sight::Relays,
            in_control: false,
            ahead: 0,
        };
        Self { lanes: Side::BOTH.map(lane), seed }
    }

    #[inline]
    pub(super) fn lane(&self, from: Side) -> &Lane {
        &self.lanes[from.index()]
    }

    #[inline]
    pub(super) fn lane_mut(&mut self, from: Side) -> &mut Lane {
        &mut self.lanes[from.index()]
    }

    /// Whether the frames of this side can't be told.
    pub(super) fn is_blind(&self, from: Side) -> bool {
        matches!(self.lane(from).sight, Sight::Blind | Sight::DropsBlindly)
    }

    /// Whether frames of ours may be put in: not where the tunnel has gone blind (G2).
    pub(super) fn takes_ours(&self) -> bool {
        self.lanes.iter().all(|lane| !matches!(lane.sight, Sight::Blind))
    }
}

impl Lane {
    /// Counts frames that were taken from the front of what has come.
    #[inline]
    pub(super) fn counts(&mut self, frames: usize, messages: usize) {
        self.count.frames += frames as u64;
        self.count.messages += messages as u64;
    }

    /// The code of the Close that this side has sent; 1005 when that had none.
    pub(super) fn close(&self) -> Option<u16> {
        self.has_closed().then_some(self.code)
    }

    /// Whether this side has sent a Close.
    #[inline]
    pub(super) fn has_closed(&self) -> bool {
        self.scanner.has_close()
    }

    /// A Close with this code is taken.
    pub(super) fn closes(&mut self, code: u16) {
        self.code = code;
    }

    /// Nothing of it goes on any more; its Close is still looked for, where that can be told.
    pub(super) fn stops(&mut self, looks_on: bool) {
        self.sight = match self.sight {
            Sight::Relays | Sight::Drops if looks_on && self.ahead == 0 => Sight::Drops,
            _ => Sight::DropsBlindly,
        };
    }

    /// The frames can't be told any more.
    pub(super) fn goes_blind(&mut self) {
        self.ahead = 0;
        self.sight = match self.sight {
            Sight::Relays | Sight::Blind => Sight::Blind,
            Sight::Drops | Sight::DropsBlindly => Sight::DropsBlindly,
        };
    }

    /// How many bytes may be moved unseen.
    #[inline]
    pub(super) fn relays(&self) -> u64 {
        match self.sight {
            Sight::Relays => self.scanner.left(),
            Sight::Blind => u64::MAX,
            Sight::Drops | Sight::DropsBlindly => 0,
        }
    }

    /// So many bytes were moved unseen.
    pub(super) fn skips(&mut self, count: u64) {
        if self.sight == Sight::Relays {
            self.scanner.skip(count);
        }
    }

    /// Whether a frame of ours may be put behind what has passed.
    #[inline]
    pub(super) fn is_at_boundary(&self) -> bool {
        self.ahead == 0 && self.scanner.is_at_boundary()
    }
}
