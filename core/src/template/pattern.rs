//! Regular expressions, as far as the machine needs to know them.

use std::{fmt, sync::Arc};

use super::SetId;

/// A compiled regular expression. The engine lives outside of this crate.
pub trait Pattern: Send + Sync + fmt::Debug {
    /// Whether the pattern occurs in `subject`; if so, `captures` has been filled. An engine that bounds its steps
    /// says with [`Captures::give_up`] that it doesn't know: that is no match, and the error log has it (B7).
    fn find(&self, subject: &[u8], captures: &mut Captures) -> bool;
}

/// A regular expression of the configuration: the pattern, and the variables that its named groups define.
#[derive(Clone, Debug)]
pub struct Regex {
    pattern: Arc<dyn Pattern>,
    names: Arc<[(usize, SetId)]>,
}

impl Regex {
    /// A regular expression whose group `names[i].0` (from 1) defines the variable `names[i].1` when it matches.
    #[must_use]
    pub fn new(pattern: Arc<dyn Pattern>, names: Vec<(usize, SetId)>) -> Self {
        Self { pattern, names: names.into() }
    }

    /// The pattern.
    #[must_use]
    pub fn pattern(&self) -> &dyn Pattern {
        &*self.pattern
    }

    /// The variables that its groups define, by the number of the group.
    #[must_use]
    pub fn names(&self) -> &[(usize, SetId)] {
        &self.names
    }
}

/// What the groups of a pattern matched: byte ranges of the subject. Reused from match to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    subject: Vec<u8>,
    spans: [Option<(u32, u32)>; Self::GROUPS],
    given_up: bool,
}

impl Captures {
    /// How many groups are kept, the whole match included: `$1` to `$9` can be written, named groups may
    /// have higher numbers.
    pub const GROUPS: usize = 20;

    /// Forgets the last match and notes the subject of a new one.
    pub fn begin(&mut self, subject: &[u8]) {
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.spans = [None; Self::GROUPS];
    }

    /// Notes that group `index` (0: the whole match; less than [`Self::GROUPS`]) matched `from..to`.
    pub fn set(&mut self, index: usize, from: usize, to: usize) {
        if let (Some(slot), Ok(from), Ok(to)) =
            (self.spans.get_mut(index), u32::try_from(from), u32::try_from(to))
        {
            *slot = Some((from, to));
        }
    }

    /// Notes that the search took more steps than it may.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether a search was given up since this was asked last.
    pub(crate) fn take_given_up(&mut self) -> bool {
        std::mem::take(&mut self.given_up)
    }

    /// What group `index` matched; empty when it took no part.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let span = self.spans.get(index).copied().flatten();
        span.and_then(|(from, to)| self.subject.get(from as usize..to as usize)).unwrap_or_default()
    }
}
