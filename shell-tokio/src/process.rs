//! The workers of a process, each a thread with a runtime of its own; signals and limits.

use std::{
    io,
    thread::{self, JoinHandle},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use underpass::{Control, Listener, Log, Setup};
use underpass_shell_common::{Clock, Severity, Signal, SignalWatch};

use crate::start::Trouble;

/// Serves with one worker for each element of `workers`, until a signal ends them.
pub(crate) fn serve(
    workers: Vec<Vec<Listener>>,
    log: &Log,
    clock: &Clock,
    connections: usize,
) -> Result<(), Trouble> {
    let controls: Vec<_> = workers.iter().map(|_| Control::new()).collect();
    // From here on no signal ends the process by itself.
    let _signals = watch_signals(controls.clone(), log.clone(), clock.clone())?;
    let mut threads = Vec::new();
    let mut result = Ok(());
    for (number, (listeners, control)) in workers.into_iter().zip(&controls).enumerate() {
        let setup = Setup::new(listeners)
            .logging_to(log.clone())
            .timed_by(clock.clone())
            .connections(connections)
            .controlled_by(control);
        let everybody = controls.clone();
        let work = move || work(setup, &everybody);
        match thread::Builder::new().name(format!("worker {number}")).spawn(work) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                stop(&controls);
                result = Err(error.into());
                break;
            }
        }
    }
    threads.into_iter().map(join).fold(result, Result::and)?;
    log.event(Severity::Notice, "exit", clock.now());
    Ok(())
}

/// Raises the number of descriptors to what the system permits: each tunnel takes two.
pub(crate) fn raise_descriptor_limit(log: &Log, clock: &Clock) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log.event(Severity::Warn, &format!("setrlimit(RLIMIT_NOFILE) failed ({error})"), clock.now());
    }
}

fn watch_signals(controls: Vec<Control>, log: Log, clock: Clock) -> io::Result<SignalWatch> {
    SignalWatch::start(move |signal| {
        let end = match signal {
            Signal::Quit => "gracefully shutting down",
            _ => "exiting",
        };
        log.event(Severity::Notice, &format!("signal {signal} received, {end}"), clock.now());
        match signal {
            Signal::Quit => controls.iter().for_each(|control| control.drain(None)),
            _ => stop(&controls),
        }
    })
}

fn work(setup: Setup, everybody: &[Control]) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| runtime.block_on(underpass::serve(setup)));
    if ended.is_err() {
        // One that can't serve would leave clients waiting at its socket.
        stop(everybody);
    }
    ended
}

fn stop(controls: &[Control]) {
    controls.iter().for_each(Control::stop);
}

fn join(thread: JoinHandle<io::Result<()>>) -> Result<(), Trouble> {
    match thread.join() {
        Ok(ended) => Ok(ended?),
        Err(_) => Err(Trouble::new("a worker has panicked")),
    }
}
