//! Who the client is.

use super::{LEVELS, Row, flag, words};

pub(super) const ROWS: &[Row] = &[
    words(
        "real_ip_header",
        LEVELS,
        "*field* | `X-Real-IP` | `X-Forwarded-For` | `proxy_protocol`",
        "Where a trusted proxy tells who the client is.",
    )
    .or("X-Real-IP"),
    flag(
        "real_ip_recursive",
        LEVELS,
        "off",
        "Whether of several addresses the last counts that is not trusted itself; else the last.",
    ),
    words(
        "set_real_ip_from",
        LEVELS,
        "*address* | *network* | *name* | `unix:`",
        "A proxy that is believed.",
    )
    .repeatable(),
];
