//! Many tunnels through a proxy for a long time: in clear and under TLS, random traffic, ends of stream in
//! either order, resets, a reload with another certificate now and then, and a drain at the end. Every byte is verified at its place, each tunnel's end is the one that its peer
//! made, memory has to stand still, and no descriptor may be left. `docs/evidence/soak.md` says what a run has shown.
//!
//! One process is the origin server and all clients; the proxy is a program.

mod arguments;
mod certificates;
mod curve;
mod fleet;
mod head;
mod life;
mod peers;
mod process;
mod report;
mod run;

use anyhow::{Context as _, Result};
use arguments::Arguments;
use clap::Parser as _;
use std::process::ExitCode;
use tokio::task::LocalSet;
use underpass_benches::section;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of the origin server and the clients")?;
    let outcome = LocalSet::new().block_on(&runtime, run::run(&arguments))?;
    if let Some(file) = &arguments.markdown {
        section::write(file, &format!("soak {}", outcome.program), &report::markdown(&outcome)?)?;
        eprintln!("written: {}", file.display());
    }
    for fault in outcome.faults.iter().take(20) {
        eprintln!("VIOLATION: {fault}");
    }
    println!("{}", report::summary(&outcome));
    Ok(if outcome.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
