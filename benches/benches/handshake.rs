//! What an upgrade costs in the core: a browser's request for a WebSocket, from the first byte of the client until it has
//! its 101 and the tunnel is open.
//!
//! `cargo bench -p underpass-benches --bench handshake`. A count of instructions is the same in each run: callgrind on the
//! program that this builds, once with `--profile-time 1`.

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use underpass_core::{
    Address, Buffers, ClientInfo, Connected, Now, Output, Session, Side, Tick, Turn, Wait, config::Config,
};

/// As a browser sends it.
const REQUEST: &[u8] = b"GET /socket?room=7 HTTP/1.1\r\n\
    Host: chat.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let origin: std::net::SocketAddr = "127.0.0.1:9000".parse().expect("an address");
    let config = Arc::new(Config::proxy_to(Address::Ip(origin), "origin"));
    let now = Now { tick: Tick(1), unix_ms: 784_111_777_000, utc_offset_min: 0 };
    let mut buffers = Buffers::default();
    criterion.bench_function("handshake with a browser's head", |bencher| {
        bencher.iter(|| {
            let mut turn = Turn { now, buffers: &mut buffers };
            let session = upgraded(&config, origin, &mut turn);
            assert!(session.has_tunnel());
            black_box(session).recycle(&mut buffers);
        });
    });
    criterion.final_summary();
}

/// A session whose exchange has become a tunnel. The shell's part is done as cheaply as it can be.
fn upgraded(config: &Arc<Config>, origin: std::net::SocketAddr, turn: &mut Turn<'_>) -> Session {
    let client = ClientInfo::new(Address::Ip(origin), Address::Ip(origin), 1, [7; 16]);
    let mut session = Session::new(Arc::clone(config), client, turn.now);
    receive(&mut session, Side::Downstream, REQUEST, turn);
    let Output::Connect(dial) = session.poll_output() else { panic!("a dial is due") };
    let choice = session.choose(&dial, turn.now.tick).expect("a peer");
    // The lease goes with the connection, of which there is none.
    drop(session.handle_chosen(&dial, choice, turn));
    session.handle_connected(dial, Ok(Connected::Fresh), turn);
    send(&mut session, Side::Upstream, turn);
    receive(&mut session, Side::Upstream, SWITCH, turn);
    send(&mut session, Side::Downstream, turn);
    session
}

fn receive(session: &mut Session, from: Side, bytes: &[u8], turn: &mut Turn<'_>) {
    session.receive_space(session.connection(from), turn).expect("bytes are wanted")[..bytes.len()]
        .copy_from_slice(bytes);
    session.handle_received(session.connection(from), Ok(bytes.len()), turn);
}

fn send(session: &mut Session, to: Side, turn: &mut Turn<'_>) {
    assert!(wait(session).writes(to));
    let count = black_box(session.transmit(session.connection(to))).total();
    session.handle_sent(session.connection(to), Ok(count), turn);
}

fn wait(session: &mut Session) -> Wait {
    loop {
        match session.poll_output() {
            Output::Wait(wait) => return wait,
            Output::Note(_) | Output::Judge(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
