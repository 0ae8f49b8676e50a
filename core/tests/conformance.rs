//! The cases of `testdata/` on a session in a simulated world.

use underpass_testkit::conformance::{Simulated, run};

#[test]
fn every_case() {
    run(&mut Simulated::default());
}

#[test]
fn every_case_with_tunnels_past_the_session() {
    run(&mut Simulated { splices: true });
}
