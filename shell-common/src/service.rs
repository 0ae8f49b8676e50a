//! What a worker is made of, and what its sessions share.

use std::{sync::Arc, time::Duration};

use underpass_core::config::Config;

use crate::{Clock, Control, Listener, Log, admission::Gate};

/// What a worker is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// Where clients are accepted from.
    pub listeners: Vec<Listener>,
    /// Where events and finished exchanges are told.
    pub log: Log,
    /// Who decides whether requests may go on, where their location wants to know.
    pub gate: Arc<Gate>,
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
            log: Log::default(),
            gate: Arc::default(),
            clock: Clock::start(),
            connections: 512,
            control: Control::default(),
        }
    }

    /// Logs go to `log`.
    #[must_use]
    pub fn logging_to(self, log: Log) -> Self {
        Self { log, ..self }
    }

    /// Requests are admitted by `gate`.
    #[must_use]
    pub fn admitting_by(self, gate: Arc<Gate>) -> Self {
        Self { gate, ..self }
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
    /// Where new sessions tell their events and exchanges.
    pub log: Log,
    /// Who decides whether requests of new sessions may go on.
    pub gate: Arc<Gate>,
    /// Connections at a time.
    pub connections: usize,
    /// How long the sessions that are open now may go on; absent: their tunnels live until they end.
    pub within: Option<Duration>,
}

impl Reload {
    /// The same settings as a worker made of [`Setup::new`].
    #[must_use]
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, log: Log::default(), gate: Arc::default(), connections: 512, within: None }
    }
}

/// What the sessions of one listening socket share. Sessions keep the one that they began with.
#[derive(Debug)]
pub struct Service {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where events and finished exchanges are told.
    pub log: Log,
    /// Who decides whether requests may go on, where their location wants to know.
    pub gate: Arc<Gate>,
    /// How many times the worker's configuration had been replaced.
    pub generation: u64,
}
