//! What may happen in each exploration.

use std::sync::OnceLock;

use underpass_testkit::{
    explore::{Alphabet, Explored, History, explore},
    session_world::{Completion, Connect, World},
};

use super::{
    holds, holds_alone, holds_frames, holds_without_half_close,
    web_sockets::{ANSWERS_IN_PIECES, CLOSES, LIMITS, PINGS, RELAYED_PINGS, SILENCE, VIOLATIONS, WINDOWS},
    worlds::{PROXY, alone, proxy_with, world},
};

const UPGRADE: &[u8] = b"GET /u HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const PLAIN: &[u8] = b"GET /p HTTP/1.1\r\nHost: a\r\n\r\n";
const BAD: &[u8] = b"GET /b HTTP/1.1\r\nHost : a\r\n\r\n";
const POST: &[u8] = b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
const EMPTY_POST: &[u8] = b"POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
const OWN_POST: &[u8] = b"POST /own HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
const PUT: &[u8] = b"PUT /d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
const EXPECTANT: &[u8] = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
const CHUNKED_POST: &[u8] = b"POST /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const UPGRADE_WITH_CONTENT: &[u8] =
    b"PUT /v HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\n";
const CONNECT: &[u8] = b"CONNECT origin.example:9000 HTTP/1.1\r\nHost: origin.example:9000\r\n\r\n";
const CONNECT_ADDRESS: &[u8] = b"CONNECT 127.0.0.1:9000 HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n";

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n";
const OTHER_SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: bar\r\nConnection: upgrade\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
const OK_AND_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
const NOTHING: &[u8] = b"HTTP/1.1 204 No\r\n\r\n";
const ERROR: &[u8] = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
const TIMEOUT: &[u8] = b"HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const UNTIL_CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\n\r\n";
const GARBAGE: &[u8] = b"HTTP/9 what\r\n\r\n";
const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

const CHUNK: &[u8] = b"1\r\nx\r\n";
const HALF_CHUNK: &[u8] = b"2\r\ny";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const TRAILERS: &[u8] = b"0\r\nT: u\r\n\r\n";
const NO_CHUNK: &[u8] = b"z\r\n";

/// One exploration.
pub(crate) struct Exploration {
    /// As the report has it.
    pub(crate) name: &'static str,
    begins: fn() -> World,
    alphabet: fn() -> Alphabet,
    holds: fn(&World, &History) -> u64,
    explored: OnceLock<Explored>,
}

impl Exploration {
    pub(super) const fn of_frames(
        name: &'static str,
        begins: fn() -> World,
        alphabet: fn() -> Alphabet,
    ) -> Self {
        Self { name, begins, alphabet, holds: holds_frames, explored: OnceLock::new() }
    }

    const fn new(name: &'static str, begins: fn() -> World, alphabet: fn() -> Alphabet) -> Self {
        Self { name, begins, alphabet, holds, explored: OnceLock::new() }
    }

    /// Explores, or waits until that is done.
    pub(crate) fn explored(&self) -> &Explored {
        self.explored.get_or_init(|| explore(&(self.begins)(), &(self.alphabet)(), &self.holds))
    }
}

/// Whether the larger alphabets are explored, which takes minutes.
pub(super) fn deep() -> bool {
    std::env::var_os("UNDERPASS_EXPLORE_DEEP").is_some()
}

/// All of them.
pub(crate) static ALL: [&Exploration; 25] = [
    &ONE_EXCHANGE,
    &TWO_EXCHANGES,
    &TWO_LOCATIONS,
    &TUNNEL,
    &STRICT_TUNNEL,
    &REQUEST_CONTENT,
    &REQUEST_CHUNKS,
    &RESPONSE_CONTENT,
    &UPGRADE_CONTENT,
    &NEXT_PEER,
    &LATE_REPORTS,
    &POOL,
    &ERRANDS,
    &CONNECTS,
    &GREETING,
    &PIECES,
    &TUNNEL_ALONE,
    &PINGS,
    &RELAYED_PINGS,
    &ANSWERS_IN_PIECES,
    &CLOSES,
    &WINDOWS,
    &LIMITS,
    &SILENCE,
    &VIOLATIONS,
];

pub(crate) static ONE_EXCHANGE: Exploration = Exploration::new(
    "one-exchange",
    || proxy_with(""),
    || Alphabet {
        client: vec![&[UPGRADE, PLAIN, BAD]],
        origin: vec![&[SWITCH, OTHER_SWITCH, OK, UNTIL_CLOSE, CONTINUE, GARBAGE]; 2],
        bytes: [1, 1],
        stalls: 1,
        ..Alphabet::default()
    },
);

pub(crate) static TWO_EXCHANGES: Exploration = Exploration::new(
    "two-exchanges",
    || proxy_with(""),
    || Alphabet {
        client: vec![&[UPGRADE, PLAIN]; 2],
        origin: vec![&[SWITCH, OK, OK_AND_CLOSE]; 2],
        bytes: [1, 1],
        stalls: u8::from(deep()),
        ..Alphabet::default()
    },
);

/// An error page takes requests over, from an origin server and from every errand.
pub(crate) static TWO_LOCATIONS: Exploration = Exploration::new(
    "two-locations",
    || {
        let mut world = world(
            "limit_conn_zone $remote_addr zone=z:1m;",
            "",
            &format!(
                "location / {{ resolver 127.0.0.1; set $name origin.example; limit_conn z 1;
                 proxy_pass http://$name:9000; proxy_set_header Upgrade $http_upgrade;
                 proxy_set_header Connection upgrade;
                 proxy_intercept_errors on; error_page 403 500 502 504 = @second; }}
                 location = /gone {{ error_page 410 = @second; return 410; }}
                 location @second {{ {PROXY} }}"
            ),
        );
        (world.admission, world.addresses) = (None, None);
        world
    },
    || Alphabet {
        client: vec![&[UPGRADE, UPGRADE_WITH_CONTENT, PLAIN, b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n"]],
        origin: vec![&[SWITCH, OK, ERROR]; 2],
        bytes: [1, 1],
        ..Alphabet::default()
    },
);

pub(crate) static TUNNEL: Exploration = Exploration::new("tunnel", || tunnel(""), tunnel_alphabet);

/// Either end ends both, and a reset is passed on.
pub(crate) static STRICT_TUNNEL: Exploration = Exploration {
    name: "strict-tunnel",
    begins: || tunnel("upgrade_half_close off; upgrade_relay_reset on; proxy_ignore_client_abort on;"),
    alphabet: || Alphabet { bytes: [2, 2], ..tunnel_alphabet() },
    holds: holds_without_half_close,
    explored: OnceLock::new(),
};

/// A tunnel whose handshake was done elsewhere: no session is around it.
pub(crate) static TUNNEL_ALONE: Exploration = Exploration {
    name: "tunnel-alone",
    begins: alone,
    alphabet: || Alphabet {
        client: Vec::new(),
        origin: Vec::new(),
        bytes: if deep() { [3, 3] } else { [2, 2] },
        ..tunnel_alphabet()
    },
    holds: holds_alone,
    explored: OnceLock::new(),
};

fn tunnel(more: &str) -> World {
    let mut world = proxy_with(more);
    world.connects_else = Connect::Accept;
    world
}

fn tunnel_alphabet() -> Alphabet {
    Alphabet {
        client: vec![&[UPGRADE]],
        origin: vec![&[SWITCH]],
        bytes: [3, 3],
        stalls: 1,
        ..Alphabet::default()
    }
}

pub(crate) static REQUEST_CONTENT: Exploration = Exploration::new(
    "request-content",
    || world("", "", &format!("location / {{ {PROXY} }} location /own {{ return 204; }}")),
    || Alphabet {
        client: vec![&[POST, EXPECTANT, OWN_POST]],
        origin: vec![&[OK, OK_AND_CLOSE, CONTINUE, NOTHING]; 2],
        bytes: if deep() { [3, 1] } else { [2, 1] },
        stalls: 1,
        drains: deep(),
        ..Alphabet::default()
    },
);

pub(crate) static REQUEST_CHUNKS: Exploration = Exploration::new(
    "request-chunks",
    || proxy_with(""),
    || Alphabet {
        client: vec![
            &[CHUNKED_POST],
            &[CHUNK, HALF_CHUNK, NO_CHUNK],
            &[CHUNK, LAST_CHUNK, TRAILERS],
            &[LAST_CHUNK],
        ],
        origin: vec![&[NOTHING, OK_AND_CLOSE]],
        bytes: [1, 1],
        stalls: 1,
        drains: deep(),
        ..Alphabet::default()
    },
);

pub(crate) static RESPONSE_CONTENT: Exploration = Exploration::new(
    "response-content",
    || proxy_with(""),
    || Alphabet {
        client: vec![&[PLAIN]],
        origin: vec![
            &[CHUNKED, LENGTH, UNTIL_CLOSE],
            &[CHUNK, HALF_CHUNK, NO_CHUNK],
            &[LAST_CHUNK, TRAILERS],
        ],
        bytes: if deep() { [1, 3] } else { [0, 3] },
        stalls: 1,
        drains: deep(),
        ..Alphabet::default()
    },
);

/// The origin server may agree before the request has come whole (A9).
pub(crate) static UPGRADE_CONTENT: Exploration = Exploration::new(
    "upgrade-content",
    || proxy_with(""),
    || Alphabet {
        client: vec![&[UPGRADE_WITH_CONTENT]],
        origin: vec![&[SWITCH, OK, CONTINUE], &[SWITCH]],
        bytes: [2, 1],
        stalls: 1,
        ..Alphabet::default()
    },
);

/// Another peer of the group is asked.
pub(crate) static NEXT_PEER: Exploration = Exploration::new("next-peer", two_peers, || Alphabet {
    client: vec![&[UPGRADE, PLAIN, EMPTY_POST, POST, PUT]],
    origin: vec![&[ERROR, GARBAGE, HINTS, OK], &[ERROR, SWITCH, OK]],
    bytes: [2, 1],
    ..Alphabet::default()
});

fn two_peers() -> World {
    world(
        // Which peer is first must not depend on what was explored before.
        "upstream g { hash x; server 127.0.0.1:9000 max_fails=0; server 127.0.0.1:9001 max_fails=0; }",
        "",
        "location / { proxy_pass http://g; proxy_set_header Upgrade $http_upgrade;
         proxy_set_header Connection upgrade;
         proxy_next_upstream error timeout invalid_header http_500; }",
    )
}

/// Reads and writes complete, and those of a connection that was given up come back at any time after that, or never.
pub(crate) static LATE_REPORTS: Exploration = Exploration::new(
    "late-reports",
    || {
        let mut world = two_peers();
        world.completion = Some(Completion::on_command());
        world.connects_else = Connect::Accept;
        world
    },
    || Alphabet {
        client: vec![&[UPGRADE, PLAIN, PUT]],
        origin: vec![&[ERROR, OK], &[SWITCH, OK]],
        bytes: if deep() { [1, 1] } else { [1, 0] },
        stalls: 1,
        drains: deep(),
        ..Alphabet::default()
    },
);

/// Connections are kept, used again, and turn out to be stale.
pub(crate) static POOL: Exploration = Exploration::new(
    "pool",
    || {
        let mut world = proxy_with("");
        world.connects_else = Connect::Accept;
        world
    },
    || Alphabet {
        client: vec![&[PLAIN], &[PLAIN, EMPTY_POST, UPGRADE]],
        origin: vec![&[NOTHING, OK], &[NOTHING, TIMEOUT, SWITCH], &[NOTHING]],
        bytes: [0, 1],
        stalls: 1,
        drains: deep(),
        pooled_ends: true,
        ..Alphabet::default()
    },
);

/// Names are looked up, and requests ask to be admitted.
pub(crate) static ERRANDS: Exploration = Exploration::new(
    "errands",
    || {
        let mut world = world(
            "limit_conn_zone $remote_addr zone=z:1m;",
            "",
            &format!(
                "location / {{ limit_conn z 1; {PROXY} }}
                 location = /p {{ resolver 127.0.0.1; set $name origin.example; limit_conn z 1;
                 proxy_pass http://$name:9000; }}
                 location = /gone {{ return 410; }}
                 location = /away {{ return 444; }}"
            ),
        );
        (world.admission, world.addresses) = (None, None);
        world
    },
    || Alphabet {
        client: vec![
            &[
                UPGRADE,
                PLAIN,
                b"GET /gone HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /away HTTP/1.1\r\nHost: a\r\n\r\n",
            ];
            2
        ],
        origin: vec![&[SWITCH, NOTHING]; 2],
        ..Alphabet::default()
    },
);

/// Tunnels that nobody upgrades to.
pub(crate) static CONNECTS: Exploration = Exploration::new(
    "connect",
    || {
        let mut world = world("", "", "location / { tunnel_pass; tunnel_allow 127.0.0.0/8 9000; }");
        world.addresses = None;
        world
    },
    || Alphabet {
        client: vec![&[CONNECT, CONNECT_ADDRESS, PLAIN]],
        bytes: [2, 2],
        stalls: 1,
        ..Alphabet::default()
    },
);

/// Another proxy stands in front, and says who the client is.
pub(crate) static GREETING: Exploration = Exploration::new(
    "greeting",
    || world("", "proxy_protocol", &format!("location / {{ {PROXY} }}")),
    || Alphabet {
        client: vec![
            &[b"PROXY TCP4 10.0.0.1 ", b"PROXY UNKNOWN\r\n", PLAIN],
            &[b"10.0.0.2 1 2\r\n", PLAIN],
            &[PLAIN],
        ],
        origin: vec![&[NOTHING]],
        ..Alphabet::default()
    },
);

/// Heads come in pieces.
pub(crate) static PIECES: Exploration = Exploration::new(
    "pieces",
    || proxy_with(""),
    || Alphabet {
        client: vec![
            &[b"\r\nGET /u HTTP/1.1\r\nHost: a\r\nUpg", b"GET /p HTTP/1.1\r\nHost: a\r\n\r"],
            &[b"rade: foo\r\nConnection: upgrade\r\n\r\n", b"\n"],
        ],
        origin: vec![
            &[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\n", b"HTTP/1.1 20"],
            &[b"Connection: upgrade\r\n\r\n", b"4 No\r\n\r\n"],
        ],
        bytes: [1, 1],
        ..Alphabet::default()
    },
);
