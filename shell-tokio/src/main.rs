//! The binary `underpass`: a reverse proxy for WebSockets and other tunnels that reads nginx's configuration.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{io, process::ExitCode};

use tokio::runtime::{Builder, Runtime};
use underpass::{Setup, serve};
use underpass_server::{Program, process};

const PROGRAM: Program =
    Program { name: "underpass", version: env!("CARGO_PKG_VERSION"), build: "runtime: tokio" };

/// A worker has a reactor of its own, on its own thread.
struct Tokio(Runtime);

impl process::Runtime for Tokio {
    fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(Self)
    }

    fn serve(self, setup: Setup) -> io::Result<()> {
        let served = self.0.block_on(serve(setup));
        // Dropped, it would wait for a password that is still being compared for nobody.
        self.0.shutdown_background();
        served
    }
}

fn main() -> ExitCode {
    process::main::<Tokio>(&PROGRAM)
}
