//! Servers and locations, and what bounds a client's connection.

use super::{
    super::Context::{self, Http, Location, Server, Upstream},
    ANY, Kind, LEVELS, Row, flag, number, row, size, time, words,
};

/// Where names are looked up: an `upstream` has some, too.
const RESOLVED: &[Context] = &[Http, Upstream, Server, Location];

pub(super) const ROWS: &[Row] = &[
    flag("absolute_redirect", LEVELS, "on", "Whether a `Location` of our own has scheme and host."),
    flag(
        "allow_bare_lf",
        &[Http, Server],
        "on",
        "Whether a single LF ends a line of a head (RFC 9112 §2.2). Not in nginx, which always takes \
         it.",
    ),
    time(
        "client_body_timeout",
        LEVELS,
        "60s",
        "How long a client may be silent within the content of a request.",
    ),
    size(
        "client_header_buffer_size",
        &[Http, Server],
        "1k",
        "Lines that end within so many bytes of a request head may have any length. Larger than the *size* of \
         `large_client_header_buffers`, it comes on top of what that lets a head have. No memory is set aside for it.",
    ),
    time(
        "client_header_timeout",
        &[Http, Server],
        "60s",
        "How long a client may take for the head of a request.",
    ),
    size(
        "client_max_body_size",
        LEVELS,
        "1m",
        "How much content a request may have; more is answered with 413. 0: any.",
    ),
    flag(
        "ignore_invalid_headers",
        &[Http, Server],
        "on",
        "Accepted: a name that is no token is refused with 400, whatever this says (B3).",
    ),
    row(
        "internal",
        &[Location],
        Kind::Words,
        "",
        "Only an `error_page` or a `rewrite` leads here: the client itself gets a 404.",
    )
    .takes(0, 0),
    number("keepalive_requests", LEVELS, "1000", "How many requests a client may send over one connection."),
    time("keepalive_time", LEVELS, "1h", "How old a connection may be when it waits for a further request."),
    time(
        "keepalive_timeout",
        LEVELS,
        "75s",
        "How long a connection waits for the client's next request. 0: it is closed after each. The \
         second parameter, a `Keep-Alive` field, has no effect.",
    )
    .takes(1, 2)
    .syntax("*time* [*header_time*]"),
    words(
        "large_client_header_buffers",
        &[Http, Server],
        "*number* *size*",
        "How long a line of a request head may be (*size*: a longer request line is answered with 414, a longer field \
         line with 431), and the whole (*number* × *size*, at most 1g: 431). A head of more than 16k takes memory of \
         its own while it comes, at most twice what has come and no more than the whole may have.",
    )
    .takes(2, 2)
    .or("4 8k"),
    row(
        "lingering_close",
        LEVELS,
        Kind::OneOf(&["off", "on", "always"]),
        "`off` | `on` | `always`",
        "Whether what a client still sends is read and dropped before its connection is closed.",
    )
    .or("on"),
    time("lingering_time", LEVELS, "30s", "For how long at most."),
    time("lingering_timeout", LEVELS, "5s", "How long it may be silent meanwhile."),
    words(
        "limit_rate",
        LEVELS,
        "*size*",
        "Bytes a second of one response to a client; variables may stand here, and `set $limit_rate` comes before \
         it. 0: as fast as the client takes them. Tunnels have no rate.",
    )
    .or("0"),
    words(
        "limit_rate_after",
        LEVELS,
        "*size*",
        "So many bytes of a response come before its rate counts; variables may stand here.",
    )
    .or("0"),
    words(
        "listen",
        &[Server],
        "*address*[:*port*] | *port* | `unix:`*path* [`default_server`] [`proxy_protocol`] \
         [`reuseport`] [`backlog=`*number*] [`deferred`] [`ipv6only=on` | `off`] [`so_keepalive=on` | \
         `off` | *idle*:*interval*:*count*] [`rcvbuf=`*size*] [`sndbuf=`*size*] [`bind`] [`http2`] \
         [`setfib=`*n*] [`fastopen=`*n*] [`accept_filter=`*name*] [`multipath`]",
        "Where the server is reached. `default_server`: it answers requests there whose host no server \
         has as its name; else the first server does. `proxy_protocol` counts for all servers of the \
         address. `http2`, `setfib`, `fastopen`, `accept_filter` and `multipath` have no effect.",
    )
    .takes(1, ANY)
    .or("*:80")
    .repeatable(),
    row(
        "location",
        &[Server, Location],
        Kind::Block(Location),
        "[`=` | `^~`] *path* | `~` *regex* | `~*` *regex* | `@`*name*",
        "What is done with requests whose path is exactly this one (`=`), matches a regular expression \
         (the first of them; `~*`: case is ignored) or begins with this (the longest; `^~`: no regular \
         expression is tried then). `@`: only an `error_page` leads there.",
    )
    .takes(1, 2)
    .repeatable(),
    number(
        "max_headers",
        &[Http, Server],
        "1000",
        "How many field lines a request head may have; more are answered with 431.",
    ),
    flag(
        "merge_slashes",
        &[Http, Server],
        "on",
        "Whether several slashes in a row count as one where a location is searched.",
    ),
    flag("port_in_redirect", LEVELS, "on", "Whether a `Location` of our own has the port."),
    flag(
        "reset_timedout_connection",
        LEVELS,
        "off",
        "Whether a connection whose time is over is closed with a reset.",
    ),
    words(
        "resolver",
        RESOLVED,
        "*address*[:*port*] … [`valid=`*time*] [`ipv4=on` | `off`] [`ipv6=on` | `off`] \
         [`status_zone=`*zone*]",
        "The name servers that are asked for names at run time; absent: the system.",
    )
    .takes(1, ANY),
    time("resolver_timeout", RESOLVED, "30s", "How long looking a name up may take."),
    time("send_timeout", LEVELS, "60s", "How long a client may take nothing of what waits for it."),
    row("server", &[Http], Kind::Block(Server), "", "A virtual server.").takes(0, 0).repeatable(),
    words(
        "server_name",
        &[Server],
        "*name* …",
        "The hosts that the server answers for: a name, a mask (`*.example.com`, `.example.com`, \
         `example.*`), `~` and a regular expression; `\"\"`: requests without one.",
    )
    .takes(1, ANY)
    .or("\"\"")
    .repeatable(),
    flag(
        "server_name_in_redirect",
        LEVELS,
        "off",
        "Whether a `Location` of our own has the first `server_name`, not the host that was asked \
         for.",
    ),
    words(
        "server_tokens",
        LEVELS,
        "`on` | `off` | `build` | *text*",
        "What `Server` says in our own responses: name and version, the name, this text; with an empty \
         one there is no such field.",
    )
    .or("on"),
    flag("tcp_nodelay", LEVELS, "on", "Accepted: it is always on."),
    flag(
        "underscores_in_headers",
        &[Http, Server],
        "off",
        "Whether field names with `_` go on, rather than being dropped.",
    ),
];
