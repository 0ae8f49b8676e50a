//! Requests and responses over real sockets.

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::common::{Peer, Worker, configuration, logs_in, origin};
use super::server::{Reserved, Site};
use underpass_core::config::{Bind, Config, Handler, Location, Proxy, Route, Router, Target};
use underpass_core::shared::{Group, GroupId, KeepAlive, Upstreams};
use underpass_core::template::Template;
use underpass_core::{Severity, Tick};

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 03:40:13 GMT\r\nContent-Length: 5\r\n\r\nhello";

fn proxy_to(address: SocketAddr) -> Config {
    Config::proxy_to(address.into(), &address.to_string())
}

/// A server that keeps its upstream connections.
fn keeping(address: SocketAddr) -> Arc<Config> {
    configuration(
        "",
        &format!("location / {{ proxy_pass http://{address}; proxy_set_header Connection ''; }}"),
    )
}

#[test]
fn a_request_goes_through_and_its_answer_comes_back() {
    let (listener, address) = origin();
    let worker = Worker::start(proxy_to(address));
    let mut client = Peer::connect(worker.address);
    client.send("GET /a?b HTTP/1.1\r\nHost: example\r\nX-Mine: 1\r\n\r\n");
    let mut server = Peer::accept(&listener);
    let head = server.head();
    assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: {address}\r\n")), "{head}");
    assert!(head.contains("\r\nX-Mine: 1\r\n"), "{head}");
    server.send(ANSWER);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(client.exactly(5), b"hello");
}

/// Rule E13: a source address that isn't this machine's says nothing of the peers, and others reach them.
#[test]
fn an_address_that_is_not_ours_marks_no_peer_as_dead() {
    let [(_first, address), (_other, second)] = [origin(), origin()];
    let folder = tempfile::tempdir().expect("a folder");
    let config = configuration(
        &format!(
            "upstream pair {{ server {address} max_fails=1 fail_timeout=1h; server {second} max_fails=1 fail_timeout=1h; }}"
        ),
        "location / { proxy_pass http://pair; }
         location /from-elsewhere { proxy_bind 203.0.113.1; proxy_pass http://pair; }",
    );
    let upstreams = Arc::clone(&config.upstreams);
    let log = logs_in(folder.path(), Severity::Info);
    let worker = Worker::with(config, |setup| setup.logging_to(log));
    let mut client = Peer::connect(worker.address);
    client.send("GET /from-elsewhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 500 "));
    let peers = upstreams.status(GroupId(0), Tick(0));
    assert!(peers.len() == 2 && peers.iter().all(|peer| peer.failures == 0), "{peers:?}");
    let log = fs::read_to_string(folder.path().join("error.log")).expect("the log");
    assert!(log.contains("[crit]") && log.contains("no connection can be made from here (99: "), "{log}");
}

/// Who is led to an error page is not in the way of itself, and counts until it was answered.
#[test]
fn who_is_led_to_an_error_page_is_counted_once_and_on() {
    let (listener, address) = origin();
    let refusing = Reserved::new();
    let site = Site::start(&format!(
        "error_log error.log; events {{}}
         http {{ access_log off; limit_conn_zone $server_name zone=c:1m;
         server {{ listen LISTEN; server_name a; limit_conn c 1;
         location / {{ error_page 502 = @page; proxy_pass http://{}; }}
         location @page {{ allow all; proxy_pass http://{address}; }} }} }}",
        refusing.address
    ));
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Peer::connect(site.server.address);
    client.send(request);
    let mut server = Peer::accept(&listener);
    server.head();
    let mut other = Peer::connect(site.server.address);
    other.send(request);
    assert!(other.head().starts_with("HTTP/1.1 503 "), "the page's client counts");
    server.send(ANSWER);
    assert!(client.head().starts_with("HTTP/1.1 200 "), "it is not in its own way");
}

#[test]
fn both_connections_are_kept() {
    let (listener, address) = origin();
    let worker = Worker::with(keeping(address), |setup| setup);
    let mut client = Peer::connect(worker.address);
    let mut server = None;
    for number in 0..3 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: example\r\n\r\n"));
        let server = server.get_or_insert_with(|| Peer::accept(&listener));
        assert!(server.head().starts_with(&format!("GET /{number} ")));
        server.send(ANSWER);
        client.head();
        assert_eq!(client.exactly(5), b"hello");
    }
}

#[test]
fn an_idle_connection_that_the_origin_server_closed_is_not_used() {
    let (listener, address) = origin();
    let worker = Worker::with(keeping(address), |setup| setup);
    let mut client = Peer::connect(worker.address);
    for number in 0..3 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: example\r\n\r\n"));
        let mut server = Peer::accept(&listener);
        assert!(server.head().starts_with(&format!("GET /{number} ")));
        server.send(ANSWER);
        client.head();
        assert_eq!(client.exactly(5), b"hello");
    }
}

#[test]
fn a_peer_that_refuses_is_passed_over() {
    let (listener, address) = origin();
    // Nobody listens at the first port of all.
    let upstream = format!("upstream two {{ server 127.0.0.1:1; server {address}; keepalive 0; }}");
    let config = configuration(&upstream, "location / { proxy_pass http://two; }");
    let worker = Worker::with(Arc::clone(&config), |setup| setup);
    let mut client = Peer::connect(worker.address);
    for number in 0..4 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: e\r\n\r\n"));
        let mut server = Peer::accept(&listener);
        assert!(server.head().starts_with(&format!("GET /{number} ")));
        server.send(ANSWER);
        assert!(client.head().starts_with("HTTP/1.1 200 "));
        assert_eq!(client.exactly(5), b"hello");
    }
    let peers = config.upstreams.status(GroupId(0), Tick(0));
    assert_eq!((peers[0].failures, peers[1].failures), (1, 0), "it was asked once");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (listener, address) = origin();
    let worker = Worker::with(keeping(address), |setup| setup);
    let mut client = Peer::connect(worker.address);
    client.send("GET /0 HTTP/1.1\r\nHost: e\r\n\r\nGET /1 HTTP/1.1\r\nHost: e\r\n\r\nGET /2 HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut server = Peer::accept(&listener);
    for number in 0..3 {
        assert!(server.head().starts_with(&format!("GET /{number} ")));
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
    }
    for number in 0..3 {
        client.head();
        assert_eq!(client.exactly(1), number.to_string().as_bytes());
    }
}

#[test]
fn large_contents_stream_in_both_directions() {
    const SIZE: usize = 5_000_000;
    let (listener, address) = origin();
    let worker = Worker::with(
        configuration("client_max_body_size 0;", &format!("location / {{ proxy_pass http://{address}; }}")),
        |setup| setup,
    );
    let content: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let server = thread::spawn(move || {
        let mut server = Peer::accept(&listener);
        server.head();
        let content = server.exactly(SIZE);
        server.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
        server.send(content);
    });
    let mut client = Peer::connect(worker.address);
    client.send(format!("PUT / HTTP/1.1\r\nHost: e\r\nContent-Length: {SIZE}\r\n\r\n"));
    client.send(&content);
    client.head();
    assert!(client.exactly(SIZE) == content, "the content came back unchanged");
    server.join().expect("the origin server got everything");
}

#[test]
fn nobody_there_is_a_502_and_a_line_in_both_logs() {
    let (listener, address) = origin();
    drop(listener);
    let folder = tempfile::tempdir().expect("a folder");
    let log = logs_in(folder.path(), Severity::Info);
    let server = format!("access_log a.log; location / {{ proxy_pass http://{address}; }}");
    let worker = Worker::with(configuration("", &server), |setup| setup.logging_to(log));
    let mut client = Peer::connect(worker.address);
    client.send("GET /x HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).expect("text");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    drop(worker);
    let access = fs::read_to_string(folder.path().join("access.log")).expect("the log");
    assert!(access.starts_with("127.0.0.1 - - ["), "{access}");
    assert!(access.contains("] \"GET /x HTTP/1.1\" 502 "), "{access}");
    assert_eq!(access.matches('\n').count(), 1, "one line: {access}");
    let errors = fs::read_to_string(folder.path().join("error.log")).expect("the log");
    assert!(errors.contains("Connection refused"), "{errors}");
    assert!(errors.contains("client: 127.0.0.1, server: test, request: \"GET /x HTTP/1.1\""), "{errors}");
}

#[test]
fn a_client_that_leaves_takes_its_upstream_connection_along() {
    let (listener, address) = origin();
    let worker = Worker::start(proxy_to(address));
    let mut client = Peer::connect(worker.address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut server = Peer::accept(&listener);
    server.head();
    drop(client);
    assert_eq!(server.rest(), b"");
}

#[derive(Debug)]
struct ByName(Arc<Location>);

impl Router for ByName {
    fn route(&self, _: &underpass_core::RequestHead<'_>) -> Route {
        Route::Location(Arc::clone(&self.0))
    }
}

/// A configuration whose origin server is looked up for each request.
fn by_name(name: &str, port: u16) -> Config {
    let target = Target::Name { name: name.into(), port, group: GroupId(0) };
    let location = Location::new(Handler::Proxy(Box::new(Proxy::new(target, name))));
    let group = Group::new(name, Vec::new(), KeepAlive::default());
    Config::new(Arc::new(ByName(Arc::new(location))), Arc::new(Upstreams::new(vec![group])))
}

#[test]
fn a_name_is_looked_up() {
    let (listener, address) = origin();
    let worker = Worker::start(by_name("localhost", address.port()));
    let mut client = Peer::connect(worker.address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    let mut server = Peer::accept(&listener);
    assert!(server.head().contains("\r\nHost: localhost\r\n"));
    server.send(ANSWER);
    client.head();
    assert_eq!(client.exactly(5), b"hello");
}

#[test]
fn an_unknown_name_is_a_502() {
    let worker = Worker::start(by_name("nobody.invalid", 80));
    let mut client = Peer::connect(worker.address);
    client.send("GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).expect("text");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[test]
fn connections_come_from_where_they_are_to_come_from() {
    let (listener, address) = origin();
    for (bind, source) in [
        (Bind::Address("127.0.0.3:0".parse().expect("an address")), "127.0.0.3"),
        (Bind::Template(Template::literal("127.0.0.4")), "127.0.0.4"),
        (Bind::Any, "127.0.0.1"),
    ] {
        let mut proxy = Proxy::new(Target::Group(GroupId(0)), "origin");
        proxy.socket.bind = bind;
        proxy.socket.keepalive = true;
        let location = Arc::new(Location::new(Handler::Proxy(Box::new(proxy))));
        let upstreams = Upstreams::new(vec![Group::single("g", address.into())]);
        let worker = Worker::start(Config::new(Arc::new(ByName(location)), Arc::new(upstreams)));
        let mut client = Peer::connect(worker.address);
        client.send("GET / HTTP/1.1\r\nHost: example\r\n\r\n");
        let (_server, from) = listener.accept().expect("a connection");
        assert_eq!(from.ip().to_string(), source);
    }
}

/// J5: a response comes no sooner than its rate lets it, and whole.
#[test]
fn a_rate_is_kept_on_a_real_clock() {
    let (listener, address) = origin();
    let worker = Worker::from_text(
        "",
        &format!("location / {{ limit_rate 20k; proxy_pass http://{address}; send_timeout 1s; }}"),
    );
    let mut client = Peer::connect(worker.address);
    let begin = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut server = Peer::accept(&listener);
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 51200\r\n\r\n");
    server.send([b'x'; 51200]);
    client.head();
    assert_eq!(client.exactly(51200), [b'x'; 51200]);
    // Of 50k at 20k a second, a second's worth comes at once.
    assert!(begin.elapsed() >= Duration::from_millis(1500), "{:?}", begin.elapsed());
}

/// J5: a wrong login waits, and nobody else does.
#[test]
fn a_wrong_login_waits_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let users = folder.path().join("users");
    fs::write(&users, "ann:{PLAIN}secret\n").expect("a file");
    let refusing = Reserved::new();
    let site = Site::start(&format!(
        "error_log error.log; events {{}}
         http {{ access_log off; server {{ listen LISTEN; auth_delay 1s; auth_basic a; auth_basic_user_file {};
         location / {{ proxy_pass http://{}; }} }} }}",
        users.display(),
        refusing.address
    ));
    let ask = |credentials: &str| {
        let mut client = Peer::connect(site.server.address);
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {credentials}\r\n\r\n"));
        client
    };
    let begin = Instant::now();
    let mut wrong = ask("YW5uOndyb25n");
    // Another's login comes and goes while the wrong one waits.
    assert!(ask("YW5uOnNlY3JldA==").head().starts_with("HTTP/1.1 502 "));
    assert!(wrong.head().starts_with("HTTP/1.1 401 "));
    assert!(begin.elapsed() >= Duration::from_secs(1));
}
