//! What a process listens on: Unix domain sockets, IPv6, options.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    os::unix::net::{UnixListener, UnixStream},
    thread,
};

use super::common::PATIENCE;
use super::server::{Reserved, Site, run, with_prefix};
use rustix::process::Signal;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n";

fn answer(mut stream: impl io::Read + io::Write) -> io::Result<String> {
    stream.write_all(REQUEST)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn ask(address: impl Into<SocketAddr>) -> io::Result<String> {
    let stream = TcpStream::connect(address.into())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    answer(stream)
}

/// A file whose server listens on all of these and answers with who is where.
fn listening(listens: &[&str]) -> String {
    let listens: String = listens.iter().map(|listen| format!("listen {listen};")).collect();
    format!(
        "worker_processes 2; error_log error.log notice; pid run.pid; events {{}}
         http {{ access_log off; server {{ {listens} return 200 \"$remote_addr on $server_addr.\"; }} }}"
    )
}

#[test]
fn unix_domain_sockets_are_made_kept_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let unix = format!("unix:{}", path.display());
    let site = Site::start(&listening(&["LISTEN", &unix]));
    let connect = || UnixStream::connect(&path);
    let expected = "\r\n\r\nunix: on unix:";
    let text = answer(connect().expect("it listens")).expect("an answer");
    assert!(text.contains(expected), "{text}");
    let mode = fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o666, "as nginx");

    // Another process finds it in use.
    let other = Site::file(&listening(&[&unix]));
    let (status, said) = run(&["-c", &other.1, "-p", &with_prefix(other.0.path())]);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains(&format!("bind() to {unix} failed (98: Address already in use)")), "{said}");
    let (status, said) = run(&["-t", "-c", &other.1, "-p", &with_prefix(other.0.path())]);
    assert_eq!(status.code(), Some(0), "{said}");

    // All workers share the one socket, whichever they are.
    for workers in [3, 1] {
        let text = listening(&["LISTEN", &unix]).replace("processes 2", &format!("processes {workers}"));
        site.reload(&text);
        for _ in 0..8 {
            assert!(answer(connect().expect("it listens")).expect("an answer").contains(expected));
        }
    }
    site.reload(&listening(&["LISTEN"]));
    assert!(!path.exists(), "it goes with its listener");
    site.reload(&listening(&["LISTEN", &unix]));
    assert!(path.exists());
    site.server.signal(Signal::QUIT);
    assert_eq!(site.server.end().code(), Some(0));
    assert!(!path.exists(), "it goes with its process");
}

#[test]
fn what_a_killed_process_left_behind_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let unix = format!("unix:{}", path.display());
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "the file stays behind");
    let site = Site::start(&listening(&["LISTEN", &unix]));
    assert!(answer(UnixStream::connect(&path).expect("it listens")).is_ok());
    // Whose name somebody else has taken meanwhile is not removed.
    fs::remove_file(&path).expect("the file");
    fs::write(&path, "something else").expect("a writable folder");
    site.server.signal(Signal::TERM);
    assert_eq!(site.server.end().code(), Some(0));
    assert_eq!(fs::read_to_string(&path).expect("still there"), "something else");
    let (folder, file) = Site::file(&listening(&[&unix]));
    let (status, said) = run(&["-c", &file, "-p", &with_prefix(folder.path())]);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains(&format!("bind() to {unix} failed (98: Address already in use)")), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "something else");
}

#[test]
fn an_origin_server_behind_a_unix_domain_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("origin");
    let origin = UnixListener::bind(&path).expect("a socket");
    // A process that root starts is nobody.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("a socket of ours");
    let text = format!(
        "error_log error.log notice; events {{}} http {{ access_log access.log; log_format upstream
         '$status $upstream_addr'; access_log upstream.log upstream; server {{ listen LISTEN;
         location / {{ proxy_pass http://unix:{}:/prefix/; }} }} }}",
        path.display()
    );
    let site = Site::start(&text);
    let serving = thread::spawn(move || {
        let mut stream = origin.accept().expect("a connection").0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("it reads");
        String::from_utf8(head).expect("text")
    });
    let response = ask(site.server.address).expect("an answer");
    assert!(response.ends_with("\r\n\r\nok"), "{response}");
    let head = serving.join().expect("no panic");
    assert!(
        head.starts_with("GET /prefix/ HTTP/1.1\r\n") && head.contains("\r\nHost: localhost\r\n"),
        "{head}"
    );
    // The listener is gone, its file is not.
    let response = ask(site.server.address).expect("an answer");
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
    let refused = "connect() failed (111: Connection refused) while connecting to upstream";
    site.server.wait_until("the error is told", || site.error_log().contains(refused));
    let told = format!("200 unix:{0}\n502 unix:{0}\n", path.display());
    site.server.wait_until("both are told", || site.log("upstream.log") == told);
}

#[test]
fn ipv6_with_and_without_ipv4() {
    let free = TcpListener::bind("[::]:0").and_then(|socket| socket.local_addr()).expect("IPv6");
    let port = free.port();
    let site = Site::start(&listening(&["LISTEN", &format!("[::]:{port}")]));
    let six: SocketAddr = format!("[::1]:{port}").parse().expect("an address");
    assert!(ask(six).expect("an answer").ends_with("::1 on ::1."));
    assert!(ask((Ipv4Addr::LOCALHOST, port)).is_err(), "ipv6only=on is the default");
    site.reload(&listening(&["LISTEN"]));
    site.server.wait_until("nobody listens", || ask(six).is_err());
    site.reload(&listening(&["LISTEN", &format!("[::]:{port} ipv6only=off")]));
    assert!(ask(six).expect("an answer").ends_with("::1 on ::1."));
    assert!(ask((Ipv4Addr::LOCALHOST, port)).expect("an answer").contains("127.0.0.1"));
}

#[test]
fn options_are_taken_and_changed() {
    let other = Reserved::new();
    let with = |options: &str| listening(&["LISTEN", &format!("{} {options}", other.address)]);
    let site = Site::start(&with("backlog=7 rcvbuf=64k sndbuf=64k so_keepalive=30s:5s:3 reuseport deferred"));
    assert!(ask(other.address).is_ok());
    site.reload(&with("backlog=9 so_keepalive=off"));
    assert!(ask(other.address).is_ok());
    let log = site.error_log();
    assert!(log.contains("[notice]") && log.contains("\"deferred\" has no effect"), "{log}");
    assert!(!log.contains("[alert]"), "{log}");
}
