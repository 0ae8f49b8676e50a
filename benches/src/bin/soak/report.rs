//! What a run has shown, in a line and in a table.

use crate::run::Outcome;
use anyhow::Result;
use std::cell::Cell;
use std::fmt::Write as _;
use std::time::Duration;

/// One line.
pub(crate) fn summary(outcome: &Outcome) -> String {
    let [before, after] = outcome.rest;
    let private = outcome.curve.iter().map(|sample| sample.holdings.private);
    let verdict = match outcome.faults.len() {
        0 => "ok".to_owned(),
        count => format!("{count} VIOLATIONS"),
    };
    format!(
        "soak {}: {} tunnels for {} s, {}, {} reloads, a drain; private memory {} at rest, {} to {} busy, {} at rest; \
         descriptors {} before, {} after: {verdict}",
        outcome.program,
        outcome.tunnels,
        outcome.seconds,
        traffic(outcome),
        outcome.reloads,
        mebibytes(before.private),
        mebibytes(private.clone().min().unwrap_or_default()),
        mebibytes(private.max().unwrap_or_default()),
        mebibytes(after.private),
        before.descriptors,
        after.descriptors,
    )
}

/// The curve, and what it was taken with.
pub(crate) fn markdown(outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    let counts = outcome.counts();
    writeln!(text, "- Command: `{}`", command())?;
    writeln!(text, "- Machine: {}", outcome.machine)?;
    writeln!(text, "- {}", summary(outcome))?;
    writeln!(
        text,
        "- Ends: {} by the client first, {} by the origin server first, {} by both at once, {} reset by the client, \
         {} reset by the origin server",
        counts.client_first.get(),
        counts.origin_first.get(),
        counts.together.get(),
        counts.client_reset.get(),
        counts.origin_reset.get()
    )?;
    text.push_str("\nPrivate memory of the process in MiB, a row a minute:\n\n```\n");
    for minute in outcome.curve.chunk_by(|one, next| minute_of(one.at) == minute_of(next.at)) {
        let figures = minute.iter().map(|sample| format!("{:>6}", decimal(sample.holdings.private)));
        writeln!(text, "{:>2} {}", minute_of(minute[0].at), figures.collect::<Vec<_>>().join(" "))?;
    }
    text.push_str("```");
    Ok(text)
}

fn minute_of(at: Duration) -> u64 {
    at.as_secs() / 60
}

fn traffic(outcome: &Outcome) -> String {
    let counts = outcome.counts();
    let [up, down] = [&counts.moved[0], &counts.moved[1]].map(|moved| mebibytes(moved.get()));
    let [opened, secured, resumed] = [&counts.opened, &counts.secured, &counts.resumed].map(Cell::get);
    format!(
        "{opened} lives ({secured} by wss, {resumed} of them resumed), {up} up and {down} down with nothing lost"
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", decimal(bytes))
}

fn decimal(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// The command line as one would type it: the script says which program it is.
fn command() -> String {
    let mut words = vec!["benches/soak".to_owned()];
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        if word == "--program" {
            arguments.next();
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}
