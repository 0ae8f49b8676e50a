//! What a process does with the threads that the system gives it, which may be few.
//!
//! Nobody bounds the threads of root: as root, these tests serve as a user that has no process besides.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    os::unix::{fs::chown, process::CommandExt as _},
    process::{Command, Stdio},
};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::common::Peer;
use super::server::{Reserved, Server, Site, wait_until, with_prefix};
use crate::shell::PROGRAM;

/// Users that nobody else is, for the tests of this file.
const USERS: [u32; 2] = [64_321, 64_322];

const ANN: &str = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
const EVE: &str = "Authorization: Basic ZXZlOnNlY3JldA==\r\n";

/// A file whose server asks for passwords, and its folder, which belongs to the user.
fn asking(user: u32, reserved: &Reserved) -> (TempDir, String) {
    let (folder, file) = Site::file(&format!(
        "worker_processes 1; pid run.pid; error_log error.log info; events {{}}
         http {{ access_log off; server {{ listen {}; server_name a;
         location / {{ auth_basic a; auth_basic_user_file users; proxy_pass http://127.0.0.1:9; }}
         location = /open {{ return 204; }}
         location = /name {{ proxy_pass http://$arg_h; }} }} }}",
        reserved.address
    ));
    fs::write(folder.path().join("users"), "ann:{PLAIN}secret\n").expect("a writable folder");
    if geteuid().is_root() {
        chown(folder.path(), Some(user), Some(user)).expect("we may");
    }
    (folder, file)
}

/// `program` with arguments, as `user` where that can be chosen.
fn as_user(user: u32, mut program: Command) -> Command {
    if geteuid().is_root() {
        program.uid(user).gid(user);
    }
    program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    program
}

/// The status code of the answer to one request.
fn status(server: &Server, path: &str, line: &str) -> String {
    let mut client = Peer::connect(server.address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
    client.head().get(9..12).expect("a status code").to_owned()
}

fn threads(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/task", server.child.id())).expect("it runs").count()
}

#[test]
fn a_process_that_gets_no_more_threads_compares_passwords() {
    let reserved = Reserved::new();
    let (folder, file) = asking(USERS[0], &reserved);
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &file, "-p", &with_prefix(folder.path())]);
    let child = as_user(USERS[0], command).spawn().expect("the binary runs");
    let server = Server::started(child, reserved.address);
    // Its first answer shows that it has all that it begins with.
    assert_eq!(status(&server, "/open", ""), "204");
    let before = threads(&server);
    // By the user itself: root needs a capability for it that containers don't have.
    let mut limit = Command::new("prlimit");
    limit.args(["--pid", &server.child.id().to_string(), "--nproc=1:1"]);
    let limited = as_user(USERS[0], limit).output().expect("prlimit of util-linux runs");
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));

    // The origin server's port is closed: a 502 has passed the gate.
    assert_eq!(status(&server, "/", ANN), "502");
    assert_eq!(status(&server, "/", EVE), "401");
    // The system's way to look names up takes threads as well, which it starts when it is needed first.
    assert_eq!(status(&server, "/name?h=localhost", ""), "502");
    let many: Vec<_> = (0..150)
        .map(|_| {
            let mut client = Peer::connect(server.address);
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{EVE}\r\n"));
            client
        })
        .collect();
    for mut client in many {
        let head = client.head();
        // One client has room for so many at a time.
        assert!(head.starts_with("HTTP/1.1 401 ") || head.starts_with("HTTP/1.1 503 "), "{head}");
    }
    assert_eq!(threads(&server), before);
    assert_eq!(status(&server, "/", ANN), "502");
    let log = fs::read_to_string(folder.path().join("error.log")).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
}

/// As many as it needs, or it doesn't start and says so: it never finds out in front of a client.
#[test]
fn with_any_number_of_threads_it_serves_or_says_why_not() {
    let mut served = 0;
    for most in 1..=16 {
        let reserved = Reserved::new();
        let (folder, file) = asking(USERS[1], &reserved);
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={most}")).arg(PROGRAM);
        command.args(["-c", &file, "-p", &with_prefix(folder.path())]);
        let child = as_user(USERS[1], command).spawn().expect("prlimit of util-linux runs");
        let mut server = Server { child, address: reserved.address };
        let mut ended = None;
        let pid_file = folder.path().join("run.pid");
        wait_until("it listens or ends", || {
            ended = server.child.try_wait().expect("a child of ours");
            // The file is the last thing that may fail.
            ended.is_some() || pid_file.exists() && TcpStream::connect(reserved.address).is_ok()
        });
        if let Some(ended) = ended {
            let mut said = String::new();
            server.child.stderr.take().expect("it was piped").read_to_string(&mut said).expect("text");
            assert_eq!(ended.code(), Some(1), "{most}: {said}");
            assert!(said.contains("[emerg]") && said.contains("started"), "{most}: {said}");
        } else {
            served += 1;
            assert_eq!(status(&server, "/", EVE), "401", "{most}");
            assert_eq!(status(&server, "/", ANN), "502", "{most}");
        }
    }
    assert!(served < 16, "nobody can do with one thread");
    // An ordinary user's other processes count as well.
    assert!(served > 0 || !geteuid().is_root());
}
