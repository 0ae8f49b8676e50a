//! A connection that its session is done with, and that is closed once its socket has taken what waits.

use std::task::{Context, Poll};

use underpass_core::{Draining, Tick};

use super::{Network, Stream as _, secured::Secured};

/// A connection to be closed. It has no session any more, and nothing is read from it.
pub(super) struct Farewell<N: Network> {
    stream: Secured<N::Stream>,
    /// At this time the connection is closed, whatever still waits.
    deadline: Tick,
    generation: u64,
}

impl<N: Network> Farewell<N> {
    pub(super) fn new(stream: Secured<N::Stream>, deadline: Tick, generation: u64) -> Self {
        Self { stream, deadline, generation }
    }

    /// The connection has this place.
    pub(super) fn set_place(&self, place: u32) {
        self.stream.set_place(Some(place));
    }

    /// One turn. Says when the next one is at the latest; none, when the connection is to be closed.
    pub(super) fn turn(&mut self, now: Tick, cx: &mut Context<'_>) -> Option<Tick> {
        match self.stream.poll_flush(cx) {
            Poll::Pending if now < self.deadline => Some(self.deadline),
            // All was sent, or the deadline has come, or the connection has failed.
            Poll::Pending | Poll::Ready(_) => None,
        }
    }

    /// The worker or the configuration ends, and this connection with it.
    pub(super) fn drain(&mut self, why: Draining) {
        self.deadline = why.by(self.deadline);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}
