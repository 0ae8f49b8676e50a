//! Sessions are recorded by one process and replayed by another.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

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
    let tunnel = trace.lines().find(|line| line.contains("= client content 14")).expect("the question");
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

/// What nobody but its receiver is to see.
const SECRET: &str = "hunter2hunter2";

/// One exchange of a session of its own.
fn exchange(site: &Site, listener: &TcpListener, path: &str) {
    let mut client = Peer::connect(site.server.address);
    client.send(format!(
        "GET /{path}?key={SECRET} HTTP/1.1\r\nHost: test\r\nPRIVATE-TOKEN: {SECRET}\r\nX-Kind: {SECRET}\r\n\
         Sec-WebSocket-Protocol: chat, {SECRET}\r\nConnection: close\r\n\r\n"
    ));
    let mut behind = Peer::accept(listener);
    let head = behind.head();
    for field in
        [format!("Authorization: Bearer {SECRET}"), "X-Found: found".to_owned(), format!("X-Key: {SECRET}")]
    {
        assert!(head.contains(&format!("{field}\r\n")), "{field} in {head}");
    }
    behind.send(format!(
        "HTTP/1.1 302 Found\r\nLocation: /a#token={SECRET}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    assert!(client.head().contains(&format!("Location: /a#token={SECRET}\r\n")));
    assert!(client.rest().is_empty());
}

#[test]
fn a_trace_has_no_secret_and_its_configuration_once() {
    let (listener, behind) = origin();
    let text = |timeout: &str| {
        format!(
            "worker_processes 2; pid run.pid; error_log error.log notice; events {{ }} http {{ access_log off;\n\
             map $http_x_kind $found {{ default other; {SECRET} found; }}\n\
             session_trace sessions.trace; server {{ listen LISTEN; set $key {SECRET}; location / {{\n\
             if ($arg_key != {SECRET}) {{ return 403 {SECRET}; }}\n\
             proxy_read_timeout {timeout}; proxy_pass http://{behind}; proxy_set_header X-Key $key;\n\
             proxy_set_header X-Found $found; proxy_set_header Authorization \"Bearer {SECRET}\"; }} }} }}\n"
        )
    };
    let site = Site::start(&text("61s"));
    exchange(&site, &listener, "first");
    exchange(&site, &listener, "second");
    let file = site.folder.path().join("sessions.trace");
    let moved = site.folder.path().join("sessions.trace.1");
    let told = |file: &Path, what: &str| fs::read_to_string(file).expect("the trace").matches(what).count();
    // The first is whoever looked whether it listens.
    site.server.wait_until("all sessions", || told(&file, " > done\n") == 3);
    fs::rename(&file, &moved).expect("a rename");
    site.server.signal(Signal::USR1);
    site.server.wait_until_closed(&[&moved]);
    exchange(&site, &listener, "third");
    site.server.wait_until("the session", || file.exists() && told(&file, " > done\n") == 1);
    // The same configuration again, and another one.
    site.reload(&text("61s"));
    exchange(&site, &listener, "fourth");
    site.reload(&text("62s"));
    exchange(&site, &listener, "fifth");
    site.server.wait_until("the sessions", || told(&file, " > done\n") == 3);
    for (file, sessions, configurations) in [(&moved, 3, 1), (&file, 3, 2)] {
        let trace = fs::read_to_string(file).expect("the trace");
        assert!(!trace.contains("hunter2"), "{trace}");
        let begins =
            trace.lines().filter(|line| line.starts_with("config ") && line.split(' ').nth(2) == Some("1"));
        assert_eq!(
            (begins.count(), trace.matches(" session 3\n").count()),
            (configurations, sessions),
            "{trace}"
        );
        let (status, printed) = replay(&site.folder, &trace, &["-q"]);
        assert_eq!((status, printed.as_str()), (Some(0), ""), "{trace}");
    }
}

#[test]
fn what_is_no_trace_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for text in ["", "GET / HTTP/1.1\r\n\r\n", "1 session 1\n1 < received nobody 3\n"] {
        assert_eq!(replay(&folder, text, &[]).0, Some(1), "{text:?}");
    }
}
