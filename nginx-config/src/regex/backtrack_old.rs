//! The engine that can look around and refer back, and may take long.

use fancy_regex::{BytesMode, Regex, RegexBuilder};
use underpass_core::template::{Captures, Pattern};

/// Steps back that one match may take: some milliseconds.
const STEPS: usize = 100_000;

#[derive(Debug)]
pub(super) struct Backtracking(Regex);

impl Backtracking {
    pub(super) fn new(pattern: &str, ignore_case: bool) -> Result<Self, String> {
        let mut builder = RegexBuilder::new(pattern);
        builder.bytes_mode(BytesMode::Ascii).case_insensitive(ignore_case).backtrack_limit(STEPS);
        builder.build().map(Self).map_err(|error| error.to_string())
    }
}

impl Pattern for Backtracking {
    /// Past the limit there is no match (B7).
    fn find(&self, subject: &[u8], captures: &mut Captures) -> bool {
        let found = match self.0.captures(subject) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            Err(_) => {
                captures.give_up();
                return false;
            }
        };
        captures.begin(subject);
        for (index, group) in found.iter().enumerate() {
            if let Some(group) = group {
                captures.set(index, group.start(), group.end());
            }
        }
        true
    }
}
