//! Levels that lose what they would inherit.

use super::web::{Place, Web, named};
use crate::{error::ConfigNote, syntax::Directive};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    web.places.iter().filter(|place| forwards(place)).filter_map(lost).collect()
}

/// Whether requests are forwarded with the header lines of this level.
fn forwards(place: &Place<'_>) -> bool {
    fn in_block(block: &[Directive]) -> bool {
        named(block, "proxy_pass").next().is_some()
            || block.iter().any(|inner| {
                matches!(inner.name.text.as_str(), "server" | "location" | "if") && in_block(inner.inside())
            })
    }
    in_block(place.own())
}

/// What is not among the lines of a level that has some, but among those that it would inherit without.
fn lost(place: &Place<'_>) -> Option<ConfigNote> {
    let own: Vec<_> = named(place.own(), "proxy_set_header").collect();
    let first = own.first()?;
    let outer = place.outwards().skip(1).find(|level| level.has("proxy_set_header"))?;
    let is_set = |field: &str| own.iter().any(|line| line.argument(0).text.eq_ignore_ascii_case(field));
    let mut lost: Vec<&str> = Vec::new();
    let mut from = None;
    for line in outer.all(&["proxy_set_header"]) {
        let field = line.argument(0).text.as_str();
        if !is_set(field) && !lost.iter().any(|known| known.eq_ignore_ascii_case(field)) {
            lost.push(field);
            from.get_or_insert(&line.name.position);
        }
    }
    let from = from?;
    let fields: Vec<_> = lost.iter().map(|field| format!("\"{field}\"")).collect();
    let message = format!(
        "{} has \"proxy_set_header\" lines of its own and loses those of line {}: {}",
        place.called(),
        from.line,
        fields.join(", ")
    );
    Some(ConfigNote::new(&first.name.position, message).hint("repeat here what is still wanted"))
}
