//! Names to addresses, as the directive `resolver` says: asks name servers, and remembers what they said.
//!
//! | file | what it holds |
//! |---|---|
//! | `message` | what is asked and answered, in bytes (RFC 1035) |
//! | `exchange` | one question on its way to a name server, over UDP or TCP |
//! | `work` | the thread that asks: several names at a time, one server after the other |
//! | `cache` | what is known, and for how long |
//! | `answer` | what a caller waits for |
//! | `watch` | names of origin servers, looked up again and again |

mod answer;
mod cache;
mod exchange;
mod message;
mod watch;
mod work;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

pub use answer::Answer;
use answer::Promise;
use cache::Cache;
use message::Kind;
pub use watch::Watch;

/// Asks the name servers of one `resolver` directive. Clones share what is known.
///
/// There is a thread from the first question on, until the last clone is dropped. Answers are kept as long as
/// they say, or as long as `valid=` does; failures are not kept, as in nginx.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    desk: Arc<Desk>,
    /// Whose other end wakes the thread; closed, it ends.
    thread: OnceLock<UnixStream>,
}

/// What a resolver is made of.
#[derive(Clone, Debug)]
struct Settings {
    servers: Vec<SocketAddr>,
    valid: Option<Duration>,
    kinds: Vec<Kind>,
    /// How long an answer to one question may take before the next server is asked.
    patience: Duration,
}

/// What the resolver and its thread share.
#[derive(Debug, Default)]
struct Desk {
    cache: Mutex<Cache>,
    asked: Mutex<Vec<Asked>>,
}

/// A name that somebody wants the addresses of.
#[derive(Debug)]
struct Asked {
    name: Arc<str>,
    promise: Promise,
}

impl Resolver {
    /// A resolver as the directive describes it.
    #[must_use]
    pub fn new(directive: &underpass_nginx_config::Resolver) -> Self {
        let wanted = [(directive.ipv4, Kind::V4), (directive.ipv6, Kind::V6)];
        Self::with(Settings {
            servers: directive.servers.clone(),
            valid: directive.valid,
            kinds: wanted.into_iter().filter_map(|(wanted, kind)| wanted.then_some(kind)).collect(),
            patience: Duration::from_secs(2),
        })
    }

    fn with(settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { settings, desk: Arc::default(), thread: OnceLock::new() }) }
    }

    /// The addresses of `name`; at once when they are known. Another of several comes first each time.
    pub fn resolve(&self, name: &str) -> Answer {
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Answer::ready(Ok(vec![address]));
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(known) = lock(&self.shared.desk.cache).find(&name, Instant::now()) {
            return Answer::ready(Ok(known));
        }
        let (promise, answer) = answer::pair();
        lock(&self.shared.desk.asked).push(Asked { name: name.into(), promise });
        if let Err(error) = self.shared.wake() {
            lock(&self.shared.desk.asked).clear();
            return Answer::ready(Err(error));
        }
        answer
    }
}

impl Shared {
    /// Wakes the thread, which is started by the first call.
    fn wake(&self) -> io::Result<()> {
        if self.thread.get().is_none() {
            let (ours, its) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            its.set_nonblocking(true)?;
            // Of two first calls at once one wins; the thread of the other ends with its pair.
            if self.thread.set(ours).is_ok() {
                work::start(self.settings.clone(), Arc::clone(&self.desk), its)?;
            }
        }
        match self.thread.get().map(|mut thread| thread.write(b"!")) {
            Some(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            // A pipe that is full wakes it as well.
            _ => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
