//! A process that reads its configuration again while it serves.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use super::common::{PATIENCE, Peer, origin, tunnel};
use super::server::{Reserved, Site};
use rustix::process::Signal;

/// A file whose servers all answer with `body`.
fn answering(workers: usize, listens: &[&str], body: &str) -> String {
    let listens: String = listens.iter().map(|listen| format!("listen {listen};")).collect();
    format!(
        "worker_processes {workers}; error_log error.log notice; pid run.pid; events {{}}
         http {{ access_log off; server {{ {listens} return 200 \"{body}\"; }} }}"
    )
}

/// A file that proxies tunnels.
fn proxying(workers: usize, to: SocketAddr, more: &str) -> String {
    format!(
        "worker_processes {workers}; error_log error.log notice; {more} events {{}}
         http {{ access_log access.log; server {{ listen LISTEN; location / {{ proxy_pass http://{to};
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }} }}"
    )
}

/// The whole response to a request on a connection of its own.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Has a request of another client go through, which is accepted after all clients that have connected.
fn ask_behind(site: &Site, listener: &TcpListener) -> Peer {
    let mut client = Peer::connect(site.server.address);
    client.send("GET /behind HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
    let mut origin = Peer::accept(listener);
    assert!(origin.head().starts_with("GET /behind "));
    origin.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.head();
    client
}

/// Becomes true when this is dropped.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn under_load_nothing_is_lost() {
    let site = Site::start(&answering(2, &["LISTEN"], "generation 0."));
    let (address, done, served) = (site.server.address, AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        // However this ends: the scope waits for those who ask.
        let _done = Done(&done);
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let text = ask(address).expect("an answer");
                    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with('.'), "{text}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for generation in 1..=30 {
            // Workers come and go: their sockets are taken over.
            let workers = [1, 3, 2, 4][generation % 4];
            site.reload(&answering(workers, &["LISTEN"], &format!("generation {generation}.")));
            let text = ask(address).expect("an answer");
            assert!(text.ends_with(&format!("generation {generation}.")), "{text}");
        }
    });
    assert!(served.into_inner() > 30, "there was load");
}

#[test]
fn tunnels_live_on() {
    let (listener, behind) = origin();
    let site = Site::start(&proxying(2, behind, ""));
    let mut tunnels: Vec<_> = (0..6).map(|_| tunnel(site.server.address, &listener)).collect();
    for generation in 1..=10 {
        site.reload(&proxying(1 + generation % 3, behind, ""));
        for (client, server) in &mut tunnels {
            client.send(format!("{generation:04}"));
            assert_eq!(server.exactly(4), format!("{generation:04}").as_bytes());
            server.send("back");
            assert_eq!(client.exactly(4), b"back");
        }
        tunnels.push(tunnel(site.server.address, &listener));
    }
    drop(tunnels);
}

#[test]
fn what_is_open_keeps_its_configuration() {
    let (listener, behind) = origin();
    let site = Site::start(&proxying(1, behind, ""));
    let mut idle = Peer::connect(site.server.address);
    idle.send("GET /idle HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut origin = Peer::accept(&listener);
    origin.head();
    origin.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    idle.head();
    let mut busy = Peer::connect(site.server.address);
    busy.send("GET /busy HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut origin = Peer::accept(&listener);
    assert!(origin.head().starts_with("GET /busy "));
    // Its request may be on its way. Who is accepted behind it shows that it was accepted.
    let mut fresh = Peer::connect(site.server.address);
    drop(ask_behind(&site, &listener));

    site.reload(&answering(1, &["LISTEN"], "new"));
    assert_eq!(idle.rest(), b"", "what is idle ends");
    assert!(ask(site.server.address).expect("an answer").ends_with("new"));
    origin.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold");
    let answer = String::from_utf8(busy.rest()).expect("text");
    assert!(answer.contains("\r\nConnection: close\r\n") && answer.ends_with("\r\n\r\nold"), "{answer}");
    fresh.send("GET /fresh HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut origin = Peer::accept(&listener);
    assert!(origin.head().starts_with("GET /fresh "));
    origin.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert!(fresh.head().contains("\r\nConnection: close\r\n"));
    assert_eq!(fresh.rest(), b"");
}

#[test]
fn an_error_leaves_all_as_it_was() {
    let site = Site::start(&answering(2, &["LISTEN"], "first"));
    let (taken, free) = (origin(), Reserved::new());
    let (taken, free) = (taken.1.to_string(), free.address.to_string());
    let pid = site.folder.path().join("run.pid");
    let before = fs::read_to_string(&pid).expect("the pid file");
    for (text, severity, message) in [
        ("http { sever { } }".to_owned(), "[emerg]", "unknown directive \"sever\" in ".to_owned()),
        (
            answering(1, &["LISTEN", &free, &taken], "second"),
            "[emerg]",
            format!("bind() to {taken} failed (98: Address already in use)"),
        ),
        (
            answering(3, &["LISTEN"], "third").replace("run.pid", "missing/run.pid"),
            "[emerg]",
            "missing/run.pid\" failed (2: No such file or directory)".to_owned(),
        ),
        (
            answering(3, &["LISTEN"], "fourth").replace("error.log", "missing/error.log"),
            "[emerg]",
            "missing/error.log\" failed (2: No such file or directory)".to_owned(),
        ),
    ] {
        site.write(&text);
        site.signalled(Signal::HUP, severity, &message);
        assert!(ask(site.server.address).expect("an answer").ends_with("first"));
        let free = free.parse::<SocketAddr>().expect("an address");
        assert!(TcpStream::connect(free).is_err(), "nothing of it is in use");
        assert_eq!(fs::read_to_string(&pid).expect("the pid file"), before);
    }
    site.reload(&answering(1, &["LISTEN"], "fifth"));
    assert!(ask(site.server.address).expect("an answer").ends_with("fifth"));
}

#[test]
fn listeners_come_and_go() {
    let other = Reserved::new();
    let also = other.address.to_string();
    let site = Site::start(&answering(2, &["LISTEN"], "one"));
    site.reload(&answering(2, &["LISTEN", &also], "two"));
    for address in [site.server.address, other.address] {
        assert!(ask(address).expect("an answer").ends_with("two"));
    }
    site.reload(&answering(2, &[&also], "three"));
    site.server.wait_until("nobody listens", || TcpStream::connect(site.server.address).is_err());
    assert!(ask(other.address).expect("an answer").ends_with("three"));
    // The wildcard address of a port of which one address is in use by the process itself.
    let any = format!("*:{}", other.address.port());
    site.reload(&answering(1, &[&also, &any], "four"));
    assert!(ask(other.address).expect("an answer").ends_with("four"));
    site.reload(&answering(1, &[&any], "five"));
    site.server
        .wait_until("the wildcard has it", || ask(other.address).is_ok_and(|text| text.ends_with("five")));
}

#[test]
fn logs_are_reopened() {
    let (listener, behind) = origin();
    let site = Site::start(&proxying(2, behind, ""));
    let path = |name: &str| site.folder.path().join(name);
    let ends = |name: &str| {
        site.server
            .wait_until(name, || fs::read_to_string(path(name)).is_ok_and(|text| text.contains("/chat")));
    };
    let old = tunnel(site.server.address, &listener);
    site.reload(&proxying(2, behind, ""));
    for name in ["access.log", "error.log"] {
        fs::rename(path(name), path(&format!("{name}.1"))).expect("a rename");
    }
    site.server.signal(Signal::USR1);
    site.server.wait_until_closed(&[&path("access.log.1"), &path("error.log.1")]);
    // It began before the reload, and its line goes to the file that is there all the same.
    drop(old);
    ends("access.log");
    let moved = fs::read_to_string(path("error.log.1")).expect("the old log");
    assert!(moved.contains("signal 10 (SIGUSR1) received, reopening logs"), "{moved}");
    assert_eq!(fs::read_to_string(path("access.log.1")).expect("the old log"), "");
}

/// A file that nobody has written to the end yet, included by the one that `site` serves.
fn slow_file(site: &Site) -> (std::path::PathBuf, String) {
    let path = site.folder.path().join("slow.conf");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
    assert!(made.success());
    let text = answering(1, &["LISTEN"], "slow").replace("return", "include slow.conf; return");
    (path, text)
}

#[test]
fn signals_are_obeyed_while_a_file_is_read() {
    let site = Site::start(&answering(1, &["LISTEN"], "first"));
    let (path, text) = slow_file(&site);
    site.write(&text);
    site.signalled(Signal::HUP, "[notice]", ": reconfiguring\n");
    // Opened for reading by now, or soon: whoever writes waits for that.
    let mut slow = fs::OpenOptions::new().write(true).open(&path).expect("the process reads it");
    site.signalled(Signal::USR1, "[notice]", "received, reopening logs");
    // Two more while it is read: one more reading comes of them, of what the file holds then.
    for _ in 0..2 {
        site.signalled(Signal::HUP, "[notice]", "signal 1 (SIGHUP) received, reconfiguring");
    }
    assert!(ask(site.server.address).expect("an answer").ends_with("first"));
    site.write(&answering(1, &["LISTEN"], "last"));
    slow.write_all(b"add_header X-Slow yes;").expect("it is read");
    drop(slow);
    site.server.wait_until("both", || site.error_log().matches(": reconfigured\n").count() == 2);
    assert!(ask(site.server.address).expect("an answer").ends_with("last"));
    assert_eq!(site.error_log().matches(": reconfiguring\n").count(), 2, "{}", site.error_log());
}

#[test]
fn a_file_that_is_never_read_to_the_end_keeps_no_process() {
    for signal in [Signal::TERM, Signal::QUIT] {
        let site = Site::start(&answering(1, &["LISTEN"], "first"));
        let (path, text) = slow_file(&site);
        site.write(&text);
        site.signalled(Signal::HUP, "[notice]", ": reconfiguring\n");
        let slow = fs::OpenOptions::new().write(true).open(&path).expect("the process reads it");
        site.server.signal(signal);
        assert_eq!(site.server.end().code(), Some(0), "{signal:?}");
        assert!(!site.folder.path().join("run.pid").exists());
        drop(slow);
    }
}
