//! Counts what the rows of the table of costs take, and compares. `benches/costs` runs it.
//!
//!     costs check [ROW...]      counts under valgrind's callgrind, prints a table, fails where a row doesn't hold
//!     costs run [ROW...]        only does the work, each row four times: this is what valgrind looks at
//!     costs list                the names of the rows

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use underpass_testkit::costs::{Count, Measure, Prepared, Row, counted, judge, table};

/// The function whose instructions count.
const COUNTED: &str = "underpass_testkit::costs::counted";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = || chosen(arguments.get(1..).unwrap_or_default());
    match arguments.first().map(String::as_str) {
        Some("check") => check(&rows()),
        Some("run") => {
            for (mut prepared, _) in rows().iter().flat_map(|row| prepared(row)) {
                // What is allocated once is there when it counts.
                prepared.run();
                counted(&mut prepared);
            }
            ExitCode::SUCCESS
        }
        Some("list") => {
            table().for_each(|row| println!("{:32} {}", row.name, row.what));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: costs check [ROW...] | run [ROW...] | list");
            ExitCode::FAILURE
        }
    }
}

fn chosen(names: &[String]) -> Vec<&'static Row> {
    for name in names {
        assert!(table().any(|row| row.name == name), "no such row: {name}");
    }
    table().filter(|row| names.is_empty() || names.iter().any(|name| row.name == name)).collect()
}

/// The four inputs of a row: the costly one at both sizes, the ordinary one likewise; with their bytes.
fn prepared(row: &'static Row) -> impl Iterator<Item = (Prepared, usize)> {
    let sizes = [row.size, 2 * row.size];
    let costly = sizes.into_iter().map(|size| row.costly(size));
    let plain = sizes.into_iter().map(|size| row.plain(size));
    costly.chain(plain).map(|prepared| {
        let bytes = prepared.bytes();
        (prepared, bytes)
    })
}

fn check(rows: &[&'static Row]) -> ExitCode {
    let mut faults = Vec::new();
    println!("| row | size | instructions | twice the size | growth | per byte | times an ordinary one |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for row in rows {
        let measure = measure(row);
        faults.extend(judge(row, &measure));
        print(row, &measure);
    }
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one row under callgrind.
fn measure(row: &'static Row) -> Measure {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = std::env::current_exe().expect("the path of this program");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no", "--combine-dumps=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}/counts", folder.path().display()))
        .arg(program)
        .args(["run", row.name])
        .status()
        .expect("valgrind is installed");
    assert!(status.success(), "{} fails", row.name);
    let counts: Vec<Count> = (1..)
        .zip(prepared(row))
        .map(|(number, (_, bytes))| {
            let dump = folder.path().join(format!("counts.{number}"));
            Count { instructions: summary(&dump), bytes }
        })
        .collect();
    let [costly, twice, plain, plain_twice] = counts.try_into().expect("four inputs");
    Measure { costly: [costly, twice], plain: [plain, plain_twice] }
}

/// The sum of a dump.
fn summary(dump: &Path) -> u64 {
    let text = std::fs::read_to_string(dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
    let sum = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let sum = sum.and_then(|sum| sum.trim().parse().ok()).filter(|sum| *sum > 0);
    sum.unwrap_or_else(|| panic!("{} counts nothing", dump.display()))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn print(row: &Row, measure: &Measure) {
    let [small, large] = measure.costly;
    let [_, plain] = measure.plain;
    let per_byte = |count: Count| count.instructions as f64 / count.bytes as f64;
    println!(
        "| {} | {} | {} | {} | {:.2} | {:.0} | {:.1} |",
        row.name,
        row.size,
        small.instructions,
        large.instructions,
        large.instructions as f64 / small.instructions as f64,
        per_byte(large),
        per_byte(large) / per_byte(plain),
    );
}
