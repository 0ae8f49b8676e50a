//! Which core runs what, and how many files may be open. Children inherit both.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Moves this thread, and with it the processes that it starts from here on, to one core.
pub fn pin(core: usize) -> Result<()> {
    ensure!(core < CpuSet::MAX_CPU, "core {core}: no such core");
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).with_context(|| format!("cannot run on core {core}"))
}

/// Fails when a core is not there, or when proxy and clients would share one.
pub fn check(load: usize, proxy: usize) -> Result<()> {
    ensure!(load != proxy, "the proxy needs a core of its own (--load-core, --proxy-core)");
    let allowed = sched_getaffinity(None).context("cannot ask for the cores of this process")?;
    for core in [load, proxy] {
        ensure!(
            core < CpuSet::MAX_CPU && allowed.is_set(core),
            "core {core} is not available to this process; two cores are needed"
        );
    }
    Ok(())
}

/// Raises the number of open files as far as the hard limit goes, and fails when that is less than `needed`.
/// nginx takes its limit from here too: `worker_rlimit_nofile` stays out of the common configuration file.
pub fn raise_open_files(needed: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
        .context("cannot raise the limit of open files")?;
    if let Some(most) = now.maximum {
        ensure!(most >= needed, "{needed} open files are needed, the hard limit is {most} (ulimit -Hn)");
    }
    Ok(())
}
