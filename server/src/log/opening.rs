//! How a file is opened that lines go to, by the process or by somebody who has more rights.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

/// Links that are followed: Linux's number.
const MOST_LINKS: usize = 40;

/// Who may read a log that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whom the process's mask leaves.
    Usual,
    /// The user of the process alone.
    Owner,
}

/// Opens files with rights that the process hasn't.
pub(crate) trait Open: fmt::Debug + Send + Sync {
    /// Opens a file as [`open_for_appending`] does.
    ///
    /// # Errors
    /// When the system refuses, or nobody has said that this file may be opened.
    fn open(&self, path: &Path, readers: Readers) -> io::Result<Opened>;
}

/// What has come of a request to open a file for the process.
#[derive(Debug)]
pub(crate) enum Opened {
    File(File),
    /// The path means a stream that the process was started with.
    Standard(Standard),
    /// The process has to open it with the rights that it has.
    LeftToTheProcess,
}

/// A stream that the process was started with, and that lines may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    Output,
    Error,
}

impl Standard {
    /// The stream that a path means, be it by links, as container images have them in the place of log files. The
    /// name of a stream leads to that of whoever asks, so whoever opens files for another process has to know.
    pub(crate) fn meant_by(path: &Path) -> Option<Self> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            match path.as_os_str().as_encoded_bytes() {
                b"/dev/stdout" | b"/dev/fd/1" | b"/proc/self/fd/1" => return Some(Self::Output),
                b"/dev/stderr" | b"/dev/fd/2" | b"/proc/self/fd/2" => return Some(Self::Error),
                _ => {}
            }
            // Most are no links.
            let target = fs::read_link(&path).ok()?;
            path.pop();
            path.push(target);
        }
        None
    }
}

/// Opens a file for appending, makes it where there is none, and waits for nobody, now or when it is written.
///
/// # Errors
/// When the system refuses.
pub(crate) fn open_for_appending(path: &Path, readers: Readers, more: OFlags) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).custom_flags(flags(OFlags::NONBLOCK | OFlags::NOCTTY | more));
    if readers == Readers::Owner {
        options.mode(0o600);
    }
    match options.open(path) {
        // A named pipe that nobody reads yet: what is written waits there.
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            options.read(true).create(false).open(path)
        }
        opened => opened,
    }
}

pub(super) fn flags(flags: OFlags) -> i32 {
    // The same bits, without a sign.
    i32::from_ne_bytes(flags.bits().to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_to_a_standard_stream_means_that_stream() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for (link, target) in [
            ("access.log", "/dev/stdout"),
            ("error.log", "/dev/stderr"),
            ("first", "second"),
            ("second", "error.log"),
            ("a", "b"),
            ("b", "a"),
            ("nothing", "/dev/null"),
        ] {
            symlink(target, at(link)).expect("a folder of ours");
        }
        fs::write(at("file"), "").expect("a folder of ours");
        for (name, expected) in [
            ("/dev/stdout", Some(Standard::Output)),
            ("/dev/stderr", Some(Standard::Error)),
            ("access.log", Some(Standard::Output)),
            ("error.log", Some(Standard::Error)),
            ("first", Some(Standard::Error)),
            ("a", None),
            ("nothing", None),
            ("file", None),
            ("missing", None),
        ] {
            assert_eq!(Standard::meant_by(&at(name)), expected, "{name}");
        }
    }
}
