//! Memory of the exchange in which values are made, and which template made a bad one.

use super::Record;
use crate::{template::Template, time::Now};

impl Record {
    /// Whether a match was given up since this was asked last (B7).
    pub(crate) fn take_given_up(&mut self) -> bool {
        self.heads.as_mut().is_some_and(|heads| heads.take_given_up())
    }

    /// Lends the value of a template.
    pub(crate) fn with_value<T>(&self, template: &Template, now: Now, look: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(text) = template.as_literal() {
            return look(text);
        }
        let mut value = self.spare();
        self.write_template(template, now, &mut value);
        let seen = look(&value);
        self.return_spare(value);
        seen
    }

    /// Notes which template's value can't be used (B6); the log line about it names the first.
    pub(crate) fn blame(&self, template: &Template) {
        if let Some(heads) = &self.heads {
            heads.memo.blame(template.source());
        }
    }

    /// Notes the directive that is none that we have.
    pub(crate) fn blame_directive(&self, name: &str) {
        if let Some(heads) = &self.heads {
            heads.memo.blame(name);
        }
    }

    /// Appends the template that was blamed, as it was written.
    pub(super) fn write_blamed(&self, out: &mut Vec<u8>) {
        if let Some(heads) = &self.heads {
            heads.memo.write_blamed(out);
        }
    }

    /// Space for a value, from the exchange's own store.
    pub(super) fn spare(&self) -> Vec<u8> {
        self.heads.as_ref().map_or_else(Vec::new, |heads| heads.memo.spare())
    }

    pub(super) fn return_spare(&self, value: Vec<u8>) {
        if let Some(heads) = &self.heads {
            heads.memo.return_spare(value);
        }
    }
}
