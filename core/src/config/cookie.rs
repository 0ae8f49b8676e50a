//! `proxy_cookie_flags`.

use super::substitution::Substituted;
use crate::template::Template;

/// One `proxy_cookie_flags`: which attributes the cookies of an origin server get, and lose (RFC 6265 §4.1.2; RFC
/// 6265bis for `SameSite`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CookieFlags {
    /// The name of the cookies, case ignored, or an expression that matches it.
    pub cookie: Substituted,
    /// Each comes to a [`CookieFlag`]; one that comes to nothing, or to no flag, is passed over.
    pub flags: Vec<Template>,
}

impl CookieFlags {
    /// Gives the cookies of this name these flags.
    #[must_use]
    pub fn new(cookie: Substituted, flags: Vec<Template>) -> Self {
        Self { cookie, flags }
    }
}

/// A flag as it is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieFlag {
    /// `secure`, `nosecure`: with the attribute `Secure`, or without.
    Secure(bool),
    /// `httponly`, `nohttponly`.
    HttpOnly(bool),
    /// `samesite=strict`, `samesite=lax`, `samesite=none`; `nosamesite` is absence.
    SameSite(Option<SameSite>),
}

/// The value of the attribute `SameSite`; the strictest of several holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SameSite {
    /// Sent across sites too.
    None,
    /// Sent with a navigation to the site.
    Lax,
    /// Sent from the site itself only.
    Strict,
}

impl CookieFlag {
    /// Reads a flag, case ignored.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        const FLAGS: [(&[u8], CookieFlag); 8] = [
            (b"secure", CookieFlag::Secure(true)),
            (b"nosecure", CookieFlag::Secure(false)),
            (b"httponly", CookieFlag::HttpOnly(true)),
            (b"nohttponly", CookieFlag::HttpOnly(false)),
            (b"samesite=strict", CookieFlag::SameSite(Some(SameSite::Strict))),
            (b"samesite=lax", CookieFlag::SameSite(Some(SameSite::Lax))),
            (b"samesite=none", CookieFlag::SameSite(Some(SameSite::None))),
            (b"nosamesite", CookieFlag::SameSite(None)),
        ];
        FLAGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, flag)| *flag)
    }
}
