//! Whom a process is, and who does for it what only root can.

use std::sync::Arc;

use rustix::process::geteuid;
use underpass_nginx_config::Main;

use super::{
    rights::{Credentials, limit_descriptors},
    trouble::Trouble,
};
use crate::keeper::Keeper;

/// Whom the process is, from before it has a second thread to its end.
pub(super) struct Identity {
    /// Whom it has become, as the first configuration says; absent: root hasn't started it, and it stays who it is.
    pub(super) user: Option<Credentials>,
    /// Who does what only root can; absent: this process, as far as it can.
    pub(super) keeper: Option<Arc<Keeper>>,
}

impl Identity {
    /// Becomes the user that the configuration names, or else `nobody`, where root has started the process. To be
    /// called before there is a second thread.
    pub(super) fn assume(main: &Main) -> Result<Self, Trouble> {
        if !geteuid().is_root() {
            return Ok(Self { user: None, keeper: None });
        }
        let user = Credentials::of(main)?;
        // Only root can raise it. What fails is told when the configuration is taken into use.
        let _told_later = limit_descriptors(main.worker_rlimit_nofile);
        let failed =
            |error| Trouble::new(format!("the process that keeps root's rights can't start: {error}"));
        let keeper = if user.is(0) { None } else { Some(Keeper::start().map_err(failed)?) };
        user.assume()?;
        Ok(Self { user: Some(user), keeper })
    }
}
