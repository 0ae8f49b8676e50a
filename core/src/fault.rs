//! What a socket operation ended with, as data.

use std::io;

/// The failure of a socket operation, reduced to what can be compared, hashed, recorded and replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The kind that `std` gave it.
    pub kind: io::ErrorKind,
    /// The operating system's number, where there was one.
    pub os: Option<i32>,
}

impl Fault {
    /// "Not now": the operation would have had to wait.
    pub const WOULD_BLOCK: Self = Self { kind: io::ErrorKind::WouldBlock, os: None };

    /// Whether the operation did nothing and may be tried again: "would block", or interrupted by a signal.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self.kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
    }
}

impl From<io::ErrorKind> for Fault {
    fn from(kind: io::ErrorKind) -> Self {
        Self { kind, os: None }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self { kind: error.kind(), os: error.raw_os_error() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.os {
            // `io::Error` knows the system's sentence: "Connection refused (os error 111)".
            Some(number) => {
                let sentence = io::Error::from_raw_os_error(number).to_string();
                let words = sentence.split(" (os error").next().unwrap_or_default();
                write!(f, "{number}: {words}")
            }
            None => write!(f, "{}", self.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_nginx_writes_it() {
        let fault = Fault::from(io::Error::from_raw_os_error(111));
        assert_eq!(fault.to_string(), "111: Connection refused");
        assert_eq!(Fault::from(io::ErrorKind::UnexpectedEof).to_string(), "unexpected end of file");
    }
}
