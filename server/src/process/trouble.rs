//! Why the program ends.

use std::{fmt, io, sync::Arc};

use underpass_core::{Fault, Severity};

use crate::{Clock, ErrorLog, Logs, Target, log::Open};

/// Why the program ends, or why a configuration isn't used.
#[derive(Debug)]
pub(crate) struct Trouble {
    severity: Severity,
    message: String,
}

impl Trouble {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::with(Severity::Emerg, message)
    }

    pub(crate) fn with(severity: Severity, message: impl Into<String>) -> Self {
        Self { severity, message: message.into() }
    }

    /// The system refuses what is needed to start `what`.
    pub(crate) fn not_started(what: &str, error: io::Error) -> Self {
        let why = match error.raw_os_error() {
            Some(_) => Fault::from(error).to_string(),
            None => error.to_string(),
        };
        Self::new(format!("{what} can't be started ({why})"))
    }

    pub(crate) fn severity(&self) -> Severity {
        self.severity
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Writes it to a log that no configuration has opened, and that `opener` opens where there is one.
    pub(crate) fn log_to(&self, target: Target, opener: Option<Arc<dyn Open>>) {
        // Whoever started the program is told on its standard error stream anyway.
        if let Ok(file) = Logs::opened_by(opener).open(target) {
            let log = ErrorLog::new(file, Severity::Error);
            log.write(self.severity, None, self.message.as_bytes(), Clock::start().now());
        }
    }
}

/// `[emerg] MESSAGE`.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.severity, self.message)
    }
}

impl From<underpass_nginx_config::Error> for Trouble {
    fn from(error: underpass_nginx_config::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}
