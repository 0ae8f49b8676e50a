//! `-t` and `-T`: whether the configuration can be used, in nginx's words.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use rustix::process::geteuid;
use underpass_nginx_config::Loaded;

use super::{rights::Credentials, say, sockets::Sockets, source::Source, trouble::Trouble};
use crate::{
    Logs, PidFile, Program, Trace,
    tls::{Kept, Reader, Tls},
    trace::Told,
};

/// Loads the configuration and opens what it names, and does nothing else. `quiet`: only errors are told;
/// `dump`: the configuration is printed.
pub(crate) fn test(program: &Program, source: &Source, quiet: bool, dump: bool) -> ExitCode {
    let (name, file) = (program.name, source.name());
    let report = |text: String| {
        if !quiet {
            say(&format!("{name}: {text}"));
        }
    };
    let tested = source.load().and_then(|loaded| {
        for note in &loaded.notes {
            report(format!("[warn] {note}"));
        }
        report(format!("the configuration file {file} syntax is ok"));
        open(&loaded, &report).map(|()| loaded)
    });
    match tested {
        Ok(loaded) => {
            report(format!("configuration file {file} test is successful"));
            let printed = if dump { print(&loaded) } else { Ok(()) };
            if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(trouble) => {
            say(&format!("{name}: {trouble}"));
            say(&format!("{name}: configuration file {file} test failed"));
            ExitCode::FAILURE
        }
    }
}

/// As nginx, all that can be known without taking the place of a process that serves.
fn open(loaded: &Loaded, report: &impl Fn(String)) -> Result<(), Trouble> {
    let files = Logs::new();
    files.open_configured(&loaded.main)?;
    let tls = Tls::of(&loaded.listeners, &loaded.upstream_tls, &Reader::default(), &Kept::default())?;
    tls.warnings.iter().for_each(|warning| report(format!("[warn] {warning}")));
    Trace::open_all(&loaded.main.traces, &Told::of(loaded), &files)?;
    if let Some(path) = &loaded.main.pid {
        PidFile::check(path)?;
    }
    if geteuid().is_root()
        && let Some(warning) = Credentials::of(&loaded.main)?.warning()
    {
        report(format!("[warn] {warning}"));
    }
    Sockets::check(&loaded.listeners)
}

/// The names of the files as nginx prints them, and below them what they come to together: the whole is read
/// as the same configuration.
fn print(loaded: &Loaded) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for file in &loaded.files {
        writeln!(out, "# configuration file {}:", file.name)?;
    }
    out.write_all(loaded.expanded().as_bytes())?;
    out.flush()
}
