//! Going into the background.
//!
//! A process with threads can't be forked, and forking is `unsafe`: the program is started a second time,
//! with its standard output as a pipe to the first. The second leaves the terminal's session, starts up, and
//! writes a byte into the pipe when it serves; then the first ends with success. Until then the standard
//! error stream is that of the first, so that nothing that goes wrong stays unseen.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Command, ExitCode, Stdio},
};

use rustix::process::{getppid, setsid};

use super::trouble::Trouble;

/// Names the process that waits, so that a value that was left behind means nothing.
const VARIABLE: &str = "UNDERPASS_BACKGROUND_OF";

/// Starts the program a second time, and waits until it serves or has failed.
pub(crate) fn start() -> Result<ExitCode, Trouble> {
    let failed = |error: io::Error| Trouble::new(format!("cannot go into the background: {error}"));
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut child = Command::new(itself().map_err(failed)?)
        .arg0(name)
        .args(arguments)
        .env(VARIABLE, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut word = Vec::new();
    if let Some(pipe) = &mut child.stdout {
        pipe.take(1).read_to_end(&mut word).map_err(failed)?;
    }
    if !word.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    // It has said why.
    let status = child.wait().map_err(failed)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The file of the program, the same one even when another has taken its place meanwhile.
pub(crate) fn itself() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { env::current_exe() }
}

/// The background, once this process is in it.
#[derive(Debug)]
pub(crate) struct Background {
    pipe: File,
}

impl Background {
    /// Leaves the terminal's session, when the process was started for that; `None` for any other process.
    pub(crate) fn enter() -> Result<Option<Self>, Trouble> {
        let waiting = env::var(VARIABLE).ok().and_then(|number| number.parse().ok());
        if waiting.is_none() || waiting != getppid().map(|parent| parent.as_raw_nonzero().get()) {
            return Ok(None);
        }
        let failed = |error: io::Error| Trouble::new(format!("cannot go into the background: {error}"));
        setsid().map_err(|error| failed(error.into()))?;
        let pipe = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
        rustix::stdio::dup2_stdout(nothing().map_err(failed)?).map_err(|error| failed(error.into()))?;
        Ok(Some(Self { pipe: pipe.into() }))
    }

    /// Tells the process that waits that this one serves. `keep_stderr`: a log goes there.
    pub(crate) fn serves(mut self, keep_stderr: bool) -> io::Result<()> {
        if !keep_stderr {
            rustix::stdio::dup2_stderr(nothing()?)?;
        }
        match self.pipe.write_all(b"+") {
            // Nobody waits any more: served is all the same.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// What takes everything and has nothing.
pub(crate) fn nothing() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}
