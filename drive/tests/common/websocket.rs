//! Both peers of a real WebSocket, in threads.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
    time::Duration,
};

use tungstenite::{Message, WebSocket, protocol::Role};
use underpass_core::{Address, ClientInfo, EndedBy, config::Config};
use underpass_futures::Report;

/// An origin server that accepts one WebSocket and sends every message back.
pub(crate) fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (client, _) = listener.accept().expect("a client");
        echo(tungstenite::accept(client).expect("a handshake"));
    });
    address
}

fn echo<S: io::Read + io::Write>(mut socket: WebSocket<S>) {
    while let Ok(message) = socket.read() {
        if message.is_close() || socket.send(message).is_err() {
            // The answer to a close is on its way; the rest is the client's.
            let _ = socket.flush();
            return;
        }
    }
}

/// Talks until the other side has answered our close; says how many bytes of messages were sent.
fn converse<S: io::Read + io::Write>(mut socket: WebSocket<S>) {
    for length in [0, 5, 126, 70_000, 1 << 20] {
        let message = Message::binary(vec![7; length]);
        socket.send(message.clone()).expect("it is open");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
}

/// Whoever's relay it was: a megabyte each way, ended in order.
pub(crate) fn check(report: &Report) {
    assert!(report.from_client > 1 << 20 && report.from_upstream > 1 << 20, "{report:?}");
    assert!(matches!(report.ended, Some(EndedBy::Client | EndedBy::Upstream)), "{report:?}");
    assert!(!report.cut, "{report:?}");
}

/// Both peers of a relay, in threads: `ends` are what is relayed.
pub(crate) fn peers() -> ([UnixStream; 2], [thread::JoinHandle<()>; 2]) {
    let (client, ours) = UnixStream::pair().expect("two ends");
    let (theirs, upstream) = UnixStream::pair().expect("two ends");
    for end in [&client, &upstream] {
        end.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    }
    let client = thread::spawn(move || converse(WebSocket::from_raw_socket(client, Role::Client, None)));
    let upstream = thread::spawn(move || echo(WebSocket::from_raw_socket(upstream, Role::Server, None)));
    ([ours, theirs], [client, upstream])
}

fn info(client: SocketAddr) -> ClientInfo {
    ClientInfo::new(client.into(), client.into(), 1, [7; 16])
}

/// A browser's part: asks for an upgrade at `address`, talks, closes.
pub(crate) fn upgrade(address: SocketAddr) {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let (socket, response) = tungstenite::client(format!("ws://{address}/"), stream).expect("a handshake");
    assert_eq!(response.status(), 101);
    converse(socket);
}

/// The status line that a client gets whose origin server refuses connections.
fn refused(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, then the end");
    answer.lines().next().unwrap_or_default().to_owned()
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// One server of `proxy` for two clients: the first gets a WebSocket, the second a refusal.
pub(crate) fn two_clients(serve: impl Fn(TcpStream, ClientInfo, Arc<Config>)) {
    one_client(&Config::proxy_to(origin().into(), "origin").into(), upgrade, &serve);
    let is_refused = |address| assert_eq!(refused(address), "HTTP/1.1 502 Bad Gateway");
    one_client(&Config::proxy_to(nobody().into(), "origin").into(), is_refused, &serve);
}

/// One server of `proxy` for one client.
pub(crate) fn one_client(
    config: &Arc<Config>,
    client: impl FnOnce(SocketAddr) + Send,
    serve: impl FnOnce(TcpStream, ClientInfo, Arc<Config>),
) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::scope(|scope| {
        let client = scope.spawn(move || client(address));
        let (stream, remote) = listener.accept().expect("a client");
        serve(stream, info(remote), Arc::clone(config));
        client.join().expect("it got what it waited for");
    });
}

pub(crate) fn ip(address: &Address) -> io::Result<SocketAddr> {
    match address {
        Address::Ip(address) => Ok(*address),
        Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
