//! Names of origin servers, looked up again and again: `server NAME resolve`.

use std::{
    collections::BTreeSet,
    future::Future as _,
    io,
    net::{IpAddr, ToSocketAddrs as _},
    pin::Pin,
    sync::{
        Arc, Weak,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use underpass_core::{
    Severity,
    shared::{GroupId, Upstreams},
};

use super::{Answer, Asker, Resolver};
use crate::{Clock, Log};

/// How often an answer is asked for; while it holds, nobody is.
const ROUND: Duration = Duration::from_secs(1);

/// How often the system is asked, which doesn't say how long an answer holds.
const SYSTEM_ROUND: Duration = Duration::from_secs(30);

/// How long the first answers are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps the peers of a configuration's groups where their names lead, until it is dropped.
#[derive(Debug)]
#[must_use = "nothing is looked up any more once this is dropped"]
pub struct Watch {
    /// Closed, the thread ends.
    _thread: Option<Sender<()>>,
}

impl Watch {
    /// Looks the names of `upstreams` up, those of a group with the resolver that `resolvers` has for it.
    /// Comes back when the first answers are there, or should be.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(
        upstreams: &Arc<Upstreams>,
        resolvers: impl Fn(GroupId) -> Option<Resolver>,
        log: Log,
    ) -> io::Result<Self> {
        Self::in_rounds(upstreams, resolvers, log, ROUND)
    }

    pub(super) fn in_rounds(
        upstreams: &Arc<Upstreams>,
        resolvers: impl Fn(GroupId) -> Option<Resolver>,
        log: Log,
        round: Duration,
    ) -> io::Result<Self> {
        let names = upstreams.names().map(|named| Name {
            group: named.group,
            server: named.server,
            host: named.host.to_owned(),
            resolver: resolvers(named.group),
            answer: None,
            next: Instant::now(),
            known: None,
            failed: false,
        });
        let mut names = Names { names: names.collect(), upstreams: Arc::downgrade(upstreams), log, round };
        if names.names.is_empty() {
            return Ok(Self { _thread: None });
        }
        let begin = Instant::now();
        while names.advance()
            && names.names.iter().any(|name| !name.is_answered())
            && begin.elapsed() < PATIENCE
        {
            thread::sleep(Duration::from_millis(5));
        }
        let (stop, stopped) = channel();
        let work = move || {
            while stopped.recv_timeout(round) == Err(RecvTimeoutError::Timeout) && names.advance() {}
        };
        thread::Builder::new().name("names".into()).spawn(work)?;
        Ok(Self { _thread: Some(stop) })
    }
}

struct Names {
    names: Vec<Name>,
    upstreams: Weak<Upstreams>,
    log: Log,
    round: Duration,
}

/// One `server` line.
struct Name {
    group: GroupId,
    server: usize,
    host: String,
    resolver: Option<Resolver>,
    /// What is waited for.
    answer: Option<Answer>,
    next: Instant,
    /// What was answered last.
    known: Option<BTreeSet<IpAddr>>,
    failed: bool,
}

impl Names {
    /// Takes what has come, and asks again; says whether anybody uses the groups.
    fn advance(&mut self) -> bool {
        let Some(upstreams) = self.upstreams.upgrade() else { return false };
        let now = Instant::now();
        for name in &mut self.names {
            let Poll::Ready(result) = name.poll(now, self.round) else { continue };
            match result {
                Ok(addresses) => name.update(&upstreams, &addresses),
                Err(error) => {
                    if !std::mem::replace(&mut name.failed, true) {
                        let message = format!("{} could not be resolved ({error})", name.host);
                        self.log.event(Severity::Error, &message, Clock::start().now());
                    }
                    // That there is no such name is an answer; after any other failure the last one holds.
                    if error.kind() == io::ErrorKind::NotFound {
                        name.update(&upstreams, &[]);
                        name.failed = true;
                    }
                }
            }
        }
        true
    }
}

impl Name {
    fn is_answered(&self) -> bool {
        self.failed || self.known.is_some()
    }

    fn poll(&mut self, now: Instant, round: Duration) -> Poll<io::Result<Vec<IpAddr>>> {
        if self.answer.is_none() && self.next > now {
            return Poll::Pending;
        }
        let Some(resolver) = &self.resolver else {
            self.next = now + SYSTEM_ROUND;
            let found = (self.host.as_str(), 0).to_socket_addrs();
            return Poll::Ready(found.map(|found| found.map(|address| address.ip()).collect()));
        };
        // Whoever polls comes back by itself.
        let cx = &mut Context::from_waker(Waker::noop());
        let answer = self.answer.get_or_insert_with(|| resolver.resolve(&self.host, Asker::Gateway));
        let polled = Pin::new(answer).poll(cx);
        if polled.is_ready() {
            self.answer = None;
            self.next = now + round / 2;
        }
        polled
    }

    /// Tells the group, when something has changed.
    fn update(&mut self, upstreams: &Upstreams, addresses: &[IpAddr]) {
        self.failed = false;
        let found: BTreeSet<_> = addresses.iter().copied().collect();
        if self.known.as_ref() != Some(&found) {
            let ordered: Vec<_> = found.iter().copied().collect();
            upstreams.update(self.group, self.server, &ordered);
            self.known = Some(found);
        }
    }
}
