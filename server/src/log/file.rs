//! A log, as those who append lines know it.

use std::{io, sync::Arc};

use underpass_core::Severity;

use super::{
    opening::Readers,
    outlet::Target,
    pending::Buffering,
    shared::{Opening, Shared},
};

/// A log that lines are appended to, from any thread.
///
/// Nobody who appends a line waits for it to be written: the writer of its [`Logs`](super::Logs) does that, in order
/// and line by line, so lines of several workers never mix. A line that finds no room in the queue, and one that can't
/// be written, is counted, and the error log says how many were lost once there is room again.
///
/// Before the writer is started, and without one, lines are written by whoever appends them.
#[derive(Debug)]
pub struct LogFile {
    shared: Arc<Shared>,
}

impl LogFile {
    /// Opens the log, without a buffer and without a writer.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open(target: Target) -> io::Result<Self> {
        let opening =
            Opening { target, readers: Readers::Usual, buffering: Buffering::default(), preamble: None };
        Ok(Shared::open(opening, Arc::default())?.into())
    }

    /// Appends `line`, which has no line end, and a line end.
    pub fn append(&self, line: &[u8]) {
        if !self.shared.offer(None, line) {
            self.shared.count_lost(lines_in(line));
        }
    }

    /// Appends the line of an event.
    pub(super) fn append_event(&self, severity: Severity, line: &[u8]) {
        if !self.offer_event(severity, line) {
            self.shared.count_lost(lines_in(line));
        }
    }

    /// The same, but a line that finds no room is not counted. Whether there was room.
    pub(super) fn offer_event(&self, severity: Severity, line: &[u8]) -> bool {
        self.shared.offer(Some(severity), line)
    }

    /// Has what is buffered written.
    pub fn flush(&self) {
        self.shared.flush();
    }

    /// Opens the target again, after somebody has moved the file away; what was appended before goes to the old one.
    /// On failure the old one stays in use.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn reopen(&self) -> io::Result<()> {
        self.shared.reopen()
    }

    /// Where the lines go.
    pub fn target(&self) -> &Target {
        self.shared.target()
    }

    /// How many lines were lost since the log was opened.
    pub fn lost(&self) -> u64 {
        self.shared.lost()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl From<Arc<Shared>> for LogFile {
    fn from(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.flush();
    }
}

/// How many lines `text` is, which has no line end itself.
fn lines_in(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64 + 1
}
