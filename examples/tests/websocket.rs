//! A real WebSocket through every example.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tungstenite::{Message, WebSocket, client::IntoClientRequest as _};

/// An example under way; it ends with the value.
struct Running {
    program: Child,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.program.kill().expect("it runs");
        self.program.wait().expect("it has ended");
    }
}

fn run(program: &str) -> Running {
    run_with(program, origin())
}

fn run_with(program: &str, origin: SocketAddr) -> Running {
    let mut program = Command::new(program)
        .args(["127.0.0.1:0", &origin.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example was built");
    let mut line = String::new();
    BufReader::new(program.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says where");
    let address = line.trim().strip_prefix("listening on ").expect("an address").parse().expect("an address");
    Running { program, address }
}

/// An origin server that sends every message back.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a client");
            thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(client) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_close() || socket.send(message).is_err() {
                        // The answer to a close is on its way; the rest is the client's.
                        let _ = socket.flush();
                        return;
                    }
                }
            });
        }
    });
    address
}

/// An origin server for one request: says `answer`, and is joined for the head that it got.
fn scripted(answer: &'static str) -> (SocketAddr, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.extend(byte);
        }
        stream.write_all(answer.as_bytes()).expect("it is open");
        String::from_utf8(head).expect("ASCII")
    });
    (address, asked)
}

fn open(address: SocketAddr, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let request = format!("ws://{address}{path}").into_client_request().expect("a request");
    let (socket, response) = tungstenite::client(request, stream).expect("a handshake");
    assert_eq!(response.status(), 101);
    socket
}

fn echo(socket: &mut WebSocket<TcpStream>, message: Message) {
    socket.send(message.clone()).expect("it is open");
    assert_eq!(socket.read().expect("an echo"), message);
}

fn converse(address: SocketAddr, path: &str) {
    let mut socket = open(address, path);
    echo(&mut socket, Message::text("hello"));
    echo(&mut socket, Message::binary(vec![7; 200_000]));
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
}

fn get(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    stream.write_all(head.as_bytes()).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer, then the end");
    answer
}

#[test]
fn poll_carries_a_thousand_tunnels_in_one_thread() {
    // Four descriptors for each tunnel, in two processes.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("what is permitted");
    let example = run(env!("CARGO_BIN_EXE_poll"));
    converse(example.address, "/");
    let mut tunnels: Vec<_> = (0..1000).map(|_| open(example.address, "/")).collect();
    for (number, tunnel) in tunnels.iter_mut().enumerate() {
        echo(tunnel, Message::text(number.to_string()));
    }
}

#[test]
fn an_axum_server_proxies_ws() {
    let example = run(env!("CARGO_BIN_EXE_ws"));
    converse(example.address, "/ws");
    let page = get(example.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(page.ends_with("the chat is at /ws\n"), "{page}");
}

/// The first thing that an embedder sees is short, and it is what runs here.
#[test]
fn and_does_it_in_ten_lines_which_the_page_shows() {
    let (source, page) = (include_str!("../src/bin/ws.rs"), include_str!("../../docs/guide/embed.md"));
    let start = source.find("async fn proxy(").expect("it is there");
    let (function, _) = source[start..].split_once("\n}\n").expect("it has an end");
    assert!(function.lines().skip(1).count() <= 10, "{function}");
    assert!(page.contains(function), "the page shows another function");
}

#[test]
fn a_reverse_proxy_on_hyper() {
    let example = run(env!("CARGO_BIN_EXE_reverse_proxy"));
    converse(example.address, "/rooms/1");
    // What is no good handshake never gets there.
    let upgrade = "Connection: close, Upgrade\r\nUpgrade: websocket\r\n";
    for (version, status, says) in [
        ("12", "426 Upgrade Required", "sec-websocket-version: 13"),
        ("13", "400 Bad Request", "Sec-WebSocket-Key"),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}Sec-WebSocket-Version: {version}\r\n\r\n");
        let answer = get(example.address, &head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(says), "{answer}");
    }
}

/// What is for one connection only goes no further, in either direction (RFC 9110 §7.6.1).
#[test]
fn which_forwards_ordinary_requests_too() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 3\r\n\r\nyes";
    let (origin, asked) = scripted(answer);
    let example = run_with(env!("CARGO_BIN_EXE_reverse_proxy"), origin);
    let request =
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close, X-Other\r\nX-Other: 1\r\nX-End: 1\r\n\r\n";
    let answer = get(example.address, request).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n") && answer.ends_with("\r\n\r\nyes"), "{answer}");
    assert!(!answer.contains("x-hop"), "{answer}");
    let asked = asked.join().expect("a request").to_ascii_lowercase();
    assert!(asked.starts_with("get /x http/1.1\r\n") && asked.contains("\r\nx-end: 1\r\n"), "{asked}");
    assert!(!asked.contains("x-other"), "{asked}");
}

#[test]
fn and_opens_no_tunnel_where_the_answer_is_wrong() {
    let (origin, asked) = scripted(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    );
    let example = run_with(env!("CARGO_BIN_EXE_reverse_proxy"), origin);
    let handshake = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = get(example.address, handshake);
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("Sec-WebSocket-Accept"), "{answer}");
    let asked = asked.join().expect("a request").to_ascii_lowercase();
    assert!(asked.contains("\r\nupgrade: websocket\r\n"), "{asked}");
}

#[test]
fn policy_in_code() {
    let example = run(env!("CARGO_BIN_EXE_policy"));
    converse(example.address, "/rooms/1");
    let elsewhere = get(example.address, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    let foreign = "GET /rooms/1 HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\nConnection: close\r\n\r\n";
    assert!(get(example.address, foreign).starts_with("HTTP/1.1 403 "));
}
