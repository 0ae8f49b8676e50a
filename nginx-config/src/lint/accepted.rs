//! Values and variables that are accepted, and that nothing comes of.

use std::collections::HashSet;

use super::web::{Web, below, variables};
use crate::{
    compile::is_always_empty,
    directives::{self, Context, Effect},
    error::ConfigNote,
    syntax::Directive,
    values,
};

/// Name, the value of which nothing comes, why.
const ACCEPTED: [(&str, bool, &str); 4] = [
    ("proxy_buffering", true, "content streams through one buffer for each direction"),
    ("proxy_request_buffering", true, "content streams through one buffer for each direction"),
    ("tcp_nodelay", false, "it is always on"),
    ("ignore_invalid_headers", false, "a field name that is no token is refused with 400"),
];

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut all = Vec::new();
    below(web.http.block(), &mut all);
    let first = |(name, without, why): &(&str, bool, &str)| {
        let found = all.iter().find(|directive| {
            directive.name.text == *name && values::flag(&directive.argument(0).text) == Some(*without)
        })?;
        let value = if *without { "on" } else { "off" };
        Some(ConfigNote::new(&found.name.position, format!("\"{name} {value}\" has no effect: {why}")))
    };
    let mut notes: Vec<_> = ACCEPTED.iter().filter_map(first).collect();
    notes.extend(empty_variables(&all));
    notes
}

/// Variables of nginx that never have a value here, each once.
fn empty_variables(all: &[&Directive]) -> Vec<ConfigNote> {
    let mut told = HashSet::new();
    let mut notes = Vec::new();
    let has_effect = |directive: &&&Directive| {
        directives::find(&directive.name.text, Context::Location).is_none_or(|row| row.effect == Effect::Full)
    };
    for word in all.iter().filter(has_effect).flat_map(|directive| &directive.arguments) {
        for name in variables(&word.text).filter(|name| is_always_empty(name)) {
            let is_set = || {
                all.iter().any(|directive| {
                    directive.name.text == "set"
                        && directive.argument(0).text.eq_ignore_ascii_case(&format!("${name}"))
                })
            };
            if !is_set() && told.insert(name.clone()) {
                notes.push(ConfigNote::new(
                    &word.position,
                    format!("\"${name}\" is always empty in this version"),
                ));
            }
        }
    }
    notes
}
