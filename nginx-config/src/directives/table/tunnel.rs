//! CONNECT.

use super::{ANY, Effect, Kind, LEVELS, Location, Row, Server, flag, number, row, size, time, words};

pub(super) const ROWS: &[Row] = &[
    words(
        "tunnel_allow",
        LEVELS,
        "`all` | *name* | `*.`*name* | *address* | *network* [*port* | *port*-*port*]",
        "Where a client may be connected to by `tunnel_pass` without an address. Of `tunnel_allow` and \
         `tunnel_deny` the first that fits decides; with a `tunnel_allow`, what none fits is refused, without \
         one only what is private, local, our own or port 25. A name doesn't open private addresses.",
    )
    .takes(1, 2)
    .repeatable(),
    words("tunnel_bind", LEVELS, "*address* | `off`", "The address that tunnels come from.").takes(1, 2),
    Row {
        effect: Effect::None("buffers have one size in this version"),
        ..size("tunnel_buffer_size", LEVELS, "16k", "The size of a buffer.")
    },
    time("tunnel_connect_timeout", LEVELS, "60s", "How long connecting may take."),
    words(
        "tunnel_deny",
        LEVELS,
        "`all` | *name* | `*.`*name* | *address* | *network* [*port* | *port*-*port*]",
        "Where a client may not be connected to.",
    )
    .takes(1, 2)
    .repeatable(),
    row(
        "tunnel_next_upstream",
        LEVELS,
        Kind::EachOf(&["error", "timeout", "off"]),
        "`error` | `timeout` | `off` …",
        "After which failures another address is tried.",
    )
    .takes(1, ANY)
    .or("error timeout"),
    time("tunnel_next_upstream_timeout", LEVELS, "0", "For how long; 0: without a bound."),
    number("tunnel_next_upstream_tries", LEVELS, "0", "How many tries in all; 0: without a bound."),
    words(
        "tunnel_pass",
        &[Server, Location],
        "[*address*:*port* | *group* | `unix:`*path*]",
        "Answers CONNECT with a tunnel: to the address, which may hold variables, or to where the \
         client asks for.",
    )
    .takes(0, 1),
    time("tunnel_read_timeout", LEVELS, "60s", "How long no byte may move in a tunnel."),
    Row {
        effect: Effect::None("Linux has nothing that could be set"),
        ..size("tunnel_send_lowat", LEVELS, "0", "How much room there has to be to send.")
    },
    time("tunnel_send_timeout", LEVELS, "60s",
        "How long the other end may take nothing of what waits for it."),
    flag("tunnel_socket_keepalive", LEVELS, "off", "Whether the system probes silent connections."),
    Row { default: None, ..size("tunnel_socket_rcvbuf", LEVELS, "", "Bytes of the system's receive buffer.") },
    Row { default: None, ..size("tunnel_socket_sndbuf", LEVELS, "", "Bytes of the system's send buffer.") },
];
