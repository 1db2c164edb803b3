//! Running scripts with the built `sloth-runner`.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod schema;
pub(crate) mod server;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// An example that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What is said of a goroutine that has not ended.
const LEFT: &str = "at the end, and is cancelled";

/// The backends that every example has to run under.
pub(crate) const BACKENDS: &[&str] = &[
    "tokio",
    "threads",
    "smol",
    #[cfg(feature = "backend-async-std")]
    "async-std",
];

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// What a run that went well has printed.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert!(self.status.success(), "it failed: {self:#?}");
        // Goroutines that are still there at the end are named.
        let complaints: Vec<_> = self.stderr.lines().filter(|line| !line.ends_with(LEFT)).collect();
        assert!(complaints.is_empty(), "it complained: {complaints:#?}");
        self.stdout
    }
}

/// The folder of the examples.
pub(crate) fn folder() -> PathBuf {
    root().join("examples")
}

/// The folder that users run the examples from.
pub(crate) fn root() -> PathBuf {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR"));
    runner.parent().unwrap().to_path_buf()
}

/// The names of all examples, sorted.
pub(crate) fn names() -> Vec<String> {
    stems(&folder(), "lua")
}

/// The names, without the extension, of the files in `folder` that have it; sorted.
pub(crate) fn stems(folder: &Path, extension: &str) -> Vec<String> {
    let mut stems: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    stems.sort();
    stems
}

/// Runs an example as its first lines say, from the root of the repository.
pub(crate) fn run(name: &str, backend: &str, args: &[&str]) -> Run {
    run_from(&root(), &format!("examples/{name}.lua"), backend, args)
}

/// Runs a script from `folder`, at most for a minute.
pub(crate) fn run_from(folder: &Path, script: &str, backend: &str, args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command
        .args(["run", "--backend", backend, script, "--"])
        .args(args)
        .current_dir(folder)
        // Where mandelbrot.lua writes when it is not told.
        .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
    limited(command)
}

/// Runs `sloth-runner` with these arguments, at most for a minute.
pub(crate) fn sloth(folder: &Path, args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
    command.args(args).current_dir(folder);
    limited(command)
}

/// Writes `script` to a file, and runs that with these arguments.
pub(crate) fn sloth_script(script: &str, args: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.sloth"), script).unwrap();
    sloth(folder.path(), &[&["run", "script.sloth"], args].concat())
}

/// Runs `body`, which has to raise nothing, at home and in a goroutine, under every backend.
#[track_caller]
pub(crate) fn everywhere(body: &str, args: &[&str]) {
    let script = format!(
        "local function body()\n{body}\nend\nbody()\nlocal ok, err, trace = goroutine.async(body):await()\n\
         if not ok then error(tostring(err) .. trace, 0) end print('through')"
    );
    for backend in BACKENDS {
        let run = sloth_script(&script, &[&["--backend", backend], args].concat());
        assert!(run.status.success() && run.stdout.ends_with("through\n"), "{backend}: {run:#?}");
    }
}

/// Runs a command, and ends it when its time is up: then the test fails.
fn limited(mut command: Command) -> Run {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = collected(child.stdout.take().unwrap());
    let stderr = collected(child.stderr.take().unwrap());
    // A process closes both streams when it ends. They are read side by side, so that neither can fill up and hold it.
    let deadline = Instant::now() + LIMIT;
    let mut until_end = |stream: Receiver<String>| {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.recv_timeout(left).unwrap_or_else(|_| {
            child.kill().unwrap();
            panic!("still running after {LIMIT:?}: {command:?}");
        })
    };
    let (stdout, stderr) = (until_end(stdout), until_end(stderr));
    Run { status: child.wait().unwrap(), stdout, stderr }
}

/// All that comes out of a stream, as far as it is text, once it has ended.
fn collected(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // Nobody is there any more if the time was up.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// The lines of the table at the end: name, status, attempts. Names without spaces.
pub(crate) fn table(run: &Run) -> Vec<(String, String, String)> {
    let lines = run.stderr.lines().skip_while(|line| !line.starts_with("task ")).skip(1);
    lines
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut next = || words.next().unwrap_or_default();
            (next(), next(), next())
        })
        .collect()
}

/// Name and status of every task, in the order in which they ended.
pub(crate) fn statuses(run: &Run) -> String {
    table(run).iter().map(|(name, status, _)| format!("{name} {status}")).collect::<Vec<_>>().join(", ")
}
