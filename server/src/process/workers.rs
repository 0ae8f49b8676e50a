//! Workers: threads with a runtime each.

use std::{
    collections::HashSet,
    io,
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
};

use rustix::{
    process::Pid,
    thread::{CpuSet, gettid},
};

use super::{Runtime, event::Event, rights::place, trouble::Trouble};
use crate::{Control, Setup, worker::Watch};

/// A worker of the process.
#[derive(Debug)]
pub(crate) struct Worker {
    number: u64,
    control: Control,
    /// The numbers of the listening sockets that it has.
    has: HashSet<u64>,
    /// What the system calls its thread.
    name: Pid,
    thread: JoinHandle<io::Result<()>>,
}

/// A worker that has all it needs but something to do. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Ready {
    worker: Worker,
    begin: Sender<Setup>,
}

impl Ready {
    /// A thread, a runtime and all descriptors for a worker that has `number`: other workers, which serve already, may take the
    /// last ones. The thread is on its processors when this returns: what
    /// moves it later comes later.
    ///
    /// # Errors
    /// When the system has no thread or no runtime for it.
    pub(crate) fn new<R: Runtime>(
        number: u64,
        processors: Option<CpuSet>,
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let (begin, setups) = channel::<Setup>();
        let end = Ended { number, events };
        let (tell, told) = channel();
        let work = move || {
            if let Some(processors) = &processors {
                place(None, processors);
            }
            let made = R::new().and_then(|runtime| Ok((runtime, Watch::new()?)));
            let (made, ready) = match made {
                Ok(made) => (Some(made), Ok(gettid())),
                Err(error) => (None, Err(error)),
            };
            // Who waits for it does so until it has come.
            let _it_waits = tell.send(ready);
            let (Some((runtime, watch)), Ok(setup)) = (made, setups.recv()) else { return Ok(()) };
            let _end = end;
            runtime.serve(setup.watching_by(watch))
        };
        let thread = thread::Builder::new().name(format!("worker {number}")).spawn(work)?;
        let name = told.recv().map_err(io::Error::other)??;
        let worker = Worker { number, control: Control::new(), has: HashSet::new(), name, thread };
        Ok(Self { worker, begin })
    }

    /// Lets it serve.
    pub(crate) fn begin(self, setup: Setup) -> Worker {
        let Self { mut worker, begin } = self;
        worker.has = setup.listeners.iter().map(crate::Listener::number).collect();
        // The thread waits for it, as long as this value is there.
        let _it_waits = begin.send(setup.controlled_by(&worker.control));
        worker
    }
}

impl Worker {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Moves it to these processors.
    pub(crate) fn place(&self, processors: &CpuSet) {
        place(Some(self.name), processors);
    }

    pub(crate) fn has(&self) -> &HashSet<u64> {
        &self.has
    }

    pub(crate) fn reload(&mut self, reload: crate::Reload) {
        self.has = reload.listeners.iter().map(crate::Listener::number).collect();
        self.control.reload(reload);
    }

    /// How it ended, once it has.
    pub(crate) fn join(self) -> Result<(), Trouble> {
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => Err(Trouble::new("a worker has panicked")),
        }
    }
}

/// Tells that a worker has ended, in whichever way.
struct Ended {
    number: u64,
    events: Sender<Event>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody waits for it when the process is ending by itself.
        let _nobody_waits = self.events.send(Event::Ended(self.number));
    }
}
