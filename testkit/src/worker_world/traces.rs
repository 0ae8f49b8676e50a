//! Sessions of a simulation that are traced, and led through their traces when they are over.

use std::sync::Arc;

use underpass_core::trace::{Configuration, Replay, Setting, read};

use super::{Script, Simulation};

/// Runs a script whose sessions are traced; each is replayed when it is over. How many there were.
///
/// # Panics
/// When a replay takes another way than its session took, or the run breaks a property.
#[must_use]
pub fn run_traced(script: &Script, plain: bool) -> u64 {
    let mut simulation = Simulation::new(script.clone());
    let buffer_size = simulation.worker.buffers.size();
    simulation.tracing =
        Some(Setting { configuration: Configuration::new("# built in code"), buffer_size, plain });
    simulation.run();
    simulation.replayed
}

impl Simulation {
    /// A replay says the same at every step, is the same after every report, and writes the same trace.
    pub(super) fn check_trace(&mut self, number: usize, trace: &[u8]) {
        let recordings = read(trace).unwrap_or_else(|broken| panic!("{broken}"));
        let [recording] = recordings.as_slice() else { panic!("{} sessions in a trace", recordings.len()) };
        let mut replay = Replay::new(recording, Arc::clone(&self.ledger.setting.config));
        let mut snapshots = std::mem::take(&mut self.worker.live[number].snapshots).into_iter();
        while let Some(step) = replay.next() {
            assert_eq!(step.divergence, None, "{}\n{}", step.told, String::from_utf8_lossy(trace));
            if step.told.starts_with('<') {
                let then = snapshots.next().expect("a snapshot for each report");
                let now = replay.session().snapshot(step.now.tick);
                assert_eq!(now.to_string(), then.to_string(), "{}", step.told);
                assert!(!recording.plain || now == then, "{}: {now:?} instead of {then:?}", step.told);
            }
        }
        assert!(snapshots.next().is_none() && !replay.is_cut(), "the trace ends early");
        let (written, expected) = (String::from_utf8_lossy(replay.trace()), String::from_utf8_lossy(trace));
        let other = written.lines().zip(expected.lines()).find(|(line, expected)| line != expected);
        assert!(written == expected, "another trace: {other:?}");
        self.replayed += 1;
    }
}
