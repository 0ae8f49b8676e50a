//! The life of a worker: draining, stopping, its limits, and other runtimes.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::Arc,
    thread,
    time::Duration,
};

use super::common::{
    PATIENCE, Peer, UPGRADE_REQUEST, UPGRADE_RESPONSE, Worker, configuration, origin, says_restart, tunnel,
};
use crate::shell::{block_on, serve, tasks};
use underpass_core::{Address, config::Config};
use underpass_server::{Control, Listener, Reload, Setup};

fn proxy_to(origin: std::net::SocketAddr) -> Config {
    Config::proxy_to(origin.into(), &origin.to_string())
}

#[test]
fn a_drain_ends_what_is_idle_and_waits_for_what_is_not() {
    let (listener, address) = origin();
    let worker = Worker::start(proxy_to(address));
    let (mut client, mut server) = tunnel(worker.address, &listener);
    let mut busy = Peer::connect(worker.address);
    busy.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut answering = Peer::accept(&listener);
    answering.head();
    let mut idle = Peer::connect(worker.address);
    idle.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut other = Peer::accept(&listener);
    other.head();
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    idle.head();

    worker.control.drain(None);
    assert_eq!(idle.rest(), b"", "what is idle ends");
    assert!(TcpStream::connect(worker.address).is_err(), "nobody listens");
    answering.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let answer = String::from_utf8(busy.rest()).expect("text");
    assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    drop(busy);
    client.send("still here");
    assert_eq!(server.exactly(10), b"still here");
    drop(server);
    assert_eq!(client.rest(), b"");
    drop(client);
    worker.join();
}

/// Rules C8, E11: it closes when it likes.
#[test]
fn a_drain_doesn_t_wait_for_a_client_that_has_its_answer() {
    let (listener, address) = origin();
    let worker = Worker::from_text(
        "",
        &format!("lingering_time 1h; lingering_timeout 1h; location / {{ proxy_pass http://{address}; }}"),
    );
    let asked = || {
        let mut client = Peer::connect(worker.address);
        client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
        let mut server = Peer::accept(&listener);
        server.head();
        (client, server)
    };
    // A worker tells its sessions in their order: when the second knows, the first does.
    let ((mut client, mut server), (mut idle, mut other)) = (asked(), asked());
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    idle.head();
    worker.control.drain(None);
    assert_eq!(idle.rest(), b"", "the worker has been told");
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(client.head().to_ascii_lowercase().contains("\r\nconnection: close\r\n"));
    let (says, over) = std::sync::mpsc::channel();
    thread::spawn(move || {
        worker.join();
        says.send(())
    });
    over.recv_timeout(PATIENCE).expect("the worker waits for a client that is silent");
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_drain_with_a_limit_ends_tunnels() {
    let (listener, address) = origin();
    let worker = Worker::start(proxy_to(address));
    let (mut client, mut server) = tunnel(worker.address, &listener);
    worker.control.drain(Some(Duration::from_millis(50)));
    for peer in [&mut client, &mut server] {
        assert!(says_restart(&peer.rest()));
    }
    worker.join();
}

#[test]
fn a_reload_serves_anew_and_ends_old_tunnels_within_its_limit() {
    let (listener, address) = origin();
    let worker = Worker::start(proxy_to(address));
    let (mut client, mut server) = tunnel(worker.address, &listener);
    let other = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), configuration("", "return 200 ok;"));
    let other = other.expect("a free port");
    let elsewhere = other.local_addr().expect("it is bound");
    let mut reload = Reload::new(vec![other]);
    reload.within = Some(Duration::from_millis(50));
    worker.control.reload(reload);
    for peer in [&mut client, &mut server] {
        assert!(says_restart(&peer.rest()));
    }
    assert!(TcpStream::connect(worker.address).is_err(), "nobody listens there");
    let mut client = Peer::connect(elsewhere);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    client.head();
    assert_eq!(client.exactly(2), b"ok");
}

#[test]
fn unix_domain_sockets_on_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let origin = UnixListener::bind(path("origin")).expect("a socket");
    let peer = Address::Unix(path("origin").into());
    let front = UnixListener::bind(path("front")).expect("a socket");
    let front = Listener::from_unix(front, Arc::new(Config::proxy_to(peer, "origin"))).expect("it listens");
    assert_eq!(front.address().to_string(), format!("unix:{}", path("front").display()));
    let control = Control::new();
    let setup = Setup::new(vec![front]).controlled_by(&control);
    let worker = thread::spawn(move || block_on(serve(setup)));
    let mut client = UnixStream::connect(path("front")).expect("it listens");
    client.write_all(UPGRADE_REQUEST.as_bytes()).expect("it reads");
    let mut server = origin.accept().expect("a connection").0;
    let read = |stream: &mut UnixStream, count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    };
    assert_eq!(read(&mut server, 9), b"GET /chat");
    server.write_all(UPGRADE_RESPONSE.as_bytes()).expect("it reads");
    assert_eq!(read(&mut client, 13), b"HTTP/1.1 101 ");
    client.write_all(b"through").expect("it reads");
    client.shutdown(Shutdown::Write).expect("an open connection");
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).expect("an end in order");
    assert!(bytes.ends_with(b"through"));
    drop(server);
    client.read_to_end(&mut bytes).expect("an end in order");
    control.drain(None);
    worker.join().expect("no panic").expect("the worker can serve");
}

#[test]
fn a_stop_closes_everything() {
    let (listener, address) = origin();
    let worker = Worker::start(proxy_to(address));
    let (mut client, mut server) = tunnel(worker.address, &listener);
    worker.control.stop();
    worker.join();
    for peer in [&mut client, &mut server] {
        assert!(says_restart(&peer.rest()));
    }
}

#[test]
fn a_drain_before_the_start_is_obeyed() {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), configuration("", "return 204;"));
    let control = Control::new();
    let setup = Setup::new(vec![listener.expect("a free port")]).controlled_by(&control);
    control.drain(None);
    block_on(serve(setup)).expect("the worker can serve");
}

#[test]
fn a_client_that_comes_after_a_reload_was_told_is_served_by_it() {
    let before = configuration("", "return 200 before;");
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), before).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let after = configuration("", "return 200 afterwards;");
    let again = listener.renewed(after);
    let control = Control::new();
    let setup = Setup::new(vec![listener]).controlled_by(&control);
    control.reload(Reload::new(vec![again]));
    // It finds both when it begins: the client, and what it was told before.
    let mut client = Peer::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    let worker = thread::spawn(move || block_on(serve(setup)));
    client.head();
    assert_eq!(client.exactly(10), b"afterwards");
    control.stop();
    worker.join().expect("no panic").expect("the worker can serve");
}

#[test]
fn with_all_connections_in_use_clients_wait_for_one() {
    let worker = Worker::with(configuration("", "return 200 ok;"), |setup| setup.connections(1));
    let request = "GET / HTTP/1.1\r\nHost: e\r\n\r\n";
    let mut first = Peer::connect(worker.address);
    first.send(request);
    assert!(first.head().starts_with("HTTP/1.1 200 "));
    let mut second = Peer::connect(worker.address);
    second.send(request);
    second.stream.get_ref().set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    second.stream.read_exact(&mut [0]).expect_err("there is no answer yet");
    second.stream.get_ref().set_read_timeout(Some(PATIENCE)).expect("a timeout");
    drop(first);
    assert!(second.head().starts_with("HTTP/1.1 200 "));
}

#[test]
fn idle_timers_are_kept() {
    let worker = Worker::from_text("keepalive_timeout 100ms;", "return 204;");
    let mut client = Peer::connect(worker.address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 204 "));
    assert_eq!(client.rest(), b"", "the idle connection ends");
}

#[test]
fn serves_as_a_task_of_any_runtime_beside_another_worker() {
    let config = configuration("", "return 200 ok;");
    let first = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), Arc::clone(&config)).expect("a free port");
    let address = first.local_addr().expect("it is bound");
    let second = Listener::bind(address, config).expect("ports are shared");
    let controls = [Control::new(), Control::new()];
    let setups = [first, second].into_iter().zip(&controls);
    let workers = setups.map(|(listener, control)| serve(Setup::new(vec![listener]).controlled_by(control)));
    let ended = tasks(workers.collect());
    for _ in 0..50 {
        let mut client = Peer::connect(address);
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
            client.head();
            assert_eq!(client.exactly(2), b"ok");
        }
    }
    controls.iter().for_each(|control| control.drain(None));
    ended().into_iter().for_each(|ended| ended.expect("the worker can serve"));
}
