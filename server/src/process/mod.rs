//! The life of a process, whatever runtime serves in it: what the command line asks for, starting, reloading,
//! ending.
//!
//! | file | what it holds |
//! |---|---|
//! | `source` | where the configuration comes from, to be loaded again |
//! | `check` | `-t` and `-T` |
//! | `send` | `-s` |
//! | `replay` | `replay` |
//! | `demo` | `demo`, where the program has it |
//! | `daemon` | going into the background |
//! | `serve` | starting, obeying signals, ending |
//! | `change` | from one configuration to the next |
//! | `state` | the process as a value |
//! | `event` | what it waits for |
//! | `draft` | a configuration that was read, and isn't in use yet |
//! | `sockets` | the listening sockets, kept over reloads and shared out to the workers |
//! | `bind` | one listening socket: its options, and the file that it is found by |
//! | `workers` | threads, each with a runtime of its own |
//! | `identity` | whom the process is, and who does for it what only root can |
//! | `rights` | user, groups, limits, processors |
//! | `trouble` | why the program ends |

mod bind;
mod change;
mod check;
mod daemon;
#[cfg(feature = "demo")]
mod demo;
mod draft;
mod event;
mod identity;
mod replay;
mod rights;
mod send;
mod serve;
mod sockets;
mod source;
mod state;
mod trouble;
mod workers;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{
    Command, Destination, Program, Setup,
    command::{Front, build_text, direct_configuration, version_text},
    keeper,
};
pub(crate) use bind::{SocketFile, bind};
use daemon::Background;
pub(crate) use daemon::{itself, nothing};
use identity::Identity;
pub(crate) use rights::Credentials;
use serve::Startup;
pub(crate) use source::Place;
use source::Source;
pub(crate) use trouble::Trouble;

/// What a shell provides: workers on its runtime.
pub trait Runtime: Sized + 'static {
    /// Made ready on the thread that serves, before any client takes a descriptor or a thread that it needs.
    ///
    /// # Errors
    /// When the system refuses.
    fn new() -> io::Result<Self>;

    /// Serves on this thread, until the setup's control says otherwise.
    ///
    /// # Errors
    /// When the worker can't serve at all.
    fn serve(self, setup: Setup) -> io::Result<()>;
}

/// Does what the command line asks for; the `main` of a binary.
pub fn main<R: Runtime>(program: &'static Program) -> ExitCode {
    let command = match Command::parse(program, std::env::args_os()) {
        Ok(command) => command,
        Err(stop) => return stop.report(),
    };
    obey::<R>(program, command).unwrap_or_else(|trouble| {
        crate::log::say_last(&format!("{}: {trouble}", program.name));
        ExitCode::FAILURE
    })
}

fn obey<R: Runtime>(program: &'static Program, command: Command) -> Result<ExitCode, Trouble> {
    if let (Some(number), Some(source)) = (keeper::started_for(), source_of(&command)) {
        let (place, options) = source.into_parts();
        keeper::serve(place, options, number)?;
        return Ok(ExitCode::SUCCESS);
    }
    match command {
        Command::Version => say(&version_text(program)),
        Command::BuildInfo => say(&build_text(program)),
        Command::Test { options, quiet, dump } => {
            return Ok(check::test(program, &Source::file(&options), quiet, dump));
        }
        Command::Signal { options, signal } => send::send(&Source::file(&options), signal)?,
        Command::Run(options) => {
            let source = Source::file(&options);
            return run::<R>(program, source);
        }
        Command::Direct { listen, to } => {
            let source = direct(&listen, &to);
            let loaded = source.load()?;
            let identity = Identity::assume(&loaded.main)?;
            Startup { program, identity, source, loaded, background: None }.run::<R>()?;
        }
        Command::Replay { file, session, quiet } => return replay::replay(&file, session, quiet),
        #[cfg(feature = "demo")]
        Command::Demo { listen, tls } => demo::serve::<R>(program, listen, tls)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// In the foreground, or as a process of its own in the background.
fn run<R: Runtime>(program: &'static Program, source: Source) -> Result<ExitCode, Trouble> {
    let early = source.early_log();
    let begun = begin(program, source);
    if let (Err(trouble), Some(target)) = (&begun, early) {
        trouble.log_to(target, None);
    }
    match begun? {
        Begun::InBackground(ended) => Ok(ended),
        Begun::Here(startup) => startup.run::<R>().map(|()| ExitCode::SUCCESS),
    }
}

/// What has come of a start.
enum Begun {
    /// The process that serves is another one.
    InBackground(ExitCode),
    /// This process is whom the configuration says, and has no second thread yet.
    Here(Box<Startup>),
}

fn begin(program: &'static Program, source: Source) -> Result<Begun, Trouble> {
    let background = Background::enter()?;
    let loaded = source.load()?;
    if loaded.main.daemon && background.is_none() {
        return daemon::start().map(Begun::InBackground);
    }
    let identity = Identity::assume(&loaded.main)?;
    Ok(Begun::Here(Box::new(Startup { program, identity, source, loaded, background })))
}

/// Where the configuration of a process comes from that serves.
fn source_of(command: &Command) -> Option<Source> {
    match command {
        Command::Run(options) => Some(Source::file(options)),
        Command::Direct { listen, to } => Some(direct(listen, to)),
        // Whoever keeps root's rights for it has no origin server, and dials none.
        #[cfg(feature = "demo")]
        Command::Demo { listen, tls } => Some(demo::source(&demo::front(*listen, *tls), *listen, *listen)),
        _ => None,
    }
}

fn direct(listen: &Front, to: &Destination) -> Source {
    Source::text("--to", direct_configuration(listen, to))
}

/// Prints a line for the operator, where nginx prints it.
fn say(text: &str) {
    // When the standard error stream is gone, there is nobody left to tell.
    let _nobody_left_to_tell = writeln!(io::stderr(), "{text}");
}
