//! The command line.

use clap::Parser;
use std::path::PathBuf;

/// Keeps many tunnels busy through a proxy, and says what it lost, leaked or let grow.
#[derive(Debug, Parser)]
#[command(name = "soak", about)]
pub(crate) struct Arguments {
    /// The proxy's binary
    #[arg(long, value_name = "PATH")]
    pub(crate) program: PathBuf,

    /// Tunnels that are open at any time: where one ends, another begins
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) tunnels: u32,

    /// For how many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,

    /// Seconds from reload to reload
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) reload: u64,

    /// Seconds from one look at memory and descriptors to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sample: u64,

    /// What the random traffic is made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Also write the result into this Markdown file, between its markers for the program
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}
