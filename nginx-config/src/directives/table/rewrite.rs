//! The rewrite directives.

use super::{
    super::Context::{Location, LocationIf, Server, ServerIf},
    ANY, Kind, REWRITES, Row, row, words,
};

pub(super) const ROWS: &[Row] = &[
    words("break", REWRITES, "", "Ends the rewriting of its level: the request stays in its location.")
        .takes(0, 0)
        .repeatable(),
    row(
        "if",
        &[Location],
        Kind::Block(LocationIf),
        "(*condition*)",
        "Does what is inside when the condition holds: `$variable`, `$variable = text`, `$variable ~ \
         regex`, or with `!=`, `~*`, `!~`, `!~*`.",
    )
    .takes(1, ANY)
    .repeatable(),
    row("if", &[Server], Kind::Block(ServerIf), "(*condition*)", "The same for all requests of a server.")
        .takes(1, ANY)
        .repeatable(),
    words(
        "return",
        REWRITES,
        "*code* [*text*] | *code* *URL* | *URL*",
        "Answers without asking anybody. 301, 302, 303, 307 and 308 take a URL to go to, a URL alone \
         is a 302; 444 closes the connection without an answer.",
    )
    .takes(1, 2)
    .repeatable(),
    words(
        "rewrite",
        REWRITES,
        "*regex* *text* [`last` | `break` | `redirect` | `permanent`]",
        "Where the path matches, it becomes the text. Then a location is searched anew, with `last` at \
         once, with `break` not at all; `redirect`, `permanent`, and a text with a scheme send the \
         client there (302, 301, 302).",
    )
    .takes(2, 3)
    .repeatable(),
    words(
        "set",
        REWRITES,
        "*$variable* *text*",
        "Gives a variable a value; `$args` is the query of the request.",
    )
    .takes(2, 2)
    .repeatable(),
];
