//! The result, as Markdown: it is what a terminal shows and what `docs/evidence/performance.md` keeps.

use crate::run::{Entrant, Outcome, Row};
use crate::statistics::Spread;
use crate::workload::{Unit, Workload};
use std::fmt::Write as _;

/// The table, with the machine, the versions and the command that it came from.
pub(crate) fn markdown(outcome: &Outcome) -> String {
    let names = outcome.proxies.iter().map(|proxy| proxy.name.to_owned());
    let measured = measured(&outcome.proxies);
    let ratios =
        measured.iter().map(|&index| format!("{} / {}", outcome.proxies[index].name, others(outcome)));
    let columns = names.chain(ratios).collect::<Vec<_>>();
    let mut lines = vec![
        format!("| median (least-most) of {} rounds | {} |", outcome.rounds, columns.join(" | ")),
        format!("|---|{}", "---:|".repeat(columns.len())),
    ];
    lines.extend(outcome.rows.iter().map(|row| row_of(row, &outcome.proxies)));
    lines.push(String::new());
    lines.push(format!("- Machine: {}", outcome.machine));
    lines.push(format!("- Other programs took {:.0} % of the two cores meanwhile", outcome.disturbance));
    let versions = outcome.proxies.iter().map(|proxy| format!("{}: {}", proxy.name, proxy.version));
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
        for Entrant { name, version, .. } in &outcome.proxies {
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

/// The proxies that get a column with their ratio: those of this project, when there are others.
fn measured(proxies: &[Entrant]) -> Vec<usize> {
    let all_ours = proxies.iter().all(|proxy| proxy.ours);
    (0..proxies.len()).filter(|&index| proxies[index].ours && !all_ours).collect()
}

/// What a ratio is taken to.
fn others(outcome: &Outcome) -> &'static str {
    match outcome.proxies.iter().filter(|proxy| !proxy.ours).collect::<Vec<_>>().as_slice() {
        [one] => one.name,
        _ => "best of the others",
    }
}

fn row_of(row: &Row, proxies: &[Entrant]) -> String {
    let dash = || "-".to_owned();
    let mut line = format!("| {} |", row.workload.title);
    for figures in &row.figures {
        let cell = Spread::of(figures).map_or_else(dash, |spread| shown(spread, row.workload.unit));
        write!(line, " {cell} |").expect("a String takes it");
    }
    let others =
        proxies.iter().zip(&row.figures).filter(|(proxy, _)| !proxy.ours).map(|(_, figures)| figures);
    let others = others.collect::<Vec<_>>();
    for index in measured(proxies) {
        let cell = ratio(&row.figures[index], &others).map_or_else(dash, |spread| format!("{spread:.2}"));
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

/// A proxy's figures over those of the best other one, round by round: what a round had in common cancels.
fn ratio(figures: &[f64], others: &[&Vec<f64>]) -> Option<Spread> {
    let median = |figures: &[f64]| Spread::of(figures).map_or(f64::INFINITY, |spread| spread.median);
    let best = others.iter().min_by(|a, b| median(a).total_cmp(&median(b)))?;
    let ratios = figures.iter().zip(*best).map(|(one, other)| one / other).collect::<Vec<_>>();
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
    use super::ratio;

    #[test]
    fn the_ratio_is_taken_round_by_round_and_to_the_best() {
        let (slow, fast) = (vec![100.0, 100.0], vec![2.0, 20.0]);
        let spread = ratio(&[1.0, 30.0], &[&slow, &fast]).expect("figures");
        assert_eq!(format!("{spread:.2}"), "1.00 (0.50-1.50)");
        assert!(ratio(&[1.0], &[]).is_none());
    }
}
