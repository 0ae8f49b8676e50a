//! The rows, by name.

use super::{
    Context::{self, Events, Http, Location, LocationIf, Main, Server, ServerIf, Upstream},
    Kind, Row,
};

const LEVELS: &[Context] = &[Http, Server, Location];

/// A directive with one parameter that stands at most once in a block, unless said otherwise.
const fn row(
    name: &'static str,
    contexts: &'static [Context],
    kind: Kind,
    syntax: &'static str,
    doc: &'static str,
) -> Row {
    Row { name, contexts, arity: 1..=1, kind, syntax, default: None, repeatable: false, doc }
}

impl Row {
    const fn takes(mut self, least: usize, most: usize) -> Self {
        self.arity = std::ops::RangeInclusive::new(least, most);
        self
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

/// Any number of parameters.
const ANY: usize = usize::MAX;

pub(crate) static DIRECTIVES: &[Row] = &[
    row(
        "access_log",
        LEVELS,
        Kind::Words,
        "*file* [*format*] | `off`",
        "Writes a line to the file when an exchange is over. Several are possible; `off` turns off those of \
         its level and above.",
    )
    .takes(1, ANY)
    .or("/dev/stdout combined")
    .repeatable(),
    row(
        "break",
        &[Server, ServerIf, Location, LocationIf],
        Kind::Words,
        "",
        "Ends the rewriting of its level: the request stays in its location.",
    )
    .takes(0, 0)
    .repeatable(),
    row(
        "client_header_timeout",
        &[Http, Server],
        Kind::Time,
        "*time*",
        "How long a client may take for the head of a request.",
    )
    .or("60s"),
    row(
        "client_max_body_size",
        LEVELS,
        Kind::Size,
        "*size*",
        "How much content a request may have; more is answered with 413. 0: any.",
    )
    .or("1m"),
    row(
        "daemon",
        &[Main],
        Kind::Flag,
        "`on` | `off`",
        "Whether to go into the background.",
    )
    .or("off"),
    row(
        "error_log",
        &[Main, Http, Server, Location],
        Kind::Words,
        "*file* | `stderr` [`debug` | `info` | `notice` | `warn` | `error` | `crit` | `alert` | `emerg`]",
        "Where errors go, from this level on (`error`). Those outside of all blocks hold for everything; \
         others are accepted and have no effect.",
    )
    .takes(1, ANY)
    .or("stderr error")
    .repeatable(),
    row("events", &[Main], Kind::Block(Events), "", "How connections are dealt with.").takes(0, 0),
    row(
        "geo",
        &[Http],
        Kind::Pairs,
        "[*$address*] *$variable*",
        "Defines a variable by the client's address, or by another one: the longest network that holds it decides, \
         else `default`. `delete` takes a network out; after `ranges` there are ranges, `10.0.0.1-10.0.0.9`.",
    )
    .takes(1, 2)
    .repeatable(),
    row("http", &[Main], Kind::Block(Http), "", "The gateway and its servers.").takes(0, 0),
    row(
        "if",
        &[Location],
        Kind::Block(LocationIf),
        "(*condition*)",
        "Does what is inside when the condition holds: `$variable`, `$variable = text`, `$variable ~ regex`, or with \
         `!=`, `~*`, `!~`, `!~*`.",
    )
    .takes(1, ANY)
    .repeatable(),
    row("if", &[Server], Kind::Block(ServerIf), "(*condition*)", "The same for all requests of a server.")
        .takes(1, ANY)
        .repeatable(),
    row(
        "include",
        &[Main, Events, Http, Upstream, Server, ServerIf, Location, LocationIf],
        Kind::Words,
        "*file* | *mask*",
        "Reads directives from another file, or from all files that match a mask, in order of their names. \
         In a `map`: pairs.",
    )
    .repeatable(),
    row(
        "keepalive",
        &[Upstream],
        Kind::Number,
        "*connections*",
        "How many idle connections to the group each worker keeps. 0: none.",
    )
    .or("32"),
    row(
        "keepalive_requests",
        LEVELS,
        Kind::Number,
        "*number*",
        "How many requests a client may send over one connection.",
    )
    .or("1000"),
    row(
        "keepalive_timeout",
        LEVELS,
        Kind::Time,
        "*time* [*header_time*]",
        "How long a connection waits for the client's next request. 0: it is closed after each. The second \
         parameter is accepted and has no effect.",
    )
    .takes(1, 2)
    .or("75s"),
    row(
        "listen",
        &[Server],
        Kind::Words,
        "*address*[:*port*] | *port* [`default_server`]",
        "Where the server is reached. `default_server`: it answers requests there whose host no server has as \
         its name; else the first server does.",
    )
    .takes(1, ANY)
    .or("*:80")
    .repeatable(),
    row(
        "location",
        &[Server, Location],
        Kind::Block(Location),
        "[`=` | `^~`] *path* | `~` *regex* | `~*` *regex* | `@`*name*",
        "What is done with requests whose path is exactly this one (`=`), matches a regular expression (the \
         first of them; `~*`: case is ignored) or begins with this (the longest; `^~`: no regular expression is \
         tried then). `@`: only an `error_page` leads there.",
    )
    .takes(1, 2)
    .repeatable(),
    row(
        "log_format",
        &[Http],
        Kind::Words,
        "*name* [`escape=default` | `escape=json` | `escape=none`] *text* …",
        "The format of a log's lines; `combined` is there from the start.",
    )
    .takes(2, ANY)
    .repeatable(),
    row(
        "map",
        &[Http],
        Kind::Pairs,
        "*text* *$variable*",
        "Defines a variable: where the text has the value on the left of a pair, case ignored, it has the \
         value on the right. `~` in front makes a regular expression of it (`~*`: case is ignored). `default` stands for \
         the rest; `hostnames` permits masks (`*.example.com`, `.example.com`, `example.*`); `volatile` evaluates anew \
         at each use; `\\` in front makes a plain string of a special word.",
    )
    .takes(2, 2)
    .repeatable(),
    row("pid", &[Main], Kind::Words, "*file*", "A file that holds the number of the process."),
    row(
        "proxy_connect_timeout",
        LEVELS,
        Kind::Time,
        "*time*",
        "How long connecting to an origin server may take.",
    )
    .or("60s"),
    row(
        "proxy_http_version",
        LEVELS,
        Kind::OneOf(&["1.0", "1.1"]),
        "`1.0` | `1.1`",
        "The version of HTTP towards origin servers. Upgrades need 1.1.",
    )
    .or("1.1"),
    row(
        "proxy_pass",
        &[Location, LocationIf],
        Kind::Words,
        "`http://`*address*[:*port*][*uri*] | `http://`*group*[*uri*]",
        "Forwards requests to an origin server or a group of them. A URI takes the place of the path of the \
         location.",
    ),
    row(
        "proxy_read_timeout",
        LEVELS,
        Kind::Time,
        "*time*",
        "How long an origin server may be silent within a response, and a tunnel in both directions.",
    )
    .or("60s"),
    row(
        "proxy_send_timeout",
        LEVELS,
        Kind::Time,
        "*time*",
        "How long an origin server may take nothing of what waits for it.",
    )
    .or("60s"),
    row(
        "proxy_set_header",
        LEVELS,
        Kind::Words,
        "*name* *text*",
        "Sets a field of forwarded requests; an empty value removes it.",
    )
    .takes(2, 2)
    .or("Host $proxy_host")
    .repeatable(),
    row(
        "return",
        &[Server, ServerIf, Location, LocationIf],
        Kind::Words,
        "*code* [*text*] | *code* *URL* | *URL*",
        "Answers without asking anybody. 301, 302, 303, 307 and 308 take a URL to go to, a URL alone is a 302.",
    )
    .takes(1, 2)
    .repeatable(),
    row(
        "rewrite",
        &[Server, ServerIf, Location, LocationIf],
        Kind::Words,
        "*regex* *text* [`last` | `break` | `redirect` | `permanent`]",
        "Where the path matches, it becomes the text. Then a location is searched anew, with `last` at once, with \
         `break` not at all; `redirect`, `permanent`, and a text with a scheme send the client there (302, 301, 302).",
    )
    .takes(2, 3)
    .repeatable(),
    row(
        "send_timeout",
        LEVELS,
        Kind::Time,
        "*time*",
        "How long a client may take nothing of what waits for it.",
    )
    .or("60s"),
    row("server", &[Http], Kind::Block(Server), "", "A virtual server.").takes(0, 0).repeatable(),
    row(
        "server",
        &[Upstream],
        Kind::Words,
        "*address*[:*port*]",
        "An origin server of the group; names are looked up when the configuration is loaded, each of their \
         addresses is a server.",
    )
    .takes(1, ANY)
    .repeatable(),
    row(
        "server_name",
        &[Server],
        Kind::Words,
        "*name* …",
        "The hosts that the server answers for; `\"\"`: requests without one.",
    )
    .takes(1, ANY)
    .or("\"\"")
    .repeatable(),
    row(
        "set",
        &[Server, ServerIf, Location, LocationIf],
        Kind::Words,
        "*$variable* *text*",
        "Gives a variable a value; `$args` is the query of the request.",
    )
    .takes(2, 2)
    .repeatable(),
    row(
        "split_clients",
        &[Http],
        Kind::Pairs,
        "*text* *$variable*",
        "Defines a variable by a hash of the text: each pair is a share (`0.5%`, or `*` for the rest) and a value.",
    )
    .takes(2, 2)
    .repeatable(),
    row("upstream", &[Http], Kind::Block(Upstream), "*name*", "A group of origin servers.").repeatable(),
    row(
        "worker_connections",
        &[Events],
        Kind::Number,
        "*number*",
        "How many connections a worker has at most.",
    )
    .or("512"),
    row(
        "worker_processes",
        &[Main],
        Kind::NumberOrAuto,
        "*number* | `auto`",
        "How many workers there are; `auto`: as many as processors.",
    )
    .or("1"),
];
