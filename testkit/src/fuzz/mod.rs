//! What coverage-guided search is let loose on: functions of any bytes that panic when a property fails.
//!
//! The targets of `fuzz/` call them, and `tests/fuzz_corpus.rs` calls them with every input that was kept. An
//! input is mostly what a peer sends, as it is: so the corpus can be read, and cases of `testdata/` are seeds.

mod config;
mod differential;
mod forgiven;
mod frames;
mod heads;
mod resegment;
mod rewrite;
mod scanner;
mod session;
mod tunnel_frames;

use crate::hostile::{Hostile, Seen, Step};

/// A property of any bytes.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 11] = [
    ("session", session::check),
    ("resegment", resegment::check),
    ("request_head", heads::check_request),
    ("response_head", heads::check_response),
    ("chunked", heads::check_chunked),
    ("frames", frames::check),
    ("scanner", scanner::check),
    ("tunnel_frames", tunnel_frames::check),
    ("rewrite", rewrite::check),
    ("config", config::check),
    ("differential", differential::check),
];

/// Runs the target with this name.
///
/// # Panics
/// When there is none, or the property fails.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, check) = target.unwrap_or_else(|| panic!("no target {name}"));
    check(bytes);
}

/// Inputs for the target that are known to reach far, each with a name: hostile cases, and what they are about.
#[must_use]
pub fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = crate::conformance::testdata().join("hostile");
    let from = |side: &str| Hostile::all(&folder.join(side));
    let sent = |steps: &[Step]| -> Vec<u8> {
        let bytes =
            steps.iter().map(|step| if let Step::Send(bytes) = step { bytes.as_slice() } else { b"" });
        bytes.flatten().copied().collect()
    };
    let asked = |front: &[u8]| -> Vec<(String, Vec<u8>)> {
        let cases = from("requests");
        cases.iter().map(|case| (case.name.clone(), [front, &sent(&case.client)].concat())).collect()
    };
    let answered = |front: &[u8]| -> Vec<(String, Vec<u8>)> {
        let cases = from("responses").into_iter();
        let sent = |origin: Vec<Step>| [front, &sent(&origin)].concat();
        cases.filter_map(|case| Some((case.name, sent(case.origin?)))).collect()
    };
    let mut seeds: Vec<(String, Vec<u8>)> = match name {
        "request_head" | "differential" => asked(b""),
        "rewrite" => asked(&[0; 3]),
        "resegment" => [asked(&[3, 0]), answered(&[3, 1])].concat(),
        "response_head" => answered(b""),
        "chunked" => {
            let cases = from("requests").into_iter().chain(from("responses"));
            let in_chunks = |case: &Hostile| case.name.contains("chunk") || case.name.contains("trailer");
            cases
                .filter(in_chunks)
                .filter_map(|case| {
                    let bytes = sent(case.origin.as_ref().unwrap_or(&case.client));
                    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
                    Some((case.name, bytes[head + 4..].to_vec()))
                })
                .collect()
        }
        "config" => config::seeds(),
        "frames" => frames::seeds(),
        "scanner" => scanner::seeds(),
        _ => session::seeds(),
    };
    // What is huge is huge for a limit, which a fuzzer doesn't need to be shown.
    seeds.retain(|(_, bytes)| bytes.len() < 4096);
    seeds
}

/// A client that sends this to a gateway, and how the origin server answers.
fn case(client: Vec<Step>, origin: Option<Vec<Step>>, location: &str) -> Hostile {
    Hostile::unjudged(client, origin, location)
}

/// Stops with what was seen, where there are problems.
fn expect_none(problems: &[String], seen: &Seen) {
    assert!(
        problems.is_empty(),
        "{}\nthe client got {:?}\nthe origin server got {:#?}\nviolations {:?}",
        problems.join("\n"),
        seen.client.0.escape_ascii().to_string(),
        seen.requests,
        seen.violations
    );
}
