//! What an upgrade costs in the core: a browser's request for a WebSocket, from the first byte of the client until it has
//! its 101 and the tunnel is open.
//!
//! `cargo bench -p underpass-benches --bench handshake`. A count of instructions is the same in each run: callgrind on the
//! program that this builds, once with `--profile-time 1`.

mod upgraded;

use std::hint::black_box;

use criterion::Criterion;
use underpass_core::{Buffers, Turn};
use upgraded::{NOW, config, upgraded};

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
    let config = config();
    let mut buffers = Buffers::default();
    criterion.bench_function("handshake with a browser's head", |bencher| {
        bencher.iter(|| {
            let mut turn = Turn { now: NOW, buffers: &mut buffers };
            let session = upgraded(&config, REQUEST, SWITCH, &mut turn);
            assert!(session.has_tunnel());
            black_box(session).recycle(&mut buffers);
        });
    });
    criterion.final_summary();
}
