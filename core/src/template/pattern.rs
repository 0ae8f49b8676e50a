//! Regular expressions, as far as the machine needs to know them.

use std::fmt;

/// A compiled regular expression. The engine lives outside of this crate.
pub trait Pattern: Send + Sync + fmt::Debug {
    /// Whether the pattern occurs in `subject`; if so, `captures` has been filled.
    fn find(&self, subject: &[u8], captures: &mut Captures) -> bool;
}

/// What the groups of a pattern matched: byte ranges of the subject. Reused from match to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    subject: Vec<u8>,
    spans: [Option<(u32, u32)>; 10],
}

impl Captures {
    /// Forgets the last match and notes the subject of a new one.
    pub fn begin(&mut self, subject: &[u8]) {
        self.subject.clear();
        self.subject.extend_from_slice(subject);
        self.spans = [None; 10];
    }

    /// Notes that group `index` (0: the whole match, up to 9) matched `from..to`.
    pub fn set(&mut self, index: usize, from: usize, to: usize) {
        if let (Some(slot), Ok(from), Ok(to)) =
            (self.spans.get_mut(index), u32::try_from(from), u32::try_from(to))
        {
            *slot = Some((from, to));
        }
    }

    /// What group `index` matched; empty when it took no part.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let span = self.spans.get(index).copied().flatten();
        span.and_then(|(from, to)| self.subject.get(from as usize..to as usize)).unwrap_or_default()
    }
}
