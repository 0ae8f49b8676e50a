//! What the logs of a process share: room for lines that wait, a list of those that have something to be written, and
//! a bell that wakes the writer.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{opening::Open, pending::Room};

/// Bytes that may wait, as long as no configuration says how many.
const DEFAULT_ROOM: usize = 1 << 20;

/// The queue of logs that are values of `L`. It knows nothing of them: the writer does.
#[derive(Debug)]
pub(super) struct Queue<L> {
    pub(super) room: Room,
    /// Who opens files; absent: the process, with the rights that it has.
    pub(super) opener: Option<Arc<dyn Open>>,
    /// Absent: there is no writer.
    bell: OnceLock<Bell>,
    listed: Mutex<Vec<Arc<L>>>,
}

/// Wakes the writer.
#[derive(Debug)]
struct Bell {
    /// Holds one byte at most, so writing to it doesn't wait.
    pipe: PipeWriter,
    is_rung: AtomicBool,
    has_ended: AtomicBool,
}

impl<L> Default for Queue<L> {
    fn default() -> Self {
        Self::opened_by(None)
    }
}

impl<L> Queue<L> {
    /// Whatever is opened for its logs, `opener` opens.
    pub(super) fn opened_by(opener: Option<Arc<dyn Open>>) -> Self {
        Self { room: Room::new(DEFAULT_ROOM), opener, bell: OnceLock::new(), listed: Mutex::default() }
    }

    /// From now on there is a writer, which reads the other end of `pipe`; once, and not again.
    ///
    /// # Errors
    /// When there is one already.
    pub(super) fn attach_writer(&self, pipe: PipeWriter) -> io::Result<()> {
        let bell = Bell { pipe, is_rung: AtomicBool::new(false), has_ended: AtomicBool::new(false) };
        self.bell.set(bell).map_err(|_| io::ErrorKind::AlreadyExists.into())
    }

    /// Whether a thread writes what is appended; otherwise whoever appends it does.
    pub(super) fn has_writer(&self) -> bool {
        self.bell.get().is_some()
    }

    /// Has the writer look after this log.
    pub(super) fn list(&self, log: Arc<L>) {
        self.listed().push(log);
        self.ring();
    }

    /// The logs that were listed since the last call, behind those that are in `logs`.
    pub(super) fn take_listed(&self, logs: &mut Vec<Arc<L>>) {
        logs.append(&mut self.listed());
    }

    /// Has the writer look at the logs again that it looks after.
    pub(super) fn ring(&self) {
        if let Some(bell) = self.bell.get()
            && !bell.is_rung.swap(true, Ordering::SeqCst)
        {
            // The reader is the writer's own, and there as long as it is.
            let _it_has_ended = (&bell.pipe).write(&[1]);
        }
    }

    /// The writer has heard the bell, whose end of the pipe is `pipe`.
    pub(super) fn hear(&self, mut pipe: &PipeReader) {
        let mut byte = [0];
        // There is one, and if there were none the next look would show it.
        let _byte = pipe.read(&mut byte);
        if let Some(bell) = self.bell.get() {
            bell.is_rung.store(false, Ordering::SeqCst);
        }
    }

    /// The writer is to end.
    pub(super) fn end(&self) {
        if let Some(bell) = self.bell.get() {
            bell.has_ended.store(true, Ordering::SeqCst);
            self.ring();
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.bell.get().is_none_or(|bell| bell.has_ended.load(Ordering::SeqCst))
    }

    fn listed(&self) -> MutexGuard<'_, Vec<Arc<L>>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
