//! `-s`: tells the process that serves this configuration what to do.

use rustix::process::{Pid, kill_process};
use underpass_core::{Fault, Severity};

use super::{source::Source, trouble::Trouble};
use crate::{Signal, pid};

/// Sends `signal` to the process whose number the configuration's pid file holds.
pub(crate) fn send(source: &Source, signal: Signal) -> Result<(), Trouble> {
    let Some(path) = source.load()?.main.pid else {
        return Err(Trouble::new(format!(
            "no \"pid\" directive in {}: without it nobody knows which process to signal",
            source.name()
        )));
    };
    let number = pid::read(&path).map_err(|message| Trouble::with(Severity::Error, message))?;
    let failed = |fault| {
        Trouble::with(Severity::Alert, format!("kill({number}, {}) failed ({fault})", signal.number()))
    };
    let process =
        Pid::from_raw(number).ok_or_else(|| failed(Fault::from(std::io::ErrorKind::InvalidInput)))?;
    kill_process(process, signal.to_system())
        .map_err(|error| failed(Fault::from(std::io::Error::from(error))))
}
