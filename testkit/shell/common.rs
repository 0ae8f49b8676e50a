//! A worker on a thread, an origin server that does as it is told, and a client that reads what it expects.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::shell::{block_on, serve};
use underpass_core::config::Config;
use underpass_server::{Control, Listener, Log, Setup};

/// Bounds hangs; nothing that works takes nearly as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A worker on a thread of its own.
pub(crate) struct Worker {
    pub(crate) address: SocketAddr,
    pub(crate) control: Control,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Worker {
    /// Serves `config` on a free port.
    pub(crate) fn start(config: Config) -> Self {
        Self::with(Arc::new(config), |setup| setup)
    }

    /// Serves a configuration file with the lines `http` in its `http` block and a server with `server`.
    pub(crate) fn from_text(http: &str, server: &str) -> Self {
        Self::with(configuration(http, server), |setup| setup)
    }

    /// Serves a configuration with a changed setup.
    pub(crate) fn with(config: Arc<Config>, change: impl FnOnce(Setup) -> Setup) -> Self {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
        Self::of(listener, change)
    }

    /// Serves who comes to a listening socket.
    pub(crate) fn of(listener: Listener, change: impl FnOnce(Setup) -> Setup) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let control = Control::new();
        let setup = change(Setup::new(vec![listener]).controlled_by(&control));
        let thread = thread::spawn(move || block_on(serve(setup)));
        Self { address, control, thread: Some(thread) }
    }

    /// Waits until the worker is done by itself.
    pub(crate) fn join(mut self) {
        let thread = self.thread.take().expect("it is joined once");
        thread.join().expect("the worker doesn't panic").expect("the worker can serve");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().expect("the worker doesn't panic").expect("the worker can serve");
        }
    }
}

/// What a configuration file comes to, for one listening socket.
pub(crate) fn configuration(http: &str, server: &str) -> Arc<Config> {
    let text = format!(
        "http {{ access_log off;\n{http}\nserver {{ listen 127.0.0.1:1; server_name test;\n{server}\n}} }}"
    );
    let options = underpass_nginx_config::LoadOptions::default();
    let loaded =
        underpass_nginx_config::load_text("test.conf", text, &options).expect("a good configuration");
    Arc::clone(&loaded.listeners.first().expect("one listener").config)
}

/// Logs of a configuration with one access log, in files of `folder`.
pub(crate) fn logs_in(folder: &std::path::Path, severity: underpass_core::Severity) -> Log {
    use underpass_server::{ErrorLog, LogFile, Target};
    let open = |name| LogFile::open(Target::Path(folder.join(name))).expect("a writable folder");
    Log::new(vec![ErrorLog::new(open("error.log").into(), severity)], vec![open("access.log").into()])
}

/// A listening socket for an origin server.
pub(crate) fn origin() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// One end of a connection, with patience.
pub(crate) struct Peer {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).expect("somebody listens"))
    }

    pub(crate) fn accept(listener: &TcpListener) -> Self {
        Self::accept_unless(listener, || false).expect("waited for to the end")
    }

    /// Accepts a connection, or none once `given_up` says so.
    fn accept_unless(listener: &TcpListener, mut given_up: impl FnMut() -> bool) -> Option<Self> {
        listener.set_nonblocking(true).expect("a plain socket");
        let begin = Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("a plain socket");
                    return Some(Self::new(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if given_up() {
                        return None;
                    }
                    assert!(begin.elapsed() < PATIENCE, "nobody connects");
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Whether something came from the other end, or its end.
    pub(crate) fn has_news(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).expect("a plain socket");
        let news = !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).expect("a plain socket");
        news
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the other end reads");
    }

    /// Reads a head, its empty line included.
    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).expect("a line"), 0, "no end of the head: {head:?}");
        }
        head
    }

    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// Reads to the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).expect("an end in order");
        bytes
    }

    pub(crate) fn shut_down(&self) {
        self.stream.get_ref().shutdown(std::net::Shutdown::Write).expect("an open connection");
    }
}

/// A handshake that passes every check; the answer's hash belongs to the key (RFC 6455 §1.3).
pub(crate) const UPGRADE_REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const UPGRADE_RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Opens a tunnel: the client's end and the origin server's.
pub(crate) fn tunnel(worker: SocketAddr, origin: &TcpListener) -> (Peer, Peer) {
    try_tunnel(worker, origin).unwrap_or_else(|refusal| panic!("no tunnel: {refusal}"))
}

/// Opens a tunnel, or has the head that refuses it.
pub(crate) fn try_tunnel(worker: SocketAddr, origin: &TcpListener) -> Result<(Peer, Peer), String> {
    let mut client = Peer::connect(worker);
    client.send(UPGRADE_REQUEST);
    let Some(mut server) = Peer::accept_unless(origin, || client.has_news()) else {
        return Err(client.head());
    };
    assert!(server.head().starts_with("GET /chat HTTP/1.1\r\n"));
    server.send(UPGRADE_RESPONSE);
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    Ok((client, server))
}

/// The Close that a WebSocket gets when its worker ends (G6), masked towards an origin server.
pub(crate) fn says_restart(bytes: &[u8]) -> bool {
    let words = b"\x03\xf4service restart";
    match bytes {
        [0x88, 0x11, rest @ ..] => rest == words,
        [0x88, 0x91, a, b, c, d, rest @ ..] => {
            let key = [*a, *b, *c, *d];
            rest.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).eq(words.iter().copied())
        }
        _ => false,
    }
}
