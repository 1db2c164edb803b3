//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs Lua scripts that use goroutines.
#[derive(Debug, Parser)]
#[command(
    name = "sloth-runner",
    version,
    after_help = "Exit codes: 0 all well, 1 the script failed, 2 wrong usage or a \
script that does not parse, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script
    #[command(after_help = "Examples:\n  sloth-runner run examples/word_count.lua\n  \
sloth-runner run script.lua -- --verbose input.txt\n  echo 'print(goroutine.backend())' | sloth-runner run -")]
    Run(Run),
}

/// What to run, and how.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The script; `-` is standard input
    pub(crate) file: PathBuf,
    /// What carries the goroutines
    #[arg(long, value_enum, default_value_t = Carrier::Tokio)]
    pub(crate) backend: Carrier,
    /// How many goroutines can compute at the same time [default: as many as cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) isolates: Option<u16>,
    /// Goroutines run in the script's own state, whenever it blocks: `require("goroutine")` gives `goroutine.local`
    #[arg(long)]
    pub(crate) local: bool,
    /// The script's arguments: the table `arg`, and `...`
    #[arg(last = true)]
    pub(crate) args: Vec<OsString>,
}

/// The backends that are built in.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Carrier {
    Tokio,
    Threads,
    Smol,
    #[cfg(feature = "backend-async-std")]
    AsyncStd,
}
