//! The thread that asks.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, Waker, event::Event};

use super::{
    Asked, Settings,
    desk::{Desk, Presence},
    lock,
    lookups::{Entry, Lookup, Lookups},
    message::{self, Reply},
    question::{Asking, Timer, Timers},
    wires::{News, Target, Wire, Wires},
};

/// What wakes the thread when something is asked.
const WAKE: Token = Token(0);

/// Messages that are taken from a socket before others have their turn.
const MESSAGES: usize = 64;

/// Begins to work at `desk`, until that is closed.
pub(super) fn start(settings: &Settings, desk: &Arc<Desk>) -> io::Result<Arc<Waker>> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    let wires = Wires::new(poll.registry().try_clone()?, settings.bounds, WAKE.0 + 1);
    let work = Work {
        settings: settings.clone(),
        desk: Arc::clone(desk),
        lookups: Lookups::new(settings.bounds),
        wires,
        timers: Timers::default(),
        unread: Vec::new(),
        bytes: Vec::new(),
        turn: 0,
    };
    // The waker lives as long as what it wakes.
    let kept = Arc::clone(&waker);
    thread::Builder::new().name("resolver".into()).spawn(move || {
        let _kept = kept;
        let mut presence = Presence::at(&work.desk);
        if let Err(error) = work.run(poll) {
            presence.failure = error.kind();
        }
    })?;
    Ok(waker)
}

struct Work {
    settings: Settings,
    desk: Arc<Desk>,
    lookups: Lookups,
    wires: Wires,
    timers: Timers,
    /// Sockets on which there may be more.
    unread: Vec<Token>,
    /// Where messages are read to.
    bytes: Vec<u8>,
    /// The server that the next name goes to first.
    turn: usize,
}

impl Work {
    fn run(mut self, mut poll: Poll) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            match poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut ready = std::mem::take(&mut self.unread);
            ready.extend(events.iter().map(Event::token).filter(|token| *token != WAKE));
            for token in ready {
                self.receive(token);
            }
            let Some(asked) = self.desk.take() else { return Ok(()) };
            for asked in asked {
                self.begin(asked);
            }
            self.expire();
        }
    }

    /// How long to sleep; absent: until somebody asks.
    fn patience(&mut self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let lookups = &self.lookups;
        self.timers.left(Instant::now(), |timer| is_due(lookups, timer))
    }

    fn begin(&mut self, asked: Asked) {
        let Asked { name, asker, promise } = asked;
        let now = Instant::now();
        let known = lock(&self.desk.cache).find(&name, now);
        if let Some(addresses) = known {
            return promise.keep(Ok(addresses));
        }
        let mut removed = Vec::new();
        let entry = self.lookups.enter(name, asker, promise, now, &mut removed);
        for mut lookup in removed {
            lookup.failure = io::ErrorKind::TimedOut;
            self.end(lookup, now);
        }
        if let Entry::New(number) = entry {
            let server = self.turn;
            self.turn = self.turn.wrapping_add(1);
            self.go_on(number, now, |lookup, asking| lookup.begin(number, server, asking));
        }
    }

    fn receive(&mut self, token: Token) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut messages = 0;
        loop {
            if messages == MESSAGES {
                self.unread.push(token);
                break;
            }
            messages += 1;
            match self.wires.receive(token, &mut bytes) {
                News::Message(target, number, length) => {
                    self.heard(target, number, bytes.get(..length).unwrap_or_default());
                }
                News::Noise => {}
                News::Failed(targets, failure) => {
                    targets.into_iter().for_each(|target| self.failed(target, failure));
                    break;
                }
                News::Quiet => break,
            }
        }
        self.bytes = bytes;
    }

    /// A message has come with the number of a question. Over UDP, one that is no answer to it is nothing.
    fn heard(&mut self, target: Target, number: u16, bytes: &[u8]) {
        let Some(question) = self.lookups.question(target) else { return };
        let by_connection = matches!(question.wire, Some(Wire::Connection(_)));
        let reply = match message::reply(bytes, number, &question.name, question.kind) {
            // There is no wire with more room: this server can't answer (RFC 7766 §5).
            Some(Reply::Truncated) if by_connection => Reply::Refused,
            Some(reply) => reply,
            None if by_connection => return self.failed(target, io::ErrorKind::InvalidData),
            None => return,
        };
        self.go_on(target.lookup, Instant::now(), |lookup, asking| lookup.answered(target, reply, asking));
    }

    fn failed(&mut self, target: Target, failure: io::ErrorKind) {
        self.go_on(target.lookup, Instant::now(), |lookup, asking| lookup.failed(target, failure, asking));
    }

    /// Gives up what has been waited for long enough.
    fn expire(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.timers.expired(now) {
            if !is_due(&self.lookups, &timer) {
                continue;
            }
            let number = timer.target.lookup;
            if self.lookups.find(number).is_some_and(|lookup| lookup.is_wanted()) {
                self.failed(timer.target, io::ErrorKind::TimedOut);
            } else if let Some(lookup) = self.lookups.remove(number) {
                self.end(lookup, now);
            }
        }
    }

    /// Does something for a name, and ends it when nothing is left to wait for.
    fn go_on(&mut self, number: u64, now: Instant, step: impl FnOnce(&mut Lookup, &mut Asking<'_>)) {
        let Some(lookup) = self.lookups.find(number) else { return };
        let Self { settings, wires, timers, .. } = self;
        step(lookup, &mut Asking { settings, wires, timers, now });
        if lookup.is_over()
            && let Some(lookup) = self.lookups.remove(number)
        {
            self.end(lookup, now);
        }
        for target in std::mem::take(&mut self.wires.displaced) {
            self.failed(target, io::ErrorKind::TimedOut);
        }
    }

    fn end(&mut self, mut lookup: Lookup, now: Instant) {
        lookup.give_up(&mut self.wires);
        if !lookup.found.is_empty() {
            let valid = self.settings.valid.unwrap_or(lookup.valid);
            lock(&self.desk.cache).keep(&lookup.name, &lookup.found, valid, now);
        }
        lookup.end();
    }
}

fn is_due(lookups: &Lookups, timer: &Timer) -> bool {
    lookups.question(timer.target).is_some_and(|question| question.concerns(timer))
}
