//! Where log lines go: files that can be reopened, access logs by index, the error log.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

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
    fn open(&self) -> io::Result<File> {
        let stream = match self {
            Self::Stderr => io::stderr().as_fd().try_clone_to_owned(),
            Self::Path(path) if path.as_os_str() == "/dev/stderr" => {
                io::stderr().as_fd().try_clone_to_owned()
            }
            Self::Path(path) if path.as_os_str() == "/dev/stdout" => {
                io::stdout().as_fd().try_clone_to_owned()
            }
            Self::Path(path) => return OpenOptions::new().append(true).create(true).open(path),
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

/// A log that lines are appended to, from any thread.
///
/// A line is one write to a file opened for appending, so lines of several workers never mix. What cannot be
/// written is counted, and the first failure is told on the standard error stream: a full disk must neither
/// stop the service nor stay unseen.
#[derive(Debug)]
pub struct LogFile {
    target: Target,
    file: RwLock<File>,
    lost: AtomicU64,
}

impl LogFile {
    /// Opens the log.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open(target: Target) -> io::Result<Self> {
        let file = RwLock::new(open(&target)?);
        Ok(Self { target, file, lost: AtomicU64::new(0) })
    }

    /// Appends `line`, which has no line end, and a line end.
    pub fn append(&self, line: &[u8]) {
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = write_line(&mut &*file, line)
            && self.lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            complain(&format!(
                "cannot write to the log {}: {error}; lines that are lost from here on are only counted",
                self.target
            ));
        }
    }

    /// Opens the target again, after somebody has moved the file away. On failure the old one stays in use.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn reopen(&self) -> io::Result<()> {
        let file = open(&self.target)?;
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
}

/// All logs of a process: opened together, reopened together, each target opened once.
#[derive(Debug, Default)]
pub struct Logs {
    files: Vec<Arc<LogFile>>,
}

impl Logs {
    /// No logs.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number by which lines are written to `target`. It is opened unless it already was.
    ///
    /// # Errors
    /// The error's text names the target.
    pub fn open(&mut self, target: Target) -> io::Result<usize> {
        if let Some(index) = self.files.iter().position(|file| file.target == target) {
            return Ok(index);
        }
        self.files.push(Arc::new(LogFile::open(target)?));
        Ok(self.files.len() - 1)
    }

    /// Appends a line, which has no line end, to the log with this number.
    ///
    /// # Panics
    /// When the number did not come from [`open`](Self::open).
    pub fn append(&self, index: usize, line: &[u8]) {
        self.files[index].append(line);
    }

    /// The log with this number.
    pub fn get(&self, index: usize) -> Option<&Arc<LogFile>> {
        self.files.get(index)
    }

    /// Opens every log again. One that fails stays as it is and the rest is reopened all the same.
    ///
    /// # Errors
    /// The first failure.
    pub fn reopen(&self) -> io::Result<()> {
        self.files.iter().map(|file| file.reopen()).fold(Ok(()), Result::and)
    }

    /// How many lines could not be written, in all logs together.
    pub fn lost(&self) -> u64 {
        self.files.iter().map(|file| file.lost()).sum()
    }
}

/// Tells the operator about a trouble of the logs themselves. When even the standard error stream is gone,
/// there is nobody left to tell.
pub(crate) fn complain(what: &str) {
    let _nobody_left_to_tell = writeln!(io::stderr(), "underpass: [alert] {what}");
}

fn open(target: &Target) -> io::Result<File> {
    target
        .open()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot open the log {target}: {error}")))
}

fn write_line(file: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let mut parts = [IoSlice::new(line), IoSlice::new(b"\n")];
    let mut rest = &mut parts[..];
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
        write_line(&mut narrow, b"a line").expect("it takes everything in the end");
        assert_eq!(narrow.0, b"a line\n");
    }

    #[test]
    fn each_target_is_opened_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| Target::Path(folder.path().join(name));
        let mut logs = Logs::new();
        let first = logs.open(path("a")).expect("a writable folder");
        let second = logs.open(path("b")).expect("a writable folder");
        assert_eq!(logs.open(path("a")).expect("open already"), first);
        logs.append(first, b"to a");
        logs.append(second, b"to b");
        logs.reopen().expect("both are still there");
        assert_eq!(fs::read_to_string(folder.path().join("a")).expect("the log"), "to a\n");
        assert_eq!(fs::read_to_string(folder.path().join("b")).expect("the log"), "to b\n");
        assert_eq!(logs.lost(), 0);
        assert!(logs.get(2).is_none());
    }

    #[test]
    fn standard_streams_need_no_path() {
        for target in [Target::Stderr, Target::Path("/dev/stdout".into()), Target::Path("/dev/stderr".into())]
        {
            LogFile::open(target).expect("the streams of the test").reopen().expect("they stay");
        }
    }
}
