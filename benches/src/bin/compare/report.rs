//! The result, as Markdown: it is what a terminal shows and what `docs/evidence/performance.md` keeps.

use crate::run::{Entrant, Outcome, Row};
use crate::statistics::Spread;
use crate::workload::{MEMORY_EVERY, Unit, Workload};
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
    let (frames, others) = outcome.rows.iter().partition::<Vec<_>, _>(|row| row.workload.is_about_frames());
    lines.extend(others.iter().flat_map(|row| lines_of(row, &outcome.proxies)));
    if others.is_empty() {
        lines.clear();
    }
    if !frames.is_empty() {
        lines.extend((!others.is_empty()).then(String::new));
        lines.push(format!(
            "| what frames cost: median (least-most) of {} rounds | `upgrade_websocket_frames off` | `on` | on to off |",
            outcome.rounds
        ));
        lines.push("|---|---:|---:|---:|".to_owned());
        lines.extend(frames.iter().flat_map(|row| lines_about_frames(row, &outcome.proxies)));
    }
    lines.push(String::new());
    lines.push(format!("- Machine: {}", outcome.machine));
    lines.push(format!("- Other programs took {:.0} % of the two cores meanwhile", outcome.disturbance));
    let versions = outcome.proxies.iter().map(|proxy| format!("{}: {}", proxy.name, proxy.version));
    lines.push(format!("- Proxies: {}", versions.collect::<Vec<_>>().join("; ")));
    if outcome.rows.iter().any(|row| row.workload.unit == Unit::Bytes) {
        lines.push(format!(
            "- Memory was looked at in {} of the rounds",
            outcome.rounds.div_ceil(MEMORY_EVERY)
        ));
    }
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
        for (Entrant { name, version, .. }, figures) in outcome.proxies.iter().zip(&row.figures) {
            if figures.is_empty() {
                continue;
            }
            let Workload { key, operations: [_, few], .. } = row.workload;
            writeln!(text, "ok: {key}: {few} through {name} ({version})").expect("a String takes it");
        }
    }
    for line in &outcome.complaints {
        writeln!(text, "note: in a proxy's log: {line}").expect("a String takes it");
    }
    if outcome.rows.iter().any(|row| row.workload.setup().tells_blindness) {
        text.push_str("ok: no tunnel went blind, and one that was made to was told in each log\n");
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

/// A line for each figure of a workload.
fn lines_of(row: &Row, proxies: &[Entrant]) -> Vec<String> {
    let line = |(figure, name): (usize, &&str)| {
        let figures = row.figures.iter().map(|all| &all[figure]).collect::<Vec<_>>();
        let title = if name.is_empty() { row.workload.title } else { name };
        line_of(title, row.workload.unit_of(figure), &figures, proxies)
    };
    row.workload.figures().iter().enumerate().map(line).collect()
}

fn line_of(title: &str, unit: Unit, figures: &[&Vec<f64>], proxies: &[Entrant]) -> String {
    let dash = || "-".to_owned();
    let mut line = format!("| {title} |");
    for figures in figures {
        let cell = Spread::of(figures).map_or_else(dash, |spread| shown(spread, unit));
        write!(line, " {cell} |").expect("a String takes it");
    }
    let others = proxies.iter().zip(figures).filter(|(proxy, _)| !proxy.ours).map(|(_, figures)| *figures);
    let others = others.collect::<Vec<_>>();
    for index in measured(proxies) {
        // More of a core is neither better nor worse.
        let ratio = ratio(figures[index], &others).filter(|_| unit != Unit::Percent);
        let cell = ratio.map_or_else(dash, |spread| format!("{spread:.2}"));
        write!(line, " {cell} |").expect("a String takes it");
    }
    line
}

/// For each proxy, a line for each setting of frames beside the first, which is off. Processor time is divided round by round,
/// memory subtracted.
fn lines_about_frames(row: &Row, proxies: &[Entrant]) -> Vec<String> {
    let mut lines = Vec::new();
    for (proxy, figures) in proxies.iter().zip(&row.figures) {
        let Some((off, settings)) = figures.split_first() else { continue };
        for (on, name) in settings.iter().zip(&row.workload.figures()[1..]) {
            let unit = row.workload.unit;
            let cell = |spread: Option<Spread>, shown: fn(Spread, Unit) -> String| {
                spread.map_or_else(|| "-".to_owned(), |spread| shown(spread, unit))
            };
            let pairs = on.iter().zip(off);
            let compared = match unit {
                Unit::Microseconds => {
                    let ratios = pairs.map(|(on, off)| on / off).collect::<Vec<_>>();
                    cell(Spread::of(&ratios), |spread, _| format!("{spread:.3}"))
                }
                Unit::Bytes | Unit::Percent => {
                    let more = pairs.map(|(on, off)| on - off).collect::<Vec<_>>();
                    cell(Spread::of(&more), |spread, unit| format!("+ {}", shown(spread, unit)))
                }
            };
            let title = format!("{}, {}: {name}", proxy.name, row.workload.title);
            let [off, on] = [off, on].map(|figures| cell(Spread::of(figures), shown));
            lines.push(format!("| {title} | {off} | {on} | {compared} |"));
        }
    }
    lines
}

fn shown(spread: Spread, unit: Unit) -> String {
    match unit {
        Unit::Microseconds => format!("{spread:.1} {}", unit.symbol()),
        Unit::Bytes | Unit::Percent => format!("{spread:.0} {}", unit.symbol()),
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
    use super::{lines_about_frames, ratio};
    use crate::run::{Entrant, Row};
    use crate::workload;

    #[test]
    fn settings_are_compared_round_by_round() {
        let entrant = |name, ours| Entrant { name, version: String::new(), ours };
        let proxies = [entrant("one", true), entrant("other", false)];
        let lines = |key: &str, figures: Vec<Vec<f64>>| {
            let workload = workload::ALL.iter().find(|workload| workload.key == key).expect("a workload");
            lines_about_frames(&Row { workload: *workload, figures: vec![figures, Vec::new()] }, &proxies)
        };
        let [echo] = lines("frames-echo-64", vec![vec![10.0, 20.0, 40.0], vec![10.1, 20.6, 40.0]])
            .try_into()
            .expect("one line");
        assert!(
            echo.ends_with("| 20.0 (10.0-40.0) µs | 20.6 (10.1-40.0) µs | 1.010 (1.000-1.030) |"),
            "{echo}"
        );
        let idle = lines("frames-idle", vec![vec![1500.0], vec![1620.0], vec![1755.0]]);
        assert_eq!(idle.len(), 2);
        assert!(
            idle[0].ends_with(": on | 1500 (1500-1500) B | 1620 (1620-1620) B | + 120 (120-120) B |"),
            "{idle:?}"
        );
        assert!(
            idle[1].contains(": on, with pings, limits and a log |")
                && idle[1].ends_with("| + 255 (255-255) B |")
        );
    }

    #[test]
    fn the_ratio_is_taken_round_by_round_and_to_the_best() {
        let (slow, fast) = (vec![100.0, 100.0], vec![2.0, 20.0]);
        let spread = ratio(&[1.0, 30.0], &[&slow, &fast]).expect("figures");
        assert_eq!(format!("{spread:.2}"), "1.00 (0.50-1.50)");
        assert!(ratio(&[1.0], &[]).is_none());
    }
}
