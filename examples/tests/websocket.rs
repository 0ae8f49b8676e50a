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
    let mut program = Command::new(program)
        .args(["127.0.0.1:0", &origin().to_string()])
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
fn takeover_inside_of_an_axum_server() {
    let example = run(env!("CARGO_BIN_EXE_takeover"));
    converse(example.address, "/chat");
    let page = get(example.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(page.ends_with("the chat is at /chat\n"), "{page}");
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
