//! The cases of `testdata/` on a session in a simulated world.

use underpass_testkit::conformance::{Case, Simulated, run, testdata};

#[test]
fn every_case() {
    run(&mut Simulated::default());
}

#[test]
fn every_case_with_tunnels_past_the_session() {
    run(&mut Simulated { splices: true, ..Simulated::default() });
}

/// A loop in which reads and writes complete, also those of connections that were released since.
#[test]
fn every_case_with_reads_and_writes_that_complete_late() {
    for seed in 0..8 {
        run(&mut Simulated { completes: Some(seed), ..Simulated::default() });
    }
}

/// Rules that a script of bytes can't show, and the tests that do.
const SHOWN_ELSEWHERE: [&str; 2] = [
    "C4", // back-pressure: properties.rs
    "C6", // how a shell arms its timers: tests of the shells
];

#[test]
fn every_rule_has_a_case() {
    let cases = Case::all(&testdata());
    let shown = |rule: &String| cases.iter().any(|case| case.rules.contains(rule));
    let numbered = |letter: &str, last: usize| (1..=last).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    let all = [numbered("A", 13), numbered("B", 7), numbered("C", 8), numbered("E", 15)].concat();
    let missing: Vec<_> =
        all.iter().filter(|rule| !SHOWN_ELSEWHERE.contains(&rule.as_str()) && !shown(rule)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}
