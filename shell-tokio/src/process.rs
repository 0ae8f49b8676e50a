//! The workers of a process, each a thread with a runtime of its own; signals and limits.

use std::{
    io,
    thread::{self, JoinHandle},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use underpass::{Control, Log, Setup};
use underpass_core::Severity;
use underpass_shell_common::{Clock, Signal, SignalWatch};

use crate::start::Trouble;

/// Serves with one worker for each setup, until its control ends it.
pub(crate) fn serve(setups: impl Iterator<Item = Setup>, controls: &[Control]) -> Result<(), Trouble> {
    // All of them before the first client takes a descriptor that one needs.
    let runtimes = controls.iter().map(|_| Builder::new_current_thread().enable_all().build());
    let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
    let mut threads = Vec::new();
    let mut result = Ok(());
    for (number, (runtime, setup)) in runtimes.into_iter().zip(setups).enumerate() {
        let everybody = controls.to_vec();
        let work = move || work(&runtime, setup, &everybody);
        match thread::Builder::new().name(format!("worker {number}")).spawn(work) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                stop(controls);
                result = Err(error.into());
                break;
            }
        }
    }
    threads.into_iter().map(join).fold(result, Result::and)
}

/// Lets signals control the workers; no signal of these ends the process by itself any more.
pub(crate) fn watch_signals(controls: Vec<Control>, log: Log, clock: Clock) -> io::Result<SignalWatch> {
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

/// Raises the number of descriptors to what the system permits: each tunnel takes two.
pub(crate) fn raise_descriptor_limit(log: &Log, clock: &Clock) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log.event(Severity::Warn, &format!("setrlimit(RLIMIT_NOFILE) failed ({error})"), clock.now());
    }
}

fn work(runtime: &Runtime, setup: Setup, everybody: &[Control]) -> io::Result<()> {
    let ended = runtime.block_on(underpass::serve(setup));
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
