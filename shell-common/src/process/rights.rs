//! Whom the workers run as, how many descriptors the process has, on which processors a worker runs.

use std::io;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::{
    process::{Pid, Resource, Rlimit, geteuid, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use underpass_core::{Fault, Severity};
use underpass_nginx_config::{CpuAffinity, Main};

use super::trouble::Trouble;

/// The user and the groups of the workers' threads.
///
/// The thread that opens files and binds sockets keeps those of the process: as nginx's master process it
/// reads the next configuration, reopens logs, and listens on the ports below 1024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
}

impl Credentials {
    /// Those of the directive `user`; none, and a warning, where the process can't change them.
    pub(crate) fn of(main: &Main) -> Result<(Option<Self>, Option<Trouble>), Trouble> {
        let Some(wanted) = &main.user else { return Ok((None, None)) };
        let name = &wanted.name;
        let failed = |message: String| Trouble::new(format!("{message} in {}", wanted.position));
        if !geteuid().is_root() {
            let warning = "the \"user\" directive makes sense only if the master process runs with super-user \
                           privileges, ignored";
            return Ok((None, Some(Trouble::with(Severity::Warn, warning))));
        }
        let user = User::from_name(name).ok().flatten();
        let user = user.ok_or_else(|| failed(format!("getpwnam(\"{name}\") failed")))?;
        // nginx takes the group of the user's name, not the one that the user has.
        let group_name = wanted.group.as_ref().unwrap_or(name);
        let group = Group::from_name(group_name).ok().flatten();
        let group = group.ok_or_else(|| failed(format!("getgrnam(\"{group_name}\") failed")))?.gid;
        let found = std::ffi::CString::new(name.as_str()).map_err(io::Error::other)?;
        let groups = nix::unistd::getgrouplist(&found, group)
            .map_err(|error| Trouble::new(format!("getgrouplist({name}) failed ({error})")))?;
        Ok((Some(Self { user: user.uid, group, groups }), None))
    }

    /// Gives them to this thread, for good.
    fn assume(&self) -> io::Result<()> {
        use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
        let group = |gid: &Gid| rustix::process::Gid::from_raw(gid.as_raw());
        let groups: Vec<_> = self.groups.iter().map(group).collect();
        set_thread_groups(&groups)?;
        set_thread_gid(group(&self.group))?;
        set_thread_uid(rustix::process::Uid::from_raw(self.user.as_raw()))?;
        Ok(())
    }
}

/// What a worker's thread is given before it serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) processors: Option<CpuSet>,
}

impl Rights {
    /// Gives them to this thread.
    pub(crate) fn assume(&self) -> io::Result<()> {
        if let Some(set) = &self.processors {
            place(None, set);
        }
        self.credentials.as_ref().map_or(Ok(()), Credentials::assume)
    }
}

/// Lets a thread run on these processors only; absent: this thread.
pub(crate) fn place(thread: Option<Pid>, processors: &CpuSet) {
    // A processor that isn't there is no reason not to serve.
    if let Err(error) = sched_setaffinity(thread, processors) {
        crate::log::complain(&format!("sched_setaffinity() failed ({error})"));
    }
}

/// The processors of the worker with this number; to be asked in a thread that has all that the process has.
/// Absent: nobody knows.
pub(crate) fn processors(affinity: &CpuAffinity, worker: usize) -> Option<CpuSet> {
    let allowed = sched_getaffinity(None).ok()?;
    match affinity {
        CpuAffinity::Any => Some(allowed),
        CpuAffinity::Auto(mask) => {
            let all: Vec<_> = match mask {
                Some(mask) => mask.clone(),
                None => (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect(),
            };
            let one = *all.get(worker.checked_rem(all.len())?)?;
            Some(set([one].into_iter()))
        }
        CpuAffinity::Masks(masks) => {
            masks.get(worker).or_else(|| masks.last()).map(|mask| set(mask.iter().copied()))
        }
    }
}

fn set(numbers: impl Iterator<Item = usize>) -> CpuSet {
    let mut set = CpuSet::new();
    numbers.filter(|number| *number < CpuSet::MAX_CPU).for_each(|number| set.set(number));
    set
}

/// Sets the number of descriptors: `wanted`, or else as many as the system permits, for each tunnel takes two.
pub(crate) fn limit_descriptors(wanted: Option<u64>) -> Result<(), Trouble> {
    let limit = match wanted {
        Some(number) => Rlimit { current: Some(number), maximum: Some(number) },
        None => {
            let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
            Rlimit { current: maximum, maximum }
        }
    };
    setrlimit(Resource::Nofile, limit).map_err(|error| {
        let number = wanted.map_or(String::new(), |number| format!(", {number}"));
        let fault = Fault::from(io::Error::from(error));
        Trouble::with(Severity::Alert, format!("setrlimit(RLIMIT_NOFILE{number}) failed ({fault})"))
    })
}
