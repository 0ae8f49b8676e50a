//! Everything that can happen to a session, in any order: it keeps its contract, sends nothing that can't be read,
//! opens no tunnel that wasn't agreed on, and ends.

use std::time::Duration;

use crate::{
    session_world::{Connect, End, Order, World, config_of},
    strict::{read_request, read_response},
};
use arbitrary::{Arbitrary, Unstructured};

const CONFIG: &str = "http { log_format f '$status $request $bytes_sent $request_time $upstream_status';
    access_log log f; client_max_body_size 8; client_header_timeout 2s;
    upstream o { server 127.0.0.1:9000; server 127.0.0.1:9001 backup; keepalive 2; }
    server { listen 127.0.0.1:8080; keepalive_timeout 2s; keepalive_requests 3;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; proxy_read_timeout 1s;
    location / { proxy_pass http://o; }
    location /e { proxy_intercept_errors on; error_page 500 502 504 = @e; proxy_pass http://o; }
    location @e { proxy_pass http://o; }
    location /i { proxy_ignore_client_abort on; proxy_pass http://o; }
    location /t { tunnel_pass 127.0.0.1:9000; } } }";

/// What clients and origin servers say, sense and nonsense.
const WORDS: [&[u8]; 32] = [
    b"GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 101 S\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /e HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"GET /i HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    b"GET /t HTTP/1.1\r\nHost: a\r\n\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: y\r\n\r\n",
    b"hello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 205 Reset\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 304 N\r\n\r\n",
    b"HTTP/1.1 426 U\r\nUpgrade: foo\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 S\r\nUpgrade: bar\r\nConnection: upgrade\r\n\r\n",
    b"\r\n",
    b"\n",
    b"\0",
];

/// Something happens, to the client (`true`) or to the origin server.
#[derive(Clone, Debug, Arbitrary)]
enum Happening {
    Word(bool, u8),
    /// A word in part.
    Piece(bool, u8, u8),
    Bytes(bool, Vec<u8>),
    Ends(bool),
    Resets(bool),
    Window(bool, u8),
    AnyWindow(bool),
    Elapses(u16),
    Deadline,
    Accepts,
    Refuses,
    Hangs,
    Drains(Option<u16>),
}

#[derive(Debug, Arbitrary)]
struct Play {
    splices: bool,
    order: u8,
    happenings: Vec<Happening>,
}

pub(super) fn check(bytes: &[u8]) {
    let Ok(play) = Play::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let mut world = World::with_buffers(config_of(CONFIG), 1024);
    world.splices = play.splices;
    world.order = Order::ALL[usize::from(play.order) % Order::ALL.len()];
    let mut said = Vec::new();
    for happening in play.happenings.iter().take(100) {
        happens(&mut world, happening, &mut said);
    }
    world.wind_up();
    judge(&world, &said);
}

fn happens(world: &mut World, happening: &Happening, said: &mut Vec<Vec<u8>>) {
    let word = |number: u8| WORDS[usize::from(number) % WORDS.len()];
    match *happening {
        Happening::Word(client, number) => says(world, client, word(number), said),
        Happening::Piece(client, number, length) => {
            let word = word(number);
            says(world, client, &word[..usize::from(length) % (word.len() + 1)], said);
        }
        Happening::Bytes(client, ref bytes) => says(world, client, bytes, said),
        Happening::Ends(client) => at(world, client, End::end),
        Happening::Resets(client) => at(world, client, End::reset),
        Happening::Window(client, window) => at(world, client, |end| end.set_window(window.into())),
        Happening::AnyWindow(client) => at(world, client, |end| end.set_window(usize::MAX)),
        Happening::Elapses(ms) => world.elapse(Duration::from_millis(ms.into())),
        Happening::Deadline => {
            world.elapse_to_deadline();
        }
        Happening::Accepts => dial(world, Connect::Accept),
        Happening::Refuses => dial(world, Connect::Refuse),
        Happening::Hangs => dial(world, Connect::Hang),
        Happening::Drains(within) => world.drain(within.map(|ms| Duration::from_millis(ms.into()))),
    }
    world.run();
}

fn says(world: &mut World, client: bool, bytes: &[u8], said: &mut Vec<Vec<u8>>) {
    if let (false, Some(index)) = (client, world.upstream()) {
        said.resize(world.origins.len().max(said.len()), Vec::new());
        said[index].extend_from_slice(bytes);
    }
    at(world, client, |end| end.send(bytes));
}

fn at(world: &mut World, client: bool, act: impl FnOnce(&mut End)) {
    match (client, world.upstream()) {
        (true, _) => act(&mut world.client),
        (false, Some(index)) => act(&mut world.origins[index].end),
        (false, None) => {}
    }
}

fn dial(world: &mut World, connect: Connect) {
    if world.is_out() {
        world.answer_dial(connect);
    } else {
        world.connects_else = connect;
    }
}

/// What crossed can be read by those who forgive nothing; `said` is what each upstream connection brought.
fn judge(world: &World, said: &[Vec<u8>]) {
    let mut agreed = false;
    for (number, origin) in world.origins.iter().enumerate() {
        let mut rest = origin.end.received();
        let brought = said.get(number).map_or(&[][..], Vec::as_slice);
        // Behind an upgrade there may be a tunnel, but only if the origin server ever said 101; behind a
        // connection that was dialled for CONNECT everything is one.
        let switched = brought.windows(13).any(|window| window.starts_with(b"HTTP/1.1 101 "));
        agreed |= switched;
        while !rest.is_empty() {
            match read_request(rest) {
                Ok(Some(request)) if request.offers_upgrade() && switched => break,
                Ok(Some(request)) => rest = request.whole.map_or(&[], |length| &rest[length..]),
                Ok(None) => break,
                Err(_) if is_connected(world) => break,
                Err(fault) => panic!("the origin server can't read what it got: {fault}"),
            }
        }
    }
    let tunnels = world.exchanges.iter().filter(|exchange| exchange.tunnel.is_some()).count();
    assert!(tunnels <= 1, "{tunnels} tunnels on one connection");
    assert!(tunnels == 0 || agreed || is_connected(world), "a tunnel that no origin server agreed on");
    let mut rest = world.client.received();
    while !rest.is_empty() {
        match read_response(rest, "GET") {
            Ok(Some(response)) if response.status == 101 || is_connected(world) => break,
            Ok(Some(response)) => rest = response.whole.map_or(&[], |length| &rest[length..]),
            Ok(None) => break,
            Err(fault) => panic!("the client can't read what it got: {fault}"),
        }
    }
}

/// Whether a tunnel was opened for CONNECT.
fn is_connected(world: &World) -> bool {
    world.exchanges.iter().any(|exchange| exchange.tunnel.is_some() && exchange.status == 200)
}

pub(super) fn seeds() -> Vec<(String, Vec<u8>)> {
    // Bytes of every kind, so that the search begins with plays of some length.
    let ramp =
        |step: usize| (0..600).map(|at| u8::try_from(at * step % 251).unwrap_or(0)).collect::<Vec<u8>>();
    (1..12).map(|step| (format!("ramp-{step}"), ramp(step))).collect()
}
