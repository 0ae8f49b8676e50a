//! Runs the simulation: `simulate [--seed N] [--count N] [--forever] [--replay FILE]`.

use std::{process::ExitCode, time::Instant};

use underpass_testkit::worker_world::{Script, Stats, run, shrink};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seed, mut count) = (0, 1000);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seed" => match number() {
                Some(from) => (seed, count) = (from, 1),
                None => return usage(),
            },
            "--count" => match number() {
                Some(number) => count = number,
                None => return usage(),
            },
            "--forever" => count = u64::MAX,
            "--replay" => return arguments.next().map_or_else(usage, |file| replay(&file)),
            _ => return usage(),
        }
    }
    let begin = Instant::now();
    let mut total = Stats::default();
    for done in 0..count {
        let script = Script::from_seed(seed + done);
        match run(&script) {
            Ok(stats) => total += stats,
            Err(failure) => {
                println!("seed {}: {failure}\nshrinking", seed + done);
                let (script, failure) = shrink(&script);
                let json = serde_json::to_string(&script).expect("a script can be written");
                println!("{failure}\na script that replays it (--replay FILE):\n{json}");
                return ExitCode::FAILURE;
            }
        }
        if (done + 1) % 10_000 == 0 {
            report(done + 1, &total, begin);
        }
    }
    report(count, &total, begin);
    ExitCode::SUCCESS
}

fn report(seeds: u64, total: &Stats, begin: Instant) {
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is a rough figure")]
    let rate = |count: u64| count as f64 / seconds;
    println!(
        "{seeds} seeds in {seconds:.1} s ({:.0}/s, {:.0} steps/s): {total}",
        rate(seeds),
        rate(total.steps)
    );
}

fn replay(file: &str) -> ExitCode {
    let text = std::fs::read_to_string(file).expect("the script can be read");
    let script = serde_json::from_str(&text).expect("a script");
    match run(&script) {
        Ok(stats) => println!("it passes: {stats}"),
        Err(failure) => {
            println!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: simulate [--seed N] [--count N] [--forever] [--replay FILE]");
    ExitCode::from(2)
}
