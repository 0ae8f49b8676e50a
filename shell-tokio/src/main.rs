//! The binary `underpass`: a reverse proxy for WebSockets and other tunnels that reads nginx's configuration.

mod process;
mod start;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use underpass_nginx_config::{load, load_text};
use underpass_shell_common::{
    Command, Destination, Files, Program,
    command::{DEFAULT_PREFIX, build_text, direct_configuration, version_text},
    demo,
};

use start::{Trouble, load_options};

const PROGRAM: Program =
    Program { name: "underpass", version: env!("CARGO_PKG_VERSION"), build: "runtime: tokio" };

fn main() -> ExitCode {
    let command = match Command::parse(&PROGRAM, std::env::args_os()) {
        Ok(command) => command,
        Err(stop) => return stop.report(),
    };
    match obey(command) {
        Ok(code) => code,
        Err(trouble) => {
            say(&format!("{}: [emerg] {trouble}", PROGRAM.name));
            ExitCode::FAILURE
        }
    }
}

fn obey(command: Command) -> Result<ExitCode, Trouble> {
    match command {
        Command::Version => say(&version_text(&PROGRAM)),
        Command::BuildInfo => say(&build_text(&PROGRAM)),
        Command::Test { file, prefix } => return Ok(test(file, prefix)),
        Command::Run { file, prefix } => {
            let files = Files::resolve(file.as_deref(), prefix.as_deref());
            start::run(load(&files.file, &load_options(&files.prefix))?)?;
        }
        Command::Direct { listen, to } => direct(listen, &to)?,
        Command::Demo { listen } => show(listen)?,
        // The enumeration may grow with the options; a new one must not pass for success.
        command => return Err(Trouble::new(format!("{command:?} is not in this version"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// `-t`: in nginx's words.
fn test(file: Option<PathBuf>, prefix: Option<PathBuf>) -> ExitCode {
    let Files { prefix, file } = Files::resolve(file.as_deref(), prefix.as_deref());
    let (name, path) = (PROGRAM.name, file.display());
    match load(&file, &load_options(&prefix)) {
        Ok(loaded) => {
            start::print_notes(&loaded);
            say(&format!("{name}: the configuration file {path} syntax is ok"));
            say(&format!("{name}: configuration file {path} test is successful"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{name}: [emerg] {error}"));
            say(&format!("{name}: configuration file {path} test failed"));
            ExitCode::FAILURE
        }
    }
}

/// `--listen ADDRESS --to URL`.
fn direct(listen: SocketAddr, to: &Destination) -> Result<(), Trouble> {
    let text = direct_configuration(listen, to);
    start::run(load_text("--to", text, &load_options(DEFAULT_PREFIX.as_ref()))?)
}

/// `demo`: an origin server, the configuration that proxies to it, and where to look.
fn show(listen: SocketAddr) -> Result<(), Trouble> {
    let origin =
        demo::Origin::start().map_err(|error| Trouble::new(format!("the demo can't start: {error}")))?;
    let text = demo::configuration(listen, origin.address());
    origin.show_configuration(&text);
    let loaded = load_text("demo", text.as_str(), &load_options(DEFAULT_PREFIX.as_ref()))?;
    say(&format!("{text}\nOpen http://{listen}/ in a browser; Ctrl-C ends it.\n"));
    start::run(loaded)
}

/// Prints a line for the operator, where nginx prints it.
fn say(text: &str) {
    // When the standard error stream is gone, there is nobody left to tell.
    let _nobody_left_to_tell = writeln!(io::stderr(), "{text}");
}
