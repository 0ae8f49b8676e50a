//! `docs/evidence/drivers.md`: which suite runs on which driver, as the runs themselves have counted.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

/// What one suite came to on one driver.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that say nothing about this driver, by the reason.
    pub inapplicable: BTreeMap<String, usize>,
}

/// Compares what a run came to with the rows of the table whose suite begins with `prefix`. With `UPDATE_SNAPSHOTS`
/// in the environment the table becomes what the run says.
///
/// # Panics
/// When the table says something else.
pub fn check(driver: &str, prefix: &str, suites: &BTreeMap<String, Tally>) {
    let begin = format!("| {driver} | `{prefix}");
    let text = fs::read_to_string(file()).expect("docs/evidence/drivers.md");
    let (table, around): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("| "));
    let (ours, others): (Vec<_>, Vec<_>) = table.into_iter().partition(|line| line.starts_with(&begin));
    let rows: Vec<_> = suites.iter().map(|(suite, tally)| row(driver, suite, tally)).collect();
    if ours == rows {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_SNAPSHOTS").is_some(),
        "docs/evidence/drivers.md is not what this run has counted (UPDATE_SNAPSHOTS=1 writes it):\n{}",
        rows.join("\n")
    );
    let (head, rest) = others.split_first().expect("the head of the table");
    let mut sorted: Vec<_> = rest.iter().map(|line| (*line).to_owned()).chain(rows).collect();
    sorted.sort();
    let mut new = String::new();
    for line in around {
        if line.starts_with("|---") {
            writeln!(new, "{head}\n{line}\n{}", sorted.join("\n")).expect("a String takes it");
        } else {
            writeln!(new, "{line}").expect("a String takes it");
        }
    }
    fs::write(file(), new).expect("docs/evidence/drivers.md can be written");
}

fn row(driver: &str, suite: &str, tally: &Tally) -> String {
    let cases = tally.passed + tally.inapplicable.values().sum::<usize>();
    let reasons = tally.inapplicable.iter().map(|(reason, count)| format!("{count}: {reason}"));
    let reasons = reasons.collect::<Vec<_>>().join("; ");
    format!("| {driver} | `{suite}` | {cases} | {} | {reasons} |", tally.passed)
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence/drivers.md")
}
