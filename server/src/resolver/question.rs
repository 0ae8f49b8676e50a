//! One question: which server it goes to next, and when it is given up.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    Settings,
    message::Kind,
    wires::{Target, Wire, Wires},
};

/// How often each server is asked before a question is given up.
const ROUNDS: usize = 3;

/// A question of a name that is asked for.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) kind: Kind,
    /// The name, or what it is an alias of.
    pub(super) name: String,
    pub(super) aliases: usize,
    /// The server that it goes to, or went to last.
    server: usize,
    /// How often this name was asked for.
    pub(super) tries: usize,
    /// How often anything was asked.
    attempt: u32,
    /// Absent: it is over.
    pub(super) wire: Option<Wire>,
}

/// What asking takes.
pub(super) struct Asking<'a> {
    pub(super) settings: &'a Settings,
    pub(super) wires: &'a mut Wires,
    pub(super) timers: &'a mut Timers,
    pub(super) now: Instant,
}

/// When to stop waiting for answers. All are waited for equally long, so the earliest stands first.
#[derive(Debug, Default)]
pub(super) struct Timers(VecDeque<Timer>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    at: Instant,
    pub(super) target: Target,
    attempt: u32,
}

impl Question {
    pub(super) fn new(kind: Kind, name: &str, server: usize) -> Self {
        Self { kind, name: name.to_owned(), aliases: 0, server, tries: 0, attempt: 0, wire: None }
    }

    /// Whether the timer is about what is waited for now.
    pub(super) fn concerns(&self, timer: &Timer) -> bool {
        self.wire.is_some() && self.attempt == timer.attempt
    }

    pub(super) fn end(&mut self, wires: &mut Wires) {
        if let Some(wire) = self.wire.take() {
            wires.forget(wire);
        }
    }

    /// Asks, another server if this one can't be sent to.
    pub(super) fn ask(&mut self, target: Target, asking: &mut Asking<'_>, failure: &mut io::ErrorKind) {
        self.end(asking.wires);
        while self.tries < asking.settings.servers.len() * ROUNDS
            && let Some(server) = self.server(asking.settings)
        {
            self.tries += 1;
            match asking.wires.send(server, target, &self.name, self.kind) {
                Ok(wire) => return self.wait(wire, target, asking),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    // No name at all: no server knows it.
                    *failure = io::ErrorKind::NotFound;
                    return;
                }
                Err(error) => *failure = error.kind(),
            }
            self.server = self.server.wrapping_add(1);
        }
    }

    pub(super) fn ask_next(&mut self, target: Target, asking: &mut Asking<'_>, failure: &mut io::ErrorKind) {
        self.server = self.server.wrapping_add(1);
        self.ask(target, asking, failure);
    }

    /// Asks the same server again. That is a try, too: what it says next may be no answer either.
    pub(super) fn ask_over_tcp(
        &mut self,
        target: Target,
        asking: &mut Asking<'_>,
        failure: &mut io::ErrorKind,
    ) {
        self.end(asking.wires);
        let Some(server) = self.server(asking.settings) else { return };
        self.tries += 1;
        match asking.wires.connect(server, target, &self.name, self.kind) {
            Ok(wire) => self.wait(wire, target, asking),
            Err(error) => {
                *failure = error.kind();
                self.ask_next(target, asking, failure);
            }
        }
    }

    fn wait(&mut self, wire: Wire, target: Target, asking: &mut Asking<'_>) {
        self.wire = Some(wire);
        self.attempt = self.attempt.wrapping_add(1);
        // Beyond what the clock can say there is nothing to wait for.
        if let Some(at) = asking.now.checked_add(asking.settings.patience) {
            asking.timers.0.push_back(Timer { at, target, attempt: self.attempt });
        }
    }

    fn server(&self, settings: &Settings) -> Option<SocketAddr> {
        settings.servers.get(self.server.checked_rem(settings.servers.len())?).copied()
    }
}

impl Timers {
    /// How long nothing is given up; absent: nothing is waited for. `is_due` says of a timer whether anything
    /// is waited for with it; others are forgotten.
    pub(super) fn left(&mut self, now: Instant, is_due: impl Fn(&Timer) -> bool) -> Option<Duration> {
        while self.0.front().is_some_and(|timer| !is_due(timer)) {
            self.0.pop_front();
        }
        self.0.front().map(|timer| timer.at.saturating_duration_since(now))
    }

    /// The next timer that has gone off.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        self.0.pop_front_if(|timer| timer.at <= now)
    }
}
