//! Groups of origin servers.

use super::{
    super::Context::{Http, Upstream},
    ANY, Kind, Row, number, row, time, words,
};

pub(super) const ROWS: &[Row] = &[
    words(
        "hash",
        &[Upstream],
        "*text* [`consistent`]",
        "Chooses a server by a hash of the text; `consistent`: one that moves few clients when a \
         server comes or goes; the weights are at most 62500 in all then.",
    )
    .takes(1, 2),
    words("ip_hash", &[Upstream], "", "Chooses a server by the client's address.").takes(0, 0),
    words(
        "keepalive",
        &[Upstream],
        "*connections* [`local`]",
        "How many idle connections to the group each worker keeps. 0: none.",
    )
    .takes(1, 2)
    .or("32"),
    number("keepalive_requests", &[Upstream], "1000", "How many requests go over one of them."),
    time("keepalive_time", &[Upstream], "1h", "How old one may be when it is kept."),
    time("keepalive_timeout", &[Upstream], "60s", "How long one is kept."),
    words(
        "least_conn",
        &[Upstream],
        "",
        "Chooses the server with the fewest connections, in proportion to its weight.",
    )
    .takes(0, 0),
    words(
        "random",
        &[Upstream],
        "[`two` [`least_conn`]]",
        "Chooses a server by chance; `two`: the one with fewer connections of two.",
    )
    .takes(0, 2),
    words(
        "server",
        &[Upstream],
        "*address*[:*port*] | `unix:`*path* [`weight=`*number*] [`max_conns=`*number*] \
         [`max_fails=`*number*] [`fail_timeout=`*time*] [`backup`] [`down`] [`resolve`]",
        "An origin server of the group; a name is looked up when the configuration is loaded, and each \
         of its addresses is a server. `resolve`: looked up again and again while workers run.",
    )
    .takes(1, ANY)
    .repeatable(),
    row("upstream", &[Http], Kind::Block(Upstream), "*name*", "A group of origin servers.").repeatable(),
    words(
        "zone",
        &[Upstream],
        "*name* [*size*]",
        "Accepted: workers always share what they know of the servers.",
    )
    .takes(1, 2),
];
