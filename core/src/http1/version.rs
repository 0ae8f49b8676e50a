//! The version of HTTP that a message states.

/// A version that we speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and every later 1.x (RFC 9110 §6.2).
    #[default]
    Http11,
}
