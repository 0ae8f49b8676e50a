//! Lines that wait to be written.

use std::{
    collections::TryReserveError,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::outlet::{Identity, Outlet};

/// So much memory a log keeps for lines that come, and as much for lines that are written, or the size of its buffer. What a
/// burst needed beyond it is given back.
const KEPT: usize = 32 << 10;

/// Bytes that the lines of all logs may have together while they wait (`log_queue`).
#[derive(Debug)]
pub(super) struct Room {
    size: AtomicUsize,
    used: AtomicUsize,
}

impl Room {
    pub(super) fn new(size: usize) -> Self {
        Self { size: AtomicUsize::new(size), used: AtomicUsize::new(0) }
    }

    pub(super) fn resize(&self, size: usize) {
        self.size.store(size, Ordering::Relaxed);
    }

    /// Takes room for one who has `has` of it already. Nobody may have more than stays free: one log that stands
    /// still has half of the room, two a third each, and some is always left for the others.
    fn take(&self, has: usize, more: usize) -> bool {
        let size = self.size.load(Ordering::Relaxed);
        let fits = |used: usize| {
            let after = used.checked_add(more)?;
            (has + more <= size.saturating_sub(used)).then_some(after)
        };
        more == 0 || self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How a log that has `buffer=` holds lines back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Buffering {
    /// Lines of so many bytes together are held back.
    pub(super) size: usize,
    /// For at most so long.
    pub(super) flush: Option<Duration>,
}

/// The lines of one log that nobody has written yet.
///
/// Those at the front are due, as far as `due`; the others are held back by a buffer. What is due and what is being
/// written takes room, beyond what the buffer has of its own.
#[derive(Debug)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    due: usize,
    /// Bytes that the writer has taken and not yet written.
    taken: usize,
    buffering: Buffering,
    /// When what is held back becomes due.
    flush_at: Option<Instant>,
    /// What the latest outlet is, where that can be told.
    latest: Option<Identity>,
    /// The outlet that takes the place of the present one, and how many of the bytes go to that first.
    next: Option<(usize, Outlet)>,
    /// Whether the writer knows that there is something to do.
    pub(super) is_listed: bool,
    /// Lines that were lost, and not told.
    pub(super) untold: u64,
    /// Lines that were lost since the log was opened.
    pub(super) lost: u64,
}

impl Pending {
    /// The memory of a buffer is taken at once: where there is too little, a configuration isn't used.
    ///
    /// # Errors
    /// When there is not as much memory.
    pub(super) fn new(buffering: Buffering, outlet: Option<Identity>) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(buffering.size)?;
        Ok(Self {
            bytes,
            due: 0,
            taken: 0,
            buffering,
            flush_at: None,
            latest: outlet,
            next: None,
            is_listed: false,
            untold: 0,
            lost: 0,
        })
    }

    /// Adds a line of `length` bytes, which `write` appends. Whether there was room for it.
    pub(super) fn add(&mut self, length: usize, room: &Room, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let held = self.bytes.len() - self.due;
        let is_held = length < self.buffering.size;
        // What comes in front of a line that doesn't fit beside it is due first.
        let lets_go = if is_held && held + length <= self.buffering.size { 0 } else { held };
        let due = lets_go + if is_held { 0 } else { length };
        if self.bytes.try_reserve(length).is_err() || !self.charge(due, room) {
            return false;
        }
        self.due += lets_go;
        if self.due == self.bytes.len() {
            self.flush_at = None;
        }
        write(&mut self.bytes);
        if !is_held {
            self.due = self.bytes.len();
        } else if self.flush_at.is_none() {
            self.flush_at = self.buffering.flush.map(|after| Instant::now() + after);
        }
        true
    }

    /// Makes what is held back due. A line that finds no room stays held.
    pub(super) fn flush(&mut self, room: &Room) {
        if self.charge(self.bytes.len() - self.due, room) {
            self.due = self.bytes.len();
            self.flush_at = None;
        }
    }

    /// Takes room for bytes that become due.
    fn charge(&self, bytes: usize, room: &Room) -> bool {
        let (before, after) = (self.charged(0), self.charged(bytes));
        room.take(before, after - before)
    }

    /// What the lines that are due take of the room, with so many more.
    fn charged(&self, more: usize) -> usize {
        (self.due + self.taken + more).saturating_sub(self.buffering.size)
    }

    /// Gives the writer all that is due and goes to the present outlet. `into` is empty; its memory is used for the
    /// lines that come next.
    pub(super) fn take(&mut self, into: &mut Vec<u8>) {
        into.shrink_to(self.buffering.size.max(KEPT));
        let due = self.next.as_ref().map_or(self.due, |(first, _)| self.due.min(*first));
        if due == 0 {
            return;
        }
        std::mem::swap(&mut self.bytes, into);
        self.bytes.extend_from_slice(into.get(due..).unwrap_or_default());
        into.truncate(due);
        self.due -= due;
        self.taken += due;
        if let Some((first, _)) = &mut self.next {
            *first -= due;
        }
    }

    /// So many of the bytes that were taken are written, or lost.
    pub(super) fn settle(&mut self, bytes: usize, room: &Room) {
        let before = self.charged(0);
        self.taken -= bytes;
        room.give_back(before - self.charged(0));
    }

    /// The outlet to go on with, once nothing is left for the present one.
    pub(super) fn next_outlet(&mut self, is_stuck: bool) -> Option<Outlet> {
        match &self.next {
            Some((first, _)) if *first == 0 || is_stuck => self.next.take().map(|(_, outlet)| outlet),
            _ => None,
        }
    }

    /// Lines that come from now on go to `outlet`. When an earlier one still waits for its turn, the lines that came
    /// since then go to this one. Where `outlet` is the same file as before, it isn't needed.
    pub(super) fn switch(&mut self, outlet: Outlet, room: &Room) {
        self.flush(room);
        let identity = outlet.identity();
        if identity == self.latest {
            return;
        }
        self.latest = identity;
        let first = self.next.as_ref().map_or(self.bytes.len(), |(first, _)| *first);
        self.next = Some((first, outlet));
    }

    /// Whether the writer has something to do at once.
    pub(super) fn is_due(&self) -> bool {
        self.due > 0 || self.next.is_some()
    }

    /// Whether nothing waits, held back or not.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.taken == 0 && self.next.is_none()
    }

    /// Bytes of lines that are not written.
    pub(super) fn unwritten(&self) -> usize {
        self.bytes.len() + self.taken
    }

    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    pub(super) fn lose(&mut self, lines: u64) {
        self.untold += lines;
        self.lost += lines;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unbuffered() -> Pending {
        Pending::new(Buffering::default(), None).expect("no memory is needed")
    }

    fn add(pending: &mut Pending, line: &[u8], room: &Room) -> bool {
        pending.add(line.len(), room, |bytes| bytes.extend_from_slice(line))
    }

    #[test]
    fn what_a_burst_needed_is_given_back() {
        let room = Room::new(1 << 20);
        let mut pending = unbuffered();
        let line = vec![b'x'; 1000];
        for _ in 0..200 {
            assert!(add(&mut pending, &line, &room));
        }
        let mut writing = Vec::new();
        // The burst is taken, written, and the memory that it needed goes with the next look.
        for _ in 0..2 {
            pending.take(&mut writing);
            pending.settle(writing.len(), &room);
            writing.clear();
        }
        pending.take(&mut writing);
        assert!(pending.bytes.capacity() <= KEPT && writing.capacity() <= KEPT);
    }

    #[test]
    fn a_log_that_stands_still_leaves_room_for_others() {
        let room = Room::new(1200);
        let fill = |pending: &mut Pending| (0..).take_while(|_| add(pending, b"0123456789", &room)).count();
        let (mut first, mut second, mut third) = (unbuffered(), unbuffered(), unbuffered());
        assert_eq!(fill(&mut first), 60, "half");
        assert_eq!(fill(&mut second), 30, "half of what was left");
        assert_eq!(fill(&mut third), 15);
        let mut written = Vec::new();
        first.take(&mut written);
        assert!(!add(&mut first, b"0123456789", &room), "what is being written has its room");
        first.settle(written.len(), &room);
        assert_eq!(fill(&mut third), 30, "beside 30 of the second, as many as stay free");
        for (pending, lines) in [(&mut second, 30), (&mut third, 45)] {
            let mut written = Vec::new();
            pending.take(&mut written);
            assert_eq!(written.len(), lines * 10);
            pending.settle(written.len(), &room);
        }
        assert_eq!(room.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_buffer_has_its_own_room() {
        let room = Room::new(5);
        let mut pending = Pending::new(Buffering { size: 10, flush: None }, None).expect("memory");
        let mut written = Vec::new();
        assert!(add(&mut pending, b"1234\n", &room) && add(&mut pending, b"5678\n", &room));
        pending.take(&mut written);
        assert!(written.is_empty() && !pending.is_due(), "ten bytes fit");
        assert!(add(&mut pending, b"9\n", &room));
        pending.take(&mut written);
        assert_eq!(written, b"1234\n5678\n", "what doesn't fit makes room");
        assert!(add(&mut pending, b"abc\n", &room));
        assert!(!add(&mut pending, b"efghi\n", &room), "six more bytes would be due");
        assert!(add(&mut pending, b"k\n", &room), "the buffer still has room");
        pending.settle(10, &room);
        assert!(add(&mut pending, b"efghi\n", &room));
        let mut written = Vec::new();
        pending.take(&mut written);
        assert_eq!(written, b"9\nabc\nk\n", "in their order");
        assert!(!add(&mut pending, b"longer than the buffer\n", &room), "it has room of all logs");
    }

    #[test]
    fn memory_is_used_again() {
        let room = Room::new(1 << 20);
        let mut pending = unbuffered();
        let mut written = Vec::new();
        let mut places = Vec::new();
        for _ in 0..10 {
            assert!(add(&mut pending, &[b'a'; 1000], &room));
            pending.take(&mut written);
            pending.settle(written.len(), &room);
            places.push(written.as_ptr());
            written.clear();
        }
        assert!(places[2..].iter().all(|place| places[..2].contains(place)), "{places:?}");
    }
}
