//! Requests through sessions of a loaded configuration: who answers, and what an origin server gets.

mod common;

use std::sync::Arc;

use common::options;
use underpass_core::{
    Address, Buffers, ClientInfo, Connected, Now, Output, Session, Side, Tick, Turn, config::Config,
};
use underpass_nginx_config::{Loaded, load_text};

const ROUTING: &str = "http {
    map $host $who { default other; ONE.test first; two.test \"second $request_method\"; }
    map $http_upgrade $connection_upgrade { default upgrade; '' close; }
    upstream group { server 192.0.2.1:9000; }
    server {
        listen 80;
        server_name one.test ONE.example;
        location / { return 200 \"one $Who\"; }
    }
    server {
        listen 80 default_server;
        server_name two.test;
        location / { return 200 root; }
        location = / { return 200 'exactly root'; }
        location /docs/ { return 200 docs; }
        location /docs/deep { return 200 deep; }
        location = /docs/deep/exact { return 200 exact; }
        location /map { return 200 $who; }
        location /moved { return 301 /elsewhere; }
        location /as-is/ { proxy_pass http://group; }
        location /with-uri/ { proxy_pass http://group/changed/; }
        location /chat/ {
            proxy_pass http://192.0.2.2;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Given '$scheme $request_uri';
        }
    }
    server { listen 80; server_name ''; return 200 nameless; }
    server { listen 81; location /x { return 200 x; } }
}";

fn loaded() -> Loaded {
    load_text("f", ROUTING, &options()).expect("loads")
}

/// What one request comes to.
#[derive(Default)]
struct Result {
    client: String,
    peer: Option<Address>,
    origin: String,
}

impl Result {
    fn content(&self) -> &str {
        self.client.split_once("\r\n\r\n").expect("a response").1
    }
}

/// Gives `request` to a session, and to the origin server what it wants to have; it never answers.
fn request(config: &Arc<Config>, request: &str) -> Result {
    let address = |text: &str| Address::Ip(text.parse().expect("an address"));
    let client = ClientInfo::new(address("198.51.100.1:50000"), address("198.51.100.2:80"), 1, [7; 16]);
    let now = Now { tick: Tick(0), unix_ms: 0, utc_offset_min: 0 };
    let mut buffers = Buffers::default();
    let mut session = Session::new(Arc::clone(config), client, now);
    let mut rest = request.as_bytes();
    let mut result = Result::default();
    let mut sent: [Vec<u8>; 2] = Default::default();
    for _ in 0..1000 {
        let turn = &mut Turn { now, buffers: &mut buffers };
        match session.poll_output() {
            Output::Connect(dial) => {
                let choice = session.choose(&dial, now.tick).expect("a peer");
                let lease = session.handle_chosen(&dial, choice, turn);
                result.peer = Some(lease.address().clone());
                session.handle_connected(dial, Ok(Connected::Fresh), turn);
            }
            Output::Wait(wait) => {
                let mut moved = false;
                for (side, sent) in Side::BOTH.into_iter().zip(&mut sent) {
                    if wait.writes(side) {
                        let before = sent.len();
                        session
                            .transmit(session.connection(side))
                            .iter()
                            .for_each(|slice| sent.extend_from_slice(slice));
                        moved |= sent.len() > before;
                        session.handle_sent(session.connection(side), Ok(sent.len() - before), turn);
                    }
                }
                if !rest.is_empty() && wait.reads(Side::Downstream) {
                    let space =
                        session.receive_space(session.connection(Side::Downstream), turn).expect("space");
                    let size = space.len().min(rest.len());
                    space[..size].copy_from_slice(&rest[..size]);
                    rest = &rest[size..];
                    session.handle_received(session.connection(Side::Downstream), Ok(size), turn);
                    moved = true;
                }
                if !moved {
                    break;
                }
            }
            Output::Done => break,
            _ => {}
        }
    }
    let [client, origin] = sent.map(|bytes| String::from_utf8(bytes).expect("text"));
    Result { client, origin, ..result }
}

fn get(host: &str, path: &str) -> Result {
    request(&loaded().listeners[0].config, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

#[test]
fn hosts_and_paths_find_their_location() {
    for (host, path, content) in [
        ("one.test", "/any", "one first"),
        ("One.Example:8080", "/any", "one other"),
        ("two.test", "/any", "root"),
        ("unknown.test", "/", "exactly root"),
        ("two.test", "/docs/", "docs"),
        ("two.test", "/docs/deeper", "deep"),
        ("two.test", "/docs/deep/exact", "exact"),
        ("two.test", "/map", "second GET"),
    ] {
        assert_eq!(get(host, path).content(), content, "{host}{path}");
    }
}

#[test]
fn a_request_without_a_host_goes_to_the_nameless_server() {
    let config = &loaded().listeners[0].config;
    assert_eq!(request(config, "GET / HTTP/1.0\r\n\r\n").content(), "nameless");
}

#[test]
fn each_socket_has_its_own_servers() {
    let config = &loaded().listeners[1].config;
    let get = |path| request(config, &format!("GET {path} HTTP/1.1\r\nHost: two.test\r\n\r\n")).client;
    assert!(get("/x").ends_with("\r\n\r\nx"));
    assert!(get("/docs/").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_redirect_has_its_location() {
    let response = get("two.test", "/moved").client;
    assert!(response.starts_with("HTTP/1.1 301 "), "{response}");
    assert!(response.contains("/elsewhere\r\n"), "{response}");
}

#[test]
fn origin_servers_get_what_proxy_pass_says() {
    let as_is = get("two.test", "/as-is/a%20b?c=d");
    assert_eq!(as_is.peer, Some(Address::Ip(([192, 0, 2, 1], 9000).into())));
    assert!(as_is.origin.starts_with("GET /as-is/a%20b?c=d HTTP/1.1\r\n"), "{}", as_is.origin);
    assert!(as_is.origin.contains("\r\nHost: group\r\n"), "{}", as_is.origin);
    let with_uri = get("two.test", "/with-uri/a?c=d").origin;
    assert!(with_uri.starts_with("GET /changed/a?c=d HTTP/1.1\r\n"), "{with_uri}");
}

#[test]
fn the_page_s_recipe_asks_for_the_upgrade() {
    let handshake = "GET /chat/x HTTP/1.1\r\nHost: two.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let result = request(&loaded().listeners[0].config, handshake);
    let head = result.origin.to_ascii_lowercase();
    assert_eq!(result.peer, Some(Address::Ip(([192, 0, 2, 2], 80).into())));
    for line in ["\r\nupgrade: websocket\r\n", "\r\nconnection: upgrade\r\n", "\r\nx-given: http /chat/x\r\n"]
    {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    assert!(head.contains("\r\nhost: 192.0.2.2\r\n"), "{head}");
}
