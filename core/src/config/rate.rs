//! `limit_rate`, `limit_rate_after`.

use crate::template::Template;

/// How fast a response goes to the client. Each value is a number of bytes, with `k` or `m` behind it; one that is
/// none, or 0, is no limit (nginx).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rates {
    /// `set $limit_rate`: a variable that comes before `limit_rate`, where it has a value.
    pub variable: Option<Template>,
    /// `limit_rate`: bytes a second.
    pub rate: Option<Template>,
    /// `limit_rate_after`: so many bytes come first, as fast as they can.
    pub after: Option<Template>,
}
