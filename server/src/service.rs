//! What the sessions of a worker share.

use std::sync::Arc;

use underpass_core::config::Config;
use underpass_tls::ClientSettings;

use crate::{Log, Resolver, SystemNames, Trace, admission::Gate, listen::Chooser};

/// What the sessions of a configuration need besides it. A clone stands for the same things.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Provisions {
    /// Where events and finished exchanges are told.
    pub log: Log,
    /// Who decides whether requests may go on, where their location wants to know.
    pub gate: Arc<Gate>,
    /// Who looks names up, by the number that the configuration gave it; a name without one is looked up as
    /// the system does.
    pub resolvers: Arc<[Resolver]>,
    /// Who looks names up as the system does.
    pub system_names: SystemNames,
    /// Settings of TLS towards origin servers, by the number that the configuration gave them
    /// ([`underpass_core::config::ProxyTls::settings`]).
    pub upstream_tls: Arc<[ClientSettings]>,
    /// Which sessions are traced, and where to, by the number that the configuration has
    /// ([`Config::trace`]).
    pub traces: Arc<[Trace]>,
}

/// What the sessions of one listening socket share. Sessions keep the one that they began with.
#[derive(Debug)]
pub struct Service {
    /// The configuration.
    pub config: Arc<Config>,
    /// What it doesn't hold.
    pub provisions: Provisions,
    /// Who chooses the settings of TLS handshakes, where clients are under TLS.
    pub tls: Option<Chooser>,
    /// How many times the worker's configuration had been replaced.
    pub generation: u64,
}

impl Service {
    /// How sessions are traced, where they are.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.provisions.traces.get(self.config.trace?.0 as usize)
    }
}
