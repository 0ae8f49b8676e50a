//! The cases of `testdata/` on the binary `underpass`, over real sockets.

use std::{
    io,
    process::{Child, Command, Stdio},
};

use underpass_testkit::conformance::{Launch, OnSockets, build, run};

type Start = Box<dyn FnMut(&Launch<'_>) -> io::Result<Child>>;
type Sockets = OnSockets<Start>;

#[test]
fn every_case() {
    on(|sockets| sockets);
}

/// The same with clients under TLS (rules H): what a session does with bytes doesn't depend on it.
#[test]
fn every_case_under_tls() {
    on(|sockets| sockets.under_tls("tokio, wss"));
}

fn on(change: impl FnOnce(Sockets) -> Sockets) {
    let program = build(&["-p", "underpass", "--bin", "underpass"]);
    let folder = tempfile::tempdir().expect("a folder");
    let start: Start = Box::new(move |launch| {
        let mut command = Command::new(&program);
        command.arg("-p").arg(&launch.folder).arg("-c").arg(&launch.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
    run(&mut change(OnSockets::new("tokio", folder.path(), start)));
}
