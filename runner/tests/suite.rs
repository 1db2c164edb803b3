//! The module's own Lua tests, as scripts that the runner runs, with both flavours. In the runner a script has what it does not have
//! elsewhere: tasks and modules, an end that cancels what is left, reports on standard error. (Each flavour with each backend is
//! what the tests of `lua-bindings` run.)

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod support;

use support::{root, sloth, stems};

/// Where the files are, from the root.
const FOLDERS: [&str; 2] = ["lua-bindings/tests/lua", "lua-bindings/tests/lua/complaints"];

/// Those that are none for the runner. Its `os.execute` and `io.popen` are its own, and a command ends with its goroutine; what it
/// promises of them is in `modules.rs`. Interrupts depend on nothing that the runner has, and take long on a busy machine.
const NOT_HERE: [&str; 3] = ["commands", "interrupts", "processes"];

fn files() -> Vec<String> {
    let in_folder = |folder: &'static str| {
        let stems = stems(&root().join(folder), "lua").into_iter();
        stems
            .filter(|stem| !NOT_HERE.contains(&stem.as_str()))
            .map(move |stem| format!("{folder}/{stem}.lua"))
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
fn the_runner_keeps_every_promise_of_goroutine() {
    all_pass("threads", &[]);
}

#[test]
fn the_runner_keeps_every_promise_of_goroutine_local() {
    all_pass("tokio", &["--local"]);
}
