//! A configuration that was read: what of it may take long comes first.

use std::{io, sync::Arc};

use underpass_core::shared::{GroupId, Upstreams};
use underpass_nginx_config::{ConfigNote, Listener as Wanted, Loaded, Main};

use super::trouble::Trouble;
use crate::{
    Logs, Provisions, Resolver, SystemNames, Trace,
    admission::Gate,
    resolver::Watch,
    tls::{Kept, Reader, Tls, Watching},
    trace::Told,
};

/// A configuration that was read, with what may take long: its names are looked up, its logs are open.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) listeners: Vec<Wanted>,
    pub(super) main: Main,
    pub(super) notes: Vec<ConfigNote>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) provisions: Provisions,
    pub(super) watch: Watch,
    pub(super) tls: Tls,
    /// Of changed certificates, where they are watched.
    pub(super) watching: Option<Watching>,
}

impl Draft {
    /// Waits for the first answers to names, and for the system to open files. `earlier`: what it
    /// takes over.
    pub(super) fn of(
        loaded: Loaded,
        logs: &Logs,
        reader: &Reader,
        earlier: &Earlier,
    ) -> Result<Self, Trouble> {
        let told = Told::of(&loaded);
        let Loaded { listeners, upstreams, resolvers_of_groups, upstream_tls, main, access, notes, .. } =
            loaded;
        let tls = Tls::of(&listeners, &upstream_tls, reader, &earlier.kept)?;
        let provisions = Provisions {
            log: logs.open_configured(&main)?,
            // The threads that compare passwords serve all configurations.
            gate: earlier.gate.renewed(access).map(Arc::new).map_err(not_compared)?,
            system_names: earlier.system_names.clone(),
            resolvers: main.resolvers.iter().map(Resolver::new).collect(),
            upstream_tls: Arc::clone(&tls.upstream),
            traces: Trace::open_all(&main.traces, &told, logs)?,
        };
        upstreams.inherit(&earlier.upstreams);
        let resolver = |group: GroupId| {
            let resolver = resolvers_of_groups.get(group.0).copied().flatten()?;
            provisions.resolvers.get(resolver.0 as usize).cloned()
        };
        let watch = Watch::start(&upstreams, resolver, provisions.log.clone())
            .map_err(|error| Trouble::not_started("the resolver", error))?;
        let watching = tls
            .watch(reader, provisions.log.clone())
            .map_err(|error| Trouble::not_started("the watch of certificates", error))?;
        Ok(Self { listeners, main, notes, upstreams, provisions, watch, tls, watching })
    }
}

impl Draft {
    /// What the operator should know of it.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.notes.iter().map(ToString::to_string).chain(self.tls.warnings.iter().cloned()).collect()
    }
}

/// What the next configuration takes over from the one that is served.
pub(super) struct Earlier {
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) gate: Arc<Gate>,
    pub(super) system_names: SystemNames,
    pub(super) kept: Kept,
}

fn not_compared(error: io::Error) -> Trouble {
    Trouble::not_started("the comparison of passwords", error)
}
