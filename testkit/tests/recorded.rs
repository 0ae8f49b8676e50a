//! Sessions that were recorded: each file in `testdata/recorded` is what a process wrote for `session_trace`, put
//! there as it was, and says at every step what it said then.

use std::{fs, path::Path};

use underpass_core::trace::{Replay, read};
use underpass_nginx_config::load_recorded;

#[test]
fn recorded_sessions_go_the_way_they_went() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded");
    let mut sessions = 0;
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let name = path.display();
        let trace = fs::read(&path).expect("a trace");
        for recording in read(&trace).unwrap_or_else(|broken| panic!("{name}: {broken}")) {
            let config = load_recorded(&recording).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut replay = Replay::new(&recording, config.expect("its listening socket"));
            let mut steps = 0;
            for step in &mut replay {
                assert_eq!(step.divergence, None, "{name}, line {}: {}", step.line, step.told);
                steps += 1;
            }
            assert!(steps > 0 && !replay.is_cut(), "{name}: {steps} steps");
            sessions += 1;
        }
    }
    assert!(sessions >= 3, "{sessions} sessions are kept");
}
