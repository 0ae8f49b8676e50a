//! One suite of cases for every driver: the simulated world, and any proxy on real sockets.
//!
//! A case is data: a configuration in nginx's syntax, and steps, each a list whose first element says what
//! happens and whose further elements are joined to one text:
//!
//! | step | what it means |
//! |---|---|
//! | `["client sends", "bytes"]` | the peer sends these bytes |
//! | `["origin gets", "bytes"]` | the next bytes that it receives are exactly these |
//! | `["client ends"]`, `["client resets"]` | it shuts its direction down, or resets the connection |
//! | `["origin sees", "end"]` | the next thing it sees: `end`, `reset`, or `nothing` |
//! | `["origin 2 gets", ..]` | the same on the second connection to the origin server |
//! | `["origin refuses"]`, `["origin hangs"]` | what becomes of connecting, said before anything else |
//! | `["elapse", "200ms"]` | time passes |
//! | `["log", "line"]` | the next line of the access log |
//! | `["connections", "1"]` | how many connections were made to the origin server |
//! | `["drain"]`, `["drain", "1s"]` | the proxy drains |
//!
//! Whatever a peer received and no step asked for fails the case at its end.

mod build;
mod case;
mod simulated;
mod socket;
mod wire;

pub use build::build;
pub use case::{Case, Expected, Names, Need, Sight, Step, Text, Who};
pub use simulated::Simulated;
pub use socket::{Launch, OnSockets};

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::drivers::{self, Tally};

/// Why a case names the simulated world only.
const VIRTUAL_TIME: &str = "only virtual time shows it";

/// Runs cases.
pub trait Driver {
    /// Its name in `drivers = [..]`.
    fn name(&self) -> &str;

    /// Why this case says nothing about it.
    fn inapplicable(&self, case: &Case) -> Option<&'static str> {
        (!case.names(self.name())).then_some(VIRTUAL_TIME)
    }

    /// Prepares a proxy, its client and its origin server.
    ///
    /// # Errors
    /// With a sentence that says what went wrong.
    fn start(&mut self, case: &Case) -> Result<Box<dyn Stage>, String>;
}

/// A proxy, its client and its origin server.
pub trait Stage {
    /// What placeholders stand for.
    fn names(&self) -> &Names;

    /// Sends bytes.
    ///
    /// # Errors
    /// When they can't be sent.
    fn send(&mut self, who: Who, bytes: &[u8]) -> Result<(), String>;

    /// Takes what was received: `count` bytes, or fewer when no more come.
    ///
    /// # Errors
    /// When there is no such connection.
    fn take(&mut self, who: Who, count: usize) -> Result<Vec<u8>, String>;

    /// Shuts the peer's direction down, or resets its connection.
    ///
    /// # Errors
    /// When there is no such connection.
    fn end(&mut self, who: Who, reset: bool) -> Result<(), String>;

    /// Waits for the end of a connection that is hoped for; bytes in front of it count as `Nothing`.
    ///
    /// # Errors
    /// When there is no such connection.
    fn sight(&mut self, who: Who, hoped: Sight) -> Result<Sight, String>;

    /// What was received and not taken.
    fn left_over(&mut self) -> Vec<(Who, Vec<u8>)>;

    /// Lets time pass.
    fn elapse(&mut self, span: Duration);

    /// The next line of the access log, when there is one or comes soon.
    fn log_line(&mut self) -> Option<String>;

    /// How many connections were made to the origin server.
    fn connections(&mut self) -> usize;

    /// Begins to drain.
    ///
    /// # Errors
    /// When this stage can't.
    fn drain(&mut self, within: Option<Duration>) -> Result<(), String>;
}

/// The folder with the cases of this repository.
#[must_use]
pub fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// Runs every case that says something about the driver, and holds the count against `docs/evidence/drivers.md`.
/// `CASE=part of a name` in the environment picks some.
///
/// # Panics
/// With every case that failed, and why; when no case was run at all; when the table says something else.
pub fn run(driver: &mut dyn Driver) {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let cases = Case::all(&testdata());
    let mut suites = BTreeMap::<String, Tally>::new();
    let mut count = 0;
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&wanted)) {
        let tally = suites.entry(format!("testdata/{}.toml", case.file())).or_default();
        if let Some(reason) = driver.inapplicable(case) {
            *tally.inapplicable.entry(reason.to_owned()).or_default() += 1;
            continue;
        }
        count += 1;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| perform(driver, case)));
        match outcome.unwrap_or_else(|panic| Err(panic_message(&*panic))) {
            Ok(()) => tally.passed += 1,
            Err(reason) => failures.push(format!("{} {:?}\n{reason}", case.name, case.rules)),
        }
    }
    println!("{}: {count} cases, {} failed", driver.name(), failures.len());
    assert!(count > 0, "no case was run");
    assert!(
        failures.is_empty(),
        "{}: {} of {count} cases failed\n\n{}",
        driver.name(),
        failures.len(),
        failures.join("\n\n")
    );
    if wanted.is_empty() {
        drivers::check(driver.name(), "testdata/", &suites);
    }
}

fn perform(driver: &mut dyn Driver, case: &Case) -> Result<(), String> {
    let mut stage = driver.start(case)?;
    let names = stage.names().clone();
    for (number, step) in case.steps.iter().enumerate() {
        take_step(&mut *stage, step, &names).map_err(|reason| format!("step {}: {reason}", number + 1))?;
    }
    match stage.left_over().as_slice() {
        [] => Ok(()),
        left => {
            let show =
                |(who, bytes): &(Who, Vec<u8>)| format!("{who:?} got besides: {}", bytes.escape_ascii());
            Err(left.iter().map(show).collect::<Vec<_>>().join("\n"))
        }
    }
}

fn take_step(stage: &mut dyn Stage, step: &Step, names: &Names) -> Result<(), String> {
    match step {
        Step::Sends(who, text) => stage.send(*who, text.filled(names).as_bytes()),
        Step::Gets(who, text) => {
            let expected = text.expected(names);
            let seen = stage.take(*who, expected.bytes.len())?;
            if expected.matches(&seen) {
                return Ok(());
            }
            let (expected, seen) = (expected.bytes.escape_ascii(), seen.escape_ascii());
            Err(format!("{who:?}\n  should get {expected}\n  and got    {seen}"))
        }
        Step::Ends(who) => stage.end(*who, false),
        Step::Resets(who) => stage.end(*who, true),
        Step::Sees(who, sight) => {
            let seen = stage.sight(*who, *sight)?;
            if seen == *sight {
                Ok(())
            } else {
                Err(format!("{who:?} should see {sight:?} and saw {seen:?}"))
            }
        }
        Step::Refuses | Step::Hangs => Ok(()),
        Step::Elapses(span) => {
            stage.elapse(*span);
            Ok(())
        }
        Step::Log(text) => {
            let expected = text.filled(names);
            match stage.log_line() {
                Some(line) if line == expected => Ok(()),
                line => Err(format!("log line\n  should be {expected}\n  and was   {line:?}")),
            }
        }
        Step::Connections(count) => {
            let seen = stage.connections();
            if seen == *count { Ok(()) } else { Err(format!("{seen} connections instead of {count}")) }
        }
        Step::Drains(within) => stage.drain(*within),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}
