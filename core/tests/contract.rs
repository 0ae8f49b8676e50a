//! What the contract promises about memory: content is sent from where it was received, work in a steady
//! state allocates nothing, and what is quiet is small.

use std::sync::Arc;

use allocation_counter::measure;
use underpass_core::{
    Address, Buffers, ClientInfo, Connected, Disposal, Fault, Now, Output, Rows, Session, Side, Tick, Tunnel,
    TunnelSecret, TunnelSettings, Turn, config::Config, shared::Lease, trace::Traced,
};
use underpass_testkit::session_world::config_of;

/// What an idle connection may take in all, and a quiet tunnel without what its log lines will need.
const IDLE_BUDGET: usize = 300;
const TUNNEL_BUDGET: usize = 400;

/// What the session of a build with debug assertions has besides: the rows that it has taken, its tunnel's too.
const WATCHED: usize = if cfg!(debug_assertions) { size_of::<Rows>() } else { 0 };

const GET: &[u8] =
    b"GET /index.html HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const POST: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n";
const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n";
const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\r\n";
/// As a browser asks.
const BROWSER: &[u8] = b"GET /chat HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/126.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn content_is_sent_from_where_it_was_received() {
    let mut proxy = Proxy::new();
    proxy.exchange(UPGRADE, SWITCH);
    for (from, bytes) in
        [(Side::Downstream, b"up".as_slice()), (Side::Upstream, b"down"), (Side::Downstream, b"x")]
    {
        let lent = proxy.receive(from, bytes);
        let sent: Vec<_> = proxy
            .session
            .transmit(proxy.session.connection(from.opposite()))
            .iter()
            .map(|s| (s.as_ptr() as usize, s.len()))
            .collect();
        assert_eq!(sent, [(lent, bytes.len())], "in a tunnel, from {from:?}");
        proxy.rest();
    }
    let mut proxy = Proxy::new();
    proxy.session_bytes(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    let lent = proxy.receive(Side::Downstream, b"hello");
    let slices = proxy.session.transmit(proxy.session.connection(Side::Upstream));
    assert_eq!(slices.iter().map(|s| (s.as_ptr() as usize, s.len())).collect::<Vec<_>>(), [(lent, 5)]);
    proxy.rest();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
    let lent =
        proxy.receive(Side::Upstream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello");
    let pieces = proxy.session.transmit(proxy.session.connection(Side::Downstream));
    let content = pieces.iter().find(|slice| &***slice == b"hello").expect("a piece of its own");
    assert_eq!(content.as_ptr() as usize, lent + head.len(), "response content in chunks");
}

#[test]
fn small_chunks_are_joined_in_place() {
    let mut proxy = Proxy::new();
    proxy.session_bytes(GET);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n";
    let mut bytes = head.to_vec();
    bytes.extend_from_slice(b"a\r\n2\r\nbc\r\n3\r\ndef\r\n");
    let lent = proxy.receive(Side::Upstream, &bytes);
    let pieces = proxy.session.transmit(proxy.session.connection(Side::Downstream));
    let content = pieces.iter().find(|slice| &***slice == b"abcdef").expect("the chunks in one piece");
    assert_eq!(content.as_ptr() as usize, lent + head.len());
}

#[test]
fn what_was_lent_stays_while_other_things_are_reported() {
    let mut proxy = Proxy::new();
    proxy.exchange(UPGRADE, SWITCH);
    let lent = proxy.receive(Side::Downstream, b"offered");
    let before = proxy.session.snapshot(Tick(0));
    // A completion shell has the write under way while the other direction and timers go on.
    let space = proxy.lend(Side::Downstream).expect("space behind what is offered");
    assert_eq!(space.0, lent + b"offered".len());
    proxy.receive(Side::Upstream, b"other");
    let turn = &mut Turn { now: now(), buffers: &mut proxy.buffers };
    proxy.session.handle_timeout(turn);
    let offered = proxy.session.transmit(proxy.session.connection(Side::Upstream));
    assert_eq!(
        offered.iter().map(|s| (s.as_ptr() as usize, s.to_vec())).collect::<Vec<_>>(),
        [(lent, b"offered".to_vec())]
    );
    assert!(before.is_tunnel());
}

#[test]
fn keep_alive_exchanges_allocate_nothing_in_a_steady_state() {
    for (name, request, response) in [("GET", GET, OK), ("POST in chunks", POST, CHUNKED)] {
        let mut proxy = Proxy::new();
        for _ in 0..100 {
            proxy.exchange(request, response);
        }
        let done = proxy.exchanges;
        let counted = measure(|| {
            for _ in 0..900 {
                proxy.exchange(request, response);
            }
        });
        assert_eq!(proxy.exchanges - done, 900, "{name}");
        assert_eq!(counted.count_total, 0, "{name}: {counted:?}");
    }
}

#[test]
fn a_rewritten_request_allocates_nothing_in_a_steady_state() {
    let config = config_of(
        "http { access_log off; map $uri $kind { ~^/b/(?<tail>.*)$ t-$tail; default other; }
         server { listen 127.0.0.1:8080; keepalive_requests 10000; set $x $host;
         location / { rewrite ^/(.*)$ /b/$1?x=$x last; }
         location ~ ^/b/(.*)$ { if ($request_method = GET) { set $y $1; } rewrite ^ /c/$y/$kind break;
         proxy_pass http://127.0.0.1:9000; } } }",
    );
    let mut proxy = Proxy::with(Buffers::default(), config);
    for _ in 0..100 {
        proxy.exchange(GET, OK);
    }
    let counted = measure(|| {
        for _ in 0..900 {
            proxy.exchange(GET, OK);
        }
    });
    assert_eq!(proxy.exchanges, 1000);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn answers_of_our_own_allocate_nothing_in_a_steady_state() {
    for answer in
        ["return 200 $uri;", "return 302 /x$uri;", "error_page 404 @page; return 404;", "return 403;"]
    {
        let config = config_of(&format!(
            "http {{ access_log off; server {{ listen 127.0.0.1:8080; keepalive_requests 10000;
             location / {{ {answer} }} location @page {{ return 200 page; }} }} }}"
        ));
        let mut proxy = Proxy::with(Buffers::default(), config);
        (0..100).for_each(|_| proxy.session_bytes(GET));
        let counted = measure(|| (0..900).for_each(|_| proxy.session_bytes(GET)));
        assert_eq!(proxy.exchanges, 1000, "{answer}");
        assert_eq!(counted.count_total, 0, "{answer}: {counted:?}");
    }
}

#[test]
fn heads_changed_in_every_way_allocate_nothing_in_a_steady_state() {
    let config = config_of(
        "http { access_log off; server { listen 127.0.0.1:8080; keepalive_requests 10000; set $to 127.0.0.1;
         location / { proxy_pass http://$to:9000$request_uri; proxy_set_header X-Host $proxy_host;
         proxy_method $request_method; proxy_redirect http://$proxy_host/ /; proxy_redirect ~^http://(.*)$ /$1;
         proxy_cookie_domain $proxy_host $host; proxy_cookie_path ~^/(.*)$ /x/$1; proxy_hide_header X-Secret;
         add_header X-Status $status always; add_header ETag ''; expires 1h; add_trailer X-Sum $status; }
         location /own { add_header X-Uri $uri; add_trailer X-T $host; return 200 text; }
         location /body { proxy_pass http://127.0.0.1:9000; proxy_set_body $request_method; } } }",
    );
    let long = "HTTP/1.1 200 OK\r\nLocation: http://127.0.0.1:9000/a\r\nRefresh: 0; url=http://b/\r\nX-Secret: s\r\n\
                Set-Cookie: a=b; Domain=127.0.0.1:9000; Path=/c\r\nETag: e\r\nContent-Length: 2\r\n\r\nhi";
    let body = "POST /body HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\nhi";
    let mut proxy = Proxy::with(Buffers::default(), config);
    let round = |proxy: &mut Proxy| {
        proxy.exchange(GET, long.as_bytes());
        proxy.exchange(POST, CHUNKED);
        proxy.exchange(body.as_bytes(), long.as_bytes());
        proxy.session_bytes(b"GET /own HTTP/1.1\r\nHost: example.com\r\n\r\n");
    };
    (0..100).for_each(|_| round(&mut proxy));
    let counted = measure(|| (0..900).for_each(|_| round(&mut proxy)));
    assert_eq!(proxy.exchanges, 4000);
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn messages_in_a_tunnel_allocate_nothing() {
    let mut proxy = Proxy::new();
    proxy.exchange(UPGRADE, SWITCH);
    let message = |proxy: &mut Proxy| {
        proxy.receive(Side::Downstream, b"ping");
        proxy.rest();
        proxy.receive(Side::Upstream, b"pong");
        proxy.rest();
    };
    (0..100).for_each(|_| message(&mut proxy));
    let counted = measure(|| (0..900).for_each(|_| message(&mut proxy)));
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!(proxy.sent, [SWITCH_LENGTH + 4000, FORWARDED_LENGTH + 4000]);
}

const SWITCH_LENGTH: usize = SWITCH.len();
const FORWARDED_LENGTH: usize =
    UPGRADE.len() - "Host: example.com".len() + "Host: 127.0.0.1:9000".len() + "Via: 1.1 underpass\r\n".len();

/// Who the client is, is shared with who asks for it.
#[test]
fn what_is_quiet_is_small() {
    let fresh = held("off", |_| {});
    let idle = held("off", |proxy| proxy.exchange(GET, OK));
    // Nothing is reported behind the exchange, and nothing may be for hours.
    let left = held("off", |proxy| proxy.exchange_in_pieces(GET, OK));
    for (name, Held { bytes, pieces }) in [("accepted", fresh), ("idle", idle), ("left", left)] {
        println!("{name}: {bytes} bytes");
        assert!(bytes - WATCHED <= IDLE_BUDGET, "{name}: {bytes} bytes");
        assert_eq!(pieces, 1, "{name}: who the client is, is all that is allocated");
    }
}

/// A quiet tunnel inside of a session. Its log values are the counts and times of its exchange, and what its log lines
/// need of the heads: two pieces.
#[test]
fn a_quiet_tunnel_in_a_session_is_small() {
    let machines = size_of::<Session>() + size_of::<Tunnel>() - 2 * WATCHED;
    assert!(machines <= TUNNEL_BUDGET, "a quiet tunnel takes {machines} bytes");
    let quiet = |proxy: &mut Proxy| {
        proxy.exchange(BROWSER, SWITCH);
        proxy.receive(Side::Downstream, b"\x89\x80\x01\x02\x03\x04");
        proxy.rest();
        proxy.receive(Side::Upstream, b"\x8a\x00");
        proxy.rest();
    };
    // Nothing is reported behind the 101, and nothing may be for hours.
    let opened = |proxy: &mut Proxy| {
        proxy.session_bytes(BROWSER);
        proxy.receive(Side::Upstream, SWITCH);
        // As a pump does with what comes in a tunnel: it is written before the next poll.
        let turn = &mut Turn { now: now(), buffers: &mut proxy.buffers };
        let client = proxy.session.connection(Side::Downstream);
        let count = proxy.session.transmit(client).total();
        proxy.session.handle_sent(client, Ok(count), turn);
        proxy.rest_and(false);
    };
    assert_eq!(held("off", opened).pieces, 5, "a tunnel that nothing has come through yet");
    for log in ["off", "/dev/null combined"] {
        let Held { bytes, pieces } = held(log, quiet);
        let client = size_of::<ClientInfo>() + 2 * size_of::<usize>();
        let kept = bytes - machines - 2 * WATCHED - client;
        println!("a tunnel: {machines} bytes; of its client {client}, log values for {log}: {kept}");
        assert_eq!(pieces, 5, "the client, the tunnel, its frames, counts, and values of the heads");
    }
    // Whatever a line of `upgrade_log` has told goes back behind it.
    let Held { bytes, pieces } = held("off; upgrade_log /dev/null every=1h", quiet);
    assert_eq!(pieces, 6, "clocks besides");
    assert!(bytes <= held("off", quiet).bytes + 88, "clocks are all that lines need");
}

/// A tunnel alone: the machine, and what hangs on it. Its settings are shared.
#[test]
fn a_quiet_tunnel_alone_is_small() {
    let settings = Arc::new(TunnelSettings::default());
    let mut buffers = Buffers::default();
    let turn = &mut Turn { now: now(), buffers: &mut buffers };
    let quiet = |turn: &mut Turn<'_>| {
        let mut tunnel =
            Box::new(Tunnel::new(Arc::clone(&settings), TunnelSecret::new([7; 16]), [b"ahead", b""], turn));
        tunnel.handle_sent(Side::Upstream, Ok(5), turn);
        for side in Side::BOTH {
            let space = tunnel.receive_space(side, turn).expect("bytes are wanted");
            space[..4].copy_from_slice(b"ping");
            tunnel.handle_received(side, Ok(4), turn);
            tunnel.handle_sent(side.opposite(), Ok(4), turn);
            tunnel.receive_space(side, turn).expect("bytes are wanted");
            tunnel.handle_received(side, Err(Fault::WOULD_BLOCK), turn);
        }
        tunnel
    };
    // The worker's store is full.
    quiet(turn).recycle(turn.buffers);
    let mut tunnel = None;
    let counted = measure(|| tunnel = Some(quiet(turn)));
    println!("size_of Tunnel {}; in all {}", size_of::<Tunnel>(), counted.bytes_current);
    assert!(counted.bytes_current <= 400, "a quiet tunnel takes {} bytes", counted.bytes_current);
    assert_eq!(counted.count_total, 1, "the box is all that is allocated for it");
    tunnel.expect("it was made").recycle(turn.buffers);
}

/// K6: a head larger than an IO buffer gives its memory back when its exchange ends or its tunnel opens, and its
/// worker keeps none of it.
#[test]
fn what_was_large_is_quiet_and_small() {
    let config = || {
        config_of(
            "http { access_log off; server { listen 127.0.0.1:8080; large_client_header_buffers 4 64k;
             location / { proxy_pass http://127.0.0.1:9000; proxy_buffer_size 256k;
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; } } }",
        )
    };
    let large = |head: &[u8]| {
        let line = [b"X-Large: ".as_slice(), &[b'x'; 60_000], b"\r\n"].concat();
        let (start, end) = head.split_at(head.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2);
        [start, &line, &line, &line, end].concat()
    };
    for (name, request, response) in [("exchange", GET, OK), ("tunnel", UPGRADE, SWITCH)] {
        // What an ordinary one leaves behind, and what a large one does.
        let left = |request: &[u8], response: &[u8]| {
            let mut kept = None;
            let config = config();
            let counted = measure(|| {
                let mut proxy = Proxy::with(Buffers::default(), config);
                proxy.exchange_in_pieces(request, response);
                kept = Some(proxy);
            });
            (counted.bytes_current, counted.bytes_max)
        };
        let (ordinary, _) = left(request, response);
        let (after, most) = left(&large(request), &large(response));
        assert!(after <= ordinary, "{name}: {after} bytes are left, of an ordinary one {ordinary}");
        // The head as it comes, which may be twice as large as what has come, a copy, and the head as it is sent.
        assert!(most <= 5 * 180_000, "{name}: {most} bytes at a time");
    }
}

#[test]
fn what_a_session_held_goes_back_to_its_worker() {
    // A head, content behind it that waits, and what is to be written to the origin server.
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc";
    let Proxy { mut buffers, config, .. } = Proxy::new();
    for round in 0..3 {
        let mut proxy = Proxy::with(buffers, Arc::clone(&config));
        let counted = measure(|| {
            proxy.receive(Side::Downstream, head);
        });
        // Scratch space finds its place with the second.
        assert!(
            round < 2 || counted.count_total == 0,
            "session {round} takes {counted:?}, though all is there"
        );
        Proxy { buffers, .. } = proxy;
        // A session that may be traced gives back as much.
        Traced::from(proxy.session).recycle(&mut buffers);
    }
}

/// What a session takes.
struct Held {
    /// Its own size, and what it holds on the heap.
    bytes: usize,
    /// Pieces of the heap.
    pieces: u64,
}

/// What a session has after this, with an access log like that; what it shares with others is not its own.
fn held(log: &str, work: impl Fn(&mut Proxy)) -> Held {
    let mut proxy = Proxy::with(Buffers::default(), logged(log));
    work(&mut proxy);
    let Proxy { session, config: _config, lease: _lease, .. } = proxy;
    let freed = measure(|| drop(session));
    let bytes = usize::try_from(-freed.bytes_current).expect("it is freed");
    Held {
        bytes: size_of::<Session>() + bytes,
        pieces: u64::try_from(-freed.count_current).expect("they are freed"),
    }
}

/// A shell that allocates nothing itself: all is written at once, and the origin server answers in one piece.
struct Proxy {
    session: Session,
    buffers: Buffers,
    config: Arc<Config>,
    lease: Option<Lease>,
    idle: bool,
    /// Bytes sent to each side.
    sent: [usize; 2],
    exchanges: usize,
}

impl Proxy {
    fn new() -> Self {
        Self::with(Buffers::default(), logged("off"))
    }

    fn with(buffers: Buffers, config: Arc<Config>) -> Self {
        let address = |text: &str| Address::Ip(text.parse().expect("an address"));
        let client = ClientInfo::new(address("127.0.0.1:50000"), address("127.0.0.1:8080"), 1, [0; 16]);
        let session = Session::new(Arc::clone(&config), client, now());
        Self { session, buffers, config, lease: None, idle: false, sent: [0; 2], exchanges: 0 }
    }

    /// One request and its response.
    fn exchange(&mut self, request: &[u8], response: &[u8]) {
        self.session_bytes(request);
        self.receive(Side::Upstream, response);
        self.rest();
    }

    /// The same, as large as it may be: what there is room for comes at once.
    fn exchange_in_pieces(&mut self, request: &[u8], response: &[u8]) {
        for (side, mut bytes) in [(Side::Downstream, request), (Side::Upstream, response)] {
            while !bytes.is_empty() {
                let (_, room) = self.lend(side).expect("space to receive into");
                let (piece, rest) = bytes.split_at(room.min(bytes.len()));
                self.receive(side, piece);
                // A shell that has found nothing to read in this turn doesn't look again.
                self.rest_and(false);
                bytes = rest;
            }
        }
    }

    fn session_bytes(&mut self, bytes: &[u8]) {
        self.receive(Side::Downstream, bytes);
        self.rest();
    }

    fn lend(&mut self, from: Side) -> Option<(usize, usize)> {
        let turn = &mut Turn { now: now(), buffers: &mut self.buffers };
        self.session
            .receive_space(self.session.connection(from), turn)
            .map(|space| (space.as_ptr() as usize, space.len()))
    }

    /// Bytes come in; says where they lie.
    fn receive(&mut self, from: Side, bytes: &[u8]) -> usize {
        let turn = &mut Turn { now: now(), buffers: &mut self.buffers };
        let space =
            self.session.receive_space(self.session.connection(from), turn).expect("space to receive into");
        space[..bytes.len()].copy_from_slice(bytes);
        let lent = space.as_ptr() as usize;
        self.session.handle_received(self.session.connection(from), Ok(bytes.len()), turn);
        lent
    }

    /// Obeys, writes everything, and finds nothing to read, until all is quiet.
    fn rest(&mut self) {
        self.rest_and(true);
    }

    /// The same; whether it looks for something to read.
    fn rest_and(&mut self, reads: bool) {
        loop {
            let turn = &mut Turn { now: now(), buffers: &mut self.buffers };
            let wait = match self.session.poll_output() {
                Output::Wait(wait) => wait,
                Output::Connect(dial) => {
                    let choice = self.session.choose(&dial, now().tick).expect("a peer");
                    self.lease = Some(self.session.handle_chosen(&dial, choice, turn));
                    let reused = std::mem::take(&mut self.idle);
                    let connected = if reused { Connected::Reused } else { Connected::Fresh };
                    self.session.handle_connected(dial, Ok(connected), turn);
                    continue;
                }
                Output::Release(_, verdict, disposal) => {
                    self.lease.take().expect("a lease").report(verdict, now().tick);
                    self.idle = disposal == Disposal::Pool;
                    continue;
                }
                Output::ExchangeDone => {
                    self.exchanges += 1;
                    self.session.forget_exchange(turn.buffers);
                    continue;
                }
                Output::Judge(_) | Output::LogTunnel(_) => {
                    self.session.forget_exchange(turn.buffers);
                    continue;
                }
                Output::Note(_) => continue,
                other => panic!("{other:?}"),
            };
            let mut moved = wait.deadline.is_some_and(|deadline| deadline < now().tick);
            if moved {
                self.session.handle_timeout(turn);
            }
            for side in Side::BOTH {
                let count = if wait.writes(side) {
                    self.session.transmit(self.session.connection(side)).total()
                } else {
                    0
                };
                if count > 0 {
                    self.session.handle_sent(self.session.connection(side), Ok(count), turn);
                    self.sent[side as usize] += count;
                    moved = true;
                }
                if reads
                    && wait.reads(side)
                    && self.session.receive_space(self.session.connection(side), turn).is_some()
                {
                    self.session.handle_received(
                        self.session.connection(side),
                        Err(Fault::WOULD_BLOCK),
                        turn,
                    );
                }
            }
            if !moved {
                return;
            }
        }
    }
}

fn logged(log: &str) -> Arc<Config> {
    config_of(&format!(
        "http {{ access_log {log}; server {{ listen 127.0.0.1:8080; keepalive_requests 10000;
         location / {{ proxy_pass http://127.0.0.1:9000; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection \"upgrade\"; }} }} }}",
    ))
}

fn now() -> Now {
    Now { tick: Tick(1_000_000), unix_ms: 784_111_777_000, utc_offset_min: 0 }
}
