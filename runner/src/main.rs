//! `sloth-runner`: runs Lua scripts that use goroutines.
//!
//! The script runs in the home state, on the main thread; its goroutines run in isolates. When it ends, by itself, by an
//! error or by Ctrl-C, what still runs is cancelled and has 2 s to unwind; that does not change the exit code.

mod cli;
mod log;
mod script;

use std::process::ExitCode;

use clap::Parser;

/// Packets are made on one thread and dropped on another all the time, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // `sloth-runner run script.lua | head` ends when nobody reads any more, as other filters do.
    sigpipe::reset();
    match cli::Cli::parse().command {
        cli::Command::Run(run) => script::run(&run),
    }
}
