//! Where log lines go: files that can be reopened, with or without a buffer.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use underpass_core::Fault;

use super::buffer::{Buffer, Flusher};

/// Where a log is written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The standard error stream of the process.
    Stderr,
    /// A file, made when it does not exist. `/dev/stdout` and `/dev/stderr` mean the streams that the
    /// process was started with, even where these cannot be opened by name (a socket of the service manager).
    Path(PathBuf),
}

impl Target {
    fn open(&self, readers: Readers) -> io::Result<File> {
        let stream = match self {
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned(),
            Self::Path(path) if path.as_os_str() == "/dev/stderr" => {
                io::stderr().as_fd().try_clone_to_owned()
            }
            Self::Path(path) if path.as_os_str() == "/dev/stdout" => {
                io::stdout().as_fd().try_clone_to_owned()
            }
            Self::Path(path) => {
                let mut options = OpenOptions::new();
                if readers == Readers::Owner {
                    options.mode(0o600);
                }
                return options.append(true).create(true).open(path);
            }
        };
        stream.map(File::from)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stderr => f.write_str("stderr"),
            Self::Path(path) => write!(f, "\"{}\"", path.display()),
        }
    }
}

/// Who may read a log that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// Whom the process's mask leaves.
    Usual,
    /// The user of the process alone.
    Owner,
}

/// A log that lines are appended to, from any thread.
///
/// A line is one write to a file opened for appending, so lines of several workers never mix; a buffered log
/// writes several lines together. What cannot be written is counted, and the first failure is told on the
/// standard error stream: a full disk must neither stop the service nor stay unseen.
#[derive(Debug)]
pub struct LogFile {
    target: Target,
    file: RwLock<File>,
    lost: AtomicU64,
    buffer: Option<Buffer>,
    readers: Readers,
}

impl LogFile {
    /// Opens the log, without a buffer.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open(target: Target) -> io::Result<Self> {
        Self::open_for(target, Readers::Usual)
    }

    fn open_for(target: Target, readers: Readers) -> io::Result<Self> {
        let file = RwLock::new(open(&target, readers)?);
        Ok(Self { target, file, lost: AtomicU64::new(0), buffer: None, readers })
    }

    /// Appends `line`, which has no line end, and a line end.
    pub fn append(&self, line: &[u8]) {
        match &self.buffer {
            Some(buffer) => buffer.append(line, |parts| self.write(parts)),
            None => self.write(&[line, b"\n"]),
        }
    }

    /// Writes what is buffered.
    pub fn flush(&self) {
        if let Some(buffer) = &self.buffer {
            buffer.flush(|parts| self.write(parts));
        }
    }

    /// Opens the target again, after somebody has moved the file away; what is buffered goes to the old one.
    /// On failure the old one stays in use.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn reopen(&self) -> io::Result<()> {
        self.flush();
        let file = open(&self.target, self.readers)?;
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = file;
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            complain(&format!("{lost} lines of the log {} were lost before it was reopened", self.target));
        }
        Ok(())
    }

    /// Where the lines go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How many lines could not be written since the log was opened.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes whole lines.
    fn write(&self, parts: &[&[u8]]) {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_all(&mut &*file, parts) {
            let lines = parts.iter().flat_map(|part| part.iter()).filter(|byte| **byte == b'\n').count();
            if self.lost.fetch_add(lines as u64, Ordering::Relaxed) == 0 {
                complain(&format!(
                    "cannot write to the log {}: {error}; lines that are lost from here on are only counted",
                    self.target
                ));
            }
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.flush();
    }
}

/// All logs of a process, those of earlier configurations included for as long as a session uses them:
/// reopened together, flushed together.
#[derive(Debug, Default)]
pub struct Logs {
    files: Mutex<Vec<Weak<LogFile>>>,
    flusher: Flusher,
}

impl Logs {
    /// No logs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a log, without a buffer.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open(&self, target: Target) -> io::Result<Arc<LogFile>> {
        Ok(self.keep(Arc::new(LogFile::open(target)?)))
    }

    /// Opens a log that only the user of the process can read, when it is made.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open_private(&self, target: Target) -> io::Result<Arc<LogFile>> {
        Ok(self.keep(Arc::new(LogFile::open_for(target, Readers::Owner)?)))
    }

    /// Opens a log that writes when `size` bytes of lines have come together, or when one has waited as long
    /// as `flush`, where that is given.
    ///
    /// # Errors
    /// The error's text names the target, or says that there can be no thread. A buffer that there is no
    /// memory for is an error, too.
    pub fn open_buffered(
        &self,
        target: Target,
        size: usize,
        flush: Option<Duration>,
    ) -> io::Result<Arc<LogFile>> {
        let mut file = LogFile::open(target)?;
        let alarm = flush.map(|after| self.flusher.alarm(after)).transpose()?;
        let mut buffer = Buffer::new(size).map_err(|error| {
            let message = format!("no memory for a buffer of {size} bytes for the log {}", file.target);
            io::Error::new(io::ErrorKind::OutOfMemory, format!("{message} ({error})"))
        })?;
        let file = Arc::new_cyclic(|itself| {
            buffer.alarm = alarm.map(|alarm| alarm.of(itself));
            file.buffer = Some(buffer);
            file
        });
        Ok(self.keep(file))
    }

    /// Opens every log again. One that fails stays as it is and the rest is reopened all the same.
    ///
    /// # Errors
    /// The first failure.
    pub fn reopen(&self) -> io::Result<()> {
        self.all().iter().map(|file| file.reopen()).fold(Ok(()), Result::and)
    }

    /// Writes what is buffered.
    pub fn flush(&self) {
        self.all().iter().for_each(|file| file.flush());
    }

    fn keep(&self, file: Arc<LogFile>) -> Arc<LogFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|known| known.strong_count() > 0);
        files.push(Arc::downgrade(&file));
        file
    }

    fn all(&self) -> Vec<Arc<LogFile>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Tells the operator about a trouble of the logs themselves. When even the standard error stream is gone,
/// there is nobody left to tell.
pub(crate) fn complain(what: &str) {
    let _nobody_left_to_tell = writeln!(io::stderr(), "underpass: [alert] {what}");
}

/// The error is told in nginx's words.
fn open(target: &Target, readers: Readers) -> io::Result<File> {
    target.open(readers).map_err(|error| {
        let (kind, fault) = (error.kind(), Fault::from(error));
        io::Error::new(kind, format!("open() {target} failed ({fault})"))
    })
}

fn write_all(file: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let mut slices = [IoSlice::new(b""); 2];
    for (slice, part) in slices.iter_mut().zip(parts) {
        *slice = IoSlice::new(part);
    }
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    fn log(folder: &tempfile::TempDir, name: &str) -> (PathBuf, LogFile) {
        let path = folder.path().join(name);
        let log = LogFile::open(Target::Path(path.clone())).expect("a writable folder");
        (path, log)
    }

    #[test]
    fn lines_are_appended_to_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("access.log"), "before\n").expect("a file");
        let (path, log) = log(&folder, "access.log");
        log.append(b"one");
        log.append(b"");
        log.append(b"two");
        assert_eq!(fs::read_to_string(path).expect("the log"), "before\none\n\ntwo\n");
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn lines_of_several_threads_never_mix() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, log) = log(&folder, "access.log");
        thread::scope(|scope| {
            for letter in b'a'..b'e' {
                let log = &log;
                scope.spawn(move || (0..500).for_each(|_| log.append(&[letter; 3_000])));
            }
        });
        let text = fs::read(path).expect("the log");
        let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        assert_eq!(lines.len(), 4 * 500 + 1);
        for line in &lines[..2_000] {
            assert_eq!(line.len(), 3_000);
            assert!(line.iter().all(|byte| byte == &line[0]));
        }
    }

    #[test]
    fn reopening_follows_a_rotation() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, log) = log(&folder, "access.log");
        log.append(b"old");
        let moved = folder.path().join("access.log.1");
        fs::rename(&path, &moved).expect("a rename");
        log.append(b"still old");
        log.reopen().expect("a writable folder");
        log.append(b"new");
        assert_eq!(fs::read_to_string(moved).expect("the moved log"), "old\nstill old\n");
        assert_eq!(fs::read_to_string(path).expect("the log"), "new\n");
    }

    #[test]
    fn a_failed_reopening_keeps_the_open_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("logs");
        fs::create_dir(&inner).expect("a folder");
        let log = LogFile::open(Target::Path(inner.join("access.log"))).expect("a writable folder");
        let moved = folder.path().join("moved");
        fs::rename(&inner, &moved).expect("a rename");
        assert!(log.reopen().is_err());
        log.append(b"kept");
        assert_eq!(fs::read_to_string(moved.join("access.log")).expect("the log"), "kept\n");
    }

    #[test]
    fn an_error_names_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = LogFile::open(Target::Path(folder.path().join("missing/error.log")))
            .expect_err("there is no such folder")
            .to_string();
        assert!(error.contains("missing/error.log"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn lost_lines_are_counted() {
        let full = LogFile::open(Target::Path("/dev/full".into())).expect("Linux has this device");
        full.append(b"one");
        full.append(b"two");
        assert_eq!(full.lost(), 2);
        full.reopen().expect("the device is still there");
        assert_eq!(full.lost(), 0);
    }

    #[test]
    fn a_short_write_is_continued() {
        struct Narrow(Vec<u8>);
        impl Write for Narrow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let taken = bytes.len().min(3);
                self.0.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut narrow = Narrow(Vec::new());
        write_all(&mut narrow, &[b"a line", b"\n"]).expect("it takes everything in the end");
        assert_eq!(narrow.0, b"a line\n");
    }

    #[test]
    fn all_logs_in_use_are_reopened_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let logs = Logs::new();
        let [first, second, gone] =
            ["a", "b", "c"].map(|name| logs.open(Target::Path(path(name))).expect("a writable folder"));
        drop(gone);
        fs::remove_file(path("c")).expect("a file");
        for (name, moved) in [("a", "a.1"), ("b", "b.1")] {
            fs::rename(path(name), path(moved)).expect("a rename");
        }
        logs.reopen().expect("a writable folder");
        first.append(b"to a");
        second.append(b"to b");
        let read = |name| fs::read_to_string(path(name)).expect("the log");
        assert_eq!((read("a"), read("b"), read("a.1")), ("to a\n".into(), "to b\n".into(), String::new()));
        assert!(!path("c").exists(), "nobody uses it any more");
    }

    #[test]
    fn a_buffered_log_writes_lines_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let read = || fs::read_to_string(&path).expect("the log");
        let logs = Logs::new();
        let log = logs.open_buffered(Target::Path(path.clone()), 10, None).expect("a writable folder");
        log.append(b"1234");
        log.append(b"5678");
        assert_eq!(read(), "", "ten bytes fit");
        log.append(b"9");
        assert_eq!(read(), "1234\n5678\n", "what doesn't fit makes room");
        log.append(b"longer than the buffer");
        assert_eq!(read(), "1234\n5678\n9\nlonger than the buffer\n", "in their order");
        log.append(b"a");
        let moved = folder.path().join("access.log.1");
        fs::rename(&path, &moved).expect("a rename");
        logs.reopen().expect("a writable folder");
        assert!(fs::read_to_string(moved).expect("the old log").ends_with("\na\n"));
        log.append(b"b");
        logs.flush();
        assert_eq!(read(), "b\n");
        log.append(b"c");
        drop(log);
        assert_eq!(read(), "b\nc\n", "the end of the log writes the rest");
    }

    #[test]
    fn a_buffer_that_there_is_no_memory_for_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = Logs::new();
        for size in [usize::MAX, usize::MAX >> 1] {
            let target = Target::Path(folder.path().join("access.log"));
            let error = logs.open_buffered(target, size, None).expect_err("too much");
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            let said = error.to_string();
            assert!(said.starts_with(&format!("no memory for a buffer of {size} bytes")), "{said}");
            assert!(said.contains("access.log"), "{said}");
        }
    }

    #[test]
    fn a_line_waits_no_longer_than_it_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let logs = Logs::new();
        let soon = Some(Duration::from_millis(5));
        let log = logs.open_buffered(Target::Path(path.clone()), 1 << 16, soon).expect("a writable folder");
        for written in ["first\n", "first\nsecond\n"] {
            let line = written.lines().last().expect("a line");
            log.append(line.as_bytes());
            let begin = std::time::Instant::now();
            while fs::read_to_string(&path).expect("the log") != written {
                assert!(begin.elapsed() < Duration::from_secs(60), "the line is not written");
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn standard_streams_need_no_path() {
        for target in [Target::Stderr, Target::Path("/dev/stdout".into()), Target::Path("/dev/stderr".into())]
        {
            LogFile::open(target).expect("the streams of the test").reopen().expect("they stay");
        }
    }
}
