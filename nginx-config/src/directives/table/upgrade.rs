//! Tunnels: directives that nginx doesn't have.

use super::{ANY, LEVELS, Row, flag, time, words};

pub(super) const ROWS: &[Row] = &[
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
        "upgrade_websocket_validation",
        LEVELS,
        "on",
        "Whether WebSocket handshakes have to be what RFC 6455 says.",
    ),
];
