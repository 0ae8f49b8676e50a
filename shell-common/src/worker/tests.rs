//! A worker on a runtime that is polled by hand: what happens between two of its steps is told by the test.

use std::{
    cell::{Cell, RefCell},
    future::{Future, Pending, pending, ready},
    io::{self, IoSlice, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use underpass_core::{Address, config::Config};

use super::{Reactor, Stream, serve};
use crate::{Control, Listener, Listening, Reload, Setup};

/// Polls to which a response on loopback comes; each yields the processor.
const POLLS: u32 = 100_000;

#[test]
fn a_client_that_comes_behind_a_reload_is_served_as_it_says() {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), answering("old")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let control = Control::new();
    let new = listener.renewed(answering("new"));
    let worker = serve::<ByHand>(Setup::new(vec![listener]).controlled_by(&control));
    // The worker is at its listening socket already when the configuration changes.
    BEFORE_ACCEPTED.set(Some(Box::new(move || control.reload(Reload::new(vec![new])))));

    let mut client = connected(address);
    client.write_all(b"GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n").expect("room for a head");
    let mut text = Vec::new();
    ByTurns(Box::pin(worker)).until(|| client.read_to_end(&mut text).ok());
    assert!(text.ends_with(b"\r\n\r\nnew"), "{}", String::from_utf8_lossy(&text));
}

/// Rule C6.
#[test]
fn moving_data_arms_no_timer() {
    let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    origin.set_nonblocking(true).expect("a plain socket");
    let config = serving(&format!(
        "location / {{ proxy_pass http://{}; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade; upgrade_websocket_validation off; }}",
        origin.local_addr().expect("it is bound")
    ));
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let mut client = connected(listener.local_addr().expect("it is bound"));
    let mut worker = ByTurns(Box::pin(serve::<ByHand>(Setup::new(vec![listener]))));
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

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: e\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// An origin server, a worker that has four connections at most, and where it is.
fn full_after_four() -> (TcpListener, ByTurns, SocketAddr) {
    let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    origin.set_nonblocking(true).expect("a plain socket");
    let to = origin.local_addr().expect("it is bound");
    let config =
        serving(&format!("location / {{ proxy_pass http://{to}; }} location = /own {{ return 204; }}"));
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (origin, ByTurns(Box::pin(serve::<ByHand>(Setup::new(vec![listener]).connections(4)))), address)
}

/// A worker that has a turn whenever somebody waits for what it does.
struct ByTurns(Pin<Box<dyn Future<Output = io::Result<()>>>>);

impl ByTurns {
    fn until<T>(&mut self, mut done: impl FnMut() -> Option<T>) -> T {
        let context = &mut Context::from_waker(Waker::noop());
        let mut turn = |_| {
            assert!(self.0.as_mut().poll(context).is_pending(), "nobody ends the worker");
            std::thread::yield_now();
            done()
        };
        (0..POLLS).find_map(&mut turn).expect("it comes")
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

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_nonblocking(true).expect("a plain socket");
    stream
}

fn answering(text: &str) -> Arc<Config> {
    serving(&format!("return 200 {text};"))
}

fn serving(server: &str) -> Arc<Config> {
    let file = format!("http {{ access_log off; server {{ listen 127.0.0.1:1; {server} }} }}");
    let options = underpass_nginx_config::LoadOptions::default();
    let loaded = underpass_nginx_config::load_text("test.conf", file, &options).expect("a good file");
    Arc::clone(&loaded.listeners.first().expect("one listener").config)
}

thread_local! {
    /// How many times the runtime's timer was set.
    static RESETS: Cell<u32> = const { Cell::new(0) };
    /// What happens before the next client is accepted.
    static BEFORE_ACCEPTED: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Sockets that are tried whenever the worker is polled, and a time that never comes.
struct ByHand;

impl Reactor for ByHand {
    type Stream = Connection;
    type Listener = TcpListener;
    type Sleep = Pending<()>;

    fn listen(socket: Listening) -> io::Result<TcpListener> {
        match socket {
            Listening::Tcp(socket) => Ok(socket),
            Listening::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn poll_accept(listener: &TcpListener, cx: &mut Context<'_>) -> Poll<io::Result<(Connection, Address)>> {
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

    fn stream(socket: OwnedFd) -> io::Result<Connection> {
        Ok(Connection(socket.into()))
    }

    /// At once, for on loopback nobody has to be waited for.
    fn connect(
        socket: OwnedFd,
        address: SocketAddr,
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
struct Connection(TcpStream);

impl Stream for Connection {
    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        tried(self.0.read(space), cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        tried(self.0.write(bytes), cx)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        tried(self.0.write_vectored(slices), cx)
    }

    fn is_quiet(&self) -> bool {
        true
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
