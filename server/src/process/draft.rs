//! A configuration that was read: what of it may take long comes first.

use std::{io, sync::Arc};

use underpass_core::shared::{GroupId, Upstreams};
use underpass_nginx_config::{Listener as Wanted, Loaded, Main, Note};

use super::trouble::Trouble;
use crate::{Logs, Provisions, Resolver, SystemNames, Trace, admission::Gate, resolver::Watch, trace::Told};

/// A configuration that was read, with what may take long: its names are looked up, its logs are open.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(super) listeners: Vec<Wanted>,
    pub(super) main: Main,
    pub(super) notes: Vec<Note>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) provisions: Provisions,
    pub(super) watch: Watch,
}

impl Draft {
    /// Waits for the first answers to names, and for the system to open files. `earlier`: what it
    /// takes over.
    pub(super) fn of(loaded: Loaded, logs: &Logs, earlier: &Earlier) -> Result<Self, Trouble> {
        let told = Told::of(&loaded);
        let Loaded { listeners, upstreams, resolvers_of_groups, main, access, notes, .. } = loaded;
        let provisions = Provisions {
            log: logs.open_configured(&main)?,
            // The threads that compare passwords serve all configurations.
            gate: earlier.gate.renewed(access).map(Arc::new).map_err(not_compared)?,
            system_names: earlier.system_names.clone(),
            resolvers: main.resolvers.iter().map(Resolver::new).collect(),
            upstream_tls: Arc::default(),
            traces: Trace::open_all(&main.traces, &told, logs)?,
        };
        upstreams.inherit(&earlier.upstreams);
        let resolver = |group: GroupId| {
            let number = resolvers_of_groups.get(group.0).copied().flatten()?;
            provisions.resolvers.get(number as usize).cloned()
        };
        let watch = Watch::start(&upstreams, resolver, provisions.log.clone())
            .map_err(|error| Trouble::not_started("the resolver", error))?;
        Ok(Self { listeners, main, notes, upstreams, provisions, watch })
    }
}

/// What the next configuration takes over from the one that is served.
pub(super) struct Earlier {
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) gate: Arc<Gate>,
    pub(super) system_names: SystemNames,
}

fn not_compared(error: io::Error) -> Trouble {
    Trouble::not_started("the comparison of passwords", error)
}
