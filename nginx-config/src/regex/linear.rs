//! The engine whose time is linear in the subject.

use std::error::Error as _;

use regex_automata::{
    Input,
    meta::{Config, Regex},
    util::syntax,
};
use underpass_core::template::{Captures, Pattern};

/// Bytes that a compiled expression may take.
const SIZE_LIMIT: usize = 10 << 20;

#[derive(Debug)]
pub(super) struct Linear(Regex);

impl Linear {
    pub(super) fn new(pattern: &str, ignore_case: bool) -> Result<Self, String> {
        let syntax = syntax::Config::new().unicode(false).utf8(false).case_insensitive(ignore_case);
        let config = Config::new().utf8_empty(false).nfa_size_limit(Some(SIZE_LIMIT));
        let regex = Regex::builder().syntax(syntax).configure(config).build(pattern);
        regex.map(Self).map_err(|error| error.syntax_error().map_or_else(|| innermost(&error), reason))
    }
}

impl Pattern for Linear {
    fn find(&self, subject: &[u8], captures: &mut Captures) -> bool {
        let mut slots = [None; 2 * Captures::GROUPS];
        if self.0.search_slots(&Input::new(subject), &mut slots).is_none() {
            return false;
        }
        captures.begin(subject);
        let (pairs, _) = slots.as_chunks::<2>();
        for (group, pair) in pairs.iter().enumerate() {
            if let [Some(from), Some(to)] = pair {
                captures.set(group, from.get(), to.get());
            }
        }
        true
    }
}

/// The last line of what the parser says: the others show the translated expression.
fn reason(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn innermost(error: &regex_automata::meta::BuildError) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
