//! Sessions are recorded by one process and replayed by another.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::common::{Peer, UPGRADE_RESPONSE, origin};
use super::server::{Site, program};
use rustix::process::Signal;

/// A tunnel is recorded; its trace, and the folder that the file is in.
fn recorded(parameters: &str) -> (String, tempfile::TempDir) {
    let (listener, behind) = origin();
    let site = Site::start(&format!(
        "worker_processes 2; error_log error.log notice; events {{ }}\n\
         http {{ access_log off; session_trace sessions.trace {parameters}; server {{ listen LISTEN; location / {{\n\
         proxy_pass http://{behind}; proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection \"upgrade\"; }} }} }}\n"
    ));
    let mut client = Peer::connect(site.server.address);
    client.send(
        "GET /chat?room=kitchen HTTP/1.1\r\nHost: test\r\nCookie: sid=secret1\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let mut behind = Peer::accept(&listener);
    assert!(behind.head().contains("Cookie: sid=secret1\r\n"));
    behind.send(UPGRADE_RESPONSE);
    client.head();
    client.send("secret question");
    assert_eq!(behind.exactly(15), b"secret question");
    behind.send("secret answer");
    assert_eq!(client.exactly(13), b"secret answer");
    behind.shut_down();
    assert!(client.rest().is_empty());
    client.shut_down();
    assert!(behind.rest().is_empty());
    let Site { server, folder, .. } = site;
    server.signal(Signal::QUIT);
    assert!(server.end().success());
    let file = folder.path().join("sessions.trace");
    let mode = fs::metadata(&file).expect("the trace").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    (fs::read_to_string(file).expect("the trace"), folder)
}

/// The exit status, and what is printed.
fn replay(folder: &tempfile::TempDir, trace: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let file = folder.path().join("moved.trace");
    fs::write(&file, trace).expect("a writable folder");
    let arguments = [&["replay", file.to_str().expect("a plain path")], arguments].concat();
    let output = program(&arguments).output().expect("the binary runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn a_tunnel_is_recorded_and_replayed() {
    let (trace, folder) = recorded("");
    assert!(
        !trace.contains("secret1") && !trace.contains("question") && !trace.contains("kitchen"),
        "{trace}"
    );
    let tunnel = trace.lines().find(|line| line.contains("= client content 15")).expect("the question");
    let (serial, _) = tunnel.split_once(' ').expect("a number");
    let (status, printed) = replay(&folder, &trace, &["--session", serial]);
    assert_eq!(status, Some(0), "{printed}");
    for expected in
        ["Tunnelling, client Open Flowing", "TunnelIdle in 60s", "> note Info tunnel opened", "as recorded\n"]
    {
        assert!(printed.contains(expected), "{expected:?} in {printed}");
    }
    let (status, printed) = replay(&folder, &trace, &["-q"]);
    assert_eq!((status, printed.as_str()), (Some(0), ""));

    let changed = trace.replace("Judge", "judge").replace("judge Success", "judge Failure");
    let (status, printed) = replay(&folder, &changed, &["-q"]);
    assert_eq!(status, Some(1), "{printed}");
    assert!(printed.contains("  recorded > judge Failure\n  replayed > judge Success\n"), "{printed}");
}

#[test]
fn a_plain_trace_has_everything() {
    let (trace, folder) = recorded("content=plain");
    assert!(trace.contains("= client bytes secret question\n") && trace.contains("sid=secret1"), "{trace}");
    let (status, printed) = replay(&folder, &trace, &[]);
    assert_eq!(status, Some(0), "{printed}");
    assert!(printed.contains("| secret answer\n"), "{printed}");
}

#[test]
fn what_is_no_trace_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for text in ["", "GET / HTTP/1.1\r\n\r\n", "1 session 1\n1 < received nobody 3\n"] {
        assert_eq!(replay(&folder, text, &[]).0, Some(1), "{text:?}");
    }
}
