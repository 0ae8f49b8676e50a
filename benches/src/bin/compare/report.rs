//! The result, as Markdown: it is what a terminal shows and what `docs/performance.md` keeps.

use crate::run::{Outcome, Row};
use crate::statistics::Spread;
use crate::workload::{Unit, Workload};
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The table, with the machine, the versions and the command that it came from.
pub(crate) fn markdown(outcome: &Outcome) -> String {
    let names = outcome.proxies.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let with_ratio = names.len() > 1;
    let mut lines = vec![
        format!("| median (least-most) of {} rounds | {} |{}", outcome.rounds, names.join(" | "), {
            if with_ratio { format!(" {} / best of the others |", names[0]) } else { String::new() }
        }),
        format!("|---|{}{}", "---:|".repeat(names.len()), if with_ratio { "---:|" } else { "" }),
    ];
    lines.extend(outcome.rows.iter().map(|row| row_of(row, with_ratio)));
    lines.push(String::new());
    lines.push(format!("- Machine: {}", outcome.machine));
    lines.push(format!("- Other programs took {:.0} % of the two cores meanwhile", outcome.disturbance));
    let versions = outcome.proxies.iter().map(|(name, version)| format!("{name}: {version}"));
    lines.push(format!("- Proxies: {}", versions.collect::<Vec<_>>().join("; ")));
    lines.push(format!("- Command: `{}`", command()));
    if let Some(first) = outcome.complaints.first() {
        lines.push(format!(
            "- Errors in the proxies' logs: {}; the first: `{first}`",
            outcome.complaints.len()
        ));
    }
    lines.join("\n")
}

/// What a smoke test says: what was checked, and no figure, for none of so few operations means anything.
pub(crate) fn smoke(outcome: &Outcome) -> String {
    let mut text = String::new();
    for row in &outcome.rows {
        for (name, version) in &outcome.proxies {
            let Workload { key, operations: [_, few], .. } = row.workload;
            writeln!(text, "ok: {key}: {few} through {name} ({version})").expect("a String takes it");
        }
    }
    for line in &outcome.complaints {
        writeln!(text, "note: in a proxy's log: {line}").expect("a String takes it");
    }
    text.push_str("every byte that came back was the one that was expected");
    text
}

/// Puts `section` between the markers of a file, which is made when it isn't there.
pub(crate) fn write_section(file: &Path, section: &str) -> Result<()> {
    let old = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => format!("{BEGIN}\n{END}\n"),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let new = replaced(&old, section).with_context(|| file.display().to_string())?;
    fs::write(file, new).with_context(|| file.display().to_string())
}

const BEGIN: &str = "<!-- compare: begin -->";
const END: &str = "<!-- compare: end -->";

fn replaced(old: &str, section: &str) -> Result<String> {
    let missing = || format!("the lines `{BEGIN}` and `{END}` must stand in it, in this order");
    let (before, rest) = old.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    ensure!(!after.contains(BEGIN) && !after.contains(END), "more than one pair of markers");
    Ok(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

fn row_of(row: &Row, with_ratio: bool) -> String {
    let mut line = format!("| {} |", row.workload.title);
    for figures in &row.figures {
        let cell =
            Spread::of(figures).map_or_else(|| "-".to_owned(), |spread| shown(spread, row.workload.unit));
        write!(line, " {cell} |").expect("a String takes it");
    }
    if with_ratio {
        let cell = ratio(&row.figures).map_or_else(|| "-".to_owned(), |spread| format!("{spread:.2}"));
        write!(line, " {cell} |").expect("a String takes it");
    }
    line
}

fn shown(spread: Spread, unit: Unit) -> String {
    match unit {
        Unit::Microseconds => format!("{spread:.1} {}", unit.symbol()),
        Unit::Bytes => format!("{spread:.0} {}", unit.symbol()),
    }
}

/// The first proxy's figures over those of the best other one, round by round: what a round had in common cancels.
fn ratio(figures: &[Vec<f64>]) -> Option<Spread> {
    let (first, others) = figures.split_first()?;
    let median = |figures: &[f64]| Spread::of(figures).map_or(f64::INFINITY, |spread| spread.median);
    let best = others.iter().min_by(|a, b| median(a).total_cmp(&median(b)))?;
    let ratios = first.iter().zip(best).map(|(one, other)| one / other).collect::<Vec<_>>();
    Spread::of(&ratios)
}

/// The command line as one would type it, whatever path the program was started by.
fn command() -> String {
    std::iter::once("benches/compare".to_owned())
        .chain(std::env::args().skip(1))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, ratio, replaced};

    #[test]
    fn only_the_section_changes() {
        let old = format!("# Title\n{BEGIN}\nold\n{END}\nrest\n");
        let new = replaced(&old, "new").expect("the markers are there");
        assert_eq!(new, format!("# Title\n{BEGIN}\nnew\n{END}\nrest\n"));
        assert_eq!(replaced(&new, "new").expect("still there"), new);
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        for text in ["", "text", BEGIN, END, &format!("{END}{BEGIN}"), &format!("{BEGIN}{END}{BEGIN}{END}")] {
            assert!(replaced(text, "new").is_err(), "{text}");
        }
    }

    #[test]
    fn the_ratio_is_taken_round_by_round_and_to_the_best() {
        let slow = vec![100.0, 100.0];
        let spread = ratio(&[vec![1.0, 30.0], slow, vec![2.0, 20.0]]).expect("figures");
        assert_eq!(format!("{spread:.2}"), "1.00 (0.50-1.50)");
        assert!(ratio(&[vec![1.0]]).is_none());
    }
}
