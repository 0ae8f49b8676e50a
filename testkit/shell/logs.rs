//! Logs that nobody reads, or that can't be written, hold nothing up.

use std::{
    fs,
    io::{BufRead as _, BufReader, PipeReader},
    net::{Ipv4Addr, UdpSocket},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::Path,
    process::Stdio,
    sync::Mutex,
    thread,
};

use super::common::{PATIENCE, Peer, origin, tunnel};
use super::server::{Reserved, Server, Site, program, with_prefix};
use rustix::process::Signal;

/// More than a pipe takes without a reader, and than the queue holds.
const REQUESTS: usize = 100;
const LONG: usize = 6_000;

/// A process that serves `text`, where `LISTEN` is its address, with its standard output and error streams in one
/// pipe.
struct Piped {
    server: Server,
    reader: PipeReader,
    folder: tempfile::TempDir,
    _reserved: Reserved,
}

impl Piped {
    fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let reserved = Reserved::new();
        let address = reserved.address;
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text.replace("LISTEN", &address.to_string())).expect("a writable folder");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let arguments = ["-c", file.to_str().expect("a plain path"), "-p", &with_prefix(folder.path())];
        let child = program(&arguments)
            .stdout(Stdio::from(writer.try_clone().expect("a descriptor")))
            .stderr(Stdio::from(writer))
            .spawn()
            .expect("the binary runs");
        Self { server: Server::started(child, address), reader, folder, _reserved: reserved }
    }
}

/// Sends requests whose lines are long, on one connection; the `letter` says whose they are.
fn ask(server: &Server, letter: &str, requests: usize) {
    let mut client = Peer::connect(server.address);
    for number in 0..requests {
        let path = letter.repeat(LONG);
        client.send(format!("GET /{path}/{number}/end HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.head().starts_with("HTTP/1.1 204 "), "request {number} of {letter}");
    }
}

/// Where a tunnel can be opened, and where an answer of our own makes long lines.
fn logging(first: &str, log: &str, behind: std::net::SocketAddr) -> String {
    format!(
        "worker_processes 2; {first} events {{ }} http {{ log_format line 'line $uri'; {log} server {{\n\
         listen LISTEN; location / {{ return 204; }} location /chat {{ access_log off;\n\
         proxy_pass http://{behind}; proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection upgrade; }} }} }}\n"
    )
}

#[test]
fn a_reader_that_stops_holds_neither_tunnels_nor_signals_up() {
    for signal in [Signal::TERM, Signal::QUIT] {
        let (listener, behind) = origin();
        let log = "access_log /dev/stdout line;";
        let piped = Piped::start(&logging("error_log stderr info; log_queue 64k;", log, behind));
        let (mut client, mut origin) = tunnel(piped.server.address, &listener);
        ask(&piped.server, "a", REQUESTS);
        client.send("ping");
        assert_eq!(origin.exactly(4), b"ping");
        origin.send("pong");
        assert_eq!(client.exactly(4), b"pong");
        // A reload, and the logs reopened, with nobody reading either.
        piped.server.signal(Signal::HUP);
        piped.server.signal(Signal::USR1);
        ask(&piped.server, "b", 1);
        drop((client, origin));
        piped.server.signal(signal);
        let Piped { server, reader, .. } = piped;
        assert!(server.end().success());
        drop(reader);
    }
}

/// G9: `upgrade_log` is a log like others: with the lines of several workers, reopened by USR1.
#[test]
fn the_life_of_a_tunnel_is_logged() {
    let (listener, behind) = origin();
    let site = Site::start(&format!(
        "worker_processes 2; pid run.pid; events {{ }} http {{ access_log off; upgrade_log tunnels.log; server {{\n\
         listen LISTEN; location /chat {{ proxy_pass http://{behind}; proxy_set_header Upgrade $http_upgrade;\n\
         proxy_set_header Connection upgrade; }} }} }}\n"
    ));
    let lines = |name: &str| fs::read_to_string(site.folder.path().join(name)).unwrap_or_default();
    let count = |name: &str, event: &str| lines(name).matches(&format!("\"event\":\"{event}\"")).count();
    let tunnels: Vec<_> = (0..5).map(|_| tunnel(site.server.address, &listener)).collect();
    site.server.wait_until("five lines", || count("tunnels.log", "open") == 5);
    fs::rename(site.folder.path().join("tunnels.log"), site.folder.path().join("before.log"))
        .expect("a rename");
    site.server.signal(Signal::USR1);
    site.server.wait_until_closed(&[&site.folder.path().join("before.log")]);
    for (mut client, mut server) in tunnels {
        client.send("ping");
        assert_eq!(server.exactly(4), b"ping");
        client.shut_down();
        assert_eq!(server.rest(), b"");
    }
    site.server.wait_until("five more", || count("tunnels.log", "close") == 5);
    let (before, after) = (lines("before.log"), lines("tunnels.log"));
    let ids = |text: &str| -> Vec<String> {
        let mut ids: Vec<_> =
            text.lines().filter_map(|line| Some(line.split_once("\"id\":\"")?.1[..32].to_owned())).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&before), ids(&after), "a tunnel has one name");
    assert_eq!(count("before.log", "open") + count("tunnels.log", "open"), 5);
    assert!(after.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{after}");
    assert_eq!(after.matches("\"client_bytes\":4,").count(), 5, "{after}");
}

#[test]
fn lines_that_found_no_room_are_told_when_the_reader_goes_on() {
    let (_listener, behind) = origin();
    let first = "error_log error.log info; log_queue 64k;";
    let Piped { server, reader, folder, .. } =
        &Piped::start(&logging(first, "access_log /dev/stdout line;", behind));
    ask(server, "a", REQUESTS);
    let log = folder.path().join("error.log");
    let lost = || {
        let text = fs::read_to_string(&log).expect("the error log");
        let told = text.lines().filter_map(|line| line.split_once(": ").map(|(_, message)| (line, message)));
        let told = told.filter_map(|(line, message)| {
            let (number, what) = message.split_once(' ')?;
            let is_loss =
                ["line of the log \"/dev/stdout\" was lost", "lines of the log \"/dev/stdout\" were lost"];
            is_loss.contains(&what).then(|| {
                assert!(line.contains(" [warn] "), "{line}");
                number.parse::<usize>().expect("a number")
            })
        });
        told.sum::<usize>()
    };
    let kept = Mutex::new(Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            for line in BufReader::new(reader).lines().map(|line| line.expect("text")) {
                // The process is told apart by its name.
                if line.starts_with("line ") {
                    kept.lock().expect("no panic").push(line);
                }
            }
        });
        let kept = || kept.lock().expect("no panic").len();
        server.wait_until("every line is there or told to be lost", || kept() + lost() == REQUESTS);
        assert!(lost() > 0 && kept() > 0, "{} lost, {} kept", lost(), kept());
        ask(server, "b", 1);
        server.wait_until("the next line", || kept() + lost() == REQUESTS + 1);
        server.signal(Signal::TERM);
    });
    for line in kept.lock().expect("no panic").iter() {
        assert_eq!(whose(line).1, LONG, "{line}");
    }
}

/// Whose line it is, and how long its path is. A line that has mixed with another one is neither's.
fn whose(line: &str) -> (char, usize) {
    let path = line
        .strip_prefix("line /")
        .and_then(|line| line.strip_suffix("/end"))
        .unwrap_or_else(|| panic!("{line}"));
    let (path, number) = path.split_once('/').expect("a number");
    assert!(number.parse::<usize>().is_ok(), "{line}");
    let first = path.chars().next().expect("a letter");
    assert!(path.chars().all(|letter| letter == first), "{line}");
    (first, path.len())
}

#[test]
fn lines_of_several_workers_never_mix_on_a_pipe() {
    // All of them find room in the queue of a log (1 MiB), however late the pipe is read: nothing is lost.
    const EACH: usize = 30;
    let (_listener, behind) = origin();
    // Two logs, one pipe.
    let log = "access_log /dev/stdout line; access_log /dev/stderr line;";
    let Piped { server, reader, .. } = &Piped::start(&logging("error_log stderr info;", log, behind));
    let mut lines = Vec::new();
    thread::scope(|scope| {
        let asking = ["a", "b", "c", "d"].map(|letter| scope.spawn(move || ask(server, letter, EACH)));
        scope.spawn(move || {
            for client in asking {
                client.join().expect("answers");
            }
            server.signal(Signal::QUIT);
        });
        for line in BufReader::new(reader).lines().map(|line| line.expect("text")) {
            lines.push(line);
        }
    });
    let (told, of_requests): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .partition(|line| [" [notice] ", " [warn] "].iter().any(|level| line.contains(level)));
    assert!(told.iter().all(|line| !line.contains(" lost") && !line.contains("/end")), "{told:?}");
    for letter in "abcd".chars() {
        let of_letter = of_requests.iter().filter(|line| whose(line) == (letter, LONG)).count();
        assert_eq!(of_letter, EACH * 2, "{letter}");
    }
    assert_eq!(of_requests.len(), 4 * EACH * 2);
}

#[test]
fn a_full_disk_is_told_and_stops_nothing() {
    let (_listener, behind) = origin();
    let site = Site::start(&logging(
        "pid run.pid; error_log error.log info;",
        "access_log /dev/full line; access_log access.log line;",
        behind,
    ));
    for number in 0..3 {
        let mut client = Peer::connect(site.server.address);
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.head().starts_with("HTTP/1.1 204 "));
    }
    let access = site.folder.path().join("access.log");
    // Two workers: an answer may be read before its line is written.
    let lines = || {
        let text = fs::read_to_string(&access).expect("the access log");
        let mut lines: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
        lines.sort();
        lines
    };
    site.server.wait_until("the lines", || lines() == ["line /0", "line /1", "line /2"]);
    site.server.wait_until("the failure is told", || {
        site.error_log().contains(" [alert] ")
            && site.error_log().contains("write() to \"/dev/full\" failed (28: No space left on device)\n")
    });
    let told = site.error_log().matches("/dev/full").count();
    assert_eq!(told, 1, "once, not for each line: {}", site.error_log());
}

/// The datagrams that come, each with its header.
fn next(receive: impl FnOnce(&mut [u8]) -> std::io::Result<usize>) -> String {
    let mut datagram = [0; 16_384];
    let length = receive(&mut datagram).expect("a datagram in time");
    String::from_utf8(datagram[..length].to_vec()).expect("text")
}

/// What stands behind `<PRI>Mmm dd hh:mm:ss `.
fn body<'d>(datagram: &'d str, priority: &str) -> &'d str {
    let rest = datagram.strip_prefix(priority).unwrap_or_else(|| panic!("{priority} in {datagram}"));
    let (time, body) = rest.split_at("Mmm dd hh:mm:ss ".len());
    let shape: String = time
        .chars()
        .map(|letter| match letter {
            '0'..='9' => '0',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    assert!(["Aaa 00 00:00:00 ", "Aaa  0 00:00:00 "].contains(&shape.as_str()), "{datagram}");
    body
}

#[test]
fn lines_go_to_a_syslog_server() {
    let (_listener, behind) = origin();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    udp.set_read_timeout(Some(PATIENCE)).expect("a time");
    let address = udp.local_addr().expect("it is bound");
    let log =
        format!("access_log syslog:server={address},facility=local0,severity=warn,tag=edge,nohostname line;");
    let first = format!(
        "pid run.pid; error_log error.log info; error_log syslog:server={address},facility=daemon notice;"
    );
    let site = Site::start(&logging(&first, &log, behind));
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("Linux tells it");
    let host = host.trim_end();
    // facility daemon is 3, notice is 5.
    let started = next(|datagram| udp.recv(datagram));
    let started = body(&started, "<29>");
    let message = started.strip_prefix(&format!("{host} nginx: ")).unwrap_or_else(|| panic!("{started}"));
    assert!(message.contains(" [notice] ") && !message.ends_with('\n'), "{message}");
    let mut client = Peer::connect(site.server.address);
    client.send("GET /asked HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 204 "));
    // local0 is 16, warn is 4.
    let line = loop {
        let datagram = next(|datagram| udp.recv(datagram));
        // What the error log still says is of the facility daemon.
        if datagram.starts_with("<132>") {
            break datagram;
        }
    };
    assert_eq!(body(&line, "<132>"), "edge: line /asked");
}

#[test]
fn a_syslog_server_that_was_away_gets_lines_again() {
    let (_listener, behind) = origin();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log.sock");
    let bind = |path: &Path| {
        let server = UnixDatagram::bind(path).expect("a free path");
        // As `/dev/log` is: a process that root starts is nobody.
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("a socket of ours");
        server.set_read_timeout(Some(PATIENCE)).expect("a time");
        server
    };
    let server = bind(&path);
    let log = format!("access_log syslog:server=unix:{},nohostname line;", path.display());
    let site = Site::start(&logging("pid run.pid; error_log error.log info;", &log, behind));
    let ask = |path: &str| {
        let mut client = Peer::connect(site.server.address);
        client.send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.head().starts_with("HTTP/1.1 204 "));
    };
    ask("first");
    // local7 is 23, info is 6.
    assert_eq!(body(&next(|datagram| server.recv(datagram)), "<190>"), "nginx: line /first");
    let probe = UnixDatagram::unbound().expect("a socket");
    probe.connect(&path).and_then(|()| probe.set_nonblocking(true)).expect("the server is there");
    drop(server);
    fs::remove_file(&path).expect("a socket");
    // A process that another test starts has a copy of it between its fork and its exec.
    site.server.wait_until("the socket is closed", || {
        probe.send(b"").is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    ask("lost");
    site.server.wait_until("the failure is told", || {
        site.error_log().contains(&format!("syslog server \"unix:{}\" failed (", path.display()))
    });
    let server = bind(&path);
    ask("again");
    assert_eq!(body(&next(|datagram| server.recv(datagram)), "<190>"), "nginx: line /again");
    let told = format!("1 line of the log \"syslog:server=unix:{}\" was lost\n", path.display());
    site.server.wait_until("the loss is told", || site.error_log().contains(&told));
    // Nobody there at all: the process ends all the same.
    drop(server);
    fs::remove_file(&path).expect("a socket");
    ask("lost");
    site.server.signal(Signal::TERM);
    let Site { server, .. } = site;
    assert!(server.end().success());
}
