//! The binary `underpass-async-std`: a reverse proxy for WebSockets and other tunnels that reads nginx's
//! configuration.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{io, process::ExitCode};

use async_std::task::block_on;
use underpass_async_std::{Setup, serve};
use underpass_shell_common::{Program, panics, process};

const PROGRAM: Program =
    Program { name: "underpass-async-std", version: env!("CARGO_PKG_VERSION"), build: "runtime: async-std" };

/// Workers share the reactor of the process; each has a thread.
struct AsyncStd;

impl process::Runtime for AsyncStd {
    fn new() -> io::Result<Self> {
        // The first call starts the runtime's threads, and panics when the system has none for it.
        let started = panics::catch(|| block_on(async {}));
        started.map(|()| Self).map_err(|panic| io::Error::other(format!("async-std {panic}")))
    }

    fn serve(self, setup: Setup) -> io::Result<()> {
        block_on(serve(setup))
    }
}

fn main() -> ExitCode {
    process::main::<AsyncStd>(&PROGRAM)
}
