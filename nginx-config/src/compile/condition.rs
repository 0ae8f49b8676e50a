//! The words of a condition.

use crate::{
    error::Error,
    syntax::{Directive, Word},
};

/// The words between the parentheses, which may stand alone or at the first and the last word.
pub(super) fn condition_words(directive: &Directive) -> Result<Vec<Word>, Error> {
    let mut words = directive.arguments.clone();
    let first = directive.argument(0);
    let invalid = |word: &Word| {
        Err(Error::new(&word.position, format!("invalid condition \"{}\"", word.text))
            .hint("a condition stands in parentheses"))
    };
    let Some(word) = words.first_mut() else { return invalid(first) };
    let Some(inside) = word.text.strip_prefix('(') else { return invalid(first) };
    word.text = inside.to_owned();
    word.position.column += 1;
    let Some(word) = words.last_mut() else { return invalid(first) };
    let Some(inside) = word.text.strip_suffix(')') else { return invalid(word) };
    word.text = inside.to_owned();
    let one = words.len() == 1;
    let alone =
        |at: usize| directive.arguments.get(at).is_some_and(|word| matches!(word.text.as_str(), "(" | ")"));
    if !one && alone(words.len() - 1) {
        words.pop();
    }
    if !one && alone(0) && !words.is_empty() {
        words.remove(0);
    }
    if words.first().is_none_or(|word| word.text.is_empty()) {
        return invalid(first);
    }
    Ok(words)
}
