//! The error log, in the shape that operators and their tools know from nginx.

use std::process;
use std::sync::Arc;

use underpass_core::Severity;

use super::file::LogFile;
use crate::clock::Moment;

/// The longest message that is written, nginx's `NGX_MAX_ERROR_STR`. Clients choose parts of a message, and
/// must not choose its size.
const LONGEST_MESSAGE: usize = 2048;

/// Writes events of at least a given severity, one line each:
/// `2026/11/21 02:35:21 [error] 17#19: *42 MESSAGE`, with the numbers of the process, the thread and the
/// connection.
#[derive(Debug, Clone)]
pub struct ErrorLog {
    file: Arc<LogFile>,
    threshold: Severity,
}

impl ErrorLog {
    /// A log of events that are at least as serious as `threshold`.
    pub fn new(file: Arc<LogFile>, threshold: Severity) -> Self {
        Self { file, threshold }
    }

    /// Whether an event of this severity is written: ask before building an expensive message.
    pub fn enabled(&self, severity: Severity) -> bool {
        severity >= self.threshold
    }

    /// Writes an event. `connection` is its serial number, when it belongs to one.
    ///
    /// The line stays one line whatever the message holds: control bytes are written as `\x0A`.
    pub fn write(&self, severity: Severity, connection: Option<u64>, message: &[u8], at: Moment) {
        if self.enabled(severity) {
            write(&self.file, severity, connection, message, at);
        }
    }

    /// Writes an event of the process, unless there is no room for it: whether it is written, or less serious
    /// than what is.
    pub(super) fn offer(&self, severity: Severity, message: &[u8], at: Moment) -> bool {
        !self.enabled(severity) || self.file.offer_event(severity, &line(severity, None, message, at))
    }

    /// Where the lines go.
    pub fn file(&self) -> &Arc<LogFile> {
        &self.file
    }
}

/// Writes an event to `file`, as [`ErrorLog::write`] does.
pub(super) fn write(file: &LogFile, severity: Severity, connection: Option<u64>, message: &[u8], at: Moment) {
    file.append_event(severity, &line(severity, connection, message, at));
}

fn line(severity: Severity, connection: Option<u64>, message: &[u8], at: Moment) -> Vec<u8> {
    let mut line = Vec::with_capacity(64 + message.len().min(LONGEST_MESSAGE));
    line.extend_from_slice(
        format!("{} [{severity}] {}#{}: ", at.log_time(), process::id(), thread_number()).as_bytes(),
    );
    if let Some(serial) = connection {
        line.extend_from_slice(format!("*{serial} ").as_bytes());
    }
    let (message, tail): (_, &[u8]) = match message.get(..LONGEST_MESSAGE) {
        Some(kept) if kept.len() < message.len() => (kept, b"..."),
        _ => (message, b""),
    };
    for &byte in message {
        if byte < b' ' || byte == 0x7f {
            line.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
        } else {
            line.push(byte);
        }
    }
    line.extend_from_slice(tail);
    line
}

/// The number by which tools such as `top -H` know the thread.
#[cfg(target_os = "linux")]
fn thread_number() -> i32 {
    thread_local!(static NUMBER: i32 = rustix::thread::gettid().as_raw_nonzero().get());
    NUMBER.with(|number| *number)
}

/// Where threads have no number of their own, the process stands for all of them, as in nginx.
#[cfg(not(target_os = "linux"))]
fn thread_number() -> u32 {
    process::id()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::outlet::Target;
    use super::*;

    const AT: Moment = Moment { monotonic_ns: 0, unix_ms: 1_795_228_521_000, utc_offset_min: 0 };

    #[test]
    fn lines_have_nginxs_shape() {
        let text = |connection, message: &[u8]| {
            String::from_utf8(line(Severity::Error, connection, message, AT)).expect("text")
        };
        let start = format!("2026/11/21 02:35:21 [error] {}#{}: ", process::id(), thread_number());
        assert_eq!(
            text(Some(42), b"connect() failed, client: 127.0.0.1, server: a, request: \"GET / HTTP/1.1\""),
            start.clone() + "*42 connect() failed, client: 127.0.0.1, server: a, request: \"GET / HTTP/1.1\""
        );
        assert_eq!(text(None, b"exiting"), start + "exiting");
    }

    #[test]
    fn a_message_cannot_forge_a_line() {
        let line = line(Severity::Warn, None, b"name\r\n2026 \x1b[31m\x7f\xc3\xa9", AT);
        assert!(line.ends_with(b"name\\x0D\\x0A2026 \\x1B[31m\\x7F\xc3\xa9"), "{line:?}");
    }

    #[test]
    fn a_message_is_bounded() {
        let exact = line(Severity::Warn, None, &[b'a'; LONGEST_MESSAGE], AT);
        let longer = line(Severity::Warn, None, &[b'a'; LONGEST_MESSAGE + 1], AT);
        assert!(exact.ends_with(b"a"));
        assert!(longer.ends_with(b"a..."));
        assert_eq!(longer.len(), exact.len() + 3);
    }

    #[test]
    fn only_what_is_serious_enough_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("error.log");
        let file = LogFile::open(Target::Path(path.clone())).expect("a writable folder");
        let log = ErrorLog::new(Arc::new(file), Severity::Warn);
        for (severity, name) in Severity::ALL {
            assert_eq!(log.enabled(severity), severity >= Severity::Warn);
            log.write(severity, None, name.as_bytes(), AT);
        }
        let text = fs::read_to_string(path).expect("the log");
        let written: Vec<&str> =
            text.lines().map(|line| line.rsplit(' ').next().expect("a message")).collect();
        assert_eq!(written, ["warn", "error", "crit", "alert", "emerg"]);
        assert!(text.lines().all(|line| line.contains("] ") && line.starts_with("2026/11/21 02:35:21 [")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn each_thread_has_its_own_number() {
        let other = std::thread::spawn(thread_number).join().expect("it returns");
        assert_ne!(thread_number(), other);
    }
}
