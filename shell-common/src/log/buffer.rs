//! Lines that wait to be written together, and the thread that sees to it that none waits too long.

use std::collections::{BinaryHeap, TryReserveError};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::file::LogFile;

/// Lines that are written when there is no room for another one.
#[derive(Debug)]
pub(super) struct Buffer {
    held: Mutex<Vec<u8>>,
    size: usize,
    pub(super) alarm: Option<Alarm>,
}

impl Buffer {
    /// All of its memory at once: where there is too little, a configuration isn't used, and no process that
    /// serves ends.
    ///
    /// # Errors
    /// When there is not as much memory.
    pub(super) fn new(size: usize) -> Result<Self, TryReserveError> {
        let mut held = Vec::new();
        held.try_reserve_exact(size)?;
        Ok(Self { held: Mutex::new(held), size, alarm: None })
    }

    pub(super) fn append(&self, line: &[u8], write: impl Fn(&[&[u8]])) {
        let mut held = self.lock();
        if held.len() + line.len() + 1 > self.size && !held.is_empty() {
            write(&[&held]);
            held.clear();
        }
        if line.len() >= self.size {
            // It has no room by itself.
            write(&[line, b"\n"]);
            return;
        }
        if held.is_empty()
            && let Some(alarm) = &self.alarm
        {
            alarm.set();
        }
        held.extend_from_slice(line);
        held.push(b'\n');
    }

    pub(super) fn flush(&self, write: impl Fn(&[&[u8]])) {
        let mut held = self.lock();
        if !held.is_empty() {
            write(&[&held]);
            held.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has a log flushed when its oldest line has waited long enough.
#[derive(Debug)]
pub(super) struct Alarm {
    after: Duration,
    thread: Sender<Flush>,
    file: Weak<LogFile>,
}

impl Alarm {
    /// The alarm of this log.
    pub(super) fn of(self, file: &Weak<LogFile>) -> Self {
        Self { file: Weak::clone(file), ..self }
    }

    fn set(&self) {
        // A thread that is gone has left with the process.
        let _ended =
            self.thread.send(Flush { at: Instant::now() + self.after, file: Weak::clone(&self.file) });
    }
}

/// A thread that flushes logs; there is none before a log wants it.
#[derive(Debug, Default)]
pub(super) struct Flusher {
    thread: Mutex<Option<Sender<Flush>>>,
}

impl Flusher {
    /// An alarm of no log yet.
    pub(super) fn alarm(&self, after: Duration) -> io::Result<Alarm> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*thread {
            Some(sender) => sender.clone(),
            None => {
                let (sender, receiver) = channel();
                thread::Builder::new().name("log flush".into()).spawn(move || flush(&receiver))?;
                thread.insert(sender).clone()
            }
        };
        Ok(Alarm { after, thread: sender, file: Weak::new() })
    }
}

/// A log to flush, and when.
#[derive(Debug)]
struct Flush {
    at: Instant,
    file: Weak<LogFile>,
}

/// Ends with the last alarm.
fn flush(receiver: &Receiver<Flush>) {
    let mut waiting = BinaryHeap::new();
    loop {
        let next = match waiting.peek() {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Flush { at, .. }) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match next {
            Ok(flush) => waiting.push(flush),
            Err(RecvTimeoutError::Timeout) => {
                // A line that came after an earlier flush goes a little early with this one.
                if let Some(file) = waiting.pop().and_then(|flush| flush.file.upgrade()) {
                    file.flush();
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The earliest is the greatest, for it stands first in the heap.
impl Ord for Flush {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Flush {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flush {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Flush {}
