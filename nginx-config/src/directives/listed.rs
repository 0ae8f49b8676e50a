//! The table of directives, for whoever wants to show it or to check a file of their own against it.

use super::{Effect, Kind, Row, table::DIRECTIVES};

/// A directive that may stand in a file. Its names, contexts and defaults are nginx's.
///
/// ```
/// use underpass_nginx_config::{Directive, DirectiveOutcome};
///
/// let timeout = Directive::all().find(|directive| directive.name() == "proxy_read_timeout").unwrap();
/// assert_eq!(timeout.outcome(), DirectiveOutcome::Obeyed);
/// assert_eq!(timeout.default(), Some("60s"));
/// assert!(timeout.contexts().eq(["http", "server", "location"]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    row: &'static Row,
}

/// What comes of a directive that stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectiveOutcome {
    /// It is obeyed.
    Obeyed,
    /// Nothing, for this reason; a [`ConfigNote`](crate::ConfigNote) says so.
    Ignored(&'static str),
    /// Requests that it would answer are answered with 501, and a note says so.
    NotImplemented,
    /// It is an error of the file, which says what to do instead. Some may be `off`: a note says that this changes nothing.
    Refused,
}

impl Directive {
    /// All of them, by name. A name stands there several times where it means several things, each in contexts of its
    /// own.
    pub fn all() -> impl Iterator<Item = Self> {
        DIRECTIVES.iter().map(|row| Self { row })
    }

    /// The name, such as `proxy_pass`.
    pub fn name(self) -> &'static str {
        self.row.name
    }

    /// The parameters, as documentation shows them; empty where there are none. Of a directive that isn't obeyed they may
    /// be missing.
    pub fn syntax(self) -> &'static str {
        self.row.syntax
    }

    /// Whether a block stands behind the parameters.
    pub fn opens_block(self) -> bool {
        matches!(self.row.kind, Kind::Block(_) | Kind::Pairs)
    }

    /// The blocks that it may stand in, such as `http`; `main` is outside of all blocks.
    pub fn contexts(self) -> impl Iterator<Item = &'static str> {
        self.row.contexts.iter().map(|context| context.name())
    }

    /// What holds without it, in its own syntax; absent where nothing does.
    pub fn default(self) -> Option<&'static str> {
        self.row.default
    }

    /// Whether it may stand more than once in a block.
    pub fn is_repeatable(self) -> bool {
        self.row.repeatable
    }

    /// What it does, in Markdown. Of a directive that isn't obeyed that may be missing.
    pub fn meaning(self) -> &'static str {
        self.row.doc
    }

    /// What comes of it.
    pub fn outcome(self) -> DirectiveOutcome {
        match self.row.effect {
            Effect::Full => DirectiveOutcome::Obeyed,
            Effect::None(why) => DirectiveOutcome::Ignored(why),
            Effect::Content => DirectiveOutcome::NotImplemented,
            Effect::Refused(_) | Effect::RefusedUnlessOff(_) => DirectiveOutcome::Refused,
        }
    }
}
