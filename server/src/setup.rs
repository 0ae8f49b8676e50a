//! What a worker is made of.

use crate::{Clock, Control, Listener, Log, Provisions, worker::Watch};

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
    /// What it watches its sockets by; absent: it makes one when it begins.
    pub(crate) watch: Option<Watch>,
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
            watch: None,
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

    /// The worker watches its sockets by `watch`: then it needs no descriptor more when it begins.
    #[must_use]
    pub fn watching_by(self, watch: Watch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Time is read from `clock`.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }
}
