//! The thread that asks.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read as _},
    net::IpAddr,
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    Asked, Desk, Settings,
    answer::Promise,
    exchange::Exchange,
    lock,
    message::{Kind, Reply},
};

/// Names that are asked for at a time: each takes descriptors.
const MOST_AT_A_TIME: usize = 128;

/// How often each server is asked before a question is given up.
const ROUNDS: usize = 3;

/// Aliases that are followed with a question of their own.
const MOST_ALIASES: usize = 8;

/// Begins to work at `desk`, until the other end of `wake` is closed.
pub(super) fn start(settings: Settings, desk: Arc<Desk>, wake: UnixStream) -> io::Result<()> {
    let work = Work { settings, desk, lookups: HashMap::new(), later: VecDeque::new(), turn: 0 };
    thread::Builder::new().name("resolver".into()).spawn(move || work.run(&wake)).map(drop)
}

struct Work {
    settings: Settings,
    desk: Arc<Desk>,
    lookups: HashMap<Arc<str>, Lookup>,
    /// What comes when there is room.
    later: VecDeque<Asked>,
    /// The server that the next name goes to first.
    turn: usize,
}

/// A name that is asked for.
struct Lookup {
    promises: Vec<Promise>,
    questions: Vec<Question>,
    found: Vec<IpAddr>,
    valid: Duration,
    failure: io::ErrorKind,
}

/// One of its questions.
struct Question {
    kind: Kind,
    /// The name, or what it is an alias of.
    name: String,
    aliases: usize,
    server: usize,
    /// How often this name was asked for.
    tries: usize,
    /// Absent: it is over.
    exchange: Option<Exchange>,
}

impl Work {
    fn run(mut self, wake: &UnixStream) {
        while self.sleep(wake).is_ok_and(|goes_on| goes_on) {
            self.take_in();
            self.advance();
        }
    }

    /// Sleeps until there is something to do; says whether anybody may still ask.
    fn sleep(&self, mut wake: &UnixStream) -> io::Result<bool> {
        let exchanges = || self.lookups.values().flat_map(Lookup::exchanges);
        let mut watched = vec![PollFd::new(&wake, PollFlags::IN)];
        watched.extend(exchanges().map(|exchange| PollFd::new(exchange, exchange.interest())));
        let next = exchanges().map(Exchange::deadline).min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut watched, timeout.as_ref()) {
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            _ => {}
        }
        let mut calls = [0; 64];
        loop {
            match wake.read(&mut calls) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take_in(&mut self) {
        self.later.extend(lock(&self.desk.asked).drain(..));
        self.later.retain(|asked| asked.promise.is_wanted());
        let mut full = VecDeque::new();
        for Asked { name, promise } in self.later.drain(..) {
            let known = lock(&self.desk.cache).find(&name, Instant::now());
            if let Some(addresses) = known {
                promise.keep(Ok(addresses));
            } else if let Some(lookup) = self.lookups.get_mut(&name) {
                lookup.promises.push(promise);
            } else if self.lookups.len() < MOST_AT_A_TIME {
                let lookup = Lookup::new(&name, promise, &self.settings, self.turn);
                self.lookups.insert(name, lookup);
                self.turn = self.turn.wrapping_add(1);
            } else {
                full.push_back(Asked { name, promise });
            }
        }
        self.later = full;
    }

    fn advance(&mut self) {
        let now = Instant::now();
        let (settings, desk) = (&self.settings, &self.desk);
        self.lookups.retain(|name, lookup| {
            if !lookup.promises.iter().any(Promise::is_wanted) {
                return false;
            }
            lookup.advance(settings, now);
            if lookup.questions.iter().any(|question| question.exchange.is_some()) {
                return true;
            }
            lookup.end(name, settings, desk, now);
            false
        });
        if !self.later.is_empty() && self.lookups.len() < MOST_AT_A_TIME {
            self.take_in();
        }
    }
}

impl Lookup {
    fn new(name: &str, promise: Promise, settings: &Settings, server: usize) -> Self {
        let mut lookup = Self {
            promises: vec![promise],
            questions: Vec::new(),
            found: Vec::new(),
            valid: Duration::MAX,
            failure: io::ErrorKind::NotFound,
        };
        for &kind in &settings.kinds {
            let name = name.to_owned();
            let mut question = Question { kind, name, aliases: 0, server, tries: 0, exchange: None };
            question.ask(settings, &mut lookup.failure);
            lookup.questions.push(question);
        }
        lookup
    }

    fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.questions.iter().filter_map(|question| question.exchange.as_ref())
    }

    fn advance(&mut self, settings: &Settings, now: Instant) {
        for question in &mut self.questions {
            while let Some(reply) = question.advance(settings, now, &mut self.failure) {
                match reply {
                    Reply::Addresses(addresses, valid) => {
                        self.found.extend(addresses);
                        self.valid = self.valid.min(valid);
                        question.exchange = None;
                    }
                    Reply::Alias(name, valid) if question.aliases < MOST_ALIASES => {
                        self.valid = self.valid.min(valid);
                        question.aliases += 1;
                        question.name = name;
                        // Another name is another question; the aliases are what is bounded.
                        question.tries = 0;
                        question.ask(settings, &mut self.failure);
                    }
                    Reply::Truncated => question.ask_over_tcp(settings, &mut self.failure),
                    Reply::Refused => {
                        self.failure = io::ErrorKind::ConnectionRefused;
                        question.ask_next(settings, &mut self.failure);
                    }
                    Reply::Alias(..) | Reply::Unknown => question.exchange = None,
                }
            }
        }
    }

    /// Tells whoever waits.
    fn end(&mut self, name: &Arc<str>, settings: &Settings, desk: &Desk, now: Instant) {
        if !self.found.is_empty() {
            let valid = settings.valid.unwrap_or(self.valid);
            lock(&desk.cache).keep(name, &self.found, valid, now);
        }
        for promise in self.promises.drain(..) {
            promise.keep(match self.found.is_empty() {
                true => Err(self.failure.into()),
                false => Ok(self.found.clone()),
            });
            let next = usize::from(self.found.len() > 1);
            self.found.rotate_left(next);
        }
    }
}

impl Question {
    /// What has come; nothing when the question is over, or its answer not here yet.
    fn advance(&mut self, settings: &Settings, now: Instant, failure: &mut io::ErrorKind) -> Option<Reply> {
        loop {
            let exchange = self.exchange.as_mut()?;
            match exchange.advance(&self.name, self.kind) {
                Ok(Some(reply)) => return Some(reply),
                Ok(None) if exchange.deadline() > now => return None,
                Ok(None) => *failure = io::ErrorKind::TimedOut,
                Err(error) => *failure = error.kind(),
            }
            self.ask_next(settings, failure);
        }
    }

    fn ask_next(&mut self, settings: &Settings, failure: &mut io::ErrorKind) {
        self.server = self.server.wrapping_add(1);
        self.ask(settings, failure);
    }

    /// Asks, another server if this one can't be sent to.
    fn ask(&mut self, settings: &Settings, failure: &mut io::ErrorKind) {
        self.exchange = None;
        while self.exchange.is_none()
            && self.tries < settings.servers.len() * ROUNDS
            && let Some(server) = self.server(settings)
        {
            self.tries += 1;
            match Exchange::over_udp(server, &self.name, self.kind, Instant::now() + settings.patience) {
                Ok(exchange) => self.exchange = Some(exchange),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    // No name at all: no server knows it.
                    *failure = io::ErrorKind::NotFound;
                    return;
                }
                Err(error) => {
                    *failure = error.kind();
                    self.server = self.server.wrapping_add(1);
                }
            }
        }
    }

    /// Asks the same server again. That is a try, too: what it says next may be no answer either.
    fn ask_over_tcp(&mut self, settings: &Settings, failure: &mut io::ErrorKind) {
        self.exchange = None;
        let Some(server) = self.server(settings) else { return };
        self.tries += 1;
        match Exchange::over_tcp(server, &self.name, self.kind, Instant::now() + settings.patience) {
            Ok(exchange) => self.exchange = Some(exchange),
            Err(error) => {
                *failure = error.kind();
                self.ask_next(settings, failure);
            }
        }
    }

    fn server(&self, settings: &Settings) -> Option<std::net::SocketAddr> {
        settings.servers.get(self.server.checked_rem(settings.servers.len())?).copied()
    }
}
