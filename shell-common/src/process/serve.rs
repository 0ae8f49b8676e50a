//! A process that serves: its start, the signals that it obeys, its end.

use std::{
    collections::HashSet,
    io,
    marker::PhantomData,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use underpass_core::Severity;
use underpass_nginx_config::{Loaded, LogTarget, Main, WorkerProcesses};

use super::{
    Runtime,
    daemon::Background,
    rights::{Credentials, Rights, limit_descriptors, processors},
    sockets::Sockets,
    source::Source,
    trouble::Trouble,
    workers::{Ready, Worker},
};
use crate::{
    Clock, ErrorLog, Listener, Log, LogFile, Logs, PidFile, Program, Provisions, Reload, Resolver, Setup,
    Signal, SignalWatch, Target, admission::Gate,
};

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
    process.logs.flush();
    ended
}

struct Process<'p, R> {
    source: &'p Source,
    clock: Clock,
    logs: Logs,
    events: Sender<Event>,
    main: Main,
    log: Log,
    sockets: Sockets,
    pid_file: Option<PidFile>,
    /// Those that the first workers were given.
    credentials: Option<Credentials>,
    workers: Vec<Worker>,
    /// Workers that end by themselves.
    retired: Vec<Worker>,
    /// How many workers there have been.
    count: u64,
    ending: bool,
    runtime: PhantomData<fn() -> R>,
}

/// A configuration with all that it needs, before anything has changed.
struct Next {
    main: Main,
    provisions: Provisions,
    sockets: Sockets,
    /// Absent: the file stays.
    pid_file: Option<PidFile>,
    /// What each worker listens on.
    shares: Vec<Vec<Listener>>,
    /// Workers that are missing.
    ready: Vec<Ready>,
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
            sockets: Sockets::default(),
            pid_file: None,
            credentials: None,
            workers: Vec::new(),
            retired: Vec::new(),
            count: 0,
            ending: false,
            runtime: PhantomData,
        };
        let next = process.prepare(loaded)?;
        process.log = next.provisions.log.clone();
        process.event(Severity::Notice, &format!("{}/{}", program.name, program.version));
        process.event(Severity::Notice, &format!("workers: {}", next.shares.len()));
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

    fn event(&self, severity: Severity, message: &str) {
        self.log.event(severity, message, self.clock.now());
    }

    fn report(&self, trouble: &Trouble) {
        self.event(trouble.severity(), trouble.message());
    }
}

/// From one configuration to the next.
impl<R: Runtime> Process<'_, R> {
    fn reload(&mut self) {
        self.event(Severity::Notice, "reconfiguring");
        let loaded = self.source.load();
        let notes = loaded.as_ref().map(|loaded| loaded.notes.clone()).unwrap_or_default();
        match loaded.and_then(|loaded| self.prepare(loaded)) {
            Ok(next) => {
                self.change(next);
                notes.iter().for_each(|note| self.event(Severity::Warn, &note.to_string()));
                self.event(Severity::Notice, "reconfigured");
            }
            Err(trouble) => self.report(&trouble),
        }
    }

    /// Everything that can fail. Nothing that is in use changes.
    fn prepare(&mut self, loaded: Loaded) -> Result<Next, Trouble> {
        let Loaded { listeners, main, access, .. } = loaded;
        let provisions = Provisions {
            log: open_logs(&main, &self.logs)?,
            gate: Arc::new(Gate::new(access)),
            resolvers: main.resolvers.iter().map(Resolver::new).collect(),
        };
        self.choose_credentials(&main, &provisions.log)?;
        let workers = worker_count(&main)?;
        let sockets = self.sockets.next(&listeners, workers)?;
        let nothing = HashSet::new();
        let share = |worker: usize| {
            let has = self.workers.get(worker).map_or(&nothing, Worker::has);
            sockets.share(&listeners, worker, workers, has)
        };
        let shares = (0..workers).map(share).collect::<io::Result<Vec<_>>>()?;
        let missing = self.workers.len().min(workers)..workers;
        let mut ready = Vec::new();
        for worker in missing {
            let rights = Rights {
                credentials: self.credentials.clone(),
                processors: processors(&main.worker_cpu_affinity, worker),
            };
            ready.push(Ready::new::<R>(self.count, rights, self.events.clone())?);
            self.count += 1;
        }
        let same_file = self.pid_file.as_ref().map(PidFile::path) == main.pid.as_deref();
        let pid_file = main.pid.as_ref().filter(|_| !same_file).map(PidFile::create).transpose()?;
        Ok(Next { main, provisions, sockets, pid_file, shares, ready })
    }

    /// The first configuration's hold: a thread that has given up its own can't take others.
    fn choose_credentials(&mut self, main: &Main, log: &Log) -> Result<(), Trouble> {
        let (credentials, mut warning) = Credentials::of(main)?;
        if self.workers.is_empty() {
            self.credentials = credentials;
        } else if self.credentials != credentials {
            let message = "the \"user\" directive takes effect when the process starts the next time";
            warning = Some(Trouble::with(Severity::Warn, message));
        }
        if let Some(warning) = warning {
            log.event(warning.severity(), warning.message(), self.clock.now());
        }
        Ok(())
    }

    /// Takes the configuration into use; nothing of it fails.
    fn change(&mut self, next: Next) {
        let Next { main, provisions, sockets, pid_file, shares, ready } = next;
        let earlier = std::mem::replace(&mut self.main, main);
        self.log = provisions.log.clone();
        self.limit(&earlier);
        let earlier_sockets = std::mem::replace(&mut self.sockets, sockets);
        for failure in self.sockets.follow(&earlier_sockets) {
            self.event(Severity::Alert, &failure);
        }
        // Before the workers close theirs: whoever is the last accepts the clients that wait there.
        drop(earlier_sockets);
        if pid_file.is_some() || self.main.pid.is_none() {
            self.pid_file = pid_file;
        }
        if self.main.worker_cpu_affinity != earlier.worker_cpu_affinity {
            for (number, worker) in self.workers.iter().enumerate() {
                if let Some(processors) = processors(&self.main.worker_cpu_affinity, number) {
                    worker.place(&processors);
                }
            }
        }
        let connections = self.main.worker_connections;
        let mut shares = shares.into_iter();
        let retired = self.workers.split_off(shares.len().min(self.workers.len()));
        for (worker, listeners) in self.workers.iter_mut().zip(&mut shares) {
            worker.reload(Reload {
                connections,
                provisions: provisions.clone(),
                within: earlier.worker_shutdown_timeout,
                ..Reload::new(listeners)
            });
        }
        for (ready, listeners) in ready.into_iter().zip(shares) {
            let setup = Setup::new(listeners)
                .provided_with(provisions.clone())
                .timed_by(self.clock.clone())
                .connections(connections);
            self.workers.push(ready.begin(setup));
        }
        // Behind those that take their sockets over.
        retired.iter().for_each(|worker| worker.control().drain(earlier.worker_shutdown_timeout));
        self.retired.extend(retired);
    }

    fn limit(&self, earlier: &Main) {
        let wanted = self.main.worker_rlimit_nofile;
        let is_set = !self.workers.is_empty() && earlier.worker_rlimit_nofile == wanted;
        if !is_set && let Err(trouble) = limit_descriptors(wanted) {
            self.report(&trouble);
        }
    }
}

/// Opens the logs that a configuration names.
pub(crate) fn open_logs(main: &Main, files: &Logs) -> Result<Log, Trouble> {
    let mut errors = Vec::new();
    for log in &main.error_logs {
        let target = match &log.target {
            LogTarget::Stderr => Target::Stderr,
            LogTarget::File(path) => Target::Path(path.clone()),
            other => return Err(Trouble::new(format!("an error log to {other:?} is not in this version"))),
        };
        errors.push(ErrorLog::new(files.open(target)?, log.severity));
    }
    let open = |log: &underpass_nginx_config::LogFile| -> io::Result<Arc<LogFile>> {
        let target = Target::Path(log.path.clone());
        match log.buffer {
            Some(size) => files.open_buffered(target, size, log.flush),
            None => files.open(target),
        }
    };
    let sinks = main.logs.iter().map(open).collect::<io::Result<Vec<_>>>()?;
    Ok(Log::new(errors, sinks))
}

fn worker_count(main: &Main) -> io::Result<usize> {
    match main.worker_processes {
        WorkerProcesses::Count(count) => Ok(count),
        WorkerProcesses::Auto => Ok(std::thread::available_parallelism()?.get()),
    }
}
