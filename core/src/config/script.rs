//! nginx's rewrite directives (`set`, `if`, `rewrite`, `break`, `return`): what is done with a request
//! before it is forwarded.

use std::sync::Arc;

use super::{Location, Return};
use crate::template::{MapId, Regex, SetId, Template};

/// The rewrite directives of one `server` or `location`, in the order of the file.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Script {
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

impl Script {
    /// A script of these steps.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }
}

/// One rewrite directive.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// `set $variable value`.
    Set(SetId, Template),
    /// `set $variable value`, where a `map`, `geo` or `split_clients` defines the variable: it has this value from
    /// here on.
    SetMap(MapId, Template),
    /// `set $args value`: the query of the request from here on.
    SetArgs(Template),
    /// `if (condition) { … }`.
    If(If),
    /// `rewrite regex replacement [flag]`.
    Rewrite(Rewrite),
    /// `break`: the script ends, and the request stays in its location.
    Break,
    /// `return`: the request is answered.
    Return(Return),
}

/// `if`.
#[derive(Debug)]
#[non_exhaustive]
pub struct If {
    /// When its steps are taken.
    pub condition: Condition,
    /// What is done then.
    pub steps: Vec<Step>,
    /// The location that the request is in from then on: that of a `proxy_pass` in the block, with everything
    /// else inherited. Of several, the last one counts, as in nginx.
    pub location: Option<Arc<Location>>,
}

impl If {
    /// An `if` without a `proxy_pass` in it.
    #[must_use]
    pub fn new(condition: Condition, steps: Vec<Step>) -> Self {
        Self { condition, steps, location: None }
    }
}

/// The condition of an `if`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Condition {
    /// `$variable`: neither empty nor `0`.
    True(Template),
    /// `$variable = text`, or `!=`.
    Equal {
        /// The variable.
        value: Template,
        /// What it is compared with, byte by byte.
        other: Template,
        /// `!=`.
        negated: bool,
    },
    /// `$variable ~ regex`, or `~*`, `!~`, `!~*`. A match leaves its captures behind.
    Matches {
        /// The variable.
        value: Template,
        /// The regular expression.
        regex: Regex,
        /// `!~`.
        negated: bool,
    },
}

/// `rewrite`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rewrite {
    /// Matched against the normalised path.
    pub regex: Regex,
    /// The path from then on. What stands behind a `?` in it is the query, with that of the request behind
    /// it; ended by a `?`, the request's query is dropped. With a scheme in front (`http://`, `https://`,
    /// `$scheme`) or a redirecting flag it is where the client is sent.
    pub replacement: Template,
    /// The flag.
    pub then: Then,
}

impl Rewrite {
    /// A rewrite of paths that match `regex`.
    #[must_use]
    pub fn new(regex: Regex, replacement: Template, then: Then) -> Self {
        Self { regex, replacement, then }
    }
}

/// The flag of a `rewrite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// None: the script goes on; when it has ended, a location is searched anew.
    GoOn,
    /// `last`: a location is searched anew.
    Last,
    /// `break`: the script ends, and the request stays in its location.
    Break,
    /// `redirect`: answered with a 302.
    Redirect,
    /// `permanent`: answered with a 301.
    Permanent,
}
