//! Compares underpass with other proxies: processor time per operation and private memory per idle tunnel,
//! in clear and under TLS.
//!
//! One process is the origin server and all clients, on a core of its own; each proxy is a program, started afresh
//! for each measurement on another core, with the same configuration file. Rounds alternate between the proxies, and
//! every byte that comes back is checked. `benches/README.md` says what is measured and why it is ratios that count.

mod arguments;
mod client;
mod door;
mod flood;
mod load;
mod origin;
mod proxy;
mod report;
mod run;
mod statistics;
mod wire;
mod workload;

use anyhow::{Context as _, Result};
use arguments::Arguments;
use clap::Parser as _;
use underpass_benches::section;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // One thread for the origin server and all clients: they share one core, and no thread of ours may sit on
    // the proxy's.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of the origin server and the clients")?;
    let outcome = runtime.block_on(run::run(&arguments))?;

    if arguments.quick {
        println!("{}", report::smoke(&outcome));
        return Ok(());
    }
    println!("{}", report::markdown(&outcome));
    if let Some(file) = &arguments.markdown {
        section::write(file, "compare", &report::markdown(&outcome))?;
        eprintln!("written: {}", file.display());
    }
    Ok(())
}
