//! The binary `underpass-async-std`: a reverse proxy for WebSockets and other tunnels that reads nginx's
//! configuration.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    future::Future as _,
    io,
    pin::Pin,
    process::ExitCode,
    task::{Context, Waker},
    time::Duration,
};

use async_io::Timer;
use async_std::task::block_on;
use underpass_async_std::{Setup, serve};
use underpass_server::{Program, panics, process};

const PROGRAM: Program =
    Program { name: "underpass-async-std", version: env!("CARGO_PKG_VERSION"), build: "runtime: async-std" };

/// Workers share the reactor of the process; each has a thread.
struct AsyncStd;

impl process::Runtime for AsyncStd {
    fn new() -> io::Result<Self> {
        let started = panics::catch(start_reactor).and_then(|()| panics::catch(|| block_on(async {})));
        started.map(|()| Self).map_err(|panic| io::Error::other(format!("async-std {panic}")))
    }

    fn serve(self, setup: Setup) -> io::Result<()> {
        block_on(serve(setup))
    }
}

/// Starts the thread of the reactor. What starts the others needs it: both panic when the system has no thread for them,
/// and one panic inside of the other would end the process.
fn start_reactor() {
    let mut timer = Timer::after(Duration::from_secs(1));
    let _it_is_not_waited_for = Pin::new(&mut timer).poll(&mut Context::from_waker(Waker::noop()));
}

fn main() -> ExitCode {
    process::main::<AsyncStd>(&PROGRAM)
}
