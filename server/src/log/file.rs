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
        self.shared.append(None, line);
    }

    /// Appends the line of an event.
    pub(super) fn append_event(&self, severity: Severity, line: &[u8]) {
        self.shared.append(Some(severity), line);
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        thread,
        time::{Duration, Instant},
    };

    use super::{super::queue::Queue, *};

    /// Bounds hangs.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Whoever is about to write the last lines tells losses behind them, and doesn't look again.
    #[test]
    fn a_lost_line_is_counted_before_the_writer_is_woken() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Target::Path(folder.path().join("log"));
        let opening =
            Opening { target, readers: Readers::Usual, buffering: Buffering::default(), preamble: None };
        let queue = Arc::new(Queue::default());
        queue.room.resize(10);
        // A writer that does nothing yet.
        let (mut bell, pipe) = io::pipe().expect("a pipe");
        let mut ringing = pipe.try_clone().expect("a descriptor");
        queue.attach_writer(pipe).expect("the first");
        let log = LogFile::from(Shared::open(opening, Arc::clone(&queue)).expect("a folder of ours"));
        log.append(b"it");
        queue.hear(&bell);
        // As long as the pipe is full, whoever rings the bell waits.
        rustix::io::ioctl_fionbio(&ringing, true).expect("it is ours");
        let mut filled = 0;
        while let Ok(count) = ringing.write(&[0; 4096]) {
            filled += count;
        }
        rustix::io::ioctl_fionbio(&ringing, false).expect("it is ours");
        thread::scope(|scope| {
            let appending = scope.spawn(|| log.append(b"finds no room"));
            let begin = Instant::now();
            while log.lost() == 0 && begin.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(1));
            }
            let (lost, is_ringing) = (log.lost(), !appending.is_finished());
            bell.read_exact(&mut vec![0; filled]).expect("what fills it");
            appending.join().expect("no panic");
            assert_eq!((lost, is_ringing), (1, true));
        });
    }
}
