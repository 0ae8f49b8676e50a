//! All logs of a process.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use underpass_nginx_config::{LogTarget, Main};

use super::{
    complain::complain,
    error::ErrorLog,
    file::LogFile,
    lines::Log,
    opening::{Open, Readers},
    outlet::Target,
    pending::Buffering,
    shared::{Opening, Shared},
    writer::Writer,
};
use crate::Clock;

/// How long the end of a process waits for its last lines to be written.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// All logs of a process, those of earlier configurations included for as long as a session uses them: written by
/// one thread, reopened together, flushed together.
#[derive(Debug, Default)]
pub struct Logs {
    files: Mutex<Vec<Weak<Shared>>>,
    writer: Arc<Writer>,
}

impl Logs {
    /// No logs, and no writer yet: lines are written by whoever appends them.
    pub fn new() -> Self {
        Self::default()
    }

    /// No logs; those that are opened are opened by `opener`.
    pub(crate) fn opened_by(opener: Option<Arc<dyn Open>>) -> Self {
        Self { files: Mutex::default(), writer: Arc::new(Writer::opened_by(opener)) }
    }

    /// Starts the writer. From now on nobody who appends a line waits for it to be written; at most `room` bytes of
    /// lines wait.
    ///
    /// # Errors
    /// When there is a writer already, or when the system has no thread for one.
    pub fn start_writer(&self, room: usize) -> io::Result<()> {
        self.resize(room);
        self.writer.start()?;
        // What is held back for a time has nobody to look after it yet.
        self.flush();
        Ok(())
    }

    /// Changes how many bytes of lines may wait (`log_queue`).
    pub fn resize(&self, room: usize) {
        self.writer.queue.room.resize(room);
    }

    /// Says where to tell what was lost.
    pub fn tell_losses_to(&self, log: Log) {
        self.writer.tell_to(log);
    }

    /// Opens a log, without a buffer.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open(&self, target: Target) -> io::Result<Arc<LogFile>> {
        self.keep(Opening {
            target,
            readers: Readers::Usual,
            buffering: Buffering::default(),
            preamble: None,
        })
    }

    /// Opens a log that only the user of the process can read, when it is made, and that has `preamble`, whole lines,
    /// in front of the first line of each file that is opened. One that is open with the same is reopened.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open_private(&self, target: Target, preamble: Arc<[u8]>) -> io::Result<Arc<LogFile>> {
        let opening = Opening {
            target,
            readers: Readers::Owner,
            buffering: Buffering::default(),
            preamble: Some(preamble),
        };
        match self.all().into_iter().find(|file| file.is_opened_as(&opening)) {
            Some(file) => {
                file.reopen()?;
                Ok(Arc::new(file.into()))
            }
            None => self.keep(opening),
        }
    }

    /// Opens a log that writes when `size` bytes of lines have come together, or when one has waited as long
    /// as `flush`, where that is given; the writer sees to that.
    ///
    /// # Errors
    /// The error's text names the target. A buffer that there is no memory for is an error, too.
    pub fn open_buffered(
        &self,
        target: Target,
        size: usize,
        flush: Option<Duration>,
    ) -> io::Result<Arc<LogFile>> {
        self.keep(Opening {
            target,
            readers: Readers::Usual,
            buffering: Buffering { size, flush },
            preamble: None,
        })
    }

    /// Opens the logs that a configuration names.
    ///
    /// # Errors
    /// The error's text names the log that can't be opened.
    pub(crate) fn open_configured(&self, main: &Main) -> io::Result<Log> {
        let mut errors = Vec::new();
        for log in &main.error_logs {
            errors.push(ErrorLog::new(self.open(target(&log.target)?)?, log.severity));
        }
        let open = |log: &underpass_nginx_config::LogFile| {
            let target = target(&log.target)?;
            match log.buffer {
                Some(size) => self.open_buffered(target, size, log.flush),
                None => self.open(target),
            }
        };
        let sinks = main.logs.iter().map(open).collect::<io::Result<Vec<_>>>()?;
        Ok(Log::new(errors, sinks))
    }

    /// Opens every log again. One that fails stays as it is and the rest is reopened all the same.
    ///
    /// # Errors
    /// The first failure.
    pub fn reopen(&self) -> io::Result<()> {
        self.all().iter().map(Shared::reopen).fold(Ok(()), Result::and)
    }

    /// Has what is buffered written.
    pub fn flush(&self) {
        self.all().iter().for_each(Shared::flush);
    }

    /// Waits until what was appended so far is written, buffered or not; whether it is, within that time.
    pub fn settle(&self, within: Duration) -> bool {
        self.writer.settle(&self.all(), within)
    }

    fn keep(&self, opening: Opening) -> io::Result<Arc<LogFile>> {
        let file = Shared::open(opening, Arc::clone(&self.writer.queue))?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|known| known.strong_count() > 0);
        files.push(Arc::downgrade(&file));
        Ok(Arc::new(file.into()))
    }

    fn all(&self) -> Vec<Arc<Shared>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().filter_map(Weak::upgrade).collect()
    }
}

/// The end waits a little for what isn't written yet; a reader that has stopped doesn't hold it up.
impl Drop for Logs {
    fn drop(&mut self) {
        if self.writer.queue.has_writer() {
            let at = Clock::start().now();
            self.all().iter().for_each(|file| file.report_last(|loss| self.writer.tell_loss(loss, at)));
            if !self.settle(LAST_PATIENCE) {
                self.all().iter().filter_map(|file| file.left_behind()).for_each(|left| complain(&left));
            }
        }
        self.writer.end();
    }
}

fn target(written: &LogTarget) -> io::Result<Target> {
    match written {
        LogTarget::Stderr => Ok(Target::Stderr),
        LogTarget::File(path) => Ok(Target::Path(path.clone())),
        LogTarget::Syslog(syslog) => Ok(Target::Syslog(syslog.clone())),
        other => Err(io::Error::other(format!("logs to {other} are not in this version"))),
    }
}
