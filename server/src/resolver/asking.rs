//! A name that is asked for, from its first question to the last answer.

use std::io;

use super::{
    lookups::Lookup,
    message::Reply,
    question::{Asking, Question},
    wires::{Target, Wires},
};

/// Aliases that are followed with a question of their own.
const MOST_ALIASES: usize = 8;

impl Lookup {
    /// Asks for all kinds of addresses, beginning with this server.
    pub(super) fn begin(&mut self, number: u64, server: usize, asking: &mut Asking<'_>) {
        for (index, &kind) in asking.settings.kinds.iter().enumerate() {
            let mut question = Question::new(kind, &self.name, server);
            question.ask(Target { lookup: number, question: index }, asking, &mut self.failure);
            self.questions.push(question);
        }
    }

    /// Whether all has been answered or given up.
    pub(super) fn is_over(&self) -> bool {
        self.questions.iter().all(|question| question.wire.is_none())
    }

    /// Nobody waits for an answer any more.
    pub(super) fn give_up(&mut self, wires: &mut Wires) {
        self.questions.iter_mut().for_each(|question| question.end(wires));
    }

    /// Goes on with what a server has answered.
    pub(super) fn answered(&mut self, target: Target, reply: Reply, asking: &mut Asking<'_>) {
        let Some(question) = self.questions.get_mut(target.question) else { return };
        match reply {
            Reply::Addresses(addresses, valid) => {
                self.found.extend(addresses);
                self.valid = self.valid.min(valid);
                question.end(asking.wires);
            }
            Reply::Alias(name, valid) if question.aliases < MOST_ALIASES => {
                self.valid = self.valid.min(valid);
                question.aliases += 1;
                question.name = name;
                // Another name is another question; the aliases are what is bounded.
                question.tries = 0;
                question.ask(target, asking, &mut self.failure);
            }
            Reply::Truncated => question.ask_over_tcp(target, asking, &mut self.failure),
            Reply::Refused => {
                self.failure = io::ErrorKind::ConnectionRefused;
                question.ask_next(target, asking, &mut self.failure);
            }
            Reply::Alias(..) | Reply::Unknown => question.end(asking.wires),
        }
    }

    /// Goes on after a server has not answered.
    pub(super) fn failed(&mut self, target: Target, failure: io::ErrorKind, asking: &mut Asking<'_>) {
        self.failure = failure;
        if let Some(question) = self.questions.get_mut(target.question) {
            question.ask_next(target, asking, &mut self.failure);
        }
    }
}
