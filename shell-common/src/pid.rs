//! The file that tells other programs which process to signal.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

/// A file that holds the number of this process for as long as the value lives.
#[derive(Debug)]
#[must_use = "the file is removed when this is dropped"]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the number of this process to `path`, replacing what was there.
    ///
    /// # Errors
    /// The error's text names the path.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let write = || writeln!(File::create(&path)?, "{}", process::id());
        match write() {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("cannot write the pid file \"{}\": {error}", path.display()),
            )),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another process may have written its own number meanwhile, and a path such as `/dev/null` is no file
    /// of ours to remove.
    fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| found.is_file())
            && fs::read_to_string(&self.path).is_ok_and(|text| text.trim() == process::id().to_string())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is_ours()
            && let Err(error) = fs::remove_file(&self.path)
        {
            crate::logs::complain(&format!(
                "cannot remove the pid file \"{}\": {error}",
                self.path.display()
            ));
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
}
