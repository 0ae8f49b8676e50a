//! Hostile clients and origin servers, judged by what crosses the gateway (`testdata/hostile/`).

use underpass_testkit::{
    conformance::testdata,
    hostile::{Cut, Hostile, consistency, judge, play},
};

/// However bytes are cut, and in whatever order they are reported, a case comes to the same.
const CUTS: [Cut; 6] =
    [Cut::Whole, Cut::Bytes, Cut::Random(0), Cut::Random(1), Cut::Random(2), Cut::Random(3)];

fn cases(folder: &str) -> Vec<Hostile> {
    Hostile::all(&testdata().join("hostile").join(folder))
}

/// `CASE=part of a name` in the environment picks some.
fn nothing_is_smuggled(folder: &str) {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut failures = Vec::new();
    let cases = cases(folder);
    for case in cases.iter().filter(|case| case.name.contains(&wanted)) {
        for cut in CUTS {
            let problems = judge(case, &play(case, cut));
            if !problems.is_empty() {
                failures.push(format!(
                    "{} {:?}, cut {cut:?}\n  {}",
                    case.name,
                    case.attacks,
                    problems.join("\n  ")
                ));
                break;
            }
        }
    }
    let count = failures.len();
    assert!(failures.is_empty(), "{count} of {} cases failed\n\n{}", cases.len(), failures.join("\n\n"));
}

#[test]
fn hostile_requests() {
    nothing_is_smuggled("requests");
}

#[test]
fn hostile_responses() {
    nothing_is_smuggled("responses");
}

/// Each case, changed at random: `MUTANTS=100` in the environment tries more of them.
#[test]
fn mutants_smuggle_nothing() {
    let count = std::env::var("MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    let mut failures = Vec::new();
    for case in cases("requests").iter().chain(&cases("responses")) {
        // Whether a response has content follows from the method, which a mutant may lose; and what a CONNECT
        // leads to is no HTTP.
        if case.asks.iter().any(|ask| ask.starts_with("HEAD ")) || case.config.contains("tunnel_pass") {
            continue;
        }
        for seed in 0..count {
            let mutant = case.mutant(seed);
            let problems = consistency(&mutant, &play(&mutant, Cut::Random(seed)));
            if !problems.is_empty() {
                let scripts = format!("{:?}\n  {:?}", mutant.client, mutant.origin);
                failures.push(format!(
                    "{}, mutant {seed}\n  {}\n  {scripts}",
                    case.name,
                    problems.join("\n  ")
                ));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{} cases failed\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn the_corpus_is_broad() {
    let (requests, responses) = (cases("requests"), cases("responses"));
    assert!(requests.len() >= 400, "{} hostile requests", requests.len());
    assert!(responses.len() >= 150, "{} hostile responses", responses.len());
    let all: Vec<_> = requests.iter().chain(&responses).collect();
    let mut names: Vec<_> = all.iter().map(|case| &case.name).collect();
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert_eq!(twice, Vec::<&[&String]>::new(), "names that occur twice");
    let numbered = |letter: &str, last: usize| (1..=last).map(|n| format!("{letter}{n}")).collect::<Vec<_>>();
    for rule in [numbered("A", 13), numbered("D", 4), numbered("E", 15)].concat() {
        let count = all.iter().filter(|case| case.attacks.contains(&rule)).count();
        assert!(count >= 3, "{count} cases attack {rule}");
    }
}
