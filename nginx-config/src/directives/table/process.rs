//! The process, and the blocks at the top.

use super::{
    super::Context::{Events, Http, Location, LocationIf, Main, Server, ServerIf, Upstream},
    ANY, Kind, Row, flag, row, time, words,
};

pub(super) const ROWS: &[Row] = &[
    flag("daemon", &[Main], "off", "Whether to go into the background."),
    words(
        "env",
        &[Main],
        "*name*[=*value*]",
        "Sets a variable of the environment, for the workers of nginx: here there is one process, \
         which keeps what it was started with.",
    )
    .repeatable(),
    row("events", &[Main], Kind::Block(Events), "", "How connections are dealt with.").takes(0, 0),
    row("http", &[Main], Kind::Block(Http), "", "The gateway and its servers.").takes(0, 0),
    words(
        "include",
        &[Main, Events, Http, Upstream, Server, ServerIf, Location, LocationIf],
        "*file* | *mask*",
        "Reads directives from another file, or from all files that match a mask, in order of their \
         names. In a block of pairs: pairs.",
    )
    .repeatable(),
    flag("master_process", &[Main], "on", "Accepted: workers are threads of one process."),
    words("pid", &[Main], "*file*", "A file that holds the number of the process."),
    words(
        "user",
        &[Main],
        "*user* [*group*]",
        "Whom the process becomes when root starts it; without a group the one that is called like the user. By \
         default the group of `nobody` is the one that this user has.",
    )
    .takes(1, 2)
    .or("nobody"),
    row(
        "worker_connections",
        &[Events],
        Kind::Number,
        "*number*",
        "How many connections a worker has at most.",
    )
    .or("512"),
    words(
        "worker_cpu_affinity",
        &[Main],
        "`auto` [*mask*] | *mask* …",
        "Which processors the workers run on; a mask is written in binary, the last digit is the first \
         processor.",
    )
    .takes(1, ANY),
    row(
        "worker_processes",
        &[Main],
        Kind::NumberOrAuto,
        "*number* | `auto`",
        "How many workers there are; `auto`: as many as processors.",
    )
    .or("1"),
    row(
        "worker_rlimit_nofile",
        &[Main],
        Kind::Number,
        "*number*",
        "How many descriptors the process may have.",
    ),
    Row {
        default: None,
        ..time(
            "worker_shutdown_timeout",
            &[Main],
            "",
            "How long a drain may take: then what is still open is closed. 0: as long as it takes.",
        )
    },
];
