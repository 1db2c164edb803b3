//! The module's own Lua tests, as scripts that the runner runs: with both flavours, on both of the usual backends. In the runner a
//! script has what it does not have elsewhere: tasks and modules, an end that cancels what is left, reports on standard error.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::{root, sloth, stems};

/// Where the files are, from the root.
const FOLDERS: [&str; 2] = ["lua-bindings/tests/lua", "lua-bindings/tests/lua/complaints"];

fn files() -> Vec<String> {
    let in_folder = |folder: &'static str| {
        stems(&root().join(folder), "lua").into_iter().map(move |stem| format!("{folder}/{stem}.lua"))
    };
    FOLDERS.into_iter().flat_map(in_folder).collect()
}

/// Runs every file, and says of each that failed what it has printed.
fn all_pass(backend: &str, flavour: &[&str]) {
    let files = files();
    assert!(files.len() > FOLDERS.len(), "there are no files");
    let mut failed = Vec::new();
    for file in files {
        let args = [&["run", "--backend", backend], flavour, &[file.as_str()]].concat();
        let run = sloth(&root(), &args);
        if !run.status.success() {
            failed.push(format!("{file}: {}\n{}{}", run.status, run.stdout, run.stderr));
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn the_runner_keeps_every_promise_of_goroutine_on_tokio() {
    all_pass("tokio", &[]);
}

#[test]
fn the_runner_keeps_every_promise_of_goroutine_on_threads() {
    all_pass("threads", &[]);
}

#[test]
fn the_runner_keeps_every_promise_of_goroutine_local_on_tokio() {
    all_pass("tokio", &["--local"]);
}

#[test]
fn the_runner_keeps_every_promise_of_goroutine_local_on_threads() {
    all_pass("threads", &["--local"]);
}
