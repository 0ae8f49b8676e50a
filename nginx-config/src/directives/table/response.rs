//! What is added to responses, and what answers in the place of an error.

use super::{ANY, Kind, LEVELS, Row, flag, row, words};

pub(super) const ROWS: &[Row] = &[
    words(
        "add_header",
        LEVELS,
        "*name* *text* [`always`]",
        "Adds a field to responses with status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308; \
         `always`: to all.",
    )
    .takes(2, 3)
    .repeatable(),
    row(
        "add_header_inherit",
        LEVELS,
        Kind::OneOf(&["on", "off", "merge"]),
        "`on` | `off` | `merge`",
        "What a level has of the fields that those above add: all when it adds none itself, none, or all. \
         Levels inside have the same rule, unless they have their own.",
    )
    .or("on"),
    words(
        "add_trailer",
        LEVELS,
        "*name* *text* [`always`]",
        "Likewise, a field behind the content of a chunked response.",
    )
    .takes(2, 3)
    .repeatable(),
    row(
        "add_trailer_inherit",
        LEVELS,
        Kind::OneOf(&["on", "off", "merge"]),
        "`on` | `off` | `merge`",
        "As `add_header_inherit`.",
    )
    .or("on"),
    words(
        "default_type",
        LEVELS,
        "*type*",
        "The media type of content of our own whose path has no known extension.",
    )
    .or("text/plain"),
    words(
        "error_page",
        LEVELS,
        "*code* … [`=`[*code*]] *uri* | `@`*name* | *URL*",
        "What answers in the place of our own response with such a status, or of the origin server's \
         with `proxy_intercept_errors`; `=` changes the status.",
    )
    .takes(2, ANY)
    .repeatable(),
    words(
        "expires",
        LEVELS,
        "[`modified`] *time* | `epoch` | `max` | `off`",
        "Sets `Expires` and `Cache-Control` of the responses that `add_header` has. `modified`, a time \
         of the day and variables are not in this version.",
    )
    .takes(1, 2)
    .or("off"),
    flag("recursive_error_pages", LEVELS, "off", "Whether errors of an error page have error pages."),
    row(
        "types",
        LEVELS,
        Kind::Pairs,
        "",
        "Which extensions of a path a media type belongs to: pairs of a type and its extensions.",
    )
    .takes(0, 0)
    .repeatable(),
];
