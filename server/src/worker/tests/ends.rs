//! How a worker ends: what its sessions are told, and what is written of that.

use super::*;

const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: foo\r\n\r\n";

/// A worker that forwards upgrades and logs tunnels, the origin server, and where it is.
struct Site {
    origin: TcpListener,
    worker: ByTurns,
    control: Control,
    address: SocketAddr,
    /// A configuration that is written alike, for the same socket.
    renewed: Listener,
    folder: tempfile::TempDir,
}

fn site(server: &str) -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = listening();
    let config = || {
        let loaded = loaded(&format!(
            "log_format t '$tunnel_event $tunnel_ended_by';
             server {{ listen 127.0.0.1:1; {server} location / {{ proxy_pass http://{};
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; upgrade_log tunnels t; }} }}",
            origin.local_addr().expect("it is bound")
        ));
        Arc::clone(&loaded.listeners.first().expect("one listener").config)
    };
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config()).expect("a free port");
    let (address, renewed) = (listener.local_addr().expect("it is bound"), listener.renewed(config()));
    let control = Control::new();
    let file = LogFile::open(Target::Path(folder.path().join("tunnels"))).expect("a writable folder");
    let provisions = Provisions { log: Log::new(Vec::new(), vec![file.into()]), ..Provisions::default() };
    let setup = Setup::new(vec![listener]).provided_with(provisions).controlled_by(&control);
    let worker = ByTurns(Box::pin(serve_on::<ByHand>(setup)));
    Site { origin, worker, control, address, renewed, folder }
}

impl Site {
    /// A client and the origin server, with a tunnel between them.
    fn tunnel(&mut self) -> [TcpStream; 2] {
        let mut client = connected(self.address);
        write!(client, "GET / HTTP/1.1\r\nHost: e\r\n{UPGRADE}").expect("room for a head");
        let mut server = self.answered();
        write!(server, "HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}").expect("room for a head");
        self.worker.brings(&mut client, b"\r\n\r\n");
        [client, server]
    }

    /// The origin server, once it has a request.
    fn answered(&mut self) -> TcpStream {
        let mut server = self.worker.until(|| self.origin.accept().ok()).0;
        server.set_nonblocking(true).expect("a plain socket");
        self.worker.brings(&mut server, b"\r\n\r\n");
        server
    }

    fn tunnels(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("tunnels")).expect("the log");
        text.lines().map(str::to_owned).collect()
    }
}

/// G6, G9: TERM awaits nothing, and yet each session has the turn in which it says what there is to say.
#[test]
fn whoever_is_stopped_has_one_turn_more() {
    let mut site = site("");
    let _tunnels = [site.tunnel(), site.tunnel()];
    assert_eq!(site.tunnels(), ["open -", "open -"]);
    site.control.stop();
    let Site { worker, folder, .. } = site;
    worker.ends();
    let text = std::fs::read_to_string(folder.path().join("tunnels")).expect("the log");
    assert_eq!(text.lines().filter(|line| line.starts_with("close ")).count(), 2, "{text}");
}

/// Who has many sessions stops them in several turns, and has all of them stopped.
#[test]
fn all_of_many_are_stopped() {
    let mut site = site("");
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(connected(site.address));
        if clients.len() % 50 == 0 {
            site.worker.has_turns();
        }
    }
    let _tunnel = site.tunnel();
    site.control.stop();
    let Site { worker, folder, .. } = site;
    worker.ends();
    let text = std::fs::read_to_string(folder.path().join("tunnels")).expect("the log");
    assert!(
        text.ends_with('\n') && text.lines().last().is_some_and(|line| line.starts_with("close ")),
        "{text}"
    );
    for mut client in clients {
        client.set_nonblocking(false).expect("a plain socket");
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "it is closed");
    }
}

/// C8, G6: a process that goes away begins no tunnel any more; a worker that a configuration has no place for does.
#[test]
fn only_who_goes_away_sends_upgrades_away() {
    for retires in [true, false] {
        let mut site = site("");
        let mut client = connected(site.address);
        site.worker.has_turns();
        if retires {
            site.control.retire(None);
        } else {
            site.control.drain(None);
        }
        site.worker.has_turns();
        write!(client, "GET / HTTP/1.1\r\nHost: e\r\n{UPGRADE}").expect("room for a head");
        if retires {
            let mut server = site.answered();
            write!(server, "HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}").expect("room for a head");
            site.worker.brings(&mut client, b"\r\n\r\n");
            continue;
        }
        site.worker.ends();
        client.set_nonblocking(false).expect("a plain socket");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("an end in order");
        assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nRetry-After: 1\r\n"), "{text}");
    }
}

/// G6: a client of an earlier configuration hears of the end of the process, too.
#[test]
fn the_end_is_told_to_sessions_of_earlier_configurations() {
    let mut site = site("");
    let mut client = connected(site.address);
    site.worker.has_turns();
    site.control.reload(Reload::new(vec![site.renewed]));
    site.worker.has_turns();
    site.control.drain(None);
    site.worker.has_turns();
    write!(client, "GET / HTTP/1.1\r\nHost: e\r\n{UPGRADE}").expect("room for a head");
    site.worker.ends();
    client.set_nonblocking(false).expect("a plain socket");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an end in order");
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
}
