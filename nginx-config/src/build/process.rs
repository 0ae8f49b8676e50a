//! What stands outside of `http`.

use super::{Builder, all, level::first_argument, level::value_or_default};
use crate::{
    directives::Context,
    error::Error,
    loaded::{CpuAffinity, Main, WorkerProcesses},
    syntax::Directive,
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
            resolvers: Vec::new(),
            user: None,
            worker_shutdown_timeout: None,
            worker_rlimit_nofile: None,
            worker_cpu_affinity: CpuAffinity::Any,
        })
    }
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
