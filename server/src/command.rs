//! The command line: nginx's options, and two ways to run without any file.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use underpass_nginx_config::{NGINX_VERSION, configure_options};

use crate::Signal;

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
        listen: SocketAddr,
        /// Where requests go.
        to: Destination,
    },
    /// `demo`: start an origin server to try the proxy on. Programs with the feature `demo` have it.
    #[cfg(feature = "demo")]
    Demo {
        /// Where clients connect to.
        listen: SocketAddr,
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
        let written = command(program)
            .try_get_matches_from(arguments)
            .and_then(|matches| Written::from_arg_matches(&matches))
            .map_err(|error| Stop::from_clap(program, &error))?;
        written.meant().ok_or_else(|| Stop::without_demo(program))
    }
}

impl Written {
    /// What is asked for; absent: the demo, where the program has none.
    fn meant(self) -> Option<Command> {
        let Self {
            file,
            prefix,
            globals,
            error_log,
            test,
            dump,
            quiet,
            signal,
            version,
            build_info,
            direct,
            subcommand,
        } = self;
        let options = Options { file, prefix, globals: globals.unwrap_or_default(), error_log };
        Some(if build_info {
            Command::BuildInfo
        } else if version && !test {
            Command::Version
        } else if let Some(Sub::Demo { listen }) = subcommand {
            return demo(listen);
        } else if let Some(Sub::Replay { file, session, quiet }) = subcommand {
            Command::Replay { file, session, quiet }
        } else if let DirectArguments { listen: Some(listen), to: Some(to) } = direct {
            Command::Direct { listen, to }
        } else if test || dump {
            Command::Test { options, quiet, dump }
        } else if let Some(word) = signal {
            Command::Signal { options, signal: word.signal() }
        } else {
            Command::Run(options)
        })
    }
}

#[cfg(feature = "demo")]
fn demo(listen: SocketAddr) -> Option<Command> {
    Some(Command::Demo { listen })
}

#[cfg(not(feature = "demo"))]
fn demo(_: SocketAddr) -> Option<Command> {
    None
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

    fn without_demo(program: &Program) -> Self {
        let name = program.name;
        Self {
            text: format!("{name}: this {name} has no demo, it was built without the feature \"demo\"\n"),
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

/// The arguments as written.
#[derive(Debug, Parser)]
#[command(
    about = "A reverse proxy for WebSockets and other tunnels that reads nginx's configuration",
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
#[expect(clippy::struct_excessive_bools, reason = "a field for each option without a value")]
struct Written {
    /// Read this configuration file
    #[arg(short = 'c', value_name = "FILE", conflicts_with = "DirectArguments")]
    file: Option<PathBuf>,

    /// Look for files in this folder
    #[arg(short = 'p', value_name = "PREFIX")]
    prefix: Option<PathBuf>,

    /// Read these directives before the file, such as "daemon off;"
    #[arg(short = 'g', value_name = "DIRECTIVES", conflicts_with = "DirectArguments")]
    globals: Option<String>,

    /// Log errors here until the configuration names a log; "stderr" is the default
    #[arg(short = 'e', value_name = "FILE", conflicts_with = "DirectArguments")]
    error_log: Option<PathBuf>,

    /// Test the configuration and exit
    #[arg(short = 't', conflicts_with_all = ["DirectArguments", "signal"])]
    test: bool,

    /// Test the configuration, print it with everything that it includes, and exit
    #[arg(short = 'T', conflicts_with_all = ["DirectArguments", "signal"])]
    dump: bool,

    /// Tell only errors while testing the configuration
    #[arg(short = 'q')]
    quiet: bool,

    /// Tell the process that serves this configuration to do something
    #[arg(short = 's', value_name = "SIGNAL", conflicts_with = "DirectArguments")]
    signal: Option<Word>,

    /// Print the version and exit
    #[arg(short = 'v', long = "version")]
    version: bool,

    /// Print the version and how the program was built, and exit
    #[arg(short = 'V')]
    build_info: bool,

    #[command(flatten)]
    direct: DirectArguments,

    #[command(subcommand)]
    subcommand: Option<Sub>,
}

/// What `-s` knows.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Word {
    /// Exit now
    Stop,
    /// Finish open exchanges and tunnels, then exit
    Quit,
    /// Reopen the logs
    Reopen,
    /// Read the configuration again
    Reload,
}

impl Word {
    fn signal(self) -> Signal {
        match self {
            Self::Stop => Signal::Terminate,
            Self::Quit => Signal::Quit,
            Self::Reopen => Signal::User1,
            Self::Reload => Signal::HangUp,
        }
    }
}

#[derive(Debug, Args)]
struct DirectArguments {
    /// Without a file: accept connections here, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address, requires = "to")]
    listen: Option<SocketAddr>,

    /// Without a file: send requests there, such as http://127.0.0.1:9000
    #[arg(long, value_name = "URL", requires = "listen")]
    to: Option<Destination>,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Start an origin server with a chat and proxy to it: open the printed URL in a browser
    #[cfg_attr(not(feature = "demo"), command(hide = true))]
    Demo {
        /// Accept connections here
        #[arg(long, value_name = "ADDRESS", value_parser = listen_address, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
    /// Lead recorded sessions through what "session_trace" has written, and print every step
    Replay {
        /// The trace; "-" reads the standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Only the sessions with this number
        #[arg(long, value_name = "NUMBER")]
        session: Option<u64>,

        /// Print only where a session takes another way
        #[arg(short = 'q')]
        quiet: bool,
    },
}

fn command(program: &Program) -> clap::Command {
    let help = || {
        Arg::new("help")
            .short('h')
            .short_alias('?')
            .long("help")
            .action(ArgAction::Help)
            .help("Print this help (also -?) and exit")
    };
    Written::command()
        .name(program.name)
        .bin_name(program.name)
        .arg(help())
        .mut_subcommand("demo", |demo| demo.disable_help_flag(true).arg(help()))
        .mut_subcommand("replay", |replay| replay.disable_help_flag(true).arg(help()))
        .after_help(format!(
            "Without options, {} serves what {DEFAULT_PREFIX}{DEFAULT_FILE} says.\n\
             SIGQUIT finishes open exchanges and tunnels, SIGTERM and SIGINT stop at once,\n\
             SIGHUP reads the configuration again, SIGUSR1 reopens the logs.",
            program.name
        ))
}

/// Addresses as in the directive `listen`, as far as they name one socket: `127.0.0.1:8080`, `[::1]:8080`,
/// `*:8080`, `8080`; and `localhost:8080`, since everybody types it.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let host_and_port = text.rsplit_once(':');
    let parsed = match host_and_port {
        None => text.parse().ok().map(|port: u16| SocketAddr::from(([0; 4], port))),
        Some(("*", port)) => port.parse().ok().map(|port: u16| SocketAddr::from(([0; 4], port))),
        Some(("localhost", port)) => {
            port.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)))
        }
        Some(_) => text.parse().ok(),
    };
    match parsed {
        Some(address) if address.port() == 0 => Err("port 0 can't be listened on, choose one".into()),
        Some(address) => Ok(address),
        None => Err("write an address and a port, such as 127.0.0.1:8080".into()),
    }
}

#[cfg(test)]
mod tests;
