//! Where a configuration's log lines go.

use std::sync::Arc;

use underpass_core::{Note, Now, Session, Severity};

use super::{
    error::{self, ErrorLog},
    file::LogFile,
};
use crate::Moment;

/// Where the lines of one configuration go. Clones write to the same files.
#[derive(Clone, Debug, Default)]
pub struct Log {
    errors: Arc<[ErrorLog]>,
    sinks: Arc<[Arc<LogFile>]>,
}

impl Log {
    /// Events go to `errors`, where their location names no other log. The log with the number `n` in the
    /// core's configuration is `sinks[n]`.
    #[must_use]
    pub fn new(errors: Vec<ErrorLog>, sinks: Vec<Arc<LogFile>>) -> Self {
        Self { errors: errors.into(), sinks: sinks.into() }
    }

    /// Writes an event of the process.
    pub fn event(&self, severity: Severity, message: &str, at: Moment) {
        for log in &*self.errors {
            log.write(severity, None, message.as_bytes(), at);
        }
    }

    /// Writes an event of the process wherever there is room for it: whether there was some.
    pub(super) fn offer(&self, severity: Severity, message: &str, at: Moment) -> bool {
        let offer = |log: &ErrorLog| log.offer(severity, message.as_bytes(), at);
        self.errors.iter().map(offer).fold(false, |any, accepted| any | accepted)
    }

    /// Whether events of the process go to this log.
    pub(super) fn writes_events_to(&self, is_meant: impl Fn(&LogFile) -> bool) -> bool {
        self.errors.iter().any(|log| is_meant(log.file()))
    }

    /// Writes an event of a session; `line` is memory to put it together in.
    pub fn note(&self, session: &Session, note: &Note, line: &mut Vec<u8>, at: Moment) {
        let record = session.record();
        self.told(session, note.severity, line, at, |line| record.write_note(note, line));
    }

    /// Writes a sentence about the exchange of a session.
    pub fn remark(
        &self,
        session: &Session,
        severity: Severity,
        sentence: &str,
        line: &mut Vec<u8>,
        at: Moment,
    ) {
        let record = session.record();
        self.told(session, severity, line, at, |line| record.write_remark(sentence, line));
    }

    fn told(
        &self,
        session: &Session,
        severity: Severity,
        line: &mut Vec<u8>,
        at: Moment,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let record = session.record();
        let own = record.location().and_then(|location| location.error_logs.as_ref());
        let enabled = match own {
            Some(logs) => logs.sinks.iter().any(|(_, threshold)| severity >= *threshold),
            None => self.errors.iter().any(|log| log.enabled(severity)),
        };
        if !enabled {
            return;
        }
        line.clear();
        write(line);
        let serial = Some(record.client().serial);
        match own {
            Some(logs) => {
                for (sink, threshold) in logs.sinks.iter() {
                    if let Some(file) = self.sinks.get(sink.0).filter(|_| severity >= *threshold) {
                        error::write(file, severity, serial, line, at);
                    }
                }
            }
            None => self.errors.iter().for_each(|log| log.write(severity, serial, line, at)),
        }
    }

    /// Writes the access log lines of the exchange that is over; `line` is memory to put them together in.
    pub fn exchange(&self, session: &Session, line: &mut Vec<u8>, now: Now) {
        session.record().write_lines(now, line, &mut |sink, line| {
            if let Some(file) = self.sinks.get(sink.0) {
                file.append(line);
            }
        });
    }

    /// Writes a line about the tunnel of a session (G9); `line` is memory to put it together in.
    pub fn tunnel(&self, session: &Session, line: &mut Vec<u8>, now: Now) {
        session.record().write_tunnel_line(now, line, &mut |sink, line| {
            if let Some(file) = self.sinks.get(sink.0) {
                file.append(line);
            }
        });
    }
}
