//! What a tunnel has for a while only: few have any of it at a given moment, so that it costs a quiet one a pointer.

use super::{NEVER, OwnFrame, closing::Closing, stage::Stage};
use crate::{Side, session::Outbox, time::Tick, websocket::FrameViolation};

/// The longest header of a frame: two bytes, a length of eight, a masking key (RFC 6455 §5.2).
pub(super) const HEADER: usize = 14;

#[derive(Clone, Debug)]
pub(super) struct Rare {
    /// What goes to the client in front of the tunnel's bytes: the head that has opened it.
    pub(super) front: Outbox,
    /// Full buffers of bytes that were given up, which may still be on their way, by the side that the bytes came from.
    pub(super) retired: [Option<Box<[u8]>>; 2],
    /// Frames of ours on their way, by the side that gets them.
    pub(super) own: [Option<Box<OwnFrame>>; 2],
    /// The tunnel ends by our own wish.
    pub(super) closing: Option<Closing>,
    /// When a drain is over.
    pub(super) drain: Tick,
    /// When a drain comes to this tunnel.
    pub(super) moment: Tick,
    /// What it waits for besides bytes, and since when.
    pub(super) stage: Stage,
    /// The beginnings of headers that have passed before they were whole, by the side that they came from: as many bytes
    /// as the lane says, and zeros.
    pub(super) partial: [Option<[u8; HEADER]>; 2],
    /// Who has broken RFC 6455 first, and how, until that is told.
    pub(super) violation: Option<(Side, FrameViolation)>,
}

impl Default for Rare {
    fn default() -> Self {
        Self {
            front: Outbox::default(),
            retired: [None, None],
            own: [None, None],
            closing: None,
            drain: NEVER,
            moment: NEVER,
            stage: Stage::Relaying,
            partial: [None, None],
            violation: None,
        }
    }
}

impl Rare {
    /// Whether there is nothing of it any more.
    pub(super) fn is_over(&self) -> bool {
        let Self { front, retired, own, closing, drain, moment, stage, partial, violation } = self;
        front.is_vacant()
            && retired.iter().all(Option::is_none)
            && own.iter().all(Option::is_none)
            && closing.is_none()
            && *drain == NEVER
            && *moment == NEVER
            && *stage == Stage::Relaying
            && *partial == [None, None]
            && violation.is_none()
    }
}
