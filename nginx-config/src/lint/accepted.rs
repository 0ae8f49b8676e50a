//! Values that are accepted, and that nothing comes of.

use super::web::{Web, below};
use crate::{error::Note, values};

/// Name, the value of which nothing comes, why.
const ACCEPTED: [(&str, bool, &str); 4] = [
    ("proxy_buffering", true, "content streams through one buffer for each direction"),
    ("proxy_request_buffering", true, "content streams through one buffer for each direction"),
    ("tcp_nodelay", false, "it is always on"),
    ("ignore_invalid_headers", false, "a field name that is no token is refused with 400"),
];

pub(super) fn check(web: &Web<'_>) -> Vec<Note> {
    let mut all = Vec::new();
    below(web.http, &mut all);
    let first = |(name, without, why): &(&str, bool, &str)| {
        let found = all.iter().find(|directive| {
            directive.name.text == *name && values::flag(&directive.argument(0).text) == Some(*without)
        })?;
        let value = if *without { "on" } else { "off" };
        Some(Note::new(&found.name.position, format!("\"{name} {value}\" has no effect: {why}")))
    };
    ACCEPTED.iter().filter_map(first).collect()
}
