//! A process that serves: its start, the signals that it obeys, its end.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
};

use underpass_core::Severity;
use underpass_nginx_config::{Loaded, LogTarget};

use super::{
    Runtime,
    change::Next,
    daemon::Background,
    event::Event,
    identity::Identity,
    rights::Credentials,
    sockets::Sockets,
    source::Source,
    state::{Drafting, Process},
    trouble::Trouble,
    workers::Worker,
};
use crate::{
    Program, Signal, SignalWatch,
    keeper::Keeper,
    log::{Open, complain_of_panics},
};

/// All that a process begins to serve with.
pub(super) struct Startup {
    pub(super) program: &'static Program,
    pub(super) identity: Identity,
    pub(super) source: Source,
    /// What the source has come to.
    pub(super) loaded: Loaded,
    /// Absent: the process stays in the foreground.
    pub(super) background: Option<Background>,
}

impl Startup {
    /// Serves until a signal ends it.
    pub(super) fn run<R: Runtime>(self) -> Result<(), Trouble> {
        complain_of_panics();
        // Dropped last: until then the keeper opens and removes files for the process.
        let keeper = End(self.identity.keeper.clone());
        let early = self.source.early_log();
        let served = self.serve::<R>();
        if let (Err(trouble), Some(target)) = (&served, early) {
            trouble.log_to(target, keeper.0.clone().map(|keeper| keeper as Arc<dyn Open>));
        }
        served
    }

    fn serve<R: Runtime>(self) -> Result<(), Trouble> {
        let Self { program, identity, source, loaded, background } = self;
        let (source, loaded) = source.kept_by(identity.keeper.as_ref(), loaded)?;
        for note in &loaded.notes {
            super::say(&format!("{}: [warn] {note}", program.name));
        }
        let (sender, events) = channel();
        let deliver = sender.clone();
        // Before anybody can see that there is somebody to signal. The receiver lives as long as the process.
        let _signals = SignalWatch::start(move |signal| drop(deliver.send(Event::Signal(signal))))
            .map_err(|error| Trouble::not_started("the handling of signals", error))?;
        let keep_stderr = loaded.main.error_logs.iter().any(|log| log.target == LogTarget::Stderr);
        let mut process = Process::<R>::new(source, &loaded.main, identity, sender);
        process
            .draft(Some(loaded))
            .map_err(|error| Trouble::not_started("the reading of the configuration", error))?;
        if !process.start(program, &events)? {
            return Ok(());
        }
        if let Some(background) = background {
            background.serves(keep_stderr)?;
        }
        let ended = process.obey(&events);
        process.event(Severity::Notice, "exit");
        ended
    }
}

/// Ends the keeper, if there is one.
struct End(Option<Arc<Keeper>>);

impl Drop for End {
    fn drop(&mut self) {
        if let Some(keeper) = &self.0 {
            keeper.end();
        }
    }
}

/// Start and end.
impl<R: Runtime> Process<R> {
    /// Serves the first configuration, once that has been read; says whether it does: a signal may end the process
    /// before.
    pub(super) fn start(&mut self, program: &Program, events: &Receiver<Event>) -> Result<bool, Trouble> {
        // A sender of ours lives: there is always an event to wait for.
        while let Ok(event) = events.recv() {
            match event {
                Event::Drafted(draft) => {
                    let draft = (*draft)?;
                    // The file of the process's number says that it serves: nothing fails once that is there.
                    self.logs
                        .start_writer(draft.main.log_queue)
                        .map_err(|error| Trouble::not_started("the writer of logs", error))?;
                    // What is odd in the file itself has been told where the program was started.
                    let warnings = draft.tls.warnings.clone();
                    let next: Next = self.prepare(draft)?;
                    self.log = next.log().clone();
                    self.event(Severity::Notice, &format!("{}/{}", program.name, program.version));
                    self.event(Severity::Notice, &format!("workers: {}", next.workers()));
                    self.change(next);
                    warnings.iter().for_each(|warning| self.event(Severity::Warn, warning));
                    if let Some(warning) = self.user.as_ref().and_then(Credentials::warning) {
                        self.event(Severity::Warn, warning);
                    }
                    if std::mem::replace(&mut self.drafting, Drafting::Idle) == Drafting::Again {
                        self.reload();
                    }
                    return Ok(true);
                }
                Event::Signal(Signal::Quit | Signal::Terminate | Signal::Interrupt) => break,
                Event::Signal(Signal::HangUp) => self.drafting = Drafting::Again,
                Event::Signal(_) | Event::Ended(_) | Event::Reopened(_) => {}
            }
        }
        Ok(false)
    }

    pub(super) fn obey(&mut self, events: &Receiver<Event>) -> Result<(), Trouble> {
        let mut result = Ok(());
        while !(self.workers.is_empty() && self.retired.is_empty()) {
            match events.recv() {
                Ok(Event::Signal(signal)) => self.signalled(signal),
                Ok(Event::Ended(number)) => {
                    let ended = self.ended(number);
                    result = result.and(ended);
                }
                Ok(Event::Drafted(draft)) => self.drafted(*draft),
                Ok(Event::Reopened(reopened)) => {
                    if let Err(trouble) = reopened {
                        self.report(&trouble);
                    }
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

    /// On a thread of its own: a file system that doesn't answer must not keep signals waiting.
    fn reopen(&self) {
        let (logs, events) = (Arc::clone(&self.logs), self.events.clone());
        let reopened = thread::Builder::new().name("reopen".into()).spawn(move || {
            // Nobody waits for it when the process is ending.
            let _nobody_waits = events.send(Event::Reopened(logs.reopen().map_err(Trouble::from)));
        });
        if let Err(error) = reopened {
            self.event(Severity::Emerg, &format!("the logs can't be reopened: {error}"));
        }
    }
}
