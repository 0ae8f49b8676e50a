//! The time of each row of the table of costs (`underpass_testkit::costs`), beside an ordinary input of the same length.
//!
//! `cargo bench -p underpass-benches --bench costs [-- ROW]`. What is asserted of the table is a count of
//! instructions, which is the same in each run: `benches/costs`.

use std::time::Duration;

use criterion::Criterion;
use underpass_testkit::costs::{Prepared, Row, table};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for row in table() {
        measure(&mut criterion, row);
    }
    criterion.final_summary();
}

/// Both sizes of a row; inputs are made only where their measurement is asked for.
fn measure(criterion: &mut Criterion, row: &'static Row) {
    let mut group = criterion.benchmark_group(row.name);
    for size in [row.size, 2 * row.size] {
        for (name, prepare) in
            [("costly", Row::costly as fn(&Row, usize) -> Prepared), ("ordinary", Row::plain)]
        {
            group.bench_function(format!("{name}/{size}"), |bencher| {
                let mut prepared = prepare(row, size);
                bencher.iter(|| prepared.run());
            });
        }
    }
    group.finish();
}
