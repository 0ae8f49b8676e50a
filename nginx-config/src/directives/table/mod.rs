//! The rows, a file for each family.

mod access;
mod files;
mod http;
mod inert;
mod logs;
mod process;
mod proxy;
mod response;
mod rewrite;
mod tls;
mod tunnel;
mod upgrade;
mod upstream;
mod variables;

use std::sync::LazyLock;

use super::{
    Context::{self, Http, Location, LocationIf, Server, ServerIf},
    Effect, Kind, Row,
};

/// All directives, by name.
pub(crate) static DIRECTIVES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let families = [
        access::ROWS,
        files::ROWS,
        http::ROWS,
        logs::ROWS,
        process::ROWS,
        proxy::ROWS,
        response::ROWS,
        rewrite::ROWS,
        tls::ROWS,
        tunnel::ROWS,
        upgrade::ROWS,
        upstream::ROWS,
        variables::ROWS,
    ];
    let mut rows: Vec<_> = families.into_iter().flatten().copied().collect();
    rows.extend(inert::rows());
    rows.extend(tls::rows());
    rows.extend(files::rows());
    rows.sort_by_key(|row| row.name);
    rows
});

/// Where most directives may stand.
const LEVELS: &[Context] = &[Http, Server, Location];

/// Where the rewrite directives may stand.
const REWRITES: &[Context] = &[Server, ServerIf, Location, LocationIf];

/// Any number of parameters.
const ANY: usize = usize::MAX;

/// A directive with one parameter that stands at most once in a block, unless said otherwise.
const fn row(
    name: &'static str,
    contexts: &'static [Context],
    kind: Kind,
    syntax: &'static str,
    doc: &'static str,
) -> Row {
    Row {
        name,
        contexts,
        arity: (1, 1),
        kind,
        syntax,
        default: None,
        repeatable: false,
        effect: Effect::Full,
        doc,
    }
}

const fn flag(
    name: &'static str,
    contexts: &'static [Context],
    default: &'static str,
    doc: &'static str,
) -> Row {
    row(name, contexts, Kind::Flag, "`on` | `off`", doc).or(default)
}

const fn time(
    name: &'static str,
    contexts: &'static [Context],
    default: &'static str,
    doc: &'static str,
) -> Row {
    row(name, contexts, Kind::Time, "*time*", doc).or(default)
}

const fn size(
    name: &'static str,
    contexts: &'static [Context],
    default: &'static str,
    doc: &'static str,
) -> Row {
    row(name, contexts, Kind::Size, "*size*", doc).or(default)
}

const fn number(
    name: &'static str,
    contexts: &'static [Context],
    default: &'static str,
    doc: &'static str,
) -> Row {
    row(name, contexts, Kind::Number, "*number*", doc).or(default)
}

/// Words that mean something to this directive only.
const fn words(
    name: &'static str,
    contexts: &'static [Context],
    syntax: &'static str,
    doc: &'static str,
) -> Row {
    row(name, contexts, Kind::Words, syntax, doc)
}

impl Row {
    const fn syntax(mut self, syntax: &'static str) -> Self {
        self.syntax = syntax;
        self
    }

    const fn takes(mut self, least: usize, most: usize) -> Self {
        self.arity = (least, most);
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

/// Rows of which only the names differ: `names` has them with a space between.
fn alike(names: &'static str, row: Row) -> impl Iterator<Item = Row> {
    names.split(' ').map(move |name| Row { name, ..row })
}
