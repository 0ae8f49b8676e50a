//! The same bytes in every cut of up to three pieces, and byte by byte, have the same effect.

use underpass_testkit::session_world::{Effect, Order, World, config_of};

/// What the two sides say.
struct Scenario {
    name: &'static str,
    client: &'static str,
    /// What the origin server says on its connection with this number once it has received so many heads there.
    origin: &'static [(usize, usize, &'static str)],
    /// The origin server ends its stream behind its last words.
    origin_ends: bool,
    /// Chunk boundaries depend on what was read at once: what counts is the content.
    is_chunked: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pipelined requests",
        client: "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.0\r\n\r\n",
        origin: &[
            (0, 1, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none"),
            (0, 2, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            (0, 3, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree"),
        ],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "content with a length, both ways",
        client: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n\r\n\r\nhello",
        origin: &[(0, 1, "HTTP/1.1 201 Created\r\nX: a\r\n b\r\nContent-Length: 4\r\n\r\n\r\n\r\n")],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "chunked both ways, with extensions and trailers",
        client: "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"\\\"\"\r\nabc\r\n1\r\nd\r\n00\r\nX: y\r\n\r\n",
        origin: &[(
            0,
            1,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA;q\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
        )],
        origin_ends: false,
        is_chunked: true,
    },
    Scenario {
        name: "a WebSocket with bytes behind both heads",
        client: "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nup\r\n\r\n",
        origin: &[(
            0,
            1,
            "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\ndown\r\n\r\n",
        )],
        origin_ends: true,
        is_chunked: false,
    },
    Scenario {
        name: "an upgrade with content in front of the tunnel's bytes",
        client: "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabcdef",
        origin: &[(0, 1, "HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nuvw")],
        origin_ends: true,
        is_chunked: false,
    },
    Scenario {
        name: "a refused upgrade with a request behind it",
        client: "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "a 101 that nobody offered",
        client: "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes",
        origin: &[(0, 1, "HTTP/1.1 101 S\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\nbytes")],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "interim responses in front of the final one",
        client: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(
            0,
            1,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        )],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "a response that ends with its connection",
        client: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end")],
        origin_ends: true,
        is_chunked: true,
    },
    Scenario {
        name: "a response cut short",
        client: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")],
        origin_ends: true,
        is_chunked: false,
    },
    Scenario {
        name: "left over bytes behind a response without content",
        client: "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTP/1.1 304 N\r\nETag: x\r\n\r\n"), (0, 2, "HTTP/1.1 204 N\r\n\r\n")],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "a head that is refused",
        client: "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
        origin: &[],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "bare line feeds and empty lines in front",
        client: "\r\n\nGET / HTTP/1.1\nHost: a\nX:\ty \n\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[
            (0, 1, "HTTP/1.1 200 OK\nContent-Length: 1\n\n1"),
            (0, 2, "HTTP/1.1 200\nContent-Length: 1\n\n2"),
        ],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "a request with content that another location takes over",
        client: "POST /named HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[
            (0, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            (0, 2, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"),
        ],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "a page in the place of an intercepted error",
        client: "GET /page HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[
            (0, 1, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
            (0, 2, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npage\r\n0\r\n\r\n"),
            (0, 3, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"),
        ],
        origin_ends: false,
        is_chunked: true,
    },
    Scenario {
        name: "a page in the place of a response that breaks",
        client: "POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcdGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[
            (0, 1, "HTTQ/1.1 200 OK\r\n\r\n"),
            (1, 1, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"),
            (1, 2, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"),
        ],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "an upgrade that a page refuses, with bytes behind it",
        client: "GET /page HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[
            (0, 1, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
            (1, 1, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"),
        ],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "rewrites, and redirects behind them",
        client: "GET /r/%61?b HTTP/1.1\r\nHost: a\r\n\r\nGET /r/away HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "content behind an answer of our own",
        client: "POST /beacon HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET PUT /beacon HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "content behind an answer of our own that breaks",
        client: "PUT /beacon HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\rGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[],
        origin_ends: false,
        is_chunked: false,
    },
    Scenario {
        name: "an answer that is no HTTP",
        client: "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        origin: &[(0, 1, "HTTQ/1.1 200 OK\r\n\r\n")],
        origin_ends: false,
        is_chunked: false,
    },
];

#[test]
fn the_clients_bytes() {
    for scenario in SCENARIOS {
        let whole = play(scenario, &[], &[], Order::default());
        every_cut(scenario.client.len(), |cut| {
            assert_eq!(
                play(scenario, cut, &[], Order::default()),
                whole,
                "{}: the client's bytes cut at {cut:?}",
                scenario.name
            );
        });
    }
}

#[test]
fn the_origin_servers_bytes() {
    for scenario in SCENARIOS {
        let whole = play(scenario, &[], &[], Order::default());
        let longest = scenario.origin.iter().map(|(_, _, reply)| reply.len()).max().unwrap_or_default();
        every_cut(longest, |cut| {
            assert_eq!(
                play(scenario, &[], cut, Order::default()),
                whole,
                "{}: the origin server's bytes cut at {cut:?}",
                scenario.name
            );
        });
    }
}

/// Reports of one wait commute; and what lies in a socket in one piece is no other than what comes bit by bit.
#[test]
fn the_order_of_reports() {
    for scenario in SCENARIOS {
        let whole = play(scenario, &[], &[], Order::default());
        for order in Order::ALL {
            let bytes: Vec<_> = (1..400).collect();
            for (client_cut, origin_cut) in
                [(&[][..], &[][..]), (&bytes, &[]), (&[], &bytes), (&bytes, &bytes)]
            {
                assert_eq!(
                    play(scenario, client_cut, origin_cut, order),
                    whole,
                    "{}: {order:?}",
                    scenario.name
                );
            }
        }
    }
}

#[test]
fn the_scenarios_reach_what_they_are_about() {
    let statuses = |name: &str| {
        let scenario =
            SCENARIOS.iter().find(|scenario| scenario.name == name).expect("a scenario of this name");
        play(scenario, &[], &[], Order::default())
            .exchanges
            .iter()
            .map(|exchange| exchange.status)
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses("pipelined requests"), [200, 200, 200]);
    assert_eq!(statuses("a WebSocket with bytes behind both heads"), [101]);
    assert_eq!(statuses("an upgrade with content in front of the tunnel's bytes"), [101]);
    assert_eq!(statuses("a refused upgrade with a request behind it"), [403]);
    assert_eq!(statuses("a 101 that nobody offered"), [502]);
    assert_eq!(statuses("content behind an answer of our own"), [204, 204, 200]);
    assert_eq!(statuses("content behind an answer of our own that breaks"), [204]);
    assert_eq!(statuses("chunked both ways, with extensions and trailers"), [200]);
    assert_eq!(statuses("a head that is refused"), [400]);
    assert_eq!(statuses("a request with content that another location takes over"), [200, 200]);
    assert_eq!(statuses("a page in the place of an intercepted error"), [500, 200]);
    assert_eq!(statuses("a page in the place of a response that breaks"), [502, 200]);
    assert_eq!(statuses("an upgrade that a page refuses, with bytes behind it"), [500]);
    assert_eq!(statuses("rewrites, and redirects behind them"), [200, 302]);
}

/// Every cut into two and three pieces, and into single bytes.
fn every_cut(length: usize, mut try_cut: impl FnMut(&[usize])) {
    for first in 1..length {
        try_cut(&[first]);
        for second in first + 1..length {
            try_cut(&[first, second]);
        }
    }
    try_cut(&(1..length).collect::<Vec<_>>());
}

/// Plays a scenario to its end, everything cut at these places.
fn play(scenario: &Scenario, client_cut: &[usize], origin_cut: &[usize], order: Order) -> Effect {
    let mut world = World::new(config_of(
        "http { log_format f '$status $request_method $request_uri $upstream_status'; access_log log f;
         server { listen 127.0.0.1:8080;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";
         location / { proxy_pass http://127.0.0.1:9000; }
         location /named { error_page 500 502 = @named; return 500; }
         location @named { proxy_pass http://127.0.0.1:9000; }
         location /beacon { return 204; }
         location /page { proxy_intercept_errors on; error_page 500 502 /fetched; proxy_pass http://127.0.0.1:9000; }
         location /r/ { rewrite ^/r/away$ /gone redirect; rewrite ^/r/(.*)$ /to/$1 last; } } }",
    ));
    world.order = order;
    for piece in pieces(scenario.client, client_cut) {
        world.client_sends(piece);
    }
    for (number, heads, reply) in scenario.origin {
        let Some(origin) = world.origins.get(*number) else { continue };
        let received = origin.end.received();
        if received.windows(4).filter(|window| window == b"\r\n\r\n").count() < *heads {
            continue;
        }
        for piece in pieces(reply, origin_cut) {
            world.origins[*number].end.send(piece.as_bytes());
            world.run();
        }
    }
    if scenario.origin_ends {
        world.origin_ends();
    }
    world.client_ends();
    while !world.done {
        assert!(world.elapse_to_deadline(), "{} never ends", scenario.name);
    }
    let mut effect = world.result();
    if scenario.is_chunked {
        let text = &mut effect.client.0;
        *text = without_chunks(text);
        for (text, _, _) in &mut effect.origins {
            *text = without_chunks(text);
        }
        for exchange in &mut effect.exchanges {
            exchange.bytes_sent = 0;
        }
    }
    effect
}

fn pieces<'t>(text: &'t str, cut: &[usize]) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for at in cut.iter().copied().filter(|at| *at < text.len()).chain([text.len()]) {
        pieces.push(&text[from..at]);
        from = at;
    }
    pieces
}

/// A message in chunks with its content joined; `\r\n` is escaped in it.
fn without_chunks(text: &str) -> String {
    let Some((head, mut rest)) = text.split_once("\\r\\n\\r\\n") else { return text.to_owned() };
    let mut content = String::new();
    while let Some((size, behind)) = rest.split_once("\\r\\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        if size == 0 {
            return format!("{head}|{content}|{behind}");
        }
        content += &behind[..size];
        rest = &behind[size + 4..];
    }
    format!("{head}|{content}|cut:{rest}")
}
