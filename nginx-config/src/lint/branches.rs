//! What an `if` is often thought to do.

use super::web::{Place, Web, named};
use crate::{error::ConfigNote, syntax::Directive};

pub(super) fn check(web: &Web<'_>) -> Vec<ConfigNote> {
    let mut notes = Vec::new();
    for place in &web.places {
        named(place.own(), "if").for_each(|branch| notes.extend(condition(branch)));
        notes.extend(several(place));
    }
    notes
}

/// Comparisons that are meant differently.
fn condition(branch: &Directive) -> Option<ConfigNote> {
    let words: Vec<_> =
        branch.arguments.iter().map(|word| word.text.trim_start_matches('(').trim_end_matches(')')).collect();
    let words: Vec<_> = words.split(|word| word.is_empty()).flatten().copied().collect();
    let [subject, "=" | "!=", other] = words.as_slice() else {
        if branch.inside().is_empty() {
            let note = ConfigNote::new(&branch.name.position, "this \"if\" does nothing");
            return Some(note.hint("remove it, or fill it"));
        }
        return None;
    };
    let position = &branch.name.position;
    if subject.eq_ignore_ascii_case("$http_upgrade") && !other.contains('$') {
        let message = format!("\"=\" heeds case: {subject} may as well be \"WebSocket\" as \"{other}\"");
        return Some(
            ConfigNote::new(position, message).hint(format!("write \"~* ^{other}$\", or use a \"map\"")),
        );
    }
    let is_pattern =
        other.starts_with('^') || other.starts_with(".*") || other.contains("(.*)") || other.ends_with('$');
    if is_pattern && !other.is_empty() {
        let message = format!("\"=\" compares text: \"{other}\" is not matched as a regular expression");
        return Some(ConfigNote::new(position, message).hint("write \"~\" for a regular expression"));
    }
    if branch.inside().is_empty() {
        return Some(ConfigNote::new(position, "this \"if\" does nothing").hint("remove it, or fill it"));
    }
    None
}

/// Several `if`s of a location that forward.
fn several(place: &Place<'_>) -> Option<ConfigNote> {
    let forwards = |branch: &&Directive| named(branch.inside(), "proxy_pass").next().is_some();
    let mut branches = named(place.own(), "if").filter(forwards);
    let (first, second) = (branches.next()?, branches.next()?);
    let message = format!(
        "where this \"if\" holds and that of line {}, too, requests go where this one says",
        first.name.position.line
    );
    let hint = "of several that hold the last one counts: a \"map\" for the address in \"proxy_pass\" says \
         which one";
    Some(ConfigNote::new(&second.name.position, message).hint(hint))
}
