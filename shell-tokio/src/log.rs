//! Access logs and the error log, as a worker writes them.

use std::sync::Arc;

use underpass_core::{Note, Now, Session, Severity};
use underpass_shell_common::{ErrorLog, Logs, Moment};

/// Where the lines of a worker go. Clones write to the same files.
#[derive(Clone, Debug, Default)]
pub struct Log {
    errors: Vec<ErrorLog>,
    files: Arc<Logs>,
    /// The file of each access log, by the number that the configuration gave it.
    access: Arc<[usize]>,
}

impl Log {
    /// Events go to `errors`. The access log with the number `n` in the configuration is the file `access[n]`
    /// of `files`.
    #[must_use]
    pub fn new(errors: Vec<ErrorLog>, files: Arc<Logs>, access: Vec<usize>) -> Self {
        Self { errors, files, access: access.into() }
    }

    /// Writes an event of the process.
    pub fn event(&self, severity: Severity, message: &str, at: Moment) {
        for log in &self.errors {
            log.write(severity, None, message.as_bytes(), at);
        }
    }

    /// Writes an event of a session.
    pub(crate) fn note(&self, session: &Session, note: &Note, line: &mut Vec<u8>, at: Moment) {
        let severity = note.severity;
        if !self.errors.iter().any(|log| log.enabled(severity)) {
            return;
        }
        line.clear();
        session.record().write_note(note, line);
        for log in &self.errors {
            log.write(severity, Some(session.record().client().serial), line, at);
        }
    }

    /// Writes the access log lines of the exchange that is over.
    pub(crate) fn exchange(&self, session: &Session, line: &mut Vec<u8>, now: Now) {
        session.record().write_lines(now, line, &mut |sink, line| {
            if let Some(&file) = self.access.get(sink) {
                self.files.append(file, line);
            }
        });
    }
}
