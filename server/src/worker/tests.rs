//! A worker on a runtime that is polled by hand: what happens between two of its steps is told by the test.

use std::{
    cell::{Cell, RefCell},
    future::{Future, Pending, pending, ready},
    io::{self, IoSlice, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use underpass_core::{Address, Severity, Tick, config::Config, shared::GroupId};
use underpass_nginx_config::Loaded;

mod ends;
mod flood;
pub(super) mod tls;
mod tls_upstream;

use super::{Network, Stream, Watch, serve::serve_on};
use crate::{
    Control, ErrorLog, Listener, Listening, Log, LogFile, Provisions, Reload, Setup, Target, admission::Gate,
    wake::Source,
};

/// Turns of whoever waits for something, which other threads may use, too. What has not come in a minute never comes.
fn turns() -> impl Iterator<Item = ()> {
    let begin = Instant::now();
    let go_on = move |(): &()| begin.elapsed() < Duration::from_secs(60);
    std::iter::repeat_with(std::thread::yield_now).take_while(go_on)
}

#[test]
fn a_client_that_comes_behind_a_reload_is_served_as_it_says() {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), answering("old")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let control = Control::new();
    let new = listener.renewed(answering("new"));
    let worker = serve_on::<ByHand>(Setup::new(vec![listener]).controlled_by(&control));
    // The worker is at its listening socket already when the configuration changes.
    BEFORE_ACCEPTED.set(Some(Box::new(move || control.reload(Reload::new(vec![new])))));

    let mut client = connected(address);
    client.write_all(b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n").expect("room for a head");
    let mut text = Vec::new();
    ByTurns(Box::pin(worker)).until(|| client.read_to_end(&mut text).ok());
    assert!(text.ends_with(b"\r\n\r\nnew"), "{}", String::from_utf8_lossy(&text));
}

/// A reload may take a socket from the worker that has just accepted a client there. The system chooses at which of the
/// sockets a client waits, so that there are several.
#[test]
fn a_client_at_a_socket_that_moves_is_served_by_the_new_configuration() {
    for _ in 0..16 {
        let stays = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), answering("old")).expect("a free port");
        let address = stays.local_addr().expect("it is bound");
        let moves = Listener::bind(address, answering("old")).expect("ports are shared");
        let control = Control::new();
        let new = stays.renewed(answering("new"));
        let worker = serve_on::<ByHand>(Setup::new(vec![stays, moves]).controlled_by(&control));
        BEFORE_ACCEPTED.set(Some(Box::new(move || control.reload(Reload::new(vec![new])))));
        let mut client = connected(address);
        client.write_all(b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n").expect("room for a head");
        let mut text = Vec::new();
        ByTurns(Box::pin(worker)).until(|| client.read_to_end(&mut text).ok());
        assert!(text.ends_with(b"\r\n\r\nnew"), "{}", String::from_utf8_lossy(&text));
    }
}

/// Whoever comes behind a reload may still come to a worker that the next configuration has no place for.
#[test]
fn a_worker_that_leaves_serves_by_the_next_configuration() {
    for is_accepting in [true, false] {
        let listener =
            Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), answering("old")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let control = Control::new();
        let new = listener.renewed(answering("new"));
        let worker = serve_on::<ByHand>(Setup::new(vec![listener]).controlled_by(&control));
        let leave = move || {
            control.reload(Reload::new(vec![new]));
            control.drain(None);
        };
        if is_accepting {
            BEFORE_ACCEPTED.set(Some(Box::new(leave)));
        } else {
            leave();
        }
        let mut client = connected(address);
        client.write_all(REQUEST).expect("room for a head");
        ByTurns(Box::pin(worker)).ends();
        client.set_nonblocking(false).expect("a plain socket");
        let mut text = Vec::new();
        client.read_to_end(&mut text).expect("an end in order");
        assert!(text.ends_with(b"\r\n\r\nnew"), "{}", String::from_utf8_lossy(&text));
    }
}

/// Rule C6.
#[test]
fn moving_data_arms_no_timer() {
    let origin = listening();
    let config = serving(&format!(
        "location / {{ proxy_pass http://{}; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; upgrade_websocket_validation off; }}",
        origin.local_addr().expect("it is bound")
    ));
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let mut client = connected(listener.local_addr().expect("it is bound"));
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]))));
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    write!(client, "GET / HTTP/1.1\r\nHost: e\r\n{upgrade}").expect("room for a head");
    let mut server = worker.until(|| origin.accept().ok()).0;
    server.set_nonblocking(true).expect("a plain socket");
    worker.brings(&mut server, b"\r\n\r\n");
    write!(server, "HTTP/1.1 101 Switching Protocols\r\n{upgrade}").expect("room for a head");
    worker.brings(&mut client, b"\r\n\r\n");

    let before = RESETS.get();
    assert!(before > 0, "the tunnel is bounded by a timer");
    for byte in 0..100 {
        client.write_all(&[byte]).expect("room for a byte");
        worker.brings(&mut server, &[byte]);
        server.write_all(&[byte]).expect("room for a byte");
        worker.brings(&mut client, &[byte]);
    }
    assert_eq!(RESETS.get(), before);
}

/// Idle connections to origin servers have taken the place of used ones: that is room for a client.
#[test]
fn a_full_worker_accepts_again_as_soon_as_there_is_room() {
    let (origin, mut worker, address) = full_after_four();
    let mut clients = [connected(address), connected(address)];
    let mut servers = clients.each_mut().map(|client| {
        client.write_all(REQUEST).expect("room for a head");
        let mut server = worker.until(|| origin.accept().ok()).0;
        server.set_nonblocking(true).expect("a plain socket");
        worker.brings(&mut server, b"\r\n\r\n");
        server
    });
    let mut third = connected(address);
    third.write_all(REQUEST).expect("room for a head");
    worker.has_turns();
    assert!(origin.accept().is_err(), "all four are in use");

    for (client, server) in clients.iter_mut().zip(&mut servers) {
        server.write_all(RESPONSE).expect("room for a head");
        worker.brings(client, b"\r\n\r\n");
    }
    worker.until(|| origin.accept().ok());
}

/// What panics ends its own session: its lease, its permit and its connections come back, and others are served.
#[test]
fn a_panic_ends_its_session_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = listening();
    let loaded = loaded(&format!(
        "limit_conn_zone all zone=z:1m;
         server {{ listen 127.0.0.1:1; location / {{ limit_conn z 1; proxy_pass http://{}; }} }}",
        origin.local_addr().expect("it is bound")
    ));
    let config = Arc::clone(&loaded.listeners.first().expect("one listener").config);
    let upstreams = Arc::clone(&config.upstreams);
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let gate = Arc::new(Gate::new(loaded.access).expect("nothing to start"));
    let provisions = Provisions { gate, log: log_in(folder.path()), ..Provisions::default() };
    let setup = Setup::new(vec![listener]).provided_with(provisions).connections(3);
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(setup)));
    let mut other = connected(address);
    worker.has_turns();

    let mut broken = connected(address);
    broken.write_all(REQUEST).expect("room for a head");
    let (mut server, _) = worker.until(|| origin.accept().ok());
    server.set_nonblocking(true).expect("a plain socket");
    worker.brings(&mut server, b"\r\n\r\n");
    let leases = || upstreams.status(GroupId(0), Tick(0)).iter().map(|peer| peer.leases).sum::<u32>();
    assert_eq!(leases(), 1);
    PANICS.set(true);
    server.write_all(RESPONSE).expect("room for a head");
    let mut nothing = Vec::new();
    worker.until(|| broken.read_to_end(&mut nothing).is_ok().then_some(()));
    assert!(nothing.is_empty() && !PANICS.get());
    assert_eq!(leases(), 0);

    // There is room for both of its connections and for the exchange that the limit counts.
    other.write_all(REQUEST).expect("room for a head");
    let (mut server, _) = worker.until(|| origin.accept().ok());
    server.write_all(RESPONSE).expect("room for a head");
    worker.brings(&mut other, b"\r\n\r\n");
    let log = error_log(folder.path());
    let line = log.lines().find(|line| line.contains("panicked")).expect("a line");
    assert!(line.contains("[alert]"), "{line}");
    assert!(line.contains("a session is ended: panicked") && line.contains("the socket is broken"), "{line}");
    assert!(line.contains(", client: 127.0.0.1") && line.contains("request: \"GET / HTTP/1.1\""), "{line}");
}

/// Bytes that never stop keep nobody from a timer: neither what `lingering_time` bounds (E6) nor a drain (C8).
#[test]
fn deadlines_come_while_bytes_move() {
    let config = serving("lingering_time 50ms; lingering_timeout 1h; client_max_body_size 1;");
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let mut client = connected(listener.local_addr().expect("it is bound"));
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]))));
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 1000000000000\r\n\r\n")
        .expect("room for a head");
    let mut refusal = Vec::new();
    worker.until(|| client.read_to_end(&mut refusal).ok());
    assert!(refusal.starts_with(b"HTTP/1.1 413 "), "it lingers from now on");
    FLOODS.set(true);
    worker.until(|| client.write(b"x").err().filter(|error| error.kind() != io::ErrorKind::WouldBlock));
    FLOODS.set(false);
}

/// A worker that accepts nobody, because all its connections move bytes, still hears what is wanted of it.
#[test]
fn a_busy_worker_at_its_limit_obeys() {
    for drains in [true, false] {
        let origin = listening();
        let config = serving(&format!(
            "location / {{ proxy_pass http://{}; proxy_set_header Upgrade $http_upgrade;
             proxy_set_header Connection upgrade; upgrade_websocket_validation off; }}",
            origin.local_addr().expect("it is bound")
        ));
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let control = Control::new();
        let setup = Setup::new(vec![listener]).connections(2).controlled_by(&control);
        let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(setup)));
        let mut client = connected(address);
        let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n";
        write!(client, "GET / HTTP/1.1\r\nHost: e\r\n{upgrade}").expect("room for a head");
        let mut server = worker.until(|| origin.accept().ok()).0;
        server.set_nonblocking(true).expect("a plain socket");
        worker.brings(&mut server, b"\r\n\r\n");
        write!(server, "HTTP/1.1 101 Switching Protocols\r\n{upgrade}").expect("room for a head");
        worker.brings(&mut client, b"\r\n\r\n");
        let _waits_for_room = connected(address);
        FLOODS.set(true);
        worker.has_turns();
        if drains {
            control.drain(Some(Duration::from_millis(50)));
        } else {
            control.stop();
        }
        worker.ends();
        FLOODS.set(false);
    }
}

/// Rule E7. The runtime has not looked at the connection since the bytes came; the system is asked.
#[test]
fn what_came_unasked_on_an_idle_connection_answers_nobody() {
    let origin = listening();
    let to = origin.local_addr().expect("it is bound");
    let config = serving(&format!("location / {{ proxy_pass http://{to}; }}"));
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let mut client = connected(listener.local_addr().expect("it is bound"));
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]))));
    client.write_all(b"HEAD /a HTTP/1.1\r\nHost: e\r\n\r\n").expect("room for a head");
    let mut server = worker.until(|| origin.accept().ok()).0;
    server.set_nonblocking(true).expect("a plain socket");
    worker.brings(&mut server, b"\r\n\r\n");
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").expect("room for a head");
    worker.brings(&mut client, b"\r\n\r\n");

    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").expect("room for a response");
    client.write_all(b"GET /b HTTP/1.1\r\nHost: e\r\n\r\n").expect("room for a head");
    let mut fresh = worker.until(|| origin.accept().ok()).0;
    fresh.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood").expect("room for a response");
    worker.brings(&mut client, b"\r\n\r\ngood");
}

/// accept(2): errors of a connection that has failed already are no reason to leave the others waiting; that the system
/// has no descriptor or no memory is.
#[test]
fn the_error_of_one_connection_pauses_nobody() {
    use rustix::io::Errno;
    let ones = [
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PERM,
    ];
    let (log, client) = accepted_behind(&ones);
    assert_eq!(log, "");
    assert!(client.ends_with(b"\r\n\r\nok"), "{}", String::from_utf8_lossy(&client));
    for error in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        let (log, client) = accepted_behind(&[error]);
        assert!(log.contains("[crit]") && log.contains("accept4() failed ("), "{log}");
        assert!(client.is_empty(), "it waits: {}", String::from_utf8_lossy(&client));
    }
}

/// What the error log and a client get where these errors come before it.
fn accepted_behind(errors: &[rustix::io::Errno]) -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), answering("ok")).expect("a free port");
    let mut client = connected(listener.local_addr().expect("it is bound"));
    client.write_all(REQUEST).expect("room for a head");
    ACCEPT_ERRORS.set(errors.iter().map(|error| (*error).into()).collect());
    let setup = Setup::new(vec![listener]).logging_to(log_in(folder.path()));
    let mut worker = ByTurns(Box::pin(serve_on::<ByHand>(setup)));
    worker.until(|| ACCEPT_ERRORS.with_borrow(|errors| errors.is_empty().then_some(())));
    // Few, so that a pause isn't over before they are, however busy the machine is.
    let mut turns = 0..5;
    worker.until(|| turns.next().is_none().then_some(()));
    drop(worker);
    let mut answer = Vec::new();
    // The worker is gone by now, and its end of the connection with it.
    let _reset_if_it_was_not_read = client.read_to_end(&mut answer);
    (error_log(folder.path()), answer)
}

fn log_in(folder: &Path) -> Log {
    let file = LogFile::open(Target::Path(folder.join("error.log"))).expect("a writable folder");
    Log::new(vec![ErrorLog::new(file.into(), Severity::Debug)], Vec::new())
}

fn error_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("error.log")).expect("the log")
}

fn listening() -> TcpListener {
    let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    origin.set_nonblocking(true).expect("a plain socket");
    origin
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: e\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// An origin server, a worker that has four connections at most, and where it is.
fn full_after_four() -> (TcpListener, ByTurns, SocketAddr) {
    let origin = listening();
    let to = origin.local_addr().expect("it is bound");
    let config =
        serving(&format!("location / {{ proxy_pass http://{to}; }} location = /own {{ return 204; }}"));
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (origin, ByTurns(Box::pin(serve_on::<ByHand>(Setup::new(vec![listener]).connections(4)))), address)
}

/// A worker that has a turn whenever somebody waits for what it does.
struct ByTurns(Pin<Box<dyn Future<Output = io::Result<()>>>>);

impl ByTurns {
    /// What comes within so many turns, if it does.
    fn within<T>(&mut self, turns: u32, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let context = &mut Context::from_waker(Waker::noop());
        (0..turns).find_map(|_| {
            assert!(self.0.as_mut().poll(context).is_pending(), "nobody ends the worker");
            done()
        })
    }

    fn until<T>(&mut self, mut done: impl FnMut() -> Option<T>) -> T {
        let context = &mut Context::from_waker(Waker::noop());
        let turn = |()| {
            assert!(self.0.as_mut().poll(context).is_pending(), "nobody ends the worker");
            done()
        };
        turns().find_map(turn).expect("it comes")
    }

    /// The worker ends by itself.
    fn ends(mut self) {
        let context = &mut Context::from_waker(Waker::noop());
        let ended = turns().find_map(|()| match self.0.as_mut().poll(context) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        });
        ended.expect("it ends").expect("it can serve");
    }

    /// Enough of them for all that can be done now.
    fn has_turns(&mut self) {
        let mut turns = 0..100;
        self.until(|| turns.next().is_none().then_some(()));
    }

    /// What ends with `end` comes to an open connection.
    fn brings(&mut self, to: &mut TcpStream, end: &[u8]) {
        let mut text = Vec::new();
        self.until(|| {
            let would_block = to.read_to_end(&mut text).expect_err("nobody has ended it");
            assert_eq!(would_block.kind(), io::ErrorKind::WouldBlock);
            text.ends_with(end).then_some(())
        });
    }
}

pub(super) fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_nonblocking(true).expect("a plain socket");
    stream
}

fn answering(text: &str) -> Arc<Config> {
    serving(&format!("return 200 {text};"))
}

fn serving(server: &str) -> Arc<Config> {
    let loaded = loaded(&format!("server {{ listen 127.0.0.1:1; {server} }}"));
    Arc::clone(&loaded.listeners.first().expect("one listener").config)
}

fn loaded(http: &str) -> Loaded {
    let file = format!("http {{ access_log off; {http} }}");
    let options = underpass_nginx_config::LoadOptions::default();
    underpass_nginx_config::load_text("test.conf", file, &options).expect("a good file")
}

thread_local! {
    /// How many times the runtime's timer was set.
    static RESETS: Cell<u32> = const { Cell::new(0) };
    /// What happens before the next client is accepted.
    static BEFORE_ACCEPTED: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    /// What comes of accepting before anything else does, the last first.
    static ACCEPT_ERRORS: RefCell<Vec<io::Error>> = const { RefCell::new(Vec::new()) };
    /// Whether the next byte that is received makes its socket panic.
    static PANICS: Cell<bool> = const { Cell::new(false) };
    /// Whether all connections bring bytes without end, and take whatever they are given.
    static FLOODS: Cell<bool> = const { Cell::new(false) };
}

/// Sockets that are tried whenever the worker is polled, and a time that never comes.
pub(super) struct ByHand;

impl Network for ByHand {
    type Stream = Connection;
    type Listener = TcpListener;
    type Sleep = Pending<()>;

    fn new(_: Watch) -> io::Result<Self> {
        Ok(Self)
    }

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &mut dyn FnMut(Source)) -> io::Result<bool> {
        Ok(false)
    }

    fn listen(&mut self, socket: Listening, _: u16) -> io::Result<TcpListener> {
        match socket {
            Listening::Tcp(socket) => Ok(socket),
            Listening::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn close(&mut self, _: TcpListener) {}

    fn poll_accept(
        &mut self,
        listener: &TcpListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Connection, Address)>> {
        if let Some(error) = ACCEPT_ERRORS.with_borrow_mut(Vec::pop) {
            return Poll::Ready(Err(error));
        }
        let accepted = listener.accept();
        if accepted.is_ok()
            && let Some(event) = BEFORE_ACCEPTED.take()
        {
            event();
        }
        tried(accepted, cx).map_ok(|(stream, remote)| {
            stream.set_nonblocking(true).expect("a plain socket");
            (Connection(stream), remote.into())
        })
    }

    fn stream(&mut self, socket: OwnedFd) -> io::Result<Connection> {
        Ok(Connection(socket.into()))
    }

    /// At once, for on loopback nobody has to be waited for.
    fn connect(
        &mut self,
        socket: OwnedFd,
        address: SocketAddr,
        _: u32,
    ) -> impl Future<Output = io::Result<Connection>> + Send + 'static {
        let socket = socket2::Socket::from(socket);
        let connect = || {
            socket.set_nonblocking(false)?;
            socket.connect(&address.into())?;
            socket.set_nonblocking(true)
        };
        ready(connect().map(|()| Connection(socket.into())))
    }

    fn sleep_until(_: Instant) -> Pending<()> {
        pending()
    }

    fn reset(_: Pin<&mut Pending<()>>, _: Instant) {
        RESETS.set(RESETS.get() + 1);
    }

    fn yield_now(_: &mut Context<'_>) {}
}

#[derive(Debug)]
pub(super) struct Connection(pub(super) TcpStream);

impl Stream for Connection {
    fn set_place(&self, _: Option<u32>) {}

    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        if FLOODS.get() {
            space.fill(b'x');
            return Poll::Ready(Ok(space.len()));
        }
        let read = tried(self.0.read(space), cx);
        if matches!(read, Poll::Ready(Ok(1..))) {
            assert!(!PANICS.take(), "the socket is broken");
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if FLOODS.get() {
            return Poll::Ready(Ok(bytes.len()));
        }
        tried(self.0.write(bytes), cx)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if FLOODS.get() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        tried(self.0.write_vectored(slices), cx)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What would block is tried again at the next poll.
fn tried<T>(result: io::Result<T>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        result => Poll::Ready(result),
    }
}
