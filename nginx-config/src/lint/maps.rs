//! Variables that nobody uses.

use std::collections::HashSet;

use super::web::{Web, below, named, variables};
use crate::{error::ConfigNote, syntax::Directive};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut all = Vec::new();
    below(web.http.block(), &mut all);
    let mut used: HashSet<String> = HashSet::new();
    for directive in all {
        let defines = matches!(directive.name.text.as_str(), "map" | "geo" | "split_clients");
        let words = directive.arguments.len() - usize::from(defines && !directive.arguments.is_empty());
        for word in directive.arguments.iter().take(words) {
            used.extend(variables(&word.text));
        }
    }
    let unused = |map: &&Directive| {
        let name = map.argument(1).text.trim_start_matches('$').to_ascii_lowercase();
        !used.contains(&name)
    };
    let note = |map: &Directive| {
        let name = &map.argument(1).text;
        let note = ConfigNote::new(&map.argument(1).position, format!("\"{name}\" is never used"));
        if variables(&map.argument(0).text).any(|name| name == "http_upgrade") {
            return note.hint(format!("use it, as in \"proxy_set_header Connection {name};\""));
        }
        note.hint("use it, or remove the \"map\"")
    };
    named(web.http.block(), "map").filter(unused).map(note).collect()
}
