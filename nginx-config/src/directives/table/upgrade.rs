//! Tunnels: directives that nginx doesn't have.

use super::{ANY, Kind, LEVELS, Location, Row, Server, flag, number, row, size, time, words};

pub(super) const ROWS: &[Row] = &[
    time(
        "upgrade_client_silence",
        LEVELS,
        "0",
        "How long a client may send no data frame of WebSocket; then its tunnel ends with Close 1001. 0: as long as \
         it likes.",
    ),
    time(
        "upgrade_close_timeout",
        LEVELS,
        "5s",
        "How long ending a tunnel by our own wish may take: until the frame that was begun is over, and for the \
         answers to our Close.",
    ),
    words(
        "upgrade_drain_close",
        LEVELS,
        "*code* [*reason*]",
        "What the Close says with which a tunnel is drained, or ends for its age: a code of 1000 to 1003, 1007 to \
         1014 or 3000 to 4999, and a reason of at most 123 bytes; a code alone has none.",
    )
    .takes(1, 2)
    .or("1012 \"service restart\""),
    flag(
        "upgrade_drain_on_reload",
        LEVELS,
        "off",
        "Whether a reload drains the tunnels of the configuration before it, where there is a window; `off`: they \
         live on.",
    ),
    time(
        "upgrade_drain_window",
        LEVELS,
        "0",
        "Over how long a time tunnels are ended when the process ends (QUIT), each at a moment of its own by chance. \
         0: they live until they end, or `worker_shutdown_timeout` ends them.",
    ),
    flag(
        "upgrade_half_close",
        LEVELS,
        "on",
        "Whether the end of one direction of a tunnel lets the other go on; `off`: it ends both, as in \
         nginx.",
    ),
    time(
        "upgrade_half_close_timeout",
        LEVELS,
        "60s",
        "How long the other direction then lives without bytes.",
    ),
    Row {
        default: None,
        ..time(
            "upgrade_handshake_timeout",
            LEVELS,
            "",
            "How long an origin server may take to answer an upgrade; absent: `proxy_read_timeout`.",
        )
    },
    flag(
        "upgrade_lenient_101",
        LEVELS,
        "off",
        "Whether a 101 opens a tunnel whose `Connection` lacks the option `upgrade`, if all else fits; the client gets \
         it with the option.",
    ),
    size(
        "upgrade_limit_rate",
        LEVELS,
        "0",
        "How many bytes a second are read from each side of a tunnel. 0: as many as come.",
    ),
    words(
        "upgrade_log",
        LEVELS,
        "*file* | `syslog:`*parameters* [*format*] [`every=`*time*] | `off`",
        "Writes a line to the file, or to a syslog server, when a tunnel opens, one every *time* while it lives, and one \
         when it ends. Without a *format*: one JSON object with `time`, `remote_addr`, and each `$tunnel_…` under its \
         name without `tunnel_`; what has no value is `null`.",
    )
    .takes(1, 3)
    .or("off"),
    words(
        "upgrade_max_lifetime",
        LEVELS,
        "*time* [`jitter=`*percent*`%`] | `off`",
        "The age at which a tunnel ends, by so much sooner or later by chance (`10%`), with the Close of \
         `upgrade_drain_close`. 0: never.",
    )
    .takes(1, 2)
    .or("off"),
    number(
        "upgrade_max_tunnels",
        &[Server, Location],
        "0",
        "How many tunnels there may be at a time, handshakes under way included, in all workers: those of the server or \
         location where it stands, but for what has a bound of its own. An upgrade beyond that gets 503 with \
         `Retry-After`. A reload goes on counting where the server has the same `listen` and `server_name` and the \
         location the same path. 0: any number.",
    ),
    size(
        "upgrade_message_limit",
        LEVELS,
        "0",
        "How many bytes a WebSocket message may have, as framed (compressed, where an extension compresses); a longer \
         one ends the tunnel with Close 1009, and no byte of the frame that is too much passes. 0: of any length.",
    ),
    words(
        "upgrade_message_rate",
        LEVELS,
        "*number*`r/s` [`burst=`*n*] | *number*`r/m` [`burst=`*n*] | `off`",
        "How many WebSocket messages a client may send, and how many more at once; further ones are read when their \
         time comes, and none is dropped.",
    )
    .takes(1, 2)
    .or("off"),
    time(
        "upgrade_ping_interval",
        LEVELS,
        "0",
        "How long a side of a WebSocket may send nothing before it gets a Ping of ours. 0: none is sent.",
    ),
    time(
        "upgrade_ping_timeout",
        LEVELS,
        "0",
        "How long it may take to send anything after that; then its connection is reset, and the other side gets \
         Close 1001 (the client is dead) or 1011 (the origin server is). 0: as long as the interval.",
    ),
    row(
        "upgrade_ping_to",
        LEVELS,
        Kind::OneOf(&["client", "upstream", "both"]),
        "`client` | `upstream` | `both`",
        "Who gets Pings.",
    )
    .or("both"),
    words(
        "upgrade_protocols",
        LEVELS,
        "*protocol* …",
        "Which protocols a client may upgrade to; absent: all but `h2c` and `h2`.",
    )
    .takes(1, ANY),
    flag(
        "upgrade_relay_reset",
        LEVELS,
        "off",
        "Whether a tunnel that was cut on one side ends in a reset on the other.",
    ),
    flag(
        "upgrade_websocket_frames",
        LEVELS,
        "on",
        "Whether frames are looked for in a WebSocket tunnel; `off`: its bytes pass as those of any other protocol, and \
         nothing that rests on frames has an effect.",
    ),
    flag(
        "upgrade_websocket_strict",
        LEVELS,
        "off",
        "Whether a frame that RFC 6455 §5 forbids ends the tunnel with Close 1002; `off`: the tunnel goes on, and from \
         there nothing is looked for or put into it.",
    ),
    flag(
        "upgrade_websocket_validation",
        LEVELS,
        "on",
        "Whether WebSocket handshakes have to be what RFC 6455 says.",
    ),
];
