//! The configuration of traced sessions.

use std::{fmt::Write as _, sync::Arc};

use super::text::Escaped;

/// The text of a configuration, which traces tell once in each file; sessions name it. A clone stands for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    id: Arc<str>,
    text: Arc<str>,
}

impl Configuration {
    /// The configuration that was read from `text`, in one piece. The trace tells the text as it is: what must be no
    /// secret of anybody's has to be masked in it before, by [`mask_field`](super::mask_field) and its like.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut id = sha1_smol::Sha1::from(text).digest().to_string();
        // Two of one file are to be told apart; nobody profits from making them alike.
        id.truncate(16);
        Self { id: id.into(), text: text.into() }
    }

    /// One of which the name alone is known.
    pub(super) fn named(id: &str) -> Self {
        Self { id: id.into(), text: "".into() }
    }

    /// Its name, which follows from the text.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The lines that tell it, to be written before the first session that names it, in each file.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for (number, line) in (1..).zip(self.text.lines()) {
            let number: usize = number;
            // Writing to memory doesn't fail.
            let _written = writeln!(lines, "config {} {number} {}", self.id, Escaped(line.as_bytes()));
        }
        lines
    }
}
