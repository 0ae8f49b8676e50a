//! From a configuration to a process that serves it.

use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc};

use underpass::{Control, Listener, Log, Setup};
use underpass_core::{Address, Fault, Severity, config::Identity};
use underpass_nginx_config::{LoadOptions, Loaded, LogTarget, Main, WorkerProcesses};
use underpass_shell_common::{Clock, ErrorLog, Logs, PidFile, Target};

use crate::{PROGRAM, process, say};

/// Why the program ends.
#[derive(Debug)]
pub(crate) struct Trouble {
    message: String,
}

impl Trouble {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<underpass_nginx_config::Error> for Trouble {
    fn from(error: underpass_nginx_config::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// What a configuration has to know besides its text.
pub(crate) fn load_options(prefix: &Path) -> LoadOptions {
    let mut identity = Identity::default();
    identity.hostname = rustix::system::uname().nodename().to_string_lossy().into();
    identity.pid = std::process::id();
    let mut options = LoadOptions::new(prefix);
    options.identity = Arc::new(identity);
    options
}

/// Serves the configuration until a signal ends it.
pub(crate) fn run(loaded: Loaded) -> Result<(), Trouble> {
    print_notes(&loaded);
    if loaded.main.daemon {
        // Silence would leave an operator waiting for a shell prompt.
        say(&format!("{}: [warn] \"daemon on\" has no effect, running in the foreground", PROGRAM.name));
    }
    let clock = Clock::start();
    let log = open_logs(&loaded.main)?;
    process::raise_descriptor_limit(&log, &clock);
    let controls: Vec<_> = (0..worker_count(&loaded.main)?).map(|_| Control::new()).collect();
    // Before anybody can see that there is somebody to signal.
    let _signals = process::watch_signals(controls.clone(), log.clone(), clock.clone())?;
    let listeners = listen(&loaded, controls.len())?;
    let _pid_file = loaded.main.pid.as_ref().map(PidFile::create).transpose()?;
    log.event(Severity::Notice, &format!("{}/{}", PROGRAM.name, PROGRAM.version), clock.now());
    log.event(Severity::Notice, &format!("workers: {}", controls.len()), clock.now());
    let setups = listeners.into_iter().zip(&controls).map(|(listeners, control)| {
        Setup::new(listeners)
            .logging_to(log.clone())
            .timed_by(clock.clone())
            .connections(loaded.main.worker_connections)
            .controlled_by(control)
    });
    process::serve(setups, &controls)?;
    log.event(Severity::Notice, "exit", clock.now());
    Ok(())
}

/// Tells what the operator should know of the configuration.
pub(crate) fn print_notes(loaded: &Loaded) {
    for note in &loaded.notes {
        say(&format!("{}: [warn] {note}", PROGRAM.name));
    }
}

fn open_logs(main: &Main) -> Result<Log, Trouble> {
    let mut files = Logs::new();
    let mut errors = Vec::new();
    for log in &main.error_logs {
        let target = match &log.target {
            LogTarget::Stderr => Target::Stderr,
            LogTarget::File(path) => Target::Path(path.clone()),
            other => return Err(Trouble::new(format!("an error log to {other:?} is not in this version"))),
        };
        let index = files.open(target)?;
        let file = files.get(index).ok_or_else(|| Trouble::new("a log that was opened is gone"))?;
        errors.push(ErrorLog::new(Arc::clone(file), log.severity));
    }
    let access = main.logs.iter().map(|log| files.open(Target::Path(log.path.clone())));
    let access = access.collect::<io::Result<Vec<_>>>()?;
    Ok(Log::new(errors, Arc::new(files), access))
}

fn worker_count(main: &Main) -> io::Result<usize> {
    match main.worker_processes {
        WorkerProcesses::Count(count) => Ok(count),
        WorkerProcesses::Auto => Ok(std::thread::available_parallelism()?.get()),
    }
}

/// The listening sockets of each worker. All addresses are checked before the first is bound: a wildcard
/// address of ours must not pass for somebody else's.
fn listen(loaded: &Loaded, workers: usize) -> Result<Vec<Vec<Listener>>, Trouble> {
    for listener in &loaded.listeners {
        let address = ip(&listener.address)?;
        Listener::address_is_free(address).map_err(|error| refused(address, error))?;
    }
    let bind = |listener: &underpass_nginx_config::Listener| {
        let address = ip(&listener.address)?;
        Listener::bind(address, Arc::clone(&listener.config)).map_err(|error| refused(address, error))
    };
    (0..workers).map(|_| loaded.listeners.iter().map(bind).collect()).collect()
}

fn ip(address: &Address) -> Result<SocketAddr, Trouble> {
    match address {
        Address::Ip(address) => Ok(*address),
        Address::Unix(_) => Err(Trouble::new(format!("listening on {address} is not in this version"))),
    }
}

fn refused(address: SocketAddr, error: io::Error) -> Trouble {
    Trouble::new(format!("bind() to {address} failed ({})", Fault::from(error)))
}
