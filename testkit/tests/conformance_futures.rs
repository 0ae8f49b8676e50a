//! The cases of `testdata/` that need no configuration, on `underpass_futures::proxy`, over real sockets.

use std::process::{Command, Stdio};

use underpass_testkit::conformance::{Launch, Need, OnSockets, build, run};

#[test]
fn every_case_without_configuration() {
    let program = build(&["-p", "underpass-futures", "--example", "proxy"]);
    let folder = tempfile::tempdir().expect("a folder");
    let start = |launch: &Launch<'_>| {
        let mut command = Command::new(&program);
        command.args([launch.listen.to_string(), launch.origin.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    // It closes what could be pooled, and the traits of `futures` have no way to reset a connection.
    let driver = OnSockets::new("futures", folder.path(), start).without_configuration();
    run(&mut driver.lacks(Need::Pool).lacks(Need::Reset));
}
