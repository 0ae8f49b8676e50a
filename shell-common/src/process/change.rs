//! From one configuration to the next: all that can fail comes first.

use std::{collections::HashSet, io, sync::Arc};

use underpass_core::{
    Severity,
    shared::{GroupId, Upstreams},
};
use underpass_nginx_config::{Loaded, LogTarget, Main, WorkerProcesses};

use super::{
    Runtime,
    rights::{Credentials, Rights, limit_descriptors, processors},
    serve::Process,
    sockets::Sockets,
    trouble::Trouble,
    workers::{Ready, Worker},
};
use crate::{
    ErrorLog, Listener, Log, LogFile, Logs, PidFile, Provisions, Reload, Resolver, Setup, Target, Trace,
    admission::Gate, resolver::Watch, trace::Told,
};

/// A configuration with all that it needs, before anything has changed.
pub(super) struct Next {
    main: Main,
    upstreams: Arc<Upstreams>,
    watch: Watch,
    provisions: Provisions,
    sockets: Sockets,
    /// Absent: the file stays.
    pid_file: Option<PidFile>,
    /// What each worker listens on.
    shares: Vec<Vec<Listener>>,
    /// Workers that are missing.
    ready: Vec<Ready>,
}

impl Next {
    pub(super) fn log(&self) -> &Log {
        &self.provisions.log
    }

    /// How many workers there will be.
    pub(super) fn workers(&self) -> usize {
        self.shares.len()
    }
}

/// From one configuration to the next.
impl<R: Runtime> Process<'_, R> {
    pub(super) fn reload(&mut self) {
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
    pub(super) fn prepare(&mut self, loaded: Loaded) -> Result<Next, Trouble> {
        let told = Told::of(&loaded);
        let Loaded { listeners, upstreams, resolvers_of_groups, main, access, .. } = loaded;
        let provisions = Provisions {
            log: open_logs(&main, &self.logs)?,
            gate: Arc::new(Gate::new(access)),
            resolvers: main.resolvers.iter().map(Resolver::new).collect(),
            traces: Trace::open_all(&main.traces, &told, &self.logs)?,
        };
        self.choose_credentials(&main, &provisions.log)?;
        for listener in listeners.iter().filter(|listener| listener.options.deferred) {
            let message = format!("\"deferred\" has no effect on {}", listener.address);
            provisions.log.event(Severity::Notice, &message, self.clock.now());
        }
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
        let resolver = |group: GroupId| {
            let number = resolvers_of_groups.get(group.0).copied().flatten()?;
            provisions.resolvers.get(number as usize).cloned()
        };
        upstreams.inherit(&self.upstreams);
        let watch = Watch::start(&upstreams, resolver, provisions.log.clone())?;
        Ok(Next { main, upstreams, watch, provisions, sockets, pid_file, shares, ready })
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
    pub(super) fn change(&mut self, next: Next) {
        let Next { main, upstreams, watch, provisions, sockets, pid_file, shares, ready } = next;
        let earlier = std::mem::replace(&mut self.main, main);
        self.log = provisions.log.clone();
        self.logs.resize(self.main.log_queue);
        self.logs.tell_losses_to(self.log.clone());
        (self.upstreams, self.watch) = (upstreams, Some(watch));
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
    let target = |written: &LogTarget| match written {
        LogTarget::Stderr => Ok(Target::Stderr),
        LogTarget::File(path) => Ok(Target::Path(path.clone())),
        LogTarget::Syslog(syslog) => Ok(Target::Syslog(syslog.clone())),
        other => Err(io::Error::other(format!("logs to {other} are not in this version"))),
    };
    let mut errors = Vec::new();
    for log in &main.error_logs {
        errors.push(ErrorLog::new(files.open(target(&log.target)?)?, log.severity));
    }
    let open = |log: &underpass_nginx_config::LogFile| -> io::Result<Arc<LogFile>> {
        let target = target(&log.target)?;
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
