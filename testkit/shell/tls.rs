//! Clients and origin servers under TLS, over real sockets (rules H1 to H5).

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use tungstenite::{Message, client::client};
use underpass_core::{
    config::{
        Config, Handler, Location, Proxy, ProxyTls, Server, ServerTable, SetHeader, Target, TlsSettingsId,
    },
    shared::{Group, GroupId, Upstreams},
};
use underpass_server::{Control, Listener, Provisions};
use underpass_testkit::tls::{self, NAME, TlsStream};

use super::common::{PATIENCE, UPGRADE_REQUEST, UPGRADE_RESPONSE, Worker, origin};

/// A worker whose clients are under TLS and whose origin server is in clear.
fn worker_for(origin: SocketAddr) -> Worker {
    let mut config = Config::proxy_to(origin.into(), &origin.to_string());
    config.tls = true;
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), Arc::new(config)).expect("a free port");
    Worker::of(listener.secured_by(tls::server()), |setup| setup)
}

/// A worker whose clients are in clear and whose origin server is under TLS.
fn worker_towards(origin: SocketAddr, name: &str) -> Worker {
    let mut proxy = Proxy::new(Target::Group(GroupId(0)), NAME);
    proxy.set_headers = SetHeader::websocket_recipe();
    proxy.tls = Some(ProxyTls::named(TlsSettingsId(0), name));
    let level = Location::new(Handler::Proxy(Box::new(proxy))).shared();
    let upstreams = Upstreams::new(vec![Group::single("origin", origin.into())]);
    let router = ServerTable::new(vec![Server::new(vec![], level)], 0);
    let config = Config::new(Arc::new(router), Arc::new(upstreams));
    let mut provisions = Provisions::default();
    provisions.upstream_tls = [tls::client()].into();
    Worker::with(Arc::new(config), |setup| setup.provided_with(provisions))
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn connected(worker: &Worker) -> TlsStream {
    TlsStream::connect(patient(TcpStream::connect(worker.address).expect("it listens"))).expect("a handshake")
}

fn accepted(listener: &TcpListener) -> TcpStream {
    patient(listener.accept().expect("somebody connects").0)
}

fn head(from: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

fn expect(from: &mut impl Read, bytes: &[u8]) {
    let mut found = vec![0; bytes.len()];
    from.read_exact(&mut found).expect("what was sent");
    assert_eq!(found, bytes);
}

/// A tunnel: the client's end under TLS, the origin server's in clear.
fn tunnel(worker: &Worker, listener: &TcpListener) -> (TlsStream, TcpStream) {
    let mut client = connected(worker);
    client.write_all(UPGRADE_REQUEST.as_bytes()).expect("it is taken");
    let mut server = accepted(listener);
    head(&mut server);
    server.write_all(UPGRADE_RESPONSE.as_bytes()).expect("it is taken");
    assert!(head(&mut client).starts_with("HTTP/1.1 101 "));
    (client, server)
}

#[test]
fn a_websocket_under_tls_has_its_echo() {
    let (listener, address) = origin();
    let worker = worker_for(address);
    let server = thread::spawn(move || {
        let mut socket = tungstenite::accept(accepted(&listener)).expect("a handshake");
        while let Ok(message) = socket.read() {
            match message {
                Message::Close(_) => continue,
                message => socket.send(message).expect("it is open"),
            }
        }
    });
    let request = format!("wss://{NAME}/chat");
    let (mut socket, response) = client(request, connected(&worker)).expect("a handshake");
    assert_eq!(response.status(), 101);
    for length in [0, 1, 125, 128, 70_000, 1_000_000] {
        let message = Message::binary(vec![7_u8; length]);
        socket.send(message.clone()).expect("it is open");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
    server.join().expect("it doesn't panic");
}

/// H5: each direction of a tunnel ends in order by itself.
#[test]
fn a_direction_ends_with_close_notify() {
    let (listener, address) = origin();
    let worker = worker_for(address);
    let (mut client, mut server) = tunnel(&worker, &listener);
    client.write_all(b"last").expect("it is taken");
    client.notify_end().expect("it is taken");
    let mut all = Vec::new();
    server.read_to_end(&mut all).expect("an end in order");
    assert_eq!(all, b"last");
    server.write_all(b"a last word").expect("it is taken");
    drop(server);
    all.clear();
    client.read_to_end(&mut all).expect("close_notify");
    assert_eq!(all, b"a last word");
}

/// H5: what the origin server cuts, the client sees cut.
#[test]
fn a_cut_comes_without_close_notify() {
    let (listener, address) = origin();
    let worker = worker_for(address);
    let (mut client, server) = tunnel(&worker, &listener);
    socket2::SockRef::from(&server).set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
    drop(server);
    let error = client.read_to_end(&mut Vec::new()).expect_err("a cut");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

/// H2: in words, and in clear.
#[test]
fn plain_http_at_a_tls_port_is_told_so() {
    let (_listener, address) = origin();
    let worker = worker_for(address);
    let mut client = patient(TcpStream::connect(worker.address).expect("it listens"));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is taken");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an end in order");
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    assert!(text.contains("The plain HTTP request was sent to HTTPS port"), "{text}");
}

fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) % 251) as u8).collect()
}

/// Nobody reads until the other end has stopped taking more.
#[test]
fn much_goes_both_ways_with_nobody_reading_at_first() {
    const SIZE: usize = 8_000_000;
    let (listener, address) = origin();
    let worker = worker_for(address);
    let (mut client, server) = tunnel(&worker, &listener);
    let mut writer = server.try_clone().expect("a second handle");
    let sender = thread::spawn(move || writer.write_all(&pattern(SIZE, 3)));
    let mut reader = server;
    let receiver = thread::spawn(move || {
        let mut all = vec![0; SIZE];
        reader.read_exact(&mut all).map(|()| all == pattern(SIZE, 5))
    });
    client.write_all(&pattern(SIZE, 5)).expect("it is taken");
    let mut all = vec![0; SIZE];
    client.read_exact(&mut all).expect("all of it");
    assert!(all == pattern(SIZE, 3), "what came is what was sent");
    sender.join().expect("it doesn't panic").expect("it is taken");
    assert!(receiver.join().expect("it doesn't panic").expect("all of it"), "what came is what was sent");
}

/// A big response to a client that closes its session: nothing of it is lost at the end (C9).
#[test]
fn a_response_comes_whole_to_a_client_that_reads_late() {
    const SIZE: usize = 3_000_000;
    let (listener, address) = origin();
    let worker = worker_for(address);
    let mut client = connected(&worker);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is taken");
    let mut server = accepted(&listener);
    head(&mut server);
    let answer = thread::spawn(move || {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        server.write_all(head.as_bytes())?;
        server.write_all(&pattern(SIZE, 0))
    });
    let response = head(&mut client);
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let mut all = Vec::new();
    client.read_to_end(&mut all).expect("close_notify");
    assert!(all == pattern(SIZE, 0));
    answer.join().expect("it doesn't panic").expect("it is taken");
}

/// H4: to the origin server under TLS, its name verified and sent.
#[test]
fn a_tunnel_goes_on_over_tls() {
    let (listener, address) = origin();
    let worker = worker_towards(address, NAME);
    let mut client = patient(TcpStream::connect(worker.address).expect("it listens"));
    client.write_all(UPGRADE_REQUEST.as_bytes()).expect("it is taken");
    let mut server = TlsStream::accept(accepted(&listener)).expect("a handshake");
    assert_eq!(server.tls().facts().and_then(|facts| facts.server_name), Some(NAME));
    head(&mut server);
    server.write_all(format!("{UPGRADE_RESPONSE}early").as_bytes()).expect("it is taken");
    assert!(head(&mut client).starts_with("HTTP/1.1 101 "));
    expect(&mut client, b"early");
    client.write_all(b"to the origin server").expect("it is taken");
    expect(&mut server, b"to the origin server");
    client.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(server.read(&mut [0]).expect("close_notify"), 0);
    server.write_all(b"a last word").expect("it is taken");
    server.notify_end().expect("it is taken");
    let mut all = Vec::new();
    client.read_to_end(&mut all).expect("an end in order");
    assert_eq!(all, b"a last word");
}

/// H4: whoever isn't the one that was looked for gets nothing of the request, and the client a 502.
#[test]
fn an_origin_server_of_another_name_is_refused() {
    let (listener, address) = origin();
    let worker = worker_towards(address, "other.example");
    let server = thread::spawn(move || {
        let mut server = TlsStream::accept(accepted(&listener))?;
        server.read(&mut [0; 100])
    });
    let mut client = patient(TcpStream::connect(worker.address).expect("it listens"));
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is taken");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("an end in order");
    assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
    let alert: io::Result<usize> = server.join().expect("it doesn't panic");
    let error = alert.expect_err("no request").to_string();
    assert!(error.contains("alert"), "{error}");
}

/// While some shake hands and say nothing more, others are served; a worker that ends waits for them no longer than it is told.
#[test]
fn who_shakes_hands_holds_nobody_up() {
    let (listener, address) = origin();
    let worker = worker_for(address);
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(worker.address).expect("it listens")).collect();
    for mut client in &silent {
        client.write_all(b"\x16\x03\x01\x02\x00\x01").expect("it is taken");
    }
    let (mut client, mut server) = tunnel(&worker, &listener);
    client.write_all(b"hello").expect("it is taken");
    expect(&mut server, b"hello");
    let control: &Control = &worker.control;
    control.drain(Some(std::time::Duration::from_millis(100)));
    worker.join();
    drop(silent);
}
