//! The arguments as they are written: their names, what excludes what, their help.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Arg, ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

use super::{Command, DEFAULT_FILE, DEFAULT_PREFIX, Destination, Front, Options, Program};
use crate::Signal;

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
pub(super) struct Written {
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

impl Written {
    /// What is asked for.
    ///
    /// # Errors
    /// Why it can't be done; `{name}` stands for the program.
    pub(super) fn meant(self) -> Result<Command, String> {
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
        Ok(if build_info {
            Command::BuildInfo
        } else if version && !test {
            Command::Version
        } else if let Some(Sub::Demo { listen, tls }) = subcommand {
            return demo(listen, tls);
        } else if let Some(Sub::Replay { file, session, quiet }) = subcommand {
            Command::Replay { file, session, quiet }
        } else if let DirectArguments { listen: Some(at), to: Some(to), certificate, key } = direct {
            let listen = match (at.tls, certificate.zip(key)) {
                (false, None) => Front::plain(at.address),
                (true, Some((certificate, key))) => Front::secured(at.address, certificate, key),
                (true, None) => {
                    let lacking =
                        "TLS needs a certificate, give --certificate FILE and --key FILE, both in PEM";
                    return Err(lacking.to_owned());
                }
                (false, Some(_)) => {
                    return Err(format!("a certificate is for TLS, write --listen https://{}", at.address));
                }
            };
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
#[expect(clippy::unnecessary_wraps, reason = "without the demo it fails")]
fn demo(listen: SocketAddr, tls: bool) -> Result<Command, String> {
    Ok(Command::Demo { listen, tls })
}

#[cfg(not(feature = "demo"))]
fn demo(_: SocketAddr, _: bool) -> Result<Command, String> {
    Err("this {name} has no demo, it was built without the feature \"demo\"".to_owned())
}

/// The arguments of this program.
pub(super) fn command(program: &Program) -> clap::Command {
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
    /// Without a file: accept connections here, such as 127.0.0.1:8080, or https://127.0.0.1:8443 for TLS
    #[arg(long, value_name = "ADDRESS", value_parser = listen_url, requires = "to")]
    listen: Option<At>,

    /// Without a file: send requests there, such as http://127.0.0.1:9000
    #[arg(long, value_name = "URL", requires = "listen")]
    to: Option<Destination>,

    /// For TLS: the certificate, and the chain behind it, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["key", "listen"])]
    certificate: Option<PathBuf>,

    /// For TLS: the private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

/// An address, and whether TLS is spoken there.
#[derive(Debug, Clone, Copy)]
struct At {
    address: SocketAddr,
    tls: bool,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Start an origin server with a chat and proxy to it: open the printed URL in a browser
    #[cfg_attr(not(feature = "demo"), command(hide = true))]
    Demo {
        /// Accept connections here
        #[arg(long, value_name = "ADDRESS", value_parser = listen_address, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,

        /// Speak TLS, with a certificate that is made for it
        #[arg(long)]
        tls: bool,
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

/// The same with a scheme: TLS is spoken where that is `https`.
fn listen_url(text: &str) -> Result<At, String> {
    let (address, tls) = match text.split_once("://") {
        Some(("https", address)) => (address, true),
        Some(("http", address)) => (address, false),
        _ => (text, false),
    };
    listen_address(address).map(|address| At { address, tls })
}

/// Addresses as in the directive `listen`, as far as they name one socket: `127.0.0.1:8080`, `[::1]:8080`,
/// `*:8080`, `8080`; and `localhost:8080`, since everybody types it.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, String> {
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
