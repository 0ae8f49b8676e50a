//! What stands outside of `http`.

use super::{Builder, all, level::first_argument, level::value_or_default};
use crate::{
    directives::Context,
    error::Error,
    loaded::{CpuAffinity, Main, User, WorkerProcesses},
    syntax::{Directive, Word},
    values,
};

impl Builder<'_> {
    /// Reads what concerns the process.
    pub(super) fn process(&mut self, tree: &[Directive]) -> Result<Main, Error> {
        let events = all(tree, "events").next().map(Directive::inside).unwrap_or_default();
        let connections = first_argument(events, "worker_connections");
        let processes = first_argument(tree, "worker_processes");
        let daemon = first_argument(tree, "daemon");
        Ok(Main {
            worker_processes: value_or_default(
                "worker_processes",
                processes,
                Context::Main,
                worker_processes,
            )?,
            worker_connections: value_or_default("worker_connections", connections, Context::Events, count)?,
            daemon: value_or_default("daemon", daemon, Context::Main, values::flag)?,
            pid: first_argument(tree, "pid").map(|name| self.path(&name.text)),
            error_logs: self.error_logs(tree)?,
            logs: std::mem::take(&mut self.sinks),
            log_queue: value_or_default(
                "log_queue",
                first_argument(tree, "log_queue"),
                Context::Main,
                bytes,
            )?,
            traces: std::mem::take(&mut self.traces),
            resolvers: std::mem::take(&mut self.resolvers),
            user: user(tree),
            // As in nginx, 0 sets no timer.
            worker_shutdown_timeout: first_argument(tree, "worker_shutdown_timeout")
                .and_then(|word| values::time(&word.text))
                .filter(|time| !time.is_zero()),
            worker_rlimit_nofile: first_argument(tree, "worker_rlimit_nofile")
                .and_then(|word| values::number(&word.text)),
            worker_cpu_affinity: cpu_affinity(tree)?,
        })
    }
}

/// A size that memory can have; a queue of nothing would lose every line.
fn bytes(text: &str) -> Option<usize> {
    values::size(text).and_then(|size| usize::try_from(size).ok()).filter(|size| *size != 0)
}

fn user(tree: &[Directive]) -> Option<User> {
    let directive = all(tree, "user").next()?;
    Some(User {
        name: directive.argument(0).text.clone(),
        group: directive.arguments.get(1).map(|word| word.text.clone()),
        position: directive.argument(0).position.clone(),
    })
}

fn cpu_affinity(tree: &[Directive]) -> Result<CpuAffinity, Error> {
    let Some(directive) = all(tree, "worker_cpu_affinity").next() else { return Ok(CpuAffinity::Any) };
    let Some((first, rest)) = directive.arguments.split_first() else { return Ok(CpuAffinity::Any) };
    if first.text != "auto" {
        return Ok(CpuAffinity::Masks(directive.arguments.iter().map(cpu_mask).collect::<Result<_, _>>()?));
    }
    match rest {
        [] => Ok(CpuAffinity::Auto(None)),
        [mask] => Ok(CpuAffinity::Auto(Some(cpu_mask(mask)?))),
        _ => {
            let message = "invalid number of arguments in \"worker_cpu_affinity\" directive";
            Err(Error::new(&directive.name.position, message))
        }
    }
}

/// The processors in a mask: the last digit is the first of them.
fn cpu_mask(word: &Word) -> Result<Vec<usize>, Error> {
    if let Some(other) = word.text.chars().find(|digit| !matches!(digit, '0' | '1')) {
        let message = format!("invalid character \"{other}\" in \"worker_cpu_affinity\"");
        return Err(Error::new(&word.position, message).hint("a mask is written in binary, as 0101"));
    }
    let digits = word.text.bytes().rev().enumerate();
    Ok(digits.filter(|(_, digit)| *digit == b'1').map(|(processor, _)| processor).collect())
}

fn worker_processes(text: &str) -> Option<WorkerProcesses> {
    if text == "auto" {
        return Some(WorkerProcesses::Auto);
    }
    count(text).map(WorkerProcesses::Count)
}

/// A number that is not 0: without workers or connections there is no service.
fn count(text: &str) -> Option<usize> {
    values::number(text).and_then(|number| usize::try_from(number).ok()).filter(|number| *number != 0)
}
