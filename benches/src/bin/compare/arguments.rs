//! The command line.

use clap::Parser;
use std::path::PathBuf;

/// Compares underpass with other proxies, on one machine and in one run.
#[derive(Debug, Parser)]
#[command(name = "compare", about)]
pub(crate) struct Arguments {
    /// The underpass binary (default: beside this one)
    #[arg(long, value_name = "PATH")]
    pub(crate) underpass: Option<PathBuf>,

    /// The nginx binary
    #[arg(long, value_name = "PATH", default_value = "/usr/sbin/nginx")]
    pub(crate) nginx: PathBuf,

    /// Measure only this proxy (may be repeated); with a single one there is no ratio
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,

    /// Put nginx in underpass's place as well: how far from 1 the ratios stray is the noise of this machine
    #[arg(long, conflicts_with_all = ["underpass", "only"])]
    pub(crate) noise: bool,

    /// Measure only this workload (may be repeated)
    #[arg(long, value_name = "KEY")]
    pub(crate) workload: Vec<String>,

    /// Rounds that count, besides the warm-up round; an even number gives each proxy the first turn equally often
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,

    /// The core of the origin server and the clients
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) load_core: usize,

    /// The core of the proxy
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) proxy_core: usize,

    /// Smoke test: few operations, one round, 200 idle tunnels; checks every byte and prints no figures
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) quick: bool,

    /// Also write the result into this Markdown file, between its two `compare` markers
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}
