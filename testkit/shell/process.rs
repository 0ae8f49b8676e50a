//! The binary: its command line, its signals, its exit status.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use super::common::{Peer, origin, says_restart, try_tunnel, tunnel};
use super::server::{Reserved, Server, Site, configuration, program, run, with_prefix};
use crate::shell::{NAME, PROGRAM, RUNTIME};
use rustix::process::Signal;

#[test]
fn a_good_file_is_said_to_be_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = configuration(folder.path(), Reserved::new().address, Reserved::new().address);
    let (status, said) = run(&["-t", "-c", &file, "-p", &with_prefix(folder.path())]);
    assert_eq!(status.code(), Some(0), "{said}");
    let expected = format!(
        "{NAME}: the configuration file {file} syntax is ok\n\
         {NAME}: configuration file {file} test is successful\n"
    );
    // What -t explains of a recipe comes before.
    let (explained, verdict) = said.split_at(said.len().saturating_sub(expected.len()));
    assert_eq!(verdict, expected);
    assert!(explained.lines().all(|line| line.starts_with(&format!("{NAME}: [warn] "))), "{explained}");
}

#[test]
fn a_bad_file_is_told_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.conf");
    fs::write(&file, "http {\n  sever { }\n}\n").expect("a writable folder");
    let file = file.to_str().expect("a plain path");
    for arguments in [vec!["-c", file], vec!["-t", "-c", file]] {
        let (status, said) = run(&arguments);
        assert_eq!(status.code(), Some(1));
        let expected = format!("{NAME}: [emerg] unknown directive \"sever\" in {file}:2:3");
        assert!(said.starts_with(&expected), "{said}");
        let last = format!("{NAME}: configuration file {file} test failed\n");
        assert_eq!(said.ends_with(&last), arguments.contains(&"-t"), "{said}");
    }
}

#[test]
fn a_port_in_use_is_told() {
    let (_listener, address) = origin();
    let (status, said) = run(&["--listen", &address.to_string(), "--to", "http://127.0.0.1:9"]);
    assert_eq!(status.code(), Some(1));
    let expected = format!("{NAME}: [emerg] bind() to {address} failed (98: ");
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn versions() {
    let (status, said) = run(&["-v"]);
    assert_eq!(status.code(), Some(0));
    assert_eq!(said, format!("{NAME} version: {NAME}/{}\n", env!("CARGO_PKG_VERSION")));
    assert!(run(&["-V"]).1.contains(&format!("\nruntime: {RUNTIME}\n")));
}

#[test]
fn quit_waits_for_tunnels_and_terminate_does_not() {
    for (signal, waits) in [(Signal::QUIT, true), (Signal::TERM, false), (Signal::INT, false)] {
        let (listener, behind) = origin();
        let folder = tempfile::tempdir().expect("a folder");
        let reserved = Reserved::new();
        let address = reserved.address;
        let file = configuration(folder.path(), address, behind);
        let server = Server::start(&["-c", &file, "-p", &with_prefix(folder.path())], address);
        let pid = folder.path().join("run.pid");
        let expected = format!("{}\n", server.child.id());
        server.wait_until("the pid file", || fs::read_to_string(&pid).is_ok_and(|text| text == expected));
        let (mut client, mut behind) = tunnel(server.address, &listener);
        server.signal(signal);
        if waits {
            server.wait_until("nobody listens", || TcpStream::connect(address).is_err());
            server.signal(signal);
            client.send("still here");
            assert_eq!(behind.exactly(10), b"still here");
            drop(client);
        }
        let rest = behind.rest();
        assert!(if waits { rest.is_empty() } else { says_restart(&rest) }, "{signal:?}: {rest:?}");
        drop(behind);
        assert_eq!(server.end().code(), Some(0), "{signal:?}");
        assert!(!pid.exists(), "the pid file is removed");
        let log = fs::read_to_string(folder.path().join("error.log")).expect("the log");
        assert!(log.contains(&format!("signal {} (SIG", signal.as_raw())), "{log}");
        let access = fs::read_to_string(folder.path().join("access.log")).expect("the log");
        assert!(access.contains("\"GET /chat HTTP/1.1\" 101 "), "{access}");
    }
}

#[test]
fn terminate_does_not_wait_for_a_password() {
    // To compare this hash with anything takes days.
    let hash = format!("$2b$31${}", "abcdefghijklmnopqrstuu".to_owned() + &"x".repeat(31));
    let site = Site::start(
        "error_log error.log; events {} http { access_log off; server { listen LISTEN; server_name a;
         location / { auth_basic a; auth_basic_user_file users; proxy_pass http://127.0.0.1:9; } } }",
    );
    fs::write(site.folder.path().join("users"), format!("slow:{hash}\n")).expect("a writable folder");
    let asking = |credentials: &str| {
        let mut client = Peer::connect(site.server.address);
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{credentials}\r\n"));
        client
    };
    let _waiting = asking("Authorization: Basic c2xvdzpwYXNzd29yZA==\r\n");
    // The answer to the next client shows that the first was heard.
    assert!(asking("").head().starts_with("HTTP/1.1 401 "));
    site.server.signal(Signal::TERM);
    assert_eq!(site.server.end().code(), Some(0));
}

#[test]
fn without_descriptors_service_pauses_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (listener, behind) = origin();
    let reserved = Reserved::new();
    let address = reserved.address;
    let file = configuration(folder.path(), address, behind);
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -n 40 && exec \"$@\"").arg("sh").arg(PROGRAM);
    command.args(["-c", &file, "-p", &with_prefix(folder.path())]).stderr(Stdio::null());
    let server = Server::started(command.spawn().expect("a shell"), address);
    let log = || fs::read_to_string(folder.path().join("error.log")).expect("the log");
    let told = |log: &str| log.matches("accept4() failed (24: ").count();

    let clients: Vec<_> = (0..60).map(|_| Peer::connect(address)).collect();
    server.wait_until("it is told", || told(&log()) > 0);
    drop(clients);
    // Those that wait in the queues of both workers have left, and are accepted before that is seen: a dial may
    // find no descriptor meanwhile, which is answered and no hang.
    server.wait_until("service goes on", || try_tunnel(address, &listener).is_ok());
    let log = log();
    assert!(told(&log) < 20, "told once, not at each attempt: {log}");
}

#[test]
fn without_a_file() {
    let (listener, behind) = origin();
    let reserved = Reserved::new();
    let address = reserved.address;
    let server =
        Server::start(&["--listen", &address.to_string(), "--to", &format!("http://{behind}")], address);
    let mut client = Peer::connect(server.address);
    client.send("GET /a HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut peer = Peer::accept(&listener);
    assert!(peer.head().starts_with("GET /a HTTP/1.1\r\n"));
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    client.head();
    assert_eq!(client.exactly(2), b"ok");
    tunnel(server.address, &listener);
}

#[test]
fn the_demo_says_where_to_look_and_shows_its_configuration() {
    let reserved = Reserved::new();
    let address = reserved.address;
    let mut child = program(&["demo", "--listen", &address.to_string()]).spawn().expect("the binary runs");
    let said = BufReader::new(child.stderr.take().expect("it was piped"));
    let server = Server { child, address };
    let url = format!("http://{address}/");
    let lines: Vec<_> =
        said.lines().map(|line| line.expect("text")).take_while(|line| !line.contains(&url)).collect();
    assert!(lines.iter().any(|line| line.contains("proxy_set_header Upgrade $http_upgrade;")), "{lines:?}");
    server.wait_until("it listens", || TcpStream::connect(address).is_ok());
    let mut client = Peer::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
    let mut page = String::new();
    client.stream.read_to_string(&mut page).expect("text");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    server.signal(Signal::INT);
    assert_eq!(server.end().code(), Some(0));
}
