//! The simulation over a fixed number of seeds, and the scripts that once failed.
//!
//! `cargo run --release -p underpass-testkit --example simulate -- --forever` goes on from there.

use std::{path::Path, time::Instant};

use underpass_testkit::worker_world::{Script, Stats, run, run_traced, shrink};

const SEEDS: u64 = 3_000;

#[test]
fn every_property_holds_for_every_seed() {
    let begin = Instant::now();
    let mut total = Stats::default();
    for seed in 0..SEEDS {
        let script = Script::from_seed(seed);
        match run(&script) {
            Ok(stats) => total += stats,
            Err(failure) => {
                let (script, why) = shrink(&script);
                let json = serde_json::to_string(&script).expect("a script can be written");
                panic!("seed {seed}: {failure}\nsmaller: {why}\n{json}");
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is a rough figure")]
    let rate = |count: u64| count as f64 / seconds;
    println!(
        "simulation: {SEEDS} seeds, {:.0} seeds/s, {:.0} steps/s: {total}",
        rate(SEEDS),
        rate(total.steps)
    );
    // It has been everywhere.
    assert!(total.tunnels > SEEDS / 2 && total.retries > SEEDS / 10 && total.reused > SEEDS / 10, "{total}");
    assert!(total.complete < total.exchanges && total.complete > total.exchanges / 2, "{total}");
}

#[test]
fn a_seed_is_one_run() {
    for seed in 0..20 {
        let script = Script::from_seed(seed);
        assert_eq!(run(&script), run(&Script::from_seed(seed)));
        let json = serde_json::to_string(&script).expect("a script can be written");
        assert_eq!(serde_json::from_str::<Script>(&json).expect("what was written"), script);
    }
}

/// Each file is a script that failed once, cut down to what it took.
#[test]
fn what_failed_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a script");
        let script = serde_json::from_str(&text).expect("a script");
        if let Err(failure) = run(&script) {
            panic!("{}: {failure}", path.display());
        }
        count += 1;
    }
    assert!(count > 0, "scripts are kept");
}

/// Content in a simulation says whose it is, which a masked trace must not tell, and a replay needs not know.
#[test]
fn traces_lead_the_same_way() {
    let mut replayed = 0;
    for seed in 0..100 {
        let script = Script::from_seed(seed);
        replayed += run_traced(&script, false) + run_traced(&script, true);
    }
    assert!(replayed > 500, "{replayed}");
}
