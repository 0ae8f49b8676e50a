//! What a worker is made of, and what its sessions share.

use std::{sync::Arc, time::Duration};

use underpass_core::config::Config;

use crate::{Clock, Control, Listener, Log, Resolver, SystemNames, Trace, admission::Gate};

/// What a worker is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// Where clients are accepted from.
    pub listeners: Vec<Listener>,
    /// What its sessions need besides.
    pub provisions: Provisions,
    /// Where time is read.
    pub clock: Clock,
    /// Connections at a time, those to origin servers included.
    pub connections: usize,
    /// What the worker obeys.
    pub control: Control,
}

impl Setup {
    /// A worker that accepts clients from `listeners`, logs nothing, and has nginx's 512 connections.
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            provisions: Provisions::default(),
            clock: Clock::start(),
            connections: 512,
            control: Control::default(),
        }
    }

    /// Sessions have these.
    #[must_use]
    pub fn provided_with(self, provisions: Provisions) -> Self {
        Self { provisions, ..self }
    }

    /// Logs go to `log`.
    #[must_use]
    pub fn logging_to(mut self, log: Log) -> Self {
        self.provisions.log = log;
        self
    }

    /// At most so many connections at a time, those to origin servers included: nginx's `worker_connections`.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// The worker obeys `control`, which serves one worker only.
    #[must_use]
    pub fn controlled_by(self, control: &Control) -> Self {
        Self { control: control.clone(), ..self }
    }

    /// Time is read from `clock`.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}

/// A configuration that takes the place of a worker's own.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reload {
    /// Where clients are accepted from. What the worker listened on and is not among them is closed, once
    /// the clients that wait there are accepted.
    pub listeners: Vec<Listener>,
    /// What new sessions need besides.
    pub provisions: Provisions,
    /// Connections at a time.
    pub connections: usize,
    /// How long the sessions that are open now may go on; absent: their tunnels live until they end.
    pub within: Option<Duration>,
}

impl Reload {
    /// The same settings as a worker made of [`Setup::new`].
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, provisions: Provisions::default(), connections: 512, within: None }
    }

    /// Takes the place of a reload that the worker has not seen: the sockets that came with it come with this
    /// one, and the sessions that are open began before either.
    pub(crate) fn supersede(&mut self, unseen: Self) {
        self.within = unseen.within;
        for mut earlier in unseen.listeners {
            let same = |listener: &&mut Listener| listener.number() == earlier.number();
            if let Some(listener) = self.listeners.iter_mut().find(same) {
                listener.keep_socket(earlier.take_socket());
            }
        }
    }
}

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
    /// How many times the worker's configuration had been replaced.
    pub generation: u64,
}

impl Service {
    /// How sessions are traced, where they are.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        self.provisions.traces.get(self.config.trace? as usize)
    }
}
