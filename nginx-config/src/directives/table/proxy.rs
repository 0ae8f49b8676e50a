//! Forwarding.

use super::{
    super::Context::{Location, LocationIf},
    ANY, Kind, LEVELS, Row, flag, row, size, time, words,
};

pub(super) const ROWS: &[Row] = &[
    words(
        "proxy_bind",
        LEVELS,
        "*address*[:*port*] | `off`",
        "The address that connections to origin servers come from. `transparent` is not in this \
         version.",
    )
    .takes(1, 2),
    size(
        "proxy_buffer_size",
        LEVELS,
        "16k",
        "How large a response head may be, at most 1g; a larger one is answered with 502. One of more than 16k takes \
         memory of its own while it comes. nginx: 4k or 8k.",
    ),
    flag("proxy_buffering", LEVELS, "on", "Accepted: content streams through one buffer for each direction."),
    time("proxy_connect_timeout", LEVELS, "60s", "How long connecting to an origin server may take."),
    words(
        "proxy_cookie_domain",
        LEVELS,
        "`off` | *domain* *replacement* | `~`*regex* *replacement*",
        "Changes `Domain` in `Set-Cookie`.",
    )
    .takes(1, 2)
    .or("off")
    .repeatable(),
    words(
        "proxy_cookie_flags",
        LEVELS,
        "`off` | *cookie* *flag* … | `~`*regex* *flag* …",
        "Sets and removes flags of cookies by name: `secure`, `httponly`, `samesite=strict`, `samesite=lax`, \
         `samesite=none`, `nosecure`, `nohttponly`, `nosamesite`. The first for a cookie's name holds.",
    )
    .takes(1, 4)
    .or("off")
    .repeatable(),
    words(
        "proxy_cookie_path",
        LEVELS,
        "`off` | *path* *replacement* | `~`*regex* *replacement*",
        "Changes `Path` in `Set-Cookie`.",
    )
    .takes(1, 2)
    .or("off")
    .repeatable(),
    words("proxy_hide_header", LEVELS, "*field*", "A field of responses that doesn't go on.").repeatable(),
    words(
        "proxy_limit_rate",
        LEVELS,
        "*size*",
        "Bytes a second that are read of a response; variables may stand here. 0: as fast as they come. \
         Tunnels have no rate.",
    )
    .or("0"),
    row(
        "proxy_http_version",
        LEVELS,
        Kind::OneOf(&["1.0", "1.1"]),
        "`1.0` | `1.1`",
        "The version of HTTP towards origin servers. Upgrades need 1.1.",
    )
    .or("1.1"),
    flag(
        "proxy_ignore_client_abort",
        LEVELS,
        "off",
        "Whether an exchange goes on when its client has ended its side of the connection.",
    ),
    row(
        "proxy_ignore_headers",
        LEVELS,
        Kind::EachOf(&[
            "X-Accel-Redirect",
            "X-Accel-Expires",
            "X-Accel-Limit-Rate",
            "X-Accel-Buffering",
            "X-Accel-Charset",
            "Expires",
            "Cache-Control",
            "Set-Cookie",
            "Vary",
        ]),
        "*field* …",
        "`X-Accel-Limit-Rate` isn't obeyed. Accepted of the others: of the fields that nginx obeys, only this one is \
         obeyed here.",
    )
    .takes(1, ANY),
    flag(
        "proxy_intercept_errors",
        LEVELS,
        "off",
        "Whether `error_page` answers in the place of an origin server's response with a status of 300 \
         or above.",
    ),
    words("proxy_method", LEVELS, "*text*", "The method towards origin servers; absent: the client's."),
    row(
        "proxy_next_upstream",
        LEVELS,
        Kind::EachOf(&[
            "error",
            "timeout",
            "invalid_header",
            "http_500",
            "http_502",
            "http_503",
            "http_504",
            "http_403",
            "http_404",
            "http_429",
            "non_idempotent",
            "updating",
            "off",
        ]),
        "`error` | `timeout` | `invalid_header` | `http_500` | `http_502` | `http_503` | `http_504` | \
         `http_403` | `http_404` | `http_429` | `non_idempotent` | `off` …",
        "After which failures another server is tried, as long as the client has got nothing.",
    )
    .takes(1, ANY)
    .or("error timeout"),
    time("proxy_next_upstream_timeout", LEVELS, "0", "For how long; 0: without a bound."),
    row(
        "proxy_next_upstream_tries",
        LEVELS,
        Kind::Number,
        "*number*",
        "How many servers are tried at most; 0: all.",
    )
    .or("0"),
    words(
        "proxy_pass",
        &[Location, LocationIf],
        "*scheme*`://`*address*[:*port*][*uri*] | *scheme*`://`*group*[*uri*] | *scheme*`://unix:`*path*[:*uri*]",
        "Forwards requests to an origin server or a group of them, in clear (`http`) or by TLS (`https`, see `proxy_ssl_verify`). A URI takes the place of the path \
         of the location. With variables in it, it is evaluated for each request, and a URI in it is \
         the request-target.",
    ),
    words(
        "proxy_pass_header",
        LEVELS,
        "*field*",
        "A field of responses that goes on although it is hidden otherwise: `X-Accel-…`, `X-Pad`.",
    )
    .repeatable(),
    flag("proxy_pass_request_body", LEVELS, "on", "Whether the client's content goes on."),
    flag("proxy_pass_request_headers", LEVELS, "on", "Whether the client's fields go on."),
    flag("proxy_pass_trailers", LEVELS, "on", "Whether trailer sections go on. nginx: `off`."),
    time(
        "proxy_read_timeout",
        LEVELS,
        "60s",
        "How long an origin server may be silent within a response, and a tunnel in both directions.",
    ),
    flag(
        "proxy_protocol",
        LEVELS,
        "off",
        "Whether connections to origin servers begin with a PROXY protocol header that tells of the client; they are never \
         kept then. Not in nginx's `http`.",
    ),
    words(
        "proxy_redirect",
        LEVELS,
        "`default` | `off` | *text* *replacement* | `~`*regex* *replacement*",
        "Changes `Location` and `Refresh`. `default`: the address of `proxy_pass` becomes the path of \
         the location.",
    )
    .takes(1, 2)
    .or("default")
    .repeatable(),
    flag(
        "proxy_request_buffering",
        LEVELS,
        "on",
        "Accepted: content streams through one buffer for each direction.",
    ),
    time(
        "proxy_send_timeout",
        LEVELS,
        "60s",
        "How long an origin server may take nothing of what waits for it.",
    ),
    words(
        "proxy_set_body",
        LEVELS,
        "*text*",
        "What goes to origin servers in the place of the client's content.",
    ),
    words(
        "proxy_set_header",
        LEVELS,
        "*name* *text*",
        "Sets a field of forwarded requests; an empty value removes it.",
    )
    .takes(2, 2)
    .or("Host $proxy_host")
    .repeatable(),
    flag(
        "proxy_socket_keepalive",
        LEVELS,
        "off",
        "Whether the system probes idle connections to origin servers.",
    ),
    row(
        "proxy_via",
        LEVELS,
        Kind::OneOf(&["request", "both", "off"]),
        "`request` | `both` | `off`",
        "Where we add ourselves to `Via` (RFC 9110 §7.6.3). An origin server may compress less for \
         requests with `Via` (nginx: `gzip_proxied`). Not in nginx.",
    )
    .or("request"),
];
