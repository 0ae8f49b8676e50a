//! Who the client is, and whether it may.

use super::{Http, Kind, LEVELS, Row, flag, row, time, words};

const SEVERITIES: Kind = Kind::OneOf(&["info", "notice", "warn", "error"]);

pub(super) const ROWS: &[Row] = &[
    words(
        "allow",
        LEVELS,
        "*address* | *network* | `unix:` | `all`",
        "Lets these clients use the location. Of `allow` and `deny` the first that fits decides; a client \
         that none fits is let in.",
    )
    .repeatable(),
    words(
        "auth_basic",
        LEVELS,
        "*text* | `off`",
        "Asks for a user and a password (Basic); for CONNECT, as a proxy does. The text is the realm.",
    )
    .or("off"),
    words(
        "auth_basic_user_file",
        LEVELS,
        "*file*",
        "The users, one `name:hash` a line: bcrypt, SHA-crypt, `$apr1$`, `$1$`, `{SSHA}`, `{SHA}` and \
         `{PLAIN}` are known.",
    ),
    time(
        "auth_delay",
        LEVELS,
        "0s",
        "For how long the answer to a client without the right credentials is held back; nobody else waits.",
    ),
    words("deny", LEVELS, "*address* | *network* | `unix:` | `all`", "Refuses these clients with a 403.")
        .repeatable(),
    words(
        "limit_conn",
        LEVELS,
        "*zone* *number*",
        "How many exchanges with the same key may be open at a time; tunnels count while they live.",
    )
    .takes(2, 2)
    .repeatable(),
    flag("limit_conn_dry_run", LEVELS, "off", "Whether excess is only noted, and nobody refused."),
    row(
        "limit_conn_log_level",
        LEVELS,
        SEVERITIES,
        "`info` | `notice` | `warn` | `error`",
        "How grave an event it is when somebody is refused.",
    )
    .or("error"),
    row("limit_conn_status", LEVELS, Kind::Refusal, "*number*", "What is answered then, 400 to 599.")
        .or("503"),
    words(
        "limit_conn_zone",
        &[Http],
        "*text* `zone=`*name*`:`*size*",
        "Memory for counting connections by the value of a text; requests without a value aren't counted.",
    )
    .takes(2, 2)
    .repeatable(),
    words(
        "limit_req",
        LEVELS,
        "`zone=`*name* [`burst=`*number*] [`nodelay` | `delay=`*number*]",
        "Holds requests to the rate of the zone: as many as the burst wait for their turn, more are refused.",
    )
    .takes(1, 3)
    .repeatable(),
    flag("limit_req_dry_run", LEVELS, "off", "Whether excess is only noted, and nobody refused or delayed."),
    row(
        "limit_req_log_level",
        LEVELS,
        SEVERITIES,
        "`info` | `notice` | `warn` | `error`",
        "How grave an event it is when somebody is refused.",
    )
    .or("error"),
    row("limit_req_status", LEVELS, Kind::Refusal, "*number*", "What is answered then, 400 to 599.")
        .or("503"),
    words(
        "limit_req_zone",
        &[Http],
        "*text* `zone=`*name*`:`*size* `rate=`*number*`r/s` | *number*`r/m`",
        "Memory for the rates of requests by the value of a text, and how many are let through.",
    )
    .takes(3, 3)
    .repeatable(),
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
    row(
        "satisfy",
        LEVELS,
        Kind::OneOf(&["all", "any"]),
        "`all` | `any`",
        "Whether both `allow`/`deny` and `auth_basic` have to let a client in, or either.",
    )
    .or("all"),
    words(
        "set_real_ip_from",
        LEVELS,
        "*address* | *network* | *name* | `unix:`",
        "A proxy that is believed.",
    )
    .repeatable(),
];
