//! A process that serves: its start, the signals that it obeys, its end.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use underpass_core::{Severity, shared::Upstreams};
use underpass_nginx_config::{Loaded, LogTarget, Main};

use super::{
    Runtime,
    change::Next,
    daemon::Background,
    rights::{Credentials, Rights},
    sockets::Sockets,
    source::Source,
    trouble::Trouble,
    workers::Worker,
};
use crate::log::complain_of_panics;
use crate::{Clock, Log, Logs, PidFile, Program, Signal, SignalWatch, resolver::Watch};

/// What the process waits for.
#[derive(Debug)]
pub(crate) enum Event {
    Signal(Signal),
    /// The worker with this number has ended.
    Ended(u64),
}

/// Serves until a signal ends it.
pub(crate) fn run<R: Runtime>(
    program: &Program,
    source: &Source,
    loaded: Loaded,
    background: Option<Background>,
) -> Result<(), Trouble> {
    complain_of_panics();
    for note in &loaded.notes {
        super::say(&format!("{}: [warn] {note}", program.name));
    }
    let (sender, events) = channel();
    let deliver = sender.clone();
    // Before anybody can see that there is somebody to signal. The receiver lives as long as the process.
    let _signals = SignalWatch::start(move |signal| drop(deliver.send(Event::Signal(signal))))?;
    let keep_stderr = loaded.main.error_logs.iter().any(|log| log.target == LogTarget::Stderr);
    let mut process = Process::<R>::start(program, source, loaded, sender)?;
    if let Some(background) = background {
        background.serves(keep_stderr)?;
    }
    let ended = process.obey(&events);
    process.event(Severity::Notice, "exit");
    ended
}

/// A process, and the configuration that it serves.
pub(super) struct Process<'p, R> {
    pub(super) source: &'p Source,
    pub(super) clock: Clock,
    pub(super) logs: Logs,
    pub(super) events: Sender<Event>,
    pub(super) main: Main,
    pub(super) log: Log,
    /// Of the configuration that is served.
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) watch: Option<Watch>,
    pub(super) sockets: Sockets,
    pub(super) pid_file: Option<PidFile>,
    /// Those that the first workers were given.
    pub(super) credentials: Option<Credentials>,
    pub(super) workers: Vec<Worker>,
    /// Workers that end by themselves.
    pub(super) retired: Vec<Worker>,
    /// How many workers there have been.
    pub(super) count: u64,
    pub(super) ending: bool,
    runtime: PhantomData<fn() -> R>,
}

/// Start and end.
impl<'p, R: Runtime> Process<'p, R> {
    fn start(
        program: &Program,
        source: &'p Source,
        loaded: Loaded,
        events: Sender<Event>,
    ) -> Result<Self, Trouble> {
        let mut process = Self {
            source,
            clock: Clock::start(),
            logs: Logs::new(),
            events,
            main: loaded.main.clone(),
            log: Log::default(),
            upstreams: Arc::default(),
            watch: None,
            sockets: Sockets::default(),
            pid_file: None,
            credentials: None,
            workers: Vec::new(),
            retired: Vec::new(),
            count: 0,
            ending: false,
            runtime: PhantomData,
        };
        let next: Next = process.prepare(loaded)?;
        process.log = next.log().clone();
        let rights = Rights { credentials: process.credentials.clone(), processors: None };
        process.logs.start_writer(process.main.log_queue, move || rights.assume())?;
        process.event(Severity::Notice, &format!("{}/{}", program.name, program.version));
        process.event(Severity::Notice, &format!("workers: {}", next.workers()));
        process.change(next);
        Ok(process)
    }

    fn obey(&mut self, events: &Receiver<Event>) -> Result<(), Trouble> {
        let mut result = Ok(());
        while !(self.workers.is_empty() && self.retired.is_empty()) {
            // A sender of ours lives: there is always an event to wait for.
            match events.recv() {
                Ok(Event::Signal(signal)) => self.signalled(signal),
                Ok(Event::Ended(number)) => {
                    let ended = self.ended(number);
                    result = result.and(ended);
                }
                Err(_) => break,
            }
        }
        result
    }

    fn signalled(&mut self, signal: Signal) {
        let answer = match signal {
            Signal::Quit => "gracefully shutting down",
            Signal::Terminate | Signal::Interrupt => "exiting",
            Signal::HangUp if self.ending => "ignored while shutting down",
            Signal::HangUp => "reconfiguring",
            Signal::User1 => "reopening logs",
            Signal::User2 | Signal::WindowChange => "not supported, ignored",
        };
        let severity = if signal == Signal::User2 { Severity::Warn } else { Severity::Notice };
        self.event(severity, &format!("signal {signal} received, {answer}"));
        match signal {
            Signal::Quit => self.drain(),
            Signal::Terminate | Signal::Interrupt => self.stop(),
            Signal::HangUp if !self.ending => self.reload(),
            Signal::User1 => self.reopen(),
            Signal::HangUp | Signal::User2 | Signal::WindowChange => {}
        }
    }

    fn drain(&mut self) {
        self.ending = true;
        // Before the workers do: whoever closes a socket last accepts the clients that wait there.
        self.sockets = Sockets::default();
        let within = self.main.worker_shutdown_timeout;
        self.everybody().for_each(|worker| worker.control().drain(within));
    }

    fn stop(&mut self) {
        self.ending = true;
        self.everybody().for_each(|worker| worker.control().stop());
    }

    fn everybody(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().chain(&self.retired)
    }

    /// One that can't serve would leave clients waiting at its socket: then all end.
    fn ended(&mut self, number: u64) -> Result<(), Trouble> {
        let of = |worker: &Worker| worker.number() == number;
        if let Some(at) = self.retired.iter().position(of) {
            return self.retired.swap_remove(at).join();
        }
        let Some(at) = self.workers.iter().position(of) else { return Ok(()) };
        let result = self.workers.remove(at).join();
        if result.is_err() {
            self.stop();
        }
        result
    }

    fn reopen(&self) {
        if let Err(error) = self.logs.reopen() {
            self.event(Severity::Emerg, &error.to_string());
        }
    }

    pub(super) fn event(&self, severity: Severity, message: &str) {
        self.log.event(severity, message, self.clock.now());
    }

    pub(super) fn report(&self, trouble: &Trouble) {
        self.event(trouble.severity(), trouble.message());
    }
}
