//! What a socket is ready for, and who uses it.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};

use mio::event::Event;

use crate::wake::Source;

/// There may be something to receive, or a client to accept.
const READABLE: u8 = 1;
/// There may be room for what is sent.
const WRITABLE: u8 = 2;
/// The other end has ended its stream or the connection has failed: there is nothing more to wait for.
const ENDED: u8 = 4;

/// Nobody uses the socket.
const NOBODY: u32 = u32::MAX;
/// Added to the index of a listening socket.
const LISTENERS: u32 = 1 << 31;

/// What a socket is ready for, as far as is known, and who uses it. The socket and the selector share it; both belong to one
/// thread at a time, so nothing of it needs an order.
#[derive(Debug)]
pub(super) struct Readiness {
    known: AtomicU8,
    user: AtomicU32,
}

impl Readiness {
    /// Of a connection that nobody has tried yet.
    pub(super) fn ready() -> Self {
        Self { known: AtomicU8::new(READABLE | WRITABLE), user: AtomicU32::new(NOBODY) }
    }

    /// Of a socket that isn't ready yet, and whose user waits until it is.
    pub(super) fn of(source: Source) -> Self {
        let user = match source {
            Source::Session(place) => place,
            Source::Listener(index) => LISTENERS | u32::from(index),
            Source::Timer | Source::Control => NOBODY,
        };
        Self { known: AtomicU8::new(0), user: AtomicU32::new(user) }
    }

    /// The guest at this place uses the connection from now on, or nobody does.
    pub(super) fn set_place(&self, place: Option<u32>) {
        self.user.store(place.unwrap_or(NOBODY), Relaxed);
    }

    /// Learns what the system says. Says who is to be told of it, if it is news.
    pub(super) fn learn(&self, event: &Event) -> Option<Source> {
        let ended = event.is_error() || event.is_read_closed() || event.is_write_closed();
        let mut news = if ended { READABLE | WRITABLE | ENDED } else { 0 };
        news |= if event.is_readable() { READABLE } else { 0 };
        news |= if event.is_writable() { WRITABLE } else { 0 };
        let known = self.known.load(Relaxed);
        self.known.store(known | news, Relaxed);
        let user = self.user.load(Relaxed);
        (known | news != known && user != NOBODY).then(|| match user.checked_sub(LISTENERS) {
            // It came from an index of this size.
            Some(index) => Source::Listener(index as u16),
            None => Source::Session(user),
        })
    }

    pub(super) fn is_readable(&self) -> bool {
        self.known.load(Relaxed) & READABLE != 0
    }

    pub(super) fn is_writable(&self) -> bool {
        self.known.load(Relaxed) & WRITABLE != 0
    }

    pub(super) fn has_ended(&self) -> bool {
        self.known.load(Relaxed) & ENDED != 0
    }

    /// There is nothing to receive: the system says when there is.
    pub(super) fn has_nothing(&self) {
        self.known.store(self.known.load(Relaxed) & !READABLE, Relaxed);
    }

    /// There is no room: the system says when there is.
    pub(super) fn is_full(&self) {
        self.known.store(self.known.load(Relaxed) & !WRITABLE, Relaxed);
    }
}
