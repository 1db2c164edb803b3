//! `sloth-runner`: runs Lua scripts that use goroutines, and the tasks that they define.
//!
//! The script runs in the home state, on the main thread; its goroutines run in isolates. When it has run, the tasks that it has
//! defined do ([`tasks`]). At the end, whichever it is, what still runs is cancelled and has 2 s to unwind; that does not
//! change the exit code.

mod cli;
mod convert;
mod dump;
mod duration;
mod event;
mod group;
mod io;
mod modules;
mod output;
mod pipe;
mod progress;
mod script;
mod shared;
mod sink;
mod summary;
mod tasks;
mod values;
mod visible;
mod whole_lines;
mod yaml;

use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

/// Packets are made on one thread and dropped on another all the time, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The command line. A script without `run` before it is told apart from a command that does not exist.
fn parse() -> cli::Cli {
    cli::Cli::try_parse().unwrap_or_else(|error| {
        let file = std::env::args_os().nth(1).filter(|file| std::path::Path::new(file).is_file());
        if let (ErrorKind::InvalidSubcommand, Some(file)) = (error.kind(), file) {
            let file = file.display();
            script::fail(
                2,
                format_args!("'{file}' is no command; to run the script: sloth-runner run {file}"),
            );
            std::process::exit(2);
        }
        // What stands behind the script may be meant for it.
        let is_run = std::env::args_os().nth(1).is_some_and(|command| command == "run");
        let extra = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(extra)) if is_run && error.kind() == ErrorKind::UnknownArgument => {
                Some(extra)
            }
            _ => None,
        };
        if let Some(extra) = extra.filter(|extra| !extra.starts_with('-')) {
            let _ = error.print();
            let tip = format!("\n  tip: what is meant for the script comes after '--': SCRIPT -- {extra}\n");
            let _ = std::io::stderr().write_all(tip.as_bytes());
            std::process::exit(2);
        }
        if error.use_stderr() {
            error.exit();
        }
        // The help, or the version, which was asked for.
        std::process::exit(i32::from(!written(error.print())))
    })
}

/// Whether all that goes to standard output is there, which is said if not: also what [`std::io::stdout`] has kept so far.
pub(crate) fn written(outcome: std::io::Result<()>) -> bool {
    let Err(error) = outcome.and_then(|()| std::io::stdout().flush()) else { return true };
    script::fail(1, format_args!("cannot write to standard output: {error}"));
    false
}

fn main() -> ExitCode {
    // `sloth-runner run script.lua | head` ends when nobody reads any more, as other filters do.
    sigpipe::reset();
    match parse().command {
        cli::Command::Run(run) => script::run(&run),
        cli::Command::Dump { pid } => dump::ask(pid),
        cli::Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut cli::Cli::command(), "sloth-runner", &mut text);
            ExitCode::from(u8::from(!written(std::io::stdout().write_all(&text))))
        }
        cli::Command::Agent(_) => script::absent("the command 'agent'"),
        cli::Command::Agents(_) => script::absent("the command 'agents'"),
        cli::Command::Keygen(_) => script::absent("the command 'keygen'"),
    }
}
