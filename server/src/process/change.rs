//! From one configuration to the next: all that can fail comes first.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, mpsc::Sender},
    thread,
};

use underpass_core::{Severity, shared::Upstreams};
use underpass_nginx_config::{Loaded, Main, WorkerProcesses};

use super::{
    Runtime,
    draft::{Draft, Earlier},
    event::Event,
    rights::{Credentials, USER_IS_IGNORED, limit_descriptors, processors},
    sockets::Sockets,
    state::{Drafting, Process},
    trouble::Trouble,
    workers::{Ready, Worker},
};
use crate::{
    Listener, Log, PidFile, Provisions, Reload, Setup,
    resolver::Watch,
    tls::{Tls, Watching},
};

/// A configuration with all that it needs, before anything has changed.
pub(super) struct Next {
    main: Main,
    upstreams: Arc<Upstreams>,
    watch: Watch,
    tls: Tls,
    watching: Option<Watching>,
    provisions: Provisions,
    sockets: Sockets,
    /// Absent: the file stays.
    pid_file: Option<PidFile>,
    /// What each worker listens on.
    shares: Vec<Vec<Listener>>,
    /// What those that are too many have listened on and others will.
    left: Vec<Vec<Listener>>,
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
impl<R: Runtime> Process<R> {
    /// Reads the configuration again. That may take long, and signals are obeyed meanwhile.
    pub(super) fn reload(&mut self) {
        if self.drafting != Drafting::Idle {
            self.drafting = Drafting::Again;
            return;
        }
        self.event(Severity::Notice, "reconfiguring");
        if let Err(error) = self.draft(None) {
            self.event(Severity::Emerg, &format!("the configuration can't be read: {error}"));
        }
    }

    /// Makes a draft on a thread of its own, of what is `loaded` or else of the source. It comes as an event.
    pub(super) fn draft(&mut self, loaded: Option<Loaded>) -> io::Result<()> {
        let (source, logs) = (Arc::clone(&self.source), Arc::clone(&self.logs));
        let earlier = Earlier {
            upstreams: Arc::clone(&self.upstreams),
            gate: Arc::clone(&self.gate),
            system_names: self.system_names.clone(),
            kept: self.kept.clone(),
        };
        let answer = Answer { events: self.events.clone(), draft: None };
        thread::Builder::new().name("reload".into()).spawn(move || {
            let mut answer = answer;
            let loaded = loaded.map_or_else(|| source.load(), Ok);
            answer.draft =
                Some(loaded.and_then(|loaded| Draft::of(loaded, &logs, &source.reader(), &earlier)));
        })?;
        self.drafting = Drafting::Underway;
        Ok(())
    }

    /// Goes over to the next configuration, now that it has been read.
    pub(super) fn drafted(&mut self, draft: Result<Draft, Trouble>) {
        let drafting = std::mem::replace(&mut self.drafting, Drafting::Idle);
        if self.ending {
            return;
        }
        let notes = draft.as_ref().map(Draft::warnings).unwrap_or_default();
        match draft.and_then(|draft| self.prepare(draft)) {
            Ok(next) => {
                self.change(next);
                notes.iter().for_each(|note| self.event(Severity::Warn, note));
                self.event(Severity::Notice, "reconfigured");
            }
            Err(trouble) => self.report(&trouble),
        }
        if drafting == Drafting::Again {
            self.reload();
        }
    }

    /// Everything else that can fail. Nothing that is in use changes.
    pub(super) fn prepare(&mut self, draft: Draft) -> Result<Next, Trouble> {
        let Draft { listeners, main, upstreams, provisions, watch, tls, watching, .. } = draft;
        self.note_user(&main, &provisions.log)?;
        for listener in listeners.iter().filter(|listener| listener.options.deferred) {
            let message = format!("\"deferred\" has no effect on {}", listener.address);
            provisions.log.event(Severity::Notice, &message, self.clock.now());
        }
        let workers = worker_count(&main)?;
        let sockets = self.sockets.next(&listeners, workers)?;
        let nothing = HashSet::new();
        let secured = |share: Vec<Listener>| share.into_iter().map(|listener| tls.secure(listener)).collect();
        let share = |worker: usize| {
            let has = self.workers.get(worker).map_or(&nothing, Worker::has);
            Ok(secured(sockets.share(&listeners, worker, workers, has)?))
        };
        let shares = (0..workers).map(share).collect::<io::Result<Vec<_>>>()?;
        let leaving = self.workers.iter().skip(workers);
        let left = leaving.map(|worker| secured(sockets.renewed(&listeners, worker.has()))).collect();
        let missing = self.workers.len().min(workers)..workers;
        let mut ready = Vec::new();
        for worker in missing {
            let processors = processors(&main.worker_cpu_affinity, worker);
            let started = Ready::new::<R>(self.count, processors, self.events.clone());
            ready.push(started.map_err(|error| Trouble::not_started("a worker", error))?);
            self.count += 1;
        }
        let same_file = self.pid_file.as_ref().map(PidFile::path) == main.pid.as_deref();
        let pid_file = main.pid.as_ref().filter(|_| !same_file);
        let pid_file = pid_file.map(|path| PidFile::create_by(self.keeper.as_ref(), path)).transpose()?;
        Ok(Next { main, upstreams, watch, tls, watching, provisions, sockets, pid_file, shares, left, ready })
    }

    /// The process is who it became before it had a second thread.
    fn note_user(&self, main: &Main, log: &Log) -> Result<(), Trouble> {
        let warning = match &self.user {
            None => main.user.as_ref().map(|_| USER_IS_IGNORED),
            Some(user) if *user == Credentials::of(main)? => None,
            Some(_) => Some("the \"user\" directive takes effect when the process starts the next time"),
        };
        if let Some(warning) = warning {
            log.event(Severity::Warn, warning, self.clock.now());
        }
        Ok(())
    }

    /// Takes the configuration into use; nothing of it fails.
    pub(super) fn change(&mut self, next: Next) {
        let Next {
            main,
            upstreams,
            watch,
            tls,
            watching,
            provisions,
            sockets,
            pid_file,
            shares,
            left,
            ready,
        } = next;
        (self.kept, self.watching) = (tls.kept, watching);
        let earlier = std::mem::replace(&mut self.main, main);
        self.log = provisions.log.clone();
        self.panics.follow(self.log.clone(), self.clock.clone());
        self.gate = Arc::clone(&provisions.gate);
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
        let within = earlier.worker_shutdown_timeout;
        let reload = |listeners| Reload {
            connections,
            provisions: provisions.clone(),
            within,
            ..Reload::new(listeners)
        };
        let mut retired = self.workers.split_off(shares.len().min(self.workers.len()));
        for (worker, listeners) in self.workers.iter_mut().zip(&mut shares) {
            worker.reload(reload(listeners));
        }
        // One that leaves may accept another client before it sees that: by the next configuration, as all others.
        for (worker, listeners) in retired.iter_mut().zip(left) {
            worker.reload(reload(listeners));
        }
        for (ready, listeners) in ready.into_iter().zip(shares) {
            let setup = Setup::new(listeners)
                .provided_with(provisions.clone())
                .timed_by(self.clock.clone())
                .connections(connections);
            self.workers.push(ready.begin(setup));
        }
        // Behind those that take their sockets over.
        retired.iter().for_each(|worker| worker.control().retire(within));
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

/// Tells the process of a draft, or of its failure, however the thread ends.
struct Answer {
    events: Sender<Event>,
    draft: Option<Result<Draft, Trouble>>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let failed =
            || Err(Trouble::with(Severity::Alert, "the thread that reads the configuration has failed"));
        let draft = self.draft.take().unwrap_or_else(failed);
        // Nobody waits for it when the process is ending.
        let _nobody_waits = self.events.send(Event::Drafted(Box::new(draft)));
    }
}

fn worker_count(main: &Main) -> io::Result<usize> {
    match main.worker_processes {
        WorkerProcesses::Count(count) => Ok(count),
        WorkerProcesses::Auto => Ok(thread::available_parallelism()?.get()),
    }
}
