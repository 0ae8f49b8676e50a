//! How serious an event is.

use std::{fmt, str::FromStr};

/// How serious an event is, with nginx's names; a later one is more serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Of use to those who work on the program.
    Debug,
    /// Ordinary, such as a client that went away.
    Info,
    /// Ordinary but rare, such as a start or a signal.
    Notice,
    /// Odd, but service went on.
    Warn,
    /// An exchange or a tunnel failed.
    Error,
    /// Needs attention.
    Crit,
    /// Needs attention now.
    Alert,
    /// The program cannot run.
    Emerg,
}

impl Severity {
    /// All of them, with their names.
    pub const ALL: [(Self, &str); 8] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Notice, "notice"),
        (Self::Warn, "warn"),
        (Self::Error, "error"),
        (Self::Crit, "crit"),
        (Self::Alert, "alert"),
        (Self::Emerg, "emerg"),
    ];

    /// The name in configurations and in log lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(name: &str) -> Result<Self, UnknownSeverity> {
        let known = Self::ALL.iter().find(|(_, known)| *known == name);
        known.map(|&(severity, _)| severity).ok_or(UnknownSeverity)
    }
}

/// The text names no severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSeverity;

impl fmt::Display for UnknownSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log level is one of")?;
        for (place, (_, name)) in Severity::ALL.iter().enumerate() {
            write!(f, "{} {name}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownSeverity {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_severities_correspond() {
        for (severity, name) in Severity::ALL {
            assert_eq!((severity.name(), severity.to_string().as_str()), (name, name));
            assert_eq!(name.parse(), Ok(severity));
        }
        let unknown = "loud".parse::<Severity>().expect_err("no level is called so");
        assert_eq!(
            unknown.to_string(),
            "a log level is one of debug, info, notice, warn, error, crit, alert, emerg"
        );
        assert!(Severity::Debug < Severity::Emerg);
    }
}
