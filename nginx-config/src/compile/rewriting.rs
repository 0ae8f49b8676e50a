//! What a level says of how responses are changed.

use underpass_core::config::{CookieFlags, Substitution};

/// One `proxy_redirect` of a level.
#[derive(Clone, Debug)]
pub(super) enum Redirect {
    /// `default`: what it comes to, `proxy_pass` says.
    Default,
    Rule(Substitution),
}

/// What a level has of `proxy_cookie_*`, `proxy_hide_header`, `proxy_pass_header`.
#[derive(Clone, Debug, Default)]
pub(super) struct Rewriting {
    pub(super) cookie_domains: Vec<Substitution>,
    pub(super) cookie_paths: Vec<Substitution>,
    pub(super) cookie_flags: Vec<CookieFlags>,
    pub(super) hide: Vec<Box<str>>,
    pub(super) pass: Vec<Box<str>>,
}
