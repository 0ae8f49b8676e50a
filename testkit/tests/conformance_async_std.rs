//! The cases of `testdata/` on the binary `underpass-async-std`, over real sockets.

use std::process::{Command, Stdio};

use underpass_testkit::conformance::{Launch, OnSockets, build, run};

#[test]
fn every_case() {
    let program = build(&["-p", "underpass-async-std", "--bin", "underpass-async-std"]);
    let folder = tempfile::tempdir().expect("a folder");
    let start = |launch: &Launch<'_>| {
        let mut command = Command::new(&program);
        command.arg("-p").arg(&launch.folder).arg("-c").arg(&launch.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    run(&mut OnSockets::new("async-std", folder.path(), start));
}
