//! Logs without a writer, and with one.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use underpass_core::Severity;

use super::{ErrorLog, Log, LogFile, Logs, Target};

/// Bounds hangs; nothing that works takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(60);

fn log(folder: &tempfile::TempDir, name: &str) -> (PathBuf, LogFile) {
    let path = folder.path().join(name);
    let log = LogFile::open(Target::Path(path.clone())).expect("a writable folder");
    (path, log)
}

fn open(logs: &Logs, path: &Path) -> Arc<LogFile> {
    logs.open(Target::Path(path.to_owned())).expect("a writable folder")
}

/// Logs with a writer, and room for so many bytes.
fn written(room: usize) -> Logs {
    let logs = Logs::new();
    logs.start_writer(room).expect("a thread");
    logs
}

/// A named pipe in the folder.
fn named_pipe(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("a tool of all systems");
    assert!(made.success());
    path
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not in time");
        thread::sleep(Duration::from_millis(1));
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the log")
}

/// Appends lines until one finds no room, although the writer has had the time to write. How many that are.
fn fill(logs: &Logs, log: &LogFile, line: &[u8]) -> u64 {
    let before = log.lost();
    let mut lines = 0;
    while log.lost() == before {
        log.append(line);
        lines += 1;
        logs.settle(Duration::from_millis(20));
    }
    lines
}

#[test]
fn lines_are_appended_to_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("access.log"), "before\n").expect("a file");
    let (path, log) = log(&folder, "access.log");
    log.append(b"one");
    log.append(b"");
    log.append(b"two");
    assert_eq!(read(&path), "before\none\n\ntwo\n");
    assert_eq!(log.lost(), 0);
}

#[test]
fn lines_of_several_threads_never_mix() {
    for writer in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = if writer { written(1 << 26) } else { Logs::new() };
        let path = folder.path().join("access.log");
        let log = open(&logs, &path);
        thread::scope(|scope| {
            for letter in b'a'..b'e' {
                let log = &log;
                scope.spawn(move || (0..500).for_each(|_| log.append(&[letter; 3_000])));
            }
        });
        assert!(logs.settle(PATIENCE));
        let text = fs::read(path).expect("the log");
        let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        assert_eq!(lines.len(), 4 * 500 + 1);
        for line in &lines[..2_000] {
            assert_eq!(line.len(), 3_000);
            assert!(line.iter().all(|byte| byte == &line[0]));
        }
    }
}

#[test]
fn reopening_follows_a_rotation() {
    for writer in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = if writer { written(1 << 20) } else { Logs::new() };
        let path = folder.path().join("access.log");
        let log = open(&logs, &path);
        log.append(b"old");
        let moved = folder.path().join("access.log.1");
        fs::rename(&path, &moved).expect("a rename");
        log.append(b"still old");
        logs.reopen().expect("a writable folder");
        log.append(b"new");
        assert!(logs.settle(PATIENCE));
        assert_eq!(read(&moved), "old\nstill old\n");
        assert_eq!(read(&path), "new\n");
    }
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
    assert_eq!(read(&moved.join("access.log")), "kept\n");
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
    for writer in [false, true] {
        let logs = if writer { written(1 << 20) } else { Logs::new() };
        let full = open(&logs, Path::new("/dev/full"));
        full.append(b"one");
        full.append(b"two");
        assert!(logs.settle(PATIENCE));
        assert_eq!(full.lost(), 2);
    }
}

#[test]
fn all_logs_in_use_are_reopened_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let logs = Logs::new();
    let [first, second, gone] = ["a", "b", "c"].map(|name| open(&logs, &path(name)));
    drop(gone);
    fs::remove_file(path("c")).expect("a file");
    for (name, moved) in [("a", "a.1"), ("b", "b.1")] {
        fs::rename(path(name), path(moved)).expect("a rename");
    }
    logs.reopen().expect("a writable folder");
    first.append(b"to a");
    second.append(b"to b");
    let read = |name| read(&path(name));
    assert_eq!((read("a"), read("b"), read("a.1")), ("to a\n".into(), "to b\n".into(), String::new()));
    assert!(!path("c").exists(), "nobody uses it any more");
}

#[test]
fn a_buffered_log_writes_lines_together() {
    for writer in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let logs = if writer { written(1 << 20) } else { Logs::new() };
        let reads = |expected: &str| wait_until(expected, || read(&path) == expected);
        let log = logs.open_buffered(Target::Path(path.clone()), 10, None).expect("a writable folder");
        log.append(b"1234");
        log.append(b"5678");
        assert_eq!(read(&path), "", "ten bytes fit");
        log.append(b"9");
        // What doesn't fit makes room.
        reads("1234\n5678\n");
        log.append(b"longer than the buffer");
        reads("1234\n5678\n9\nlonger than the buffer\n");
        log.append(b"a");
        let moved = folder.path().join("access.log.1");
        fs::rename(&path, &moved).expect("a rename");
        logs.reopen().expect("a writable folder");
        wait_until("the end of the old log", || read(&moved).ends_with("\na\n"));
        log.append(b"b");
        logs.flush();
        reads("b\n");
        log.append(b"c");
        drop(log);
        // The end of the log writes the rest.
        reads("b\nc\n");
    }
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
    // Held back before there is a writer.
    log.append(b"first");
    logs.start_writer(1 << 20).expect("a thread");
    for written in ["first\n", "first\nsecond\n"] {
        wait_until("the line", || read(&path) == written);
        log.append(b"second");
    }
}

#[test]
fn standard_streams_need_no_path() {
    for target in [Target::Stderr, Target::Path("/dev/stdout".into()), Target::Path("/dev/stderr".into())] {
        LogFile::open(target).expect("the streams of the test").reopen().expect("they stay");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_others_nor_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = written(1 << 16);
    let (stuck, goes_on) = (open(&logs, &named_pipe(&folder)), open(&logs, &folder.path().join("other")));
    fill(&logs, &stuck, &[b'a'; 10_000]);
    for number in 0..100 {
        goes_on.append(format!("line {number}").as_bytes());
        wait_until("the line", || read(&folder.path().join("other")).lines().count() == number + 1);
    }
    assert_eq!(goes_on.lost(), 0);
    assert!(!logs.settle(Duration::ZERO));
    // It comes to an end, which tells what was lost.
    let errors = folder.path().join("error.log");
    logs.tell_losses_to(Log::new(vec![ErrorLog::new(open(&logs, &errors), Severity::Warn)], Vec::new()));
    drop(logs);
    assert!(read(&errors).ends_with(&format!(": 1 line of the log {} was lost\n", stuck.target())));
}

#[test]
fn losses_are_told_once_there_is_room_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = named_pipe(&folder);
    let logs = written(1 << 16);
    let stuck = open(&logs, &path);
    let errors = folder.path().join("error.log");
    logs.tell_losses_to(Log::new(vec![ErrorLog::new(open(&logs, &errors), Severity::Warn)], Vec::new()));
    let line = [b'a'; 6_000];
    let appended = fill(&logs, &stuck, &line);
    assert_eq!(read(&errors), "", "there is no room yet");
    let mut pipe = File::open(&path).expect("the pipe");
    let told = || {
        let numbers = read(&errors);
        let numbers = numbers.lines().map(|line| {
            let (start, message) = line.split_once(": ").expect("a message");
            assert!(start.contains(" [warn] "), "{line}");
            let (number, what) = message.split_once(' ').expect("a number");
            let ends = [
                format!("line of the log \"{}\" was lost", path.display()),
                format!("lines of the log \"{}\" were lost", path.display()),
            ];
            assert!(ends.iter().any(|end| end == what), "{line}");
            number.parse::<u64>().expect("a number")
        });
        numbers.sum::<u64>()
    };
    let mut text = Vec::new();
    let mut piece = [0; 6_001];
    while (text.len() as u64) < (appended - stuck.lost()) * 6_001 {
        let count = pipe.read(&mut piece).expect("a pipe");
        text.extend_from_slice(&piece[..count]);
    }
    wait_until("the loss is told", || told() == stuck.lost());
    let whole = [&line[..], b"\n"].concat();
    assert!(text.chunks(whole.len()).all(|line| line == whole), "whole lines");
}

#[test]
fn a_log_that_is_reopened_elsewhere_goes_on_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = named_pipe(&folder);
    let logs = written(1 << 20);
    let log = open(&logs, &path);
    for number in 0..50 {
        log.append(format!("{number:06000}").as_bytes());
    }
    assert!(!logs.settle(Duration::from_millis(10)), "more than a pipe takes");
    fs::remove_file(&path).expect("a pipe");
    logs.reopen().expect("a writable folder");
    log.append(b"new");
    assert!(logs.settle(PATIENCE));
    let text = read(&path);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"new"));
    let (numbers, _) = lines.split_at(lines.len() - 1);
    assert!(numbers.iter().all(|line| line.len() == 6_000), "whole lines");
    // One was begun in the pipe.
    assert!(log.lost() <= 1 && numbers.len() >= 30, "{} and {}", log.lost(), numbers.len());
}

#[test]
fn logs_that_are_the_same_pipe_do_not_mix() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = named_pipe(&folder);
    let logs = written(1 << 20);
    let two = [open(&logs, &path), open(&logs, &path)];
    for _ in 0..15 {
        for (log, letter) in two.iter().zip([b'a', b'b']) {
            log.append(&[letter; 9_999]);
        }
    }
    let mut pipe = File::open(&path).expect("the pipe");
    let mut text = vec![0; 2 * 15 * 10_000];
    pipe.read_exact(&mut text).expect("all lines");
    for line in text.chunks(10_000) {
        assert_eq!((line[9_999], line[0] == b'a' || line[0] == b'b'), (b'\n', true));
        assert!(line[..9_999].iter().all(|byte| *byte == line[0]), "lines have mixed");
    }
}

#[test]
fn a_file_begins_with_its_preamble() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, moved) = (folder.path().join("trace"), folder.path().join("trace.1"));
    let logs = written(1 << 20);
    let open = || {
        let preamble = Arc::from(&b"# begin\n"[..]);
        logs.open_private(Target::Path(path.clone()), preamble).expect("a writable folder")
    };
    let log = open();
    log.append(b"one");
    // The same file, and the same beginning: it has that already.
    let again = open();
    again.append(b"two");
    assert!(logs.settle(PATIENCE));
    assert_eq!(read(&path), "# begin\none\ntwo\n");
    fs::rename(&path, &moved).expect("a rename");
    logs.reopen().expect("a writable folder");
    assert!(logs.settle(PATIENCE));
    assert_eq!(read(&path), "", "there is no line to stand in front of");
    log.append(b"three");
    assert!(logs.settle(PATIENCE));
    assert_eq!((read(&path), read(&moved)), ("# begin\nthree\n".into(), "# begin\none\ntwo\n".into()));
}
