//! Names to addresses, as the directive `resolver` says: asks name servers, and remembers what they said.
//!
//! | file | what it holds |
//! |---|---|
//! | `message` | what is asked and answered, in bytes (RFC 1035) |
//! | `desk` | where questions are left for the thread, which is started when there are some |
//! | `work` | the thread that asks: each name at once, one server after the other |
//! | `lookups` | the names that are asked for, and who makes room for whom |
//! | `question` | one question: which server it goes to next |
//! | `wires` | the sockets that questions and answers travel on |
//! | `cache` | what is known, and for how long |
//! | `answer` | what a caller waits for |
//! | `watch` | names of origin servers, looked up again and again |
//!
//! No name waits for another one: each is asked for at once. What is scarce is bounded instead: names that are
//! asked for at a time (memory), those of one client, UDP sockets, and TCP connections to name servers. Where
//! a bound is reached, what has waited longest without an answer makes room.

mod answer;
mod asking;
mod cache;
mod desk;
mod lookups;
mod message;
mod question;
mod watch;
mod wires;
mod work;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use underpass_core::Address;

pub use answer::Answer;
use answer::Promise;
use desk::{Desk, Start};
use message::Kind;
pub use watch::Watch;

/// Asks the name servers of one `resolver` directive. Clones share what is known.
///
/// There is a thread from the first question on, until the last clone is dropped. A thread that has failed is
/// started again by a later question. Answers are kept as long as they say, or as long as `valid=` does;
/// failures are not kept, as in nginx.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
}

/// On whose behalf a name is looked up: one client has a bounded share of what a resolver can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// The gateway itself, for a name of its configuration.
    Gateway,
    /// A client. The addresses of an IPv6 network of 64 bits are one client: whoever has one has all of them.
    Client(IpAddr),
    /// A client of a Unix domain socket, none of which has an address.
    Local,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    desk: Arc<Desk>,
    start: Start,
}

/// What a resolver is made of.
#[derive(Clone, Debug)]
struct Settings {
    servers: Vec<SocketAddr>,
    valid: Option<Duration>,
    kinds: Vec<Kind>,
    /// How long an answer to one question may take before the next server is asked.
    patience: Duration,
    bounds: Bounds,
}

/// How much a resolver does at a time.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Names that are asked for, about a kilobyte each.
    names: usize,
    /// Those of one client.
    names_of_a_client: usize,
    /// Where there is no room, a name that has waited this long makes it. Most name servers have answered
    /// much earlier, those included that have to ask others.
    overdue: Duration,
    /// Questions that one socket is used for.
    questions_of_a_socket: usize,
    sockets: usize,
    connections: usize,
}

impl Bounds {
    const USUAL: Self = Self {
        names: 8192,
        names_of_a_client: 256,
        overdue: Duration::from_millis(500),
        questions_of_a_socket: 32,
        sockets: 256,
        connections: 64,
    };
}

/// A name that somebody wants the addresses of.
#[derive(Debug)]
struct Asked {
    name: Arc<str>,
    asker: Asker,
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
            bounds: Bounds::USUAL,
        })
    }

    fn with(settings: Settings) -> Self {
        Self::started_by(settings, work::start)
    }

    fn started_by(settings: Settings, start: Start) -> Self {
        Self { shared: Arc::new(Shared { settings, desk: Arc::default(), start }) }
    }

    /// The addresses of `name`; at once when they are known. Another of several comes first each time.
    ///
    /// The answer is an error of the kind [`std::io::ErrorKind::QuotaExceeded`] when `asker` has too many names
    /// looked up already, or all together have, and none of those has waited long enough to make room.
    pub fn resolve(&self, name: &str, asker: Asker) -> Answer {
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Answer::ready(Ok(vec![address]));
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Shared { settings, desk, start } = &*self.shared;
        if let Some(known) = lock(&desk.cache).find(&name, Instant::now()) {
            return Answer::ready(Ok(known));
        }
        let (promise, answer) = answer::pair();
        match desk.leave(Asked { name: name.into(), asker, promise }, || start(settings, desk)) {
            Ok(()) => answer,
            Err(error) => Answer::ready(Err(error)),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// Who sends a request from there.
impl From<&Address> for Asker {
    fn from(client: &Address) -> Self {
        match client {
            Address::Unix(_) => Self::Local,
            Address::Ip(address) => Self::Client(match address.ip().to_canonical() {
                IpAddr::V4(address) => address.into(),
                IpAddr::V6(address) => {
                    let [a, b, c, d, ..] = address.segments();
                    Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
                }
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
