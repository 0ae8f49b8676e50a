//! Which directives there are: the one table that says where each may stand, how many parameters it takes
//! and of which kind, what holds without it, and what it is for.
//!
//! A file is checked against it, values are read by it, and `docs/directives.md` is generated from it.

mod absent;
mod table;

use std::{fmt::Write as _, ops::RangeInclusive};

pub(crate) use absent::reason as reason_of_absence;
pub(crate) use table::DIRECTIVES;

/// A kind of block; what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Context {
    Main,
    Events,
    Http,
    Upstream,
    Server,
    /// An `if` in a server.
    ServerIf,
    Location,
    /// An `if` in a location.
    LocationIf,
}

impl Context {
    fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Events => "events",
            Self::Http => "http",
            Self::Upstream => "upstream",
            Self::Server => "server",
            Self::ServerIf => "if in server",
            Self::Location => "location",
            Self::LocationIf => "if in location",
        }
    }

    /// For messages.
    pub(crate) fn place(self) -> String {
        match self {
            Self::Main => "outside of all blocks".to_owned(),
            Self::ServerIf => "in an \"if\" of a \"server\"".to_owned(),
            Self::LocationIf => "in an \"if\" of a \"location\"".to_owned(),
            block => format!("in \"{}\"", block.name()),
        }
    }
}

/// One directive.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) contexts: &'static [Context],
    /// How many parameters.
    pub(crate) arity: RangeInclusive<usize>,
    pub(crate) kind: Kind,
    /// The parameters, as the documentation shows them.
    pub(crate) syntax: &'static str,
    /// What holds without it, in its own syntax.
    pub(crate) default: Option<&'static str>,
    /// Whether it may stand more than once in a block.
    pub(crate) repeatable: bool,
    pub(crate) doc: &'static str,
}

/// What kind of parameters a directive takes, or of block it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A block of directives.
    Block(Context),
    /// A block of pairs: `map`.
    Pairs,
    /// `on` or `off`.
    Flag,
    /// Every parameter a time, `75s`.
    Time,
    /// A number of bytes, `1m`.
    Size,
    /// A number.
    Number,
    /// A number, or `auto`.
    NumberOrAuto,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Words that mean something to this directive only.
    Words,
}

/// The directive called `name` that may stand in `context`; else one of this name elsewhere.
pub(crate) fn find(name: &str, context: Context) -> Option<&'static Row> {
    let named = || DIRECTIVES.iter().filter(|row| row.name == name);
    named().find(|row| row.contexts.contains(&context)).or_else(|| named().next())
}

/// The directive whose name is nearest to `name`, if one is near enough to be what was meant.
pub(crate) fn similar(name: &str) -> Option<&'static str> {
    let near = |row: &Row| (strsim::osa_distance(name, row.name), row.name);
    let (distance, found) = DIRECTIVES.iter().map(near).min_by_key(|(distance, _)| *distance)?;
    (distance <= (found.len() / 4).clamp(1, 3)).then_some(found)
}

/// The text of `docs/directives.md`.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    for row in DIRECTIVES {
        let contexts: Vec<_> = row.contexts.iter().map(|context| context.name()).collect();
        let block = if matches!(row.kind, Kind::Block(_) | Kind::Pairs) { " { … }" } else { "" };
        let space = if row.syntax.is_empty() { "" } else { " " };
        let default = row.default.map_or_else(String::new, |default| format!("`{default}`"));
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "| `{}`{space}{}{block} | {default} | {} | {} |",
            row.name,
            row.syntax.replace('|', "\\|"),
            contexts.join(", "),
            row.doc,
        );
    }
    out.push_str(FOOT);
    out
}

const HEAD: &str = "\
<!-- Generated: cargo run -p underpass-nginx-config --example directives_md > docs/directives.md -->

# Directives

Names, contexts, defaults and inheritance are nginx's. Anything that is not in this table is an error of the
file, with its place; for directives that nginx has, the message says so.

| Directive | Default | Contexts | |
| --- | --- | --- | --- |
";

const FOOT: &str = "
## Notation

- *time*: a number and a unit, `ms`, `s` (the default), `m`, `h`, `d`, `w`; several of them from large to small,
  `1m30s`.
- *size*: bytes, or with `k`, `m`, `g` kibi-, mebi-, gibibytes.
- *text*: may hold variables, `$name` or `${name}`; which ones there are, says `docs/behaviour.md`.
- A word may stand in single or double quotes. A relative *file* of a log or pid file is looked for in the
  prefix (`-p`), of an included file next to the main configuration file.
- A level (`http`, `server`, `location`) inherits what it has none of itself. `proxy_set_header` and
  `access_log` are inherited all together or not at all: one line of its own, and a level has none of those
  above.

## What differs from nginx

- `daemon` is `off` by default, and there may be no `events` block.
- A `log_format` may be used before its line. A `map` can't redefine a built-in variable. Maps that use each
  other in a circle are an error of the file, as is a file that includes itself.
- `return` takes codes from 200 to 599. Field names that are no tokens, a URI of `proxy_pass` that does not
  begin with `/`, and IPv4 addresses with leading zeros are refused.
- A server without `listen` is reached on port 80, whoever starts it.
- Files are UTF-8, comments excepted.
- Without `access_log`, lines go to standard output; without `error_log`, errors go to standard error. Without
  `pid`, there is no such file.
- A `location` that neither forwards nor returns answers 404: there are no files to serve.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_unambiguous() {
        for pair in DIRECTIVES.windows(2) {
            assert!(pair[0].name <= pair[1].name, "{} stands behind {}", pair[1].name, pair[0].name);
            let shared = pair[0].contexts.iter().any(|context| pair[1].contexts.contains(context));
            assert!(pair[0].name != pair[1].name || !shared, "{} is ambiguous", pair[0].name);
        }
    }

    #[test]
    fn rows_say_what_they_are() {
        for row in DIRECTIVES {
            assert!(row.doc.ends_with('.') && !row.doc.contains('|'), "{}", row.name);
            assert!(!row.contexts.is_empty(), "{}", row.name);
            assert_eq!(*row.arity.end() == 0, row.syntax.is_empty(), "{}", row.name);
            assert!(reason_of_absence(row.name).is_none(), "{} is there", row.name);
        }
    }

    #[test]
    fn neighbours_are_found() {
        assert_eq!(similar("sever"), Some("server"));
        assert_eq!(similar("proxy_set_headers"), Some("proxy_set_header"));
        assert_eq!(similar("proxy_read_time"), Some("proxy_read_timeout"));
        assert_eq!(similar("location_of_moon"), None);
        assert_eq!(similar("x"), None);
    }
}
