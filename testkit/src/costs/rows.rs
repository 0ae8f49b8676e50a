//! The rows of the table.

use super::{Exchange, Growth, Kind, Row};

/// What an origin server answers.
pub(super) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A location that forwards.
const FORWARD: &str = "location / { proxy_pass http://127.0.0.1:9000; }";

/// nginx's recipe for WebSockets.
const UPGRADE: &str = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }
    server { listen 127.0.0.1:8080; location / { proxy_pass http://127.0.0.1:9000;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; } }";

pub(super) const fn row(
    name: &'static str,
    what: &'static str,
    size: usize,
    make: fn(usize) -> Exchange,
) -> Row {
    Row { name, what, size, growth: Growth::Linear, times: 10, kind: Kind::Exchange(make) }
}

const fn flat(name: &'static str, what: &'static str, size: usize, make: fn(usize) -> Exchange) -> Row {
    Row { growth: Growth::Flat, ..row(name, what, size, make) }
}

const fn loads(
    name: &'static str,
    what: &'static str,
    size: usize,
    make: fn(usize) -> String,
    plain: fn(usize) -> String,
) -> Row {
    Row { name, what, size, growth: Growth::Linear, times: 10, kind: Kind::Load(make, plain) }
}

pub(super) const TABLE: &[Row] = &[
    row("request-nominations", "two Connection lines of `a,` before many `b:`", 6_000, |size| {
        let list = repeated("a,", size * 3 / 4);
        let (first, second) = list.split_at(list.len() / 4 * 2);
        let lines = repeated("b:\r\n", size * 4 / 50);
        request(&format!("Connection: {first}\r\nConnection: {second}\r\n{lines}"))
    }),
    row("request-nominations-apart", "options and lines that are all different, and alike", 6_000, |size| {
        let names = || (0..size / 16).map(|number| format!("x{number:04}y"));
        let lines: String = names().map(|name| format!("{name}:\r\n")).collect();
        request(&format!("Connection: {}\r\n{lines}", names().rev().collect::<Vec<_>>().join(",")))
    }),
    row("request-lines", "field lines of four bytes", 1_900, |size| request(&repeated("b:\r\n", size))),
    row("request-options-known", "a Connection line of `te,`, which is known", 3_500, |size| {
        request(&format!("Connection: {}\r\n", repeated("te,", size)))
    }),
    row("host-labels", "a host of many labels against a mask", 3_500, |size| Exchange {
        config: server("server_name *.example.com *.a.a.a www.*;", FORWARD),
        client: format!("GET / HTTP/1.1\r\nHost: {}a\r\n\r\n", repeated("a.", size)).into(),
        ..request("")
    }),
    row("map-hostname-dots", "a value of dots in a map of host names", 3_500, |size| Exchange {
        config: http(
            "map $http_x $found { hostnames; *.example.com 1; a.* 2; default 3; }",
            "location / { proxy_pass http://127.0.0.1:9000; proxy_set_header Y $found; }",
        ),
        ..request(&format!("X: {}\r\n", ".".repeat(size)))
    }),
    row("head-byte-by-byte", "a head of several lines above 8k, byte by byte", 6_500, |size| Exchange {
        cut: 1,
        ..request(&ordinary_lines(size))
    }),
    row("head-line-byte-by-byte", "one long line, byte by byte", 3_500, |size| Exchange {
        cut: 1,
        ..request(&format!("X: {}\r\n", "x".repeat(size)))
    }),
    row("head-short-lines-in-pieces", "lines of four bytes in pieces of sixteen", 1_900, |size| Exchange {
        cut: 16,
        ..request(&repeated("b:\r\n", size))
    }),
    row("path-up-and-down", "a path of `/a/..`", 3_500, |size| {
        target(&format!("/{}", repeated("a/../", size)))
    }),
    row("path-slashes", "a path of slashes", 3_500, |size| target(&"/".repeat(size))),
    row("path-encoded", "a path of `%2e%2F`", 3_500, |size| {
        target(&format!("/a{}", repeated("%61%2F", size)))
    }),
    row("query-arguments", "a query of `a&`, and an argument that isn't in it", 3_500, |size| Exchange {
        config: forwarding("proxy_set_header Y $arg_z;"),
        ..target(&format!("/?{}", repeated("a&", size)))
    }),
    row("cookies", "a cookie line of `a;`, and a cookie that isn't in it", 3_500, |size| Exchange {
        config: forwarding("proxy_set_header Y $cookie_z;"),
        ..request(&format!("Cookie: {}\r\n", repeated("a;", size)))
    }),
    row("many-variables", "a hundred variables of fields, and lines of four bytes", 1_900, |size| {
        let lines: String =
            (0..100).map(|number| format!("proxy_set_header Y{number} $http_z{number};\n")).collect();
        Exchange { config: forwarding(&lines), ..request(&repeated("b:\r\n", size)) }
    }),
    row("forwarded-for", "X-Forwarded-For of IPv6 addresses that are all trusted", 3_500, |size| Exchange {
        config: server(
            "set_real_ip_from 127.0.0.0/8; set_real_ip_from ::/0; real_ip_header X-Forwarded-For;
            real_ip_recursive on;",
            FORWARD,
        ),
        ..request(&format!("X-Forwarded-For: {}\r\n", repeated("::,", size)))
    }),
    row("forwarded-for-lines", "the same in many lines", 5_000, |size| Exchange {
        config: server(
            "set_real_ip_from 127.0.0.0/8; set_real_ip_from ::/0; real_ip_header X-Forwarded-For;
            real_ip_recursive on;",
            FORWARD,
        ),
        ..request(&repeated("X-Forwarded-For: ::1\r\n", size))
    }),
    row("upgrade-list", "an Upgrade of `a,`", 3_500, |size| Exchange {
        config: format!("http {{ {UPGRADE} }}"),
        ..request(&format!("Connection: upgrade\r\nUpgrade: {}\r\n", repeated("a,", size)))
    }),
    row("switch-list", "a 101 whose Upgrade is as long as the request's", 7_000, |size| Exchange {
        config: format!("http {{ {UPGRADE} }}"),
        origin: format!(
            "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: {}\r\n\r\n",
            repeated("a,", size / 2)
        )
        .into(),
        status: 502,
        ..request(&format!("Connection: upgrade\r\nUpgrade: {}\r\n", repeated("a,", size / 2)))
    }),
    row("via", "a Via of `1.1 a,`", 3_500, |size| request(&format!("Via: {}\r\n", repeated("1.1 a,", size)))),
    row("codings", "a Transfer-Encoding of `a,`", 3_500, |size| Exchange {
        status: 501,
        ..request(&format!("Transfer-Encoding: {}chunked\r\n", repeated("a,", size)))
    }),
    row("expectations", "an Expect of `100-continue,`", 3_500, |size| {
        request(&format!("Expect: {}\r\n", repeated("100-continue,", size)))
    }),
    row("request-chunks", "chunks of one byte", 7_000, request_chunks),
    row("request-chunks-byte-by-byte", "the same, byte by byte", 3_500, |size| Exchange {
        cut: 1,
        ..request_chunks(size)
    }),
    row("chunk-extensions", "chunk-size lines of 500 bytes, byte by byte", 3_556, |size| Exchange {
        cut: 1,
        ..content(&format!("{}0\r\n\r\n", repeated(&format!("1{}\r\na\r\n", ";a".repeat(250)), size)))
    }),
    row("trailers-byte-by-byte", "a trailer section of `b:`, byte by byte", 1_800, |size| Exchange {
        cut: 1,
        ..content(&format!("0\r\n{}\r\n", repeated("b:\r\n", size)))
    }),
    row("trailers-nominated", "a trailer section whose names are looked for in Connection", 3_500, |size| {
        let names = || (0..size / 14).map(|number| format!("x{number:03}"));
        let trailers: String = names().map(|name| format!("{name}:\r\n")).collect();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nConnection: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            names().rev().collect::<Vec<_>>().join(",")
        );
        Exchange { client: format!("{head}0\r\n{trailers}\r\n").into(), ..request("") }
    }),
    row("proxy-header", "a PROXY header of version 2 with a long extension, byte by byte", 3_500, |size| {
        let mut client = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
        client.extend_from_slice(&u16::try_from(12 + size).expect("short").to_be_bytes());
        client.extend_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2, 0x9c, 0x40, 0, 80]);
        client.resize(client.len() + size, 0);
        client.extend_from_slice(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        Exchange {
            config: format!("http {{ server {{ listen 127.0.0.1:8080 proxy_protocol; {FORWARD} }} }}"),
            client,
            cut: 1,
            ..request("")
        }
    }),
    row("response-nominations", "a response's Connection of `a,` before many `b:`", 6_000, |size| {
        let list = repeated("a,", size * 3 / 4);
        response(&format!("Connection: {list}\r\n{}", repeated("b:\r\n", size / 4)))
    }),
    row("response-lines", "field lines of four bytes in a response", 3_500, |size| {
        response(&repeated("b:\r\n", size))
    }),
    row("response-head-byte-by-byte", "a response's head, byte by byte", 6_500, |size| Exchange {
        cut: 1,
        ..response(&ordinary_lines(size))
    }),
    row("response-chunks", "chunks of one byte in a response", 7_000, |size| Exchange {
        origin: format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks(size))
            .into(),
        ..request("")
    }),
    row(
        "response-trailers-byte-by-byte",
        "a response's trailer section of `b:`, byte by byte",
        1_800,
        |size| Exchange {
            origin: format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}\r\n",
                repeated("b:\r\n", size)
            )
            .into(),
            cut: 1,
            ..request("")
        },
    ),
    row("interim-responses", "interim responses, one behind the other", 800, |size| Exchange {
        origin: [repeated("HTTP/1.1 103 H\r\n\r\n", size).as_bytes(), ANSWER].concat(),
        ..request("")
    }),
    row("cookie-attributes", "a Set-Cookie of `;a=`, whose domains and paths are rewritten", 3_500, |size| {
        Exchange {
            config: forwarding("proxy_cookie_domain a.example b.example; proxy_cookie_path /a /b;"),
            ..response(&format!("Set-Cookie: a{}\r\n", repeated(";path=", size)))
        }
    }),
    row("refresh", "a Refresh of `url`, which is rewritten", 3_500, |size| Exchange {
        config: forwarding("proxy_redirect http://a/ /b/;"),
        ..response(&format!("Refresh: {}\r\n", repeated("url", size)))
    }),
    row("access-log", "a target whose bytes are escaped in the log", 3_500, |size| {
        target(&format!("/{}", "\u{e9}".repeat(size / 2)))
    }),
    flat("geo-networks", "a request that is looked up among many networks", 20_000, |size| Exchange {
        config: http(
            &format!("geo $http_x $found {{ {} }}", networks(size)),
            "location / { proxy_pass http://127.0.0.1:9000; proxy_set_header Y $found; }",
        ),
        ..request("X: 192.0.2.1\r\n")
    }),
    flat("geo-ranges", "a request that is looked up among many ranges", 20_000, |size| Exchange {
        config: http(
            &format!("geo $http_x $found {{ ranges; {} }}", ranges(size)),
            "location / { proxy_pass http://127.0.0.1:9000; proxy_set_header Y $found; }",
        ),
        ..request("X: 192.0.2.1\r\n")
    }),
    flat("real-ip-networks", "a client that is looked up among many trusted networks", 4_000, |size| {
        let trusted: String = (0..size)
            .map(|number| format!("set_real_ip_from 10.{}.{}.0/24;\n", number / 256, number % 256))
            .collect();
        let trusted = format!("{trusted} set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;");
        Exchange {
            config: server(&format!("{trusted} real_ip_recursive on;"), FORWARD),
            ..request("X-Forwarded-For: 192.0.2.1, 10.0.1.1, 10.0.2.1\r\n")
        }
    }),
    flat("locations", "a path that is looked for among many prefixes that are much like it", 250, |size| {
        let alike = "a".repeat(300);
        let locations: String = (0..size)
            .map(|number| format!("location /{alike}{number:04}/ {{ proxy_pass http://127.0.0.1:9000; }}\n"))
            .collect();
        Exchange { config: server("", &format!("{locations} {FORWARD}")), ..target(&format!("/{alike}/")) }
    }),
    flat("pool", "idle connections of many groups", 1_500, |size| Exchange {
        config: groups(size),
        client: b"GET /?g=g0 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        before: (0..size).map(|number| format!("/?g=g{number}")).collect(),
        ..request("")
    }),
    flat("server-names", "a host that is looked for among many names", 2_000, |size| {
        let names: String = (0..size).map(|number| format!("*.x{number}.example.com ")).collect();
        Exchange { config: server(&format!("server_name {names};"), FORWARD), ..request("") }
    }),
    loads(
        "load-geo-networks",
        "a geo of many networks is read",
        4_000,
        |size| http(&format!("geo $found {{ {} }}", networks(size)), FORWARD),
        lines,
    ),
    loads(
        "load-geo-ranges",
        "a geo of many ranges is read",
        4_000,
        |size| http(&format!("geo $found {{ ranges; {} }}", ranges(size)), FORWARD),
        lines,
    ),
    loads("load-groups", "many groups are read", 2_000, groups, lines),
    Row {
        growth: Growth::Bounded(25_000_000),
        ..row(
            "look-ahead",
            "a path against a look-ahead that reads it to its end from each byte",
            3_500,
            |size| Exchange {
                config: server("", &format!("location ~ \"(?=[a-y]*z)q\" {{ return 204; }} {FORWARD}")),
                ..target(&format!("/{}", "a".repeat(size)))
            },
        )
    },
    Row {
        growth: Growth::Bounded(25_000_000),
        ..row("look-ahead-from-each-byte", "the same where each byte may begin a match", 3_500, |size| {
            Exchange {
                config: server("", &format!("location ~ \"(?=[a-y]*z)a\" {{ return 204; }} {FORWARD}")),
                ..target(&format!("/{}", "a".repeat(size)))
            }
        })
    },
    Row {
        growth: Growth::Bounded(25_000_000),
        ..row("look-ahead-nested", "a look-ahead in a loop in a look-ahead in a loop", 3_500, |size| {
            Exchange {
                config: server(
                    "",
                    &format!("location ~ \"^/(?:(?=(?:(?=[a-y]*)a)*)a)+$\" {{ return 204; }} {FORWARD}"),
                ),
                ..target(&format!("/{}", "a".repeat(size)))
            }
        })
    },
    Row {
        growth: Growth::Bounded(25_000_000),
        ..row("back-reference", "a back-reference that is compared from each byte", 3_500, |size| Exchange {
            config: server("", &format!("location ~ \"(a+)\\1b\" {{ return 204; }} {FORWARD}")),
            ..target(&format!("/{}", "a".repeat(size)))
        })
    },
    row(
        "linear-expression",
        "a path against nested repetitions, which the first engine takes",
        3_500,
        |size| Exchange {
            config: server("", &format!("location ~ ^/(a+)+b$ {{ return 204; }} {FORWARD}")),
            ..target(&format!("/{}", "a".repeat(size)))
        },
    ),
];

/// A request and a response of the same lengths as those of `costly`, with nothing unusual in them.
pub(super) fn ordinary(costly: &Exchange) -> Exchange {
    let start = if costly.config.contains(" proxy_protocol;") { "PROXY UNKNOWN\r\n" } else { "" };
    let start = format!("{start}GET / HTTP/1.1\r\nHost: h\r\n");
    let client = costly.client.len().saturating_sub(start.len() + 2);
    let origin = costly.origin.len().max(ANSWER.len()) - ANSWER.len();
    let (head, content) = ANSWER.split_at(ANSWER.len() - 4);
    Exchange {
        config: costly.config.clone(),
        client: format!("{start}{}\r\n", ordinary_lines(client)).into(),
        origin: [head, ordinary_lines(origin).as_bytes(), content].concat(),
        cut: costly.cut,
        status: 200,
        before: Vec::new(),
    }
}

/// Field lines as one sees them, of about so many bytes in all.
pub(super) fn ordinary_lines(bytes: usize) -> String {
    let lines = (0..bytes / 40).map(|number| format!("X-Field-{number:03}: {}\r\n", "some words ".repeat(2)));
    let mut all: String = lines.collect();
    let rest = bytes.saturating_sub(all.len());
    if rest >= 6 {
        all.push_str(&format!("X: {}\r\n", "x".repeat(rest - 5)));
    }
    all
}

pub(super) fn repeated(text: &str, bytes: usize) -> String {
    text.repeat(bytes / text.len())
}

fn http(before: &str, locations: &str) -> String {
    format!("http {{ {before} server {{ listen 127.0.0.1:8080; {locations} }} }}")
}

pub(super) fn server(directives: &str, locations: &str) -> String {
    http("", &format!("{directives} {locations}"))
}

pub(super) fn forwarding(directives: &str) -> String {
    server("", &format!("location / {{ proxy_pass http://127.0.0.1:9000; {directives} }}"))
}

pub(super) fn request(lines: &str) -> Exchange {
    Exchange {
        config: server("", FORWARD),
        client: format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into(),
        origin: ANSWER.to_vec(),
        cut: usize::MAX,
        status: 200,
        before: Vec::new(),
    }
}

fn target(target: &str) -> Exchange {
    Exchange { client: format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").into(), ..request("") }
}

fn content(coded: &str) -> Exchange {
    let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    Exchange { client: format!("{head}{coded}").into(), ..request("") }
}

fn chunks(size: usize) -> String {
    repeated("1\r\na\r\n", size)
}

fn request_chunks(size: usize) -> Exchange {
    content(&format!("{}0\r\n\r\n", chunks(size)))
}

pub(super) fn response(lines: &str) -> Exchange {
    Exchange {
        origin: format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{lines}\r\nok").into(),
        ..request("")
    }
}

fn networks(count: usize) -> String {
    let network = |number: usize| {
        format!("{}.{}.{}.0/24 {};\n", 1 + number / 65_536, number / 256 % 256, number % 256, number % 7)
    };
    (0..count).map(network).collect()
}

fn ranges(count: usize) -> String {
    let range = |number: usize| {
        let start = format!("{}.{}.{}", 1 + number / 65_536, number / 256 % 256, number % 256);
        format!("{start}.0-{start}.99 {};\n", number % 7)
    };
    (0..count).map(range).collect()
}

/// So many groups of one peer each; which one has a request, its query says.
fn groups(count: usize) -> String {
    let upstreams: String = (0..count)
        .map(|number| {
            format!("upstream g{number} {{ server 127.0.0.1:{}; keepalive 4; }}\n", 10_000 + number)
        })
        .collect();
    let before = format!("{upstreams} map $arg_g $group {{ '' g0; default $arg_g; }}");
    http(&before, "location / { proxy_pass http://$group; proxy_set_header Connection \"\"; }")
}

/// A configuration with as many lines as entries are asked for.
fn lines(count: usize) -> String {
    let entries: String =
        (0..count).map(|number| format!("name{number}.example.com {};\n", number % 7)).collect();
    http(&format!("map $http_x $found {{ {entries} }}"), FORWARD)
}
