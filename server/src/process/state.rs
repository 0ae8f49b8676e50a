//! A process that serves, as a value: what it has, and whom it tells.

use std::{
    marker::PhantomData,
    sync::{Arc, mpsc::Sender},
};

use underpass_core::{Severity, shared::Upstreams};
use underpass_nginx_config::Main;

use super::{
    event::Event, identity::Identity, rights::Credentials, sockets::Sockets, source::Source,
    trouble::Trouble, workers::Worker,
};
use crate::{
    Clock, Log, Logs, PidFile, SystemNames,
    admission::Gate,
    keeper::Keeper,
    log::Open,
    panics::Teller,
    resolver::Watch,
    tls::{Kept, Watching},
};

/// A process, and the configuration that it serves.
pub(super) struct Process<R> {
    pub(super) source: Arc<Source>,
    pub(super) clock: Clock,
    pub(super) logs: Arc<Logs>,
    pub(super) events: Sender<Event>,
    pub(super) main: Main,
    pub(super) log: Log,
    /// Of the configuration that is served.
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) watch: Option<Watch>,
    /// Of the configuration that is served.
    pub(super) gate: Arc<Gate>,
    pub(super) system_names: SystemNames,
    /// Sessions and keys of tickets of the configuration that is served.
    pub(super) kept: Kept,
    pub(super) watching: Option<Watching>,
    pub(super) panics: Teller,
    pub(super) sockets: Sockets,
    pub(super) pid_file: Option<PidFile>,
    /// As [`Identity::user`].
    pub(super) user: Option<Credentials>,
    pub(super) keeper: Option<Arc<Keeper>>,
    pub(super) workers: Vec<Worker>,
    /// Workers that end by themselves.
    pub(super) retired: Vec<Worker>,
    /// How many workers there have been.
    pub(super) count: u64,
    pub(super) drafting: Drafting,
    pub(super) ending: bool,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Process<R> {
    pub(super) fn new(source: Source, main: &Main, identity: Identity, events: Sender<Event>) -> Self {
        let Identity { user, keeper } = identity;
        let opener = keeper.clone().map(|keeper| keeper as Arc<dyn Open>);
        Self {
            source: Arc::new(source),
            clock: Clock::start(),
            logs: Arc::new(Logs::opened_by(opener)),
            events,
            main: main.clone(),
            log: Log::default(),
            upstreams: Arc::default(),
            watch: None,
            gate: Arc::default(),
            system_names: SystemNames::default(),
            kept: Kept::default(),
            watching: None,
            panics: Teller::install(),
            sockets: Sockets::bound_by(keeper.clone()),
            pid_file: None,
            user,
            keeper,
            workers: Vec::new(),
            retired: Vec::new(),
            count: 0,
            drafting: Drafting::Idle,
            ending: false,
            runtime: PhantomData,
        }
    }

    pub(super) fn event(&self, severity: Severity, message: &str) {
        self.log.event(severity, message, self.clock.now());
    }

    pub(super) fn report(&self, trouble: &Trouble) {
        self.event(trouble.severity(), trouble.message());
    }
}

/// Where a change of the configuration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drafting {
    /// Nobody has asked for one.
    Idle,
    /// The next configuration is being read.
    Underway,
    /// It is, and will be read again after that: the file may have changed meanwhile.
    Again,
}
