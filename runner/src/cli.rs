//! The command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Runs Lua scripts that use goroutines, and the tasks that they define.
#[derive(Debug, Parser)]
#[command(
    name = "sloth-runner",
    version,
    after_help = "Exit codes: 0 all well, 1 a task or the script failed, 2 wrong usage, a script that does not parse or \
tasks that do not validate, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a script, and its tasks if it defines some
    #[command(after_help = "Examples:
  sloth-runner run examples/word_count.lua
  sloth-runner run script.lua -- --verbose input.txt
  sloth-runner run deploy.sloth --dry-run
  sloth-runner run deploy.sloth -t build -t test -v production.yaml -p version=1.2
  sloth-runner run deploy.sloth -o json | jq 'select(.event == \"task_end\")'
  echo 'print(goroutine.backend())' | sloth-runner run -")]
    Run(Box<Run>),
    /// Print what the goroutines of a running sloth-runner do
    #[command(
        after_help = "Example:\n  sloth-runner dump 4711\n\nSIGUSR1 makes it print the same to its own standard error."
    )]
    Dump {
        /// The number of its process
        pid: u32,
    },
    /// Print the completions for a shell
    #[command(after_help = "Example:\n  sloth-runner completions bash > /etc/bash_completion.d/sloth-runner")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Not there yet: agents
    #[command(hide = true)]
    Agent(Absent),
    /// Not there yet: agents
    #[command(hide = true)]
    Agents(Absent),
    /// Not there yet: agents
    #[command(hide = true)]
    Keygen(Absent),
}

/// What a command that is not there yet may be given.
#[derive(Args, Debug)]
pub(crate) struct Absent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) rest: Vec<OsString>,
}

/// What to run, and how.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The script; `-` is standard input
    #[arg(required_unless_present = "by_option")]
    file: Option<PathBuf>,
    /// The script, as an option
    #[arg(short = 'f', long = "file", value_name = "FILE", id = "by_option", conflicts_with = "file")]
    by_option: Option<PathBuf>,
    /// Only this task, and those that it depends on; may be given again
    #[arg(short, long = "task", value_name = "NAME", value_parser = OsStringValueParser::new().map(|name| lossy(&name)))]
    pub(crate) tasks: Vec<String>,
    /// A YAML file, or a JSON file that is named `.json`: the global `values`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) values: Option<PathBuf>,
    /// A field of the global `params`, which commands get as their second argument; may be given again
    #[arg(short, long = "param", value_name = "KEY=VALUE", value_parser = OsStringValueParser::new().try_map(key_value))]
    pub(crate) params: Vec<(Vec<u8>, Vec<u8>)>,
    /// Print what would be done, in which order and why; the script itself runs, its tasks do not
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to tell what happens: lines for people, or an object a line
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// What carries the goroutines
    #[arg(long, value_enum, default_value_t = Carrier::Tokio, value_name = "NAME")]
    pub(crate) backend: Carrier,
    /// How many goroutines can compute at the same time [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) isolates: Option<u16>,
    /// Goroutines run in the script's own state, whenever it blocks: `require("goroutine")` gives `goroutine.local`
    #[arg(long)]
    pub(crate) local: bool,
    /// How much memory the script may use, and each isolate: bytes, or with K, M or G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory_limit: Option<usize>,
    /// Not there yet: agents
    #[arg(short, long, hide = true)]
    pub(crate) delegate_to: Vec<String>,
    /// Not there yet: agents
    #[arg(long, hide = true)]
    pub(crate) nats: Option<String>,
    /// The script's arguments: the table `arg`, and `...`
    #[arg(last = true)]
    pub(crate) args: Vec<OsString>,
}

impl Run {
    /// The script.
    pub(crate) fn file(&self) -> &Path {
        // One of the two is there: clap has seen to that.
        self.file.as_deref().or(self.by_option.as_deref()).unwrap_or_else(|| Path::new("-"))
    }
}

/// How to tell what happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
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

/// A name that is not UTF-8 is nobody's, which is told with as much of it as is text.
fn lossy(text: &OsStr) -> String {
    text.to_string_lossy().into_owned()
}

/// Any bytes, as other strings of Lua.
fn key_value(text: OsString) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let text = text.into_vec();
    match text.iter().position(|byte| *byte == b'=') {
        Some(at @ 1..) => Ok((text[..at].to_vec(), text[at + 1..].to_vec())),
        _ => Err("expected KEY=VALUE"),
    }
}

/// A number of bytes; `K`, `M` and `G` are powers of 1024, also as `KB` or `KiB`.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        unit => return Err(format!("unknown unit '{unit}': K, M and G are there")),
    };
    let number: usize = digits.parse().map_err(|_| "expected a size such as 64M")?;
    let bytes = number.checked_mul(1 << shift).ok_or("too large")?;
    // A state with the standard libraries and the module takes about this much.
    if bytes < 1 << 20 { Err("has to be at least 1M".into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("2000000"), Ok(2_000_000));
        for wrong in ["", "M", "64X", "-1", "1.5G", "1", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
