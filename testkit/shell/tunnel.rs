//! Tunnels over real sockets.

use std::{io::Read as _, net::TcpStream, thread, time::Duration};

use super::common::{
    PATIENCE, Peer, UPGRADE_REQUEST, UPGRADE_RESPONSE, Worker, configuration, origin, tunnel,
};
use super::server::{Reserved, Server, Site, with_prefix};
use rustix::process::Signal;
use socket2::SockRef;
use tungstenite::{
    Message, WebSocket,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use underpass_core::config::Config;

fn worker_for(origin: std::net::SocketAddr) -> Worker {
    Worker::start(Config::proxy_to(origin.into(), &origin.to_string()))
}

#[test]
fn bytes_go_both_ways_and_each_end_is_passed_on() {
    let (listener, address) = origin();
    let worker = worker_for(address);
    let (mut client, mut server) = tunnel(worker.address, &listener);
    client.send("to the origin server");
    assert_eq!(server.exactly(20), b"to the origin server");
    server.send("to the client");
    assert_eq!(client.exactly(13), b"to the client");
    client.shut_down();
    assert_eq!(server.rest(), b"", "the client's end came through");
    server.send("a last word");
    drop(server);
    assert_eq!(client.rest(), b"a last word");
}

#[test]
fn early_bytes_of_both_sides_are_the_first_of_the_tunnel() {
    let (listener, address) = origin();
    let worker = worker_for(address);
    let mut client = Peer::connect(worker.address);
    client.send(format!("{UPGRADE_REQUEST}early"));
    let mut server = Peer::accept(&listener);
    server.head();
    server.send(format!("{UPGRADE_RESPONSE}at once"));
    client.head();
    assert_eq!(client.exactly(7), b"at once");
    assert_eq!(server.exactly(5), b"early");
}

#[test]
fn much_goes_both_ways_at_once_with_nobody_reading_at_first() {
    const SIZE: usize = 20_000_000;
    let (listener, address) = origin();
    let worker = worker_for(address);
    let (client, server) = tunnel(worker.address, &listener);
    let pattern = |seed: usize| (0..SIZE).map(move |at| ((at + seed) % 251) as u8).collect::<Vec<_>>();
    let ends = [(client, 3, 5), (server, 5, 3)].map(|(mut end, sent, expected)| {
        let mut writer = end.stream.get_ref().try_clone().expect("a second handle");
        thread::spawn(move || {
            let bytes = pattern(sent);
            let sender = thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
            assert!(end.exactly(SIZE) == pattern(expected), "what came is what was sent");
            sender.join().expect("the sender doesn't panic").expect("all was taken");
            // Both stay open until both have everything.
            end
        })
    });
    let _ends = ends.map(|end| end.join().expect("both directions are whole"));
}

/// Rule C3: what is still in the system's buffers would be destroyed by a reset.
#[test]
fn a_reset_that_is_passed_on_doesn_t_overtake_the_tail() {
    const SIZE: usize = 40_000;
    let (listener, address) = origin();
    SockRef::from(&listener).set_recv_buffer_size(2_000).expect("a small buffer");
    let worker = Worker::from_text(
        "",
        &format!(
            "location / {{ proxy_pass http://{address}; proxy_set_header Upgrade $http_upgrade; \
             proxy_set_header Connection upgrade; upgrade_relay_reset on; }}"
        ),
    );
    let (mut client, mut server) = tunnel(worker.address, &listener);
    client.send(vec![b'x'; SIZE]);
    server.exactly(1);
    SockRef::from(client.stream.get_ref()).set_linger(Some(Duration::ZERO)).expect("an open connection");
    drop(client);
    // Time for a reset that comes too early.
    thread::sleep(Duration::from_millis(200));
    let mut rest = Vec::new();
    let end = server.stream.read_to_end(&mut rest);
    assert_eq!(rest.len(), SIZE - 1);
    assert_eq!(end.expect_err("no orderly end").kind(), std::io::ErrorKind::ConnectionReset);
}

/// Rule C3: nothing bounds what is sent to a client that is gone but the time for which it is read.
#[test]
fn an_origin_server_that_pushes_is_closed_when_its_client_has_reset() {
    let (listener, address) = origin();
    let worker = Worker::from_text(
        "",
        &format!(
            "location / {{ proxy_pass http://{address}; proxy_set_header Upgrade $http_upgrade; \
             proxy_set_header Connection upgrade; lingering_time 1h; lingering_timeout 1h; }}"
        ),
    );
    let (mut client, mut server) = tunnel(worker.address, &listener);
    client.send("the last words");
    let pushes = server.stream.get_ref().try_clone().expect("a second handle");
    pushes.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let pushing = thread::spawn(move || {
        let begun = std::time::Instant::now();
        let bytes = vec![b'x'; 65_536];
        while begun.elapsed() < PATIENCE {
            if let Err(error) = std::io::Write::write_all(&mut &pushes, &bytes) {
                return Some(error.kind());
            }
        }
        None
    });
    client.exactly(1_000_000);
    SockRef::from(client.stream.get_ref()).set_linger(Some(Duration::ZERO)).expect("an open connection");
    drop(client);
    assert_eq!(server.exactly(14), b"the last words");
    let ended = pushing.join().expect("pushing doesn't panic").expect("it is read for as long as it pushes");
    assert!(matches!(ended, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{ended}");
}

#[test]
fn a_real_websocket_through_the_recipe_of_the_page() {
    let (listener, address) = origin();
    let worker = Worker::with(
        configuration(
            "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
            &format!(
                "location /chat/ {{ proxy_pass http://{address}; proxy_http_version 1.1; \
                 proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; }}"
            ),
        ),
        |setup| setup,
    );
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        while let Ok(message) = socket.read() {
            if message.is_text() || message.is_binary() {
                socket.send(message).expect("the client listens");
            }
        }
    });
    let stream = TcpStream::connect(worker.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let url = format!("ws://{}/chat/room", worker.address);
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");
    for message in [Message::text("hello"), Message::binary(vec![7; 100_000])] {
        socket.send(message.clone()).expect("it is taken");
        assert_eq!(socket.read().expect("an echo"), message);
    }
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
    server.join().expect("the origin server ended in order");
}

/// G3: a Ping is due every 50 ms to the side that waits while a message of 16 MiB crosses, for two seconds at this rate.
#[test]
fn pings_disturb_no_message_in_fragments() {
    const SIZE: usize = 16 << 20;
    let (listener, address) = origin();
    let worker = Worker::from_text(
        "",
        &format!(
            "location / {{ proxy_pass http://{address}; proxy_set_header Upgrade $http_upgrade; \
             proxy_set_header Connection upgrade; upgrade_ping_interval 50ms; upgrade_ping_timeout 30s; \
             upgrade_limit_rate 8m; }}"
        ),
    );
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut socket = tungstenite::accept(stream).expect("a handshake");
        let (echo, pings) = message(&mut socket);
        in_fragments(&mut socket, &echo);
        while socket.read().is_ok() {}
        (echo, pings)
    });
    let stream = TcpStream::connect(worker.address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let (mut socket, _) =
        tungstenite::client(format!("ws://{}/", worker.address), stream).expect("a handshake");
    // A period that no boundary of a buffer or a frame has.
    let content: Vec<u8> = (0..SIZE).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
    in_fragments(&mut socket, &content);
    let (echo, client_pings) = message(&mut socket);
    assert!(echo == content, "the echo is another message");
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
    let (received, server_pings) = server.join().expect("the origin server ended in order");
    assert!(received == content, "the origin server got another message");
    assert!(client_pings >= 3 && server_pings >= 3, "{client_pings} and {server_pings} Pings");
}

/// Sends a message in 256 fragments.
fn in_fragments(socket: &mut WebSocket<TcpStream>, content: &[u8]) {
    let pieces: Vec<_> = content.chunks(content.len() / 256).collect();
    for (at, piece) in pieces.iter().enumerate() {
        let data = if at == 0 { Data::Binary } else { Data::Continue };
        let frame = Frame::message(piece.to_vec(), OpCode::Data(data), at + 1 == pieces.len());
        socket.send(Message::Frame(frame)).expect("the other end reads");
    }
}

/// The next message, and how many Pings came before it.
fn message(socket: &mut WebSocket<TcpStream>) -> (Vec<u8>, usize) {
    let mut pings = 0;
    loop {
        match socket.read().expect("a message") {
            Message::Ping(_) => pings += 1,
            Message::Binary(content) => return (content.to_vec(), pings),
            other => panic!("{other:?}"),
        }
    }
}

/// D4: a listener of ours takes every address of the machine.
#[test]
fn our_own_listener_is_reached_at_no_address_of_the_machine() {
    let reserved = Reserved::new();
    let port = reserved.address.port();
    let (folder, file) = Site::file(&format!(
        "error_log error.log; events {{}}
         http {{ access_log off; server {{ listen {port}; tunnel_pass; tunnel_allow all; }} }}"
    ));
    let arguments = ["-c", &file, "-p", &with_prefix(folder.path())];
    let server = Server::start(&arguments, reserved.address);
    let (listener, origin) = origin();
    for (target, expected) in [
        (format!("127.0.0.2:{port}"), "403"),
        (format!("0.0.0.0:{port}"), "403"),
        (format!("[::1]:{port}"), "403"),
        (format!("a.localhost:{port}"), "403"),
        (origin.to_string(), "200"),
    ] {
        let mut client = Peer::connect(server.address);
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"));
        let head = client.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{target}: {head}");
    }
    let _reached = Peer::accept(&listener);
}

/// G8: over all workers, and over a reload.
#[test]
fn a_bound_of_tunnels_holds_over_workers_and_reloads() {
    let (listener, behind) = origin();
    let site = Site::start(&format!(
        "worker_processes 2; error_log error.log notice; events {{ }} http {{ access_log access.log; server {{\n\
         listen LISTEN; upgrade_max_tunnels 3; location /chat {{ proxy_pass http://{behind};\n\
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }} }}\n"
    ));
    let mut tunnels: Vec<_> = (0..3).map(|_| tunnel(site.server.address, &listener)).collect();
    let refused = || {
        let mut client = Peer::connect(site.server.address);
        client.send(UPGRADE_REQUEST);
        let head = client.head();
        head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nRetry-After: 1\r\n")
    };
    assert!((0..8).all(|_| refused()), "whichever worker it is");
    site.server.signal(Signal::HUP);
    site.server.wait_until("the reload", || site.error_log().contains(": reconfigured\n"));
    assert!((0..8).all(|_| refused()), "tunnels of the configuration before count");
    tunnels.pop();
    let access = || std::fs::read_to_string(site.folder.path().join("access.log")).expect("the log");
    site.server.wait_until("it is over", || access().contains(" 101 "));
    let _another = tunnel(site.server.address, &listener);
    assert!(refused());
}
