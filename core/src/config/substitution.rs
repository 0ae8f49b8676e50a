//! Replacements in fields of a response: `proxy_redirect`, `proxy_cookie_domain`, `proxy_cookie_path`.

use crate::template::{Regex, Template};

/// A piece of a field value, and what stands in its place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Substitution {
    /// What is replaced.
    pub from: Substituted,
    /// The replacement; captures of the regular expression may stand in it.
    pub to: Template,
}

impl Substitution {
    /// Puts `to` in the place of `from`.
    #[must_use]
    pub fn new(from: Substituted, to: Template) -> Self {
        Self { from, to }
    }
}

/// What a [`Substitution`] replaces.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Substituted {
    /// This text: the start of a `Location` or a path, the whole of a domain (a dot in front is ignored, and
    /// so is case).
    Text(Template),
    /// The whole value, where the regular expression matches.
    Regex(Regex),
}
