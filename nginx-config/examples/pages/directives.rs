//! The text of `docs/guide/directives.md`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use underpass_nginx_config::{Directive, DirectiveOutcome};

/// The whole page.
pub(crate) fn markdown() -> String {
    let mut out = String::from(HEAD);
    // Writing to a string can't fail.
    let _ = write(&mut out);
    out
}

fn write(out: &mut String) -> fmt::Result {
    for directive in Directive::all().filter(|directive| directive.outcome() == DirectiveOutcome::Obeyed) {
        let (name, syntax) = (directive.name(), directive.syntax());
        let contexts: Vec<_> = directive.contexts().collect();
        let block = if directive.opens_block() { " { … }" } else { "" };
        let space = if syntax.is_empty() { "" } else { " " };
        let default = directive.default().map_or_else(String::new, |default| format!("`{default}`"));
        writeln!(
            out,
            "| `{name}`{space}{}{block} | {default} | {} | {} |",
            syntax.replace('|', "\\|"),
            contexts.join(", "),
            directive.meaning(),
        )?;
    }
    out.push_str(ANSWERED);
    writeln!(out, "{}.", names(DirectiveOutcome::NotImplemented))?;
    out.push_str(REFUSED);
    writeln!(out, "{}.", names(DirectiveOutcome::Refused))?;
    out.push_str(WITHOUT_EFFECT);
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for directive in Directive::all() {
        if let DirectiveOutcome::Ignored(why) = directive.outcome() {
            reasons.entry(why).or_default().push(directive.name());
        }
    }
    for (why, mut names) in reasons {
        names.dedup();
        writeln!(out, "| {why} | `{}` |", names.join("` `"))?;
    }
    out.push_str(FOOT);
    Ok(())
}

fn names(outcome: DirectiveOutcome) -> String {
    let wanted = Directive::all().filter(|directive| directive.outcome() == outcome);
    wanted.map(|directive| format!("`{}`", directive.name())).collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
<!-- Generated: cargo run -p underpass-nginx-config --example directives_md > docs/guide/directives.md -->

# Directives

Names, contexts, defaults and inheritance are nginx's. Anything that is not on this page is an error of the
file, with its place; for directives that nginx has, the message says so.

| Directive | Default | Contexts | |
| --- | --- | --- | --- |
";

const ANSWERED: &str = "
## Answered with 501

A request that one of these would answer is answered with 501, and a line of the error log names the directive; a
note says so when the file is read. Where a location has `proxy_pass`, too, that answers (not with `try_files`).

";

const REFUSED: &str = "
## Errors of the file

What these ask for would not come, and whoever relies on it has to know. The message says what to write instead. The value `off`
is accepted where there is one, with a note.

";

const WITHOUT_EFFECT: &str = "
## Accepted without effect

These stand in files that are moved over from nginx. One note for each name says why nothing comes of it.

| Why | Names |
| --- | --- |
";

const FOOT: &str = "
## Notation

- *time*: a number and a unit, `ms`, `s` (the default), `m`, `h`, `d`, `w`; several of them from large to small,
  `1m30s`. Where nginx counts whole seconds (`expires`, `fail_timeout=`, `valid=`), also `M` (30 days) and `y` (365), and no
  `ms`.
- *size*: bytes, or with `k`, `m`, `g` kibi-, mebi-, gibibytes.
- *text*: may hold variables, `$name` or `${name}`; which ones there are, says `docs/design/behaviour.md`.
- A word may stand in single or double quotes. A relative *file* of a log or pid file is looked for in the
  prefix (`-p`), of an included file next to the main configuration file.
- A level (`http`, `server`, `location`, `if`) inherits what it has none of itself. Directives that may stand
  several times, such as `proxy_set_header`, `add_header` and `access_log`, are inherited all together or not at
  all: one line of its own, and a level has none of those above.
- *regex*: PCRE's syntax. Subjects are bytes; `$` is the very end. `\\p`, `\\X`, `\\C`, recursion, conditions and
  verbs `(*…)` are refused. An expression with look-around, back-references, atomic groups or possessive quantifiers
  runs in a slower engine and does not match when that takes too many steps; a note says so.

## What differs from nginx

- `daemon` is `off` by default, and there may be no `events` block.
- A `log_format` may be used before its line. A `map` can't redefine a built-in variable, nor a named group one
  that a `map` defines. Maps that use each other in a circle are an error of the file, as is a file that includes itself.
- An `if` holds `return`, `set`, `rewrite`, `break` and, in a location, `proxy_pass`; it doesn't look at files.
- `return` takes codes from 200 to 599. Field names that are no tokens, a URI of `proxy_pass` that does not
  begin with `/`, and IPv4 addresses with leading zeros are refused.
- A server without `listen` is reached on port 80, whoever starts it.
- Files are UTF-8, comments excepted.
- Without `access_log`, lines go to standard output; without `error_log`, errors go to standard error. Without
  `pid`, there is no such file.
- A `location` that neither forwards nor returns answers 404: there are no files to serve.
";
