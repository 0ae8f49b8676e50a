//! Whom the process runs as, how many descriptors the process has, on which processors a worker runs.

use std::io;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::{
    process::{Pid, Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use underpass_core::{Fault, Severity};
use underpass_nginx_config::{CpuAffinity, Main};

use super::trouble::Trouble;

/// What is said of a `user` where the process can't become that.
pub(crate) const USER_IS_IGNORED: &str =
    "the \"user\" directive makes sense only if the master process runs with super-user privileges, ignored";

/// Whom a process becomes that root has started, where no `user` names somebody; nginx's own default.
const DEFAULT_USER: &str = "nobody";

/// The user and the groups that a process becomes when it is started by root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
}

impl Credentials {
    /// Those of the directive `user`, or else of `nobody`.
    pub(crate) fn of(main: &Main) -> Result<Self, Trouble> {
        let Some(wanted) = &main.user else { return Self::by_default() };
        let name = &wanted.name;
        let failed = |message: String| Trouble::new(format!("{message} in {}", wanted.position));
        let user = User::from_name(name).ok().flatten();
        let user = user.ok_or_else(|| failed(format!("getpwnam(\"{name}\") failed")))?;
        // nginx takes the group of the user's name, not the one that the user has.
        let group_name = wanted.group.as_ref().unwrap_or(name);
        let group = Group::from_name(group_name).ok().flatten();
        let group = group.ok_or_else(|| failed(format!("getgrnam(\"{group_name}\") failed")))?.gid;
        Self::with_groups(name, user.uid, group)
    }

    /// The group is the one that the user has: some systems call it `nobody`, others `nogroup`.
    fn by_default() -> Result<Self, Trouble> {
        let user = User::from_name(DEFAULT_USER).ok().flatten().ok_or_else(|| {
            Trouble::new(format!(
                "getpwnam(\"{DEFAULT_USER}\") failed: that is whom the process becomes, where root starts it and no \
                 \"user\" directive names another"
            ))
        })?;
        Self::with_groups(DEFAULT_USER, user.uid, user.gid)
    }

    fn with_groups(name: &str, user: Uid, group: Gid) -> Result<Self, Trouble> {
        let found = std::ffi::CString::new(name).map_err(io::Error::other)?;
        let groups = nix::unistd::getgrouplist(&found, group)
            .map_err(|error| Trouble::new(format!("getgrouplist({name}) failed ({error})")))?;
        Ok(Self { user, group, groups })
    }

    /// What the operator is told where the file says that the process stays root.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.is(0).then_some("the process keeps the rights of root, as the \"user\" directive says")
    }

    /// Whether the user has this number.
    pub(crate) fn is(&self, user: u32) -> bool {
        self.user.as_raw() == user
    }

    /// Whether the user is in the group with this number.
    pub(crate) fn is_in(&self, group: u32) -> bool {
        self.groups.iter().chain([&self.group]).any(|known| known.as_raw() == group)
    }

    /// Becomes that user, for good. The system changes one thread only, and a new thread is as the one that starts
    /// it: to be called before there is a second. Who is that user already, with that group, stays as it is: in a
    /// user namespace root may change neither.
    pub(crate) fn assume(&self) -> Result<(), Trouble> {
        if (self.user, self.group) == (Uid::effective(), Gid::effective()) {
            return Ok(());
        }
        use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
        let failed = |what: String| {
            move |error: rustix::io::Errno| {
                Trouble::new(format!("{what} failed ({})", Fault::from(io::Error::from(error))))
            }
        };
        let group = |gid: &Gid| rustix::process::Gid::from_raw(gid.as_raw());
        let groups: Vec<_> = self.groups.iter().map(group).collect();
        set_thread_groups(&groups).map_err(failed("setgroups()".to_owned()))?;
        set_thread_gid(group(&self.group)).map_err(failed(format!("setgid({})", self.group)))?;
        let user = rustix::process::Uid::from_raw(self.user.as_raw());
        set_thread_uid(user).map_err(failed(format!("setuid({})", self.user)))?;
        self.give_up_capabilities().map_err(failed("capset()".to_owned()))
    }

    /// With its user a process loses them, unless whoever has started it has arranged for the contrary.
    #[cfg(target_os = "linux")]
    fn give_up_capabilities(&self) -> rustix::io::Result<()> {
        use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
        if self.is(0) {
            return Ok(());
        }
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
    fn give_up_capabilities(&self) -> rustix::io::Result<()> {
        Ok(())
    }

    /// Of a user that the system need not have.
    #[cfg(test)]
    pub(crate) fn with(user: u32, groups: &[u32]) -> Self {
        let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
        Self { user: Uid::from_raw(user), group: groups[0], groups }
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
