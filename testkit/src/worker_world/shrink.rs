//! Running a script, and cutting one that fails down to what is needed for that.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use super::{
    Simulation, Stats,
    script::{Act, Script},
};

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

thread_local! {
    /// Panics on this thread are part of the search, and nobody's to read.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a script to its end.
///
/// # Errors
/// What the run broke.
pub fn run(script: &Script) -> Result<Stats, Failure> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| Simulation::new(script.clone()).run()));
    QUIET.set(false);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Failure(text.unwrap_or_else(|| "a panic without a message".to_owned()))
    })
}

/// Drops everything from a failing script that it fails without, and says how it fails then.
#[must_use]
pub fn shrink(script: &Script) -> (Script, Failure) {
    let mut best = script.clone();
    let mut failure = run(script).err().unwrap_or_else(|| Failure("it doesn't fail".to_owned()));
    loop {
        let mut smaller = false;
        for candidate in candidates(&best) {
            if let Err(why) = run(&candidate) {
                (best, failure) = (candidate, why);
                smaller = true;
                break;
            }
        }
        if !smaller {
            return (best, failure);
        }
    }
}

/// Scripts that are a little smaller, the smallest first.
fn candidates(script: &Script) -> Vec<Script> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Script)| {
        let mut smaller = script.clone();
        change(&mut smaller);
        if smaller != *script {
            all.push(smaller);
        }
    };
    for client in 0..script.clients.len() {
        with(&|script| {
            script.clients.remove(client);
        });
    }
    for event in 0..script.events.len() {
        with(&|script| {
            script.events.remove(event);
        });
    }
    with(&|script| script.clients.iter_mut().for_each(|client| client.arrives = 0));
    for (number, client) in script.clients.iter().enumerate() {
        for (at, act) in client.acts.iter().enumerate() {
            with(&|script| {
                script.clients[number].acts.remove(at);
            });
            match act {
                Act::Speak(count) => with(&|script| script.clients[number].acts[at] = Act::Speak(count / 2)),
                Act::Ask(request) => {
                    let mut ask = |change: &dyn Fn(&mut super::script::Request)| {
                        with(&|script| {
                            if let Act::Ask(request) = &mut script.clients[number].acts[at] {
                                change(request);
                            }
                        });
                    };
                    ask(&|request| request.piece = 0);
                    ask(&|request| request.expects = false);
                    ask(&|request| request.length /= 2);
                    for answer in 0..request.answers.len() {
                        if request.answers.len() > 1 {
                            ask(&|request| {
                                request.answers.remove(answer);
                            });
                        }
                        for reply in 0..request.answers[answer].acts.len() {
                            ask(&|request| {
                                request.answers[answer].acts.remove(reply);
                            });
                            ask(&|request| simplify(&mut request.answers[answer].acts[reply]));
                        }
                    }
                }
                Act::Await | Act::Pause(_) | Act::End | Act::Reset | Act::StopReading | Act::Read => {}
            }
        }
    }
    all
}

fn simplify(reply: &mut super::script::Reply) {
    use super::script::Reply;
    match reply {
        Reply::Final(answer) => {
            (answer.piece, answer.pause) = (0, 0);
            answer.length /= 2;
        }
        Reply::Speak(count) => *count /= 2,
        _ => {}
    }
}
