//! The file that tells other programs which process to signal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use underpass_core::Fault;

use crate::keeper::{Keeper, Kept};

/// A file that holds the number of this process for as long as the value lives.
#[derive(Debug)]
#[must_use = "the file is removed when this is dropped"]
pub struct PidFile {
    path: PathBuf,
    number: u32,
    /// Who removes it; absent: this process does.
    kept: Option<Kept>,
}

impl PidFile {
    /// Writes the number of this process to `path`, replacing what was there.
    ///
    /// # Errors
    /// The error's text names the path.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::of(path, process::id())
    }

    /// The same, by the process that has kept root's rights, where there is one.
    pub(crate) fn create_by(keeper: Option<&Arc<Keeper>>, path: &Path) -> io::Result<Self> {
        let failed = |error: io::Error| match error.raw_os_error() {
            Some(_) => io::Error::new(error.kind(), unopened(path, error)),
            None => error,
        };
        if let Some(keeper) = keeper
            && keeper.write_pid(path).map_err(failed)?
        {
            let (path, kept) = (path.to_owned(), Some(keeper.keep(path)));
            return Ok(Self { path, number: process::id(), kept });
        }
        Self::create(path)
    }

    /// Writes the number of a process.
    pub(crate) fn of(path: impl Into<PathBuf>, number: u32) -> io::Result<Self> {
        let path = path.into();
        match write(&path, &format!("{number}\n")) {
            Ok(()) => Ok(Self { path, number, kept: None }),
            Err(error) => Err(io::Error::new(error.kind(), unopened(&path, error))),
        }
    }

    /// Checks that the file could be written; what is in it stays.
    ///
    /// # Errors
    /// The error's text names the path.
    pub fn check(path: &Path) -> io::Result<()> {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        opened.map(drop).map_err(|error| io::Error::new(error.kind(), unopened(path, error)))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another process may have written its own number meanwhile, and a path such as `/dev/null` is no file
    /// of ours to remove.
    fn is_ours(&self) -> bool {
        self.kept.is_none()
            && fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_file())
            && fs::read_to_string(&self.path).is_ok_and(|text| text.trim() == self.number.to_string())
    }
}

/// Whoever waits for a file to appear finds the whole text in it. What is there already is written to, whatever it is.
fn write(path: &Path, text: &str) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(_) | Err(_) => return fs::write(path, text),
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unnamed = PathBuf::from(name);
    // A process may have been killed between the two. Removed, and made anew: a link that somebody put there leads nowhere.
    let _may_not_exist = fs::remove_file(&unnamed);
    let created = File::create_new(&unnamed)?;
    (&created).write_all(text.as_bytes()).and_then(|()| fs::rename(&unnamed, path)).inspect_err(|_| {
        let _what_failed_is_told = fs::remove_file(&unnamed);
    })
}

/// Reads the number of a process out of the file of another one.
///
/// # Errors
/// Says in nginx's words why there is none.
pub(crate) fn read(path: &Path) -> Result<i32, String> {
    let bytes = fs::read(path).map_err(|error| unopened(path, error))?;
    let text = String::from_utf8_lossy(&bytes);
    let number = text.trim_end_matches(['\r', '\n']);
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = number.parse().ok().filter(|number| digits && *number > 0);
    parsed.ok_or_else(|| format!("invalid PID number \"{number}\" in \"{}\"", path.display()))
}

/// In nginx's words.
fn unopened(path: &Path, error: io::Error) -> String {
    format!("open() \"{}\" failed ({})", path.display(), Fault::from(error))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            crate::log::complain(&format!("cannot remove the pid file \"{}\": {error}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lives_as_long_as_the_value() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("underpass.pid");
        fs::write(&path, "left over from a crash, and longer than a number\n").expect("a file");
        let file = PidFile::create(&path).expect("a writable folder");
        assert_eq!(fs::read_to_string(file.path()).expect("the file"), format!("{}\n", process::id()));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn whoever_sees_the_file_sees_the_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("underpass.pid");
        let number = format!("{}\n", process::id());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                while seen < 1000 {
                    if let Ok(text) = fs::read_to_string(&path) {
                        assert_eq!(text, number);
                        seen += 1;
                    }
                }
            });
            while !reader.is_finished() {
                drop(PidFile::create(&path).expect("a writable folder"));
            }
        });
    }

    #[test]
    fn the_number_of_another_process_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("underpass.pid");
        let file = PidFile::create(&path).expect("a writable folder");
        fs::write(&path, "1\n").expect("a writable file");
        drop(file);
        assert_eq!(fs::read_to_string(&path).expect("still there"), "1\n");
    }

    #[test]
    fn a_device_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &path).expect("a link");
        drop(PidFile::create(&path).expect("/dev/null takes anything"));
        assert!(fs::symlink_metadata(&path).is_ok());
    }

    #[test]
    fn the_error_names_the_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("missing/underpass.pid");
        let error = PidFile::create(&path).expect_err("there is no such folder").to_string();
        assert!(error.contains("missing/underpass.pid"), "{error}");
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn the_number_of_another_process_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("underpass.pid");
        let missing = read(&path).expect_err("there is none");
        assert_eq!(missing, format!("open() \"{}\" failed (2: No such file or directory)", path.display()));
        for (text, expected) in [
            ("17\n", Ok(17)),
            ("17", Ok(17)),
            ("17\r\n", Ok(17)),
            ("", Err("")),
            ("\n", Err("")),
            ("+17", Err("+17")),
            ("-1", Err("-1")),
            ("0", Err("0")),
            ("17 18", Err("17 18")),
            ("99999999999", Err("99999999999")),
        ] {
            fs::write(&path, text).expect("a writable file");
            let invalid = |number| format!("invalid PID number \"{number}\" in \"{}\"", path.display());
            assert_eq!(read(&path), expected.map_err(invalid), "{text:?}");
        }
    }

    #[test]
    fn a_check_leaves_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("underpass.pid");
        fs::write(&path, "17\n").expect("a writable folder");
        PidFile::check(&path).expect("it can be written");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "17\n");
        PidFile::check(&folder.path().join("missing/underpass.pid")).expect_err("there is no such folder");
    }
}
