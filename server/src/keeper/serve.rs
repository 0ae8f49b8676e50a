//! The process that keeps root's rights: it answers one request after the other.

use std::{
    env, io,
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::{Arc, atomic::AtomicBool},
};

use rustix::process::getppid;
use underpass_nginx_config::LoadOptions;

use super::{
    VARIABLE,
    keeping::{Done, Keeping, Source},
    wire,
};
use crate::{
    Signal,
    process::{Place, nothing},
};

/// The longest request: names and what they came to.
const LONGEST: usize = 1 << 24;

/// The number of the process that this one was started for as its keeper; absent for any other process.
pub(crate) fn started_for() -> Option<u32> {
    let number: u32 = env::var(VARIABLE).ok()?.parse().ok()?;
    let parent = getppid()?.as_raw_nonzero().get();
    (u32::try_from(parent).ok() == Some(number)).then_some(number)
}

/// Answers the requests of the process `number`, until that ends.
///
/// # Errors
/// When the system refuses what a keeper needs.
pub(crate) fn serve(place: Place, options: LoadOptions, number: u32) -> io::Result<()> {
    // Whoever signals a group of processes means the other one, which then ends this one.
    let seen = Arc::new(AtomicBool::new(false));
    for signal in Signal::ALL {
        signal_hook::flag::register(signal.number(), Arc::clone(&seen))?;
    }
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(nothing()?)?;
    let stream = Arc::new(stream);
    let mut keeping = Keeping::of(Source { place, options }, number, Arc::clone(&stream));
    while let Some(words) = wire::receive(&stream, LONGEST)? {
        let mut words = words.into_iter();
        let verb = words.next().unwrap_or_default();
        match keeping.obey(&verb, words.collect()) {
            Ok(Done { words, descriptor }) => {
                wire::send(&stream, &[vec![b"ok".to_vec()], words].concat())?;
                if let Some(descriptor) = descriptor {
                    wire::send_descriptor(&stream, descriptor.as_fd())?;
                }
            }
            Err(error) => {
                let number = error.raw_os_error().map(|number| number.to_string()).unwrap_or_default();
                wire::send(&stream, &["refused".to_owned(), number, error.to_string()])?;
            }
        }
    }
    Ok(())
}
