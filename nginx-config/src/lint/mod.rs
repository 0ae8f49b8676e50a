//! What is said of configurations that load and can't work, or are dangerous: each with its line and how to fix it.
//!
//! The rules look at the directives as they stand in the file, not at what they come to: what is said of a
//! line has to point at it. A rule is a function of the whole `http` block, in a file of its family.

mod accepted;
mod branches;
mod drain;
mod frames;
mod inheritance;
mod loops;
mod maps;
mod names;
mod pool;
mod timeouts;
mod tls;
mod tunnel;
mod upgrade;
mod web;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::{error::ConfigNote, loaded::Listener, syntax::Directive};
use web::Web;

/// The rules.
const RULES: [fn(&Web<'_>) -> Vec<ConfigNote>; 13] = [
    accepted::check,
    branches::check,
    drain::check,
    frames::check,
    inheritance::check,
    loops::check,
    maps::check,
    names::check,
    pool::check,
    timeouts::check,
    tls::check,
    tunnel::check,
    upgrade::check,
];

/// Looks at the directives of `http`, which listens on `listeners`; `shutdown` is `worker_shutdown_timeout`.
pub(crate) fn lint(
    http: &[Directive],
    listeners: &[Listener],
    shutdown: Option<Duration>,
) -> Vec<ConfigNote> {
    let mut web = Web::new(http, listeners);
    web.shutdown = shutdown;
    RULES.iter().flat_map(|rule| rule(&web)).collect()
}
