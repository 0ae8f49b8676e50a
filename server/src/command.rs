//! The command line: nginx's options, and two ways to run without any file.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use underpass_nginx_config::{NGINX_VERSION, configure_options};

use crate::Signal;

mod arguments;
mod destination;
mod texts;

pub use destination::Destination;
#[cfg(feature = "demo")]
pub use texts::demo as demo_configuration;
pub use texts::direct as direct_configuration;

/// Where files are looked for unless the command line says otherwise.
pub const DEFAULT_PREFIX: &str = "/etc/underpass/";

/// The configuration file in the prefix that is read unless the command line says otherwise.
pub const DEFAULT_FILE: &str = "nginx.conf";

/// Which program is run: the names differ, the command line is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// The name of the binary, such as `underpass`.
    pub name: &'static str,
    /// Its version, such as `1.2.3`.
    pub version: &'static str,
    /// What `-V` adds about how it was built, such as the runtime; may be empty.
    pub build: &'static str,
}

/// What the command line asks for. Paths are as written; [`Files`] says what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Serve what a file says.
    Run(Options),
    /// `-t` and `-T`: check the file, and do nothing else.
    Test {
        /// Which file, and how it is read.
        options: Options,
        /// `-q`: tell errors only.
        quiet: bool,
        /// `-T`: print the whole configuration.
        dump: bool,
    },
    /// `-s`: send a signal to the process that serves the file.
    Signal {
        /// Which file, and how it is read.
        options: Options,
        /// The signal that the word stands for.
        signal: Signal,
    },
    /// `-v`: print the version.
    Version,
    /// `-V`: print the version and how the program was built.
    BuildInfo,
    /// `--listen` and `--to`: proxy everything to one origin server, see [`direct_configuration`].
    Direct {
        /// Where clients connect to.
        listen: Front,
        /// Where requests go.
        to: Destination,
    },
    /// `demo`: start an origin server to try the proxy on. Programs with the feature `demo` have it.
    #[cfg(feature = "demo")]
    Demo {
        /// Where clients connect to.
        listen: SocketAddr,
        /// `--tls`: by TLS, with a certificate that is made for it.
        tls: bool,
    },
    /// `replay`: lead sessions through what `session_trace` has written, and show every step.
    Replay {
        /// The trace.
        file: PathBuf,
        /// The number of the only session that is meant.
        session: Option<u64>,
        /// `-q`: tell divergences only.
        quiet: bool,
    },
}

/// Where clients connect to, without a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Front {
    /// The address of `--listen`.
    pub address: SocketAddr,
    /// `--certificate` and `--key`, with `https://` before the address. Absent: clients connect in clear.
    pub identity: Option<Identity>,
}

/// The files of a certificate, with the chain behind it, and of its private key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// `--certificate`.
    pub certificate: PathBuf,
    /// `--key`.
    pub key: PathBuf,
}

impl Front {
    /// In clear, at this address.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, identity: None }
    }

    /// By TLS, with the certificate and the key of these files.
    #[must_use]
    pub fn secured(address: SocketAddr, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { address, identity: Some(Identity { certificate: certificate.into(), key: key.into() }) }
    }
}

/// Which file is the configuration, and how it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `-c`
    pub file: Option<PathBuf>,
    /// `-p`
    pub prefix: Option<PathBuf>,
    /// `-g`: directives in front of the file.
    pub globals: String,
    /// `-e`: the error log until the file names one, and when it names none.
    pub error_log: Option<PathBuf>,
}

impl Command {
    /// Reads the arguments of this process, the first of which is the name it was called by.
    ///
    /// # Errors
    /// When there is nothing to run: wrong arguments, or a request for help.
    pub fn parse(
        program: &Program,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, Stop> {
        let written = arguments::command(program)
            .try_get_matches_from(arguments)
            .and_then(|matches| arguments::Written::from_arg_matches(&matches))
            .map_err(|error| Stop::from_clap(program, &error))?;
        written.meant().map_err(|why| Stop::for_reason(program, &why))
    }
}

/// The paths that `-c` and `-p` come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// What relative paths of logs and of the pid file start from.
    pub prefix: PathBuf,
    /// The main configuration file. Relative includes start from its folder.
    pub file: PathBuf,
}

impl Files {
    /// Applies the defaults.
    ///
    /// A relative `-c` starts from the prefix when `-p` gives one, as in nginx. Otherwise it starts from the
    /// working directory: there nginx takes the prefix that it was built with, where nobody looks for a file
    /// whose name was just typed.
    pub fn resolve(file: Option<&Path>, prefix: Option<&Path>) -> Self {
        let start = prefix.unwrap_or_else(|| Path::new(DEFAULT_PREFIX));
        let file = match file {
            Some(file) if prefix.is_none() => file.to_owned(),
            Some(file) => start.join(file),
            None => start.join(DEFAULT_FILE),
        };
        Self { prefix: start.to_owned(), file }
    }
}

/// What `-v` prints, on the standard error stream as nginx does.
pub fn version_text(program: &Program) -> String {
    format!("{0} version: {0}/{1}", program.name, program.version)
}

/// What `-V` prints, on the standard error stream as nginx does. Scripts and test suites read the first line and the
/// last one: which version of nginx it stands for, and which modules are there.
pub fn build_text(program: &Program) -> String {
    let mut text = format!("nginx version: nginx/{NGINX_VERSION} ({}/{})", program.name, program.version);
    if !program.build.is_empty() {
        text = text + "\n" + program.build;
    }
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    text + &format!(
        "\nbuilt for {processor} {system}\nprefix: {DEFAULT_PREFIX}\nconfiguration file: {DEFAULT_PREFIX}{DEFAULT_FILE}\n\
         configure arguments: --prefix={DEFAULT_PREFIX} --conf-path={DEFAULT_PREFIX}{DEFAULT_FILE} {}",
        configure_options().join(" ")
    )
}

/// The program ends here: what to print, where, and with which status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Stop {
    text: String,
    failed: bool,
}

impl Stop {
    /// Whether the arguments were wrong; otherwise help was asked for.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Prints the text (help on the standard output, errors on the standard error stream), and says with
    /// which status to exit: 0 or 1, as nginx.
    pub fn report(self) -> ExitCode {
        let printed = if self.failed {
            io::stderr().write_all(self.text.as_bytes())
        } else {
            io::stdout().write_all(self.text.as_bytes())
        };
        if self.failed || printed.is_err() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn for_reason(program: &Program, reason: &str) -> Self {
        Self {
            text: format!("{0}: {1}\n", program.name, reason.replace("{name}", program.name)),
            failed: true,
        }
    }

    fn from_clap(program: &Program, error: &clap::Error) -> Self {
        let text = error.to_string();
        if error.kind() == ErrorKind::DisplayHelp {
            return Self { text, failed: false };
        }
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        Self { text: format!("{}: {text}", program.name), failed: true }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
