//! Runs the Lua test files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use goroutine::{Backend, Goroutines, Packet, Shutdown, Trust};
use mlua::{Lua, LuaString, Value};

/// How long a file may take. One that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// How many times longer than that everything may take, if this is set: under valgrind, on emulated machines.
const SLOWNESS: &str = "GOROUTINE_TEST_SLOWNESS";

/// How a file is run.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "some features lack the backends of some")]
pub(crate) enum Way {
    /// Its goroutines run in isolates.
    Parallel,
    /// They run in the home state: `require("goroutine")` gives `goroutine.local`.
    Local,
    /// In isolates, and the file itself in an executor of tokio's that has one thread: its blocking calls must not block.
    Executor,
}

/// Files that wait in coroutines of their own, which blocks, and so is refused in that executor.
const WAIT_IN_COROUTINES: [&str; 5] = [
    "channels.lua",
    "coroutines.lua",
    "coroutines_parked.lua",
    "local_older_references.lua",
    "local_sharing.lua",
];

/// A test that takes longer than this is named with the time it took.
const SLOW: Duration = Duration::from_millis(500);

/// Where the Lua files are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lua")
}

/// What a file's tests have come to so far.
#[derive(Default)]
struct Progress {
    running: Option<(String, Instant)>,
    passed: usize,
    /// Those that are none for this Lua.
    skipped: usize,
    failed: Vec<(String, String)>,
    /// What was reported of errors that nobody awaits, and no test has asked for.
    reports: Vec<String>,
}

impl Progress {
    fn fail(&mut self, what: &str, why: impl Into<String>) {
        self.failed.push((what.to_owned(), why.into()));
    }
}

type Shared = Arc<Mutex<Progress>>;

/// 1 unless the environment tells of a slower machine.
fn slowness() -> u32 {
    std::env::var(SLOWNESS).ok().map_or(1, |factor| factor.parse().unwrap())
}

fn lock(progress: &Shared) -> std::sync::MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the tests in one file, and panics if one fails. Aborts the process if one hangs.
pub(crate) fn run(name: &str, backend: Arc<dyn Backend>, isolates: usize, way: Way) {
    let path = folder().join(format!("{name}.lua"));
    let progress = Shared::default();
    let (tell, ended) = mpsc::channel();
    let file = {
        let (path, progress) = (path.clone(), Arc::clone(&progress));
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                run_file(&path, backend, isolates, way, &progress);
                let _ = tell.send(());
            })
            .unwrap()
    };
    let limit = LIMIT * slowness();
    if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
        let running = lock(&progress).running.take();
        let running = running.map_or_else(|| "no test".to_owned(), |(name, _)| name);
        // Not `eprintln`, whose text the test runner would keep to itself.
        let _ =
            writeln!(std::io::stderr(), "{}: has not ended after {limit:?}, in: {running}", path.display());
        std::process::abort();
    }
    if let Err(panic) = file.join() {
        std::panic::resume_unwind(panic);
    }
    let progress = lock(&progress);
    let (passed, skipped) = (progress.passed, progress.skipped);
    println!("{}: {passed} passed, {skipped} skipped, {} failed", path.display(), progress.failed.len());
    assert!(passed + skipped + progress.failed.len() > 0, "{} holds no tests", path.display());
    let mut failures = String::new();
    for (name, error) in &progress.failed {
        let _ = writeln!(failures, "\n{name}:\n{error}");
    }
    assert!(progress.failed.is_empty(), "{} failed:\n{failures}", progress.failed.len());
}

fn run_file(path: &Path, backend: Arc<dyn Backend>, isolates: usize, way: Way, progress: &Shared) {
    let goroutines = {
        let progress = Arc::clone(progress);
        Goroutines::builder()
            .shared_backend(backend)
            .isolates(isolates)
            // What is set before the first goroutine has to be tested before there are isolates.
            .lazy(["configure.lua", "interrupts.lua"].iter().any(|name| path.ends_with(name)))
            .on_unhandled_error(move |report| lock(&progress).reports.push(report.to_owned()))
            .build()
            .unwrap()
    };
    let lua = goroutine::new_state();
    goroutines.install(&lua).unwrap();
    if way == Way::Local {
        goroutines.local_module(&lua).unwrap();
    }
    let outcome = run_script(&lua, path, way, progress);
    lock(progress).running = Some(("the end of the file".into(), Instant::now()));
    goroutines.wind_down(&lua, Duration::from_secs(20) * slowness());
    drop(lua);
    let shutdown = goroutines.shutdown(Duration::from_secs(20) * slowness());
    let mut progress = lock(progress);
    if let Err(error) = outcome {
        progress.fail("the file itself", error.to_string());
    }
    if shutdown != Shutdown::Complete {
        progress.fail("the end of the file", format!("shutdown: {shutdown:?}"));
    }
    for report in std::mem::take(&mut progress.reports) {
        progress.fail("no errors are reported that the tests do not expect", report);
    }
}

fn run_script(lua: &Lua, path: &Path, way: Way, progress: &Shared) -> mlua::Result<()> {
    let globals = lua.globals();
    let arg = lua.create_table()?;
    arg.raw_set(0, path.display().to_string())?;
    globals.set("arg", arg)?;
    // The reports that have come since it was last called, as a list.
    let reports = {
        let progress = Arc::clone(progress);
        lua.create_function(move |_, ()| Ok(std::mem::take(&mut lock(&progress).reports)))?
    };
    globals.set("reports", reports)?;
    // What Rust programs do to send values to other processes. `trust` is "data" or "code".
    let to_bytes = lua.create_function(|lua, value: Value| {
        let bytes = Packet::encode(lua, value).and_then(|packet| packet.to_bytes());
        lua.create_string(bytes.map_err(mlua::Error::runtime)?)
    })?;
    globals.set("to_bytes", to_bytes)?;
    let from_bytes = lua.create_function(|lua, (bytes, trust): (LuaString, String)| {
        let trust = if trust == "code" { Trust::Code } else { Trust::Data };
        let packet = Packet::from_bytes(&bytes.as_bytes(), trust).map_err(mlua::Error::runtime)?;
        packet.decode::<Value>(lua)
    })?;
    globals.set("from_bytes", from_bytes)?;

    // Runs a chunk in a state without the module, and says what came of it.
    let plain = lua.create_function(|_, source: String| {
        let without = goroutine::new_state();
        let script = load(&without, &folder().join("support/plain.lua"))?;
        script.call::<LuaString>(source).map(|came| came.to_string_lossy())
    })?;
    globals.set("plain", plain)?;

    let hooks = lua.create_table()?;
    hooks.set("slowness", slowness())?;
    let begins = {
        let progress = Arc::clone(progress);
        lua.create_function(move |_, name: String| {
            lock(&progress).running = Some((name, Instant::now()));
            Ok(())
        })?
    };
    hooks.set("begins", begins)?;
    let skipped = {
        let progress = Arc::clone(progress);
        lua.create_function(move |_, _name: String| {
            lock(&progress).skipped += 1;
            Ok(())
        })?
    };
    hooks.set("skipped", skipped)?;
    let ended = {
        let progress = Arc::clone(progress);
        lua.create_function(move |_, (name, error): (String, Option<LuaString>)| {
            let mut progress = lock(&progress);
            if let Some((_, since)) = progress.running.take()
                && since.elapsed() > SLOW
            {
                println!("{:7.0?} {name}", since.elapsed());
            }
            match error {
                None => progress.passed += 1,
                Some(error) => progress.fail(&name, error.to_string_lossy()),
            }
            Ok(())
        })?
    };
    hooks.set("ended", ended)?;
    load(lua, &folder().join("support/prelude.lua"))?.call::<()>(hooks)?;
    let script = load(lua, path)?;
    if way != Way::Executor {
        return script.call(());
    }
    let script = script.call_async(());
    if WAIT_IN_COROUTINES.iter().any(|name| path.ends_with(name)) {
        return futures_lite::future::block_on(script);
    }
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    executor.block_on(script)
}

fn load(lua: &Lua, path: &Path) -> mlua::Result<mlua::Function> {
    let source = std::fs::read(path)?;
    let name = format!("@{}", path.display());
    lua.load(source).set_name(name).into_function()
}
