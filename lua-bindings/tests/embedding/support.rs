//! What several of these files use.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use goroutine::{Backend, Builder, Goroutines, Observer};
use mlua::{FromLuaMulti, Lua};

pub(crate) type Carrier = Arc<dyn Backend>;

/// Whether this Lua has `<close>`.
pub(crate) const CLOSES_VARIABLES: bool = cfg!(any(feature = "lua54", feature = "lua55"));

/// How long a test may take. One that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than anything here takes, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A builder whose errors that nobody awaits fail the test when it ends, unless it takes them. The process is aborted if
/// the test hangs.
pub(crate) fn builder(backend: &Carrier, isolates: usize) -> (Builder, Reports) {
    let reports = Reports(Arc::new((Mutex::default(), watch())));
    let tell = reports.clone();
    let builder = Goroutines::builder()
        .shared_backend(Arc::clone(backend))
        .isolates(isolates)
        .on_unhandled_error(move |report| tell.lock().push(report.to_owned()));
    (builder, reports)
}

/// A runtime without anything special, and a home state.
pub(crate) fn started(backend: &Carrier, isolates: usize) -> (Goroutines, Lua, Reports) {
    let (builder, reports) = builder(backend, isolates);
    let goroutines = builder.build().unwrap();
    let lua = home(&goroutines);
    (goroutines, lua, reports)
}

/// A home state with the module as the global `goroutine`.
pub(crate) fn home(goroutines: &Goroutines) -> Lua {
    let lua = goroutine::new_state();
    let module = goroutines.module(&lua).unwrap();
    lua.globals().set("goroutine", module).unwrap();
    lua
}

/// Runs a script that is called `script.lua`.
pub(crate) fn run<R: FromLuaMulti>(lua: &Lua, source: &str) -> R {
    match lua.load(source).set_name("@script.lua").eval() {
        Ok(results) => results,
        Err(error) => panic!("{error}\nin:{source}"),
    }
}

/// Aborts the process, naming this thread's test, unless what it gives is dropped in time.
fn watch() -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel();
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let watch = move || {
        if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            let _ = writeln!(std::io::stderr(), "{test} has not ended after {LIMIT:?}");
            std::process::abort();
        }
    };
    thread::Builder::new().name("watchdog".into()).spawn(watch).unwrap();
    alive
}

/// The reports of a runtime's errors that nobody awaits, and the watchdog.
#[derive(Clone)]
pub(crate) struct Reports(Arc<(Mutex<Vec<String>>, mpsc::Sender<()>)>);

impl Reports {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that have come since this was last called.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until there are so many.
    pub(crate) fn wait_for(&self, count: usize) {
        eventually("the reports", || self.lock().len() >= count);
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        // The runtime holds one, too; the last that goes looks.
        if Arc::strong_count(&self.0) == 1 && !thread::panicking() {
            let left = self.take();
            assert!(left.is_empty(), "reports that no test expects: {left:?}");
        }
    }
}

/// Waits for what cannot be waited for otherwise.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "has not come to pass: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A door that is shut until it is opened once.
#[derive(Default)]
pub(crate) struct Door {
    open: Mutex<bool>,
    opened: Condvar,
    reached: AtomicBool,
}

impl Door {
    /// Blocks the thread until the door is open.
    pub(crate) fn pass(&self) {
        self.reached.store(true, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }

    /// Waits until somebody stands before it.
    pub(crate) fn wait_until_reached(&self) {
        eventually("somebody is at the door", || self.reached.load(Ordering::SeqCst));
    }

    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Gives the script `seen()`: whether a dump has shown what is looked for. An error once it has not for too long.
pub(crate) fn look_for(lua: &Lua, observer: Observer, shows: impl Fn(&str) -> bool + Send + 'static) {
    let mut looking = Some(thread::spawn(move || {
        let begin = Instant::now();
        loop {
            let dump = observer.dump();
            if shows(&dump) {
                return Ok(());
            }
            if begin.elapsed() >= PATIENCE {
                return Err(dump);
            }
        }
    }));
    let seen = lua.create_function_mut(move |_, ()| {
        if let Some(looked) = looking.take_if(|looking| looking.is_finished()) {
            looked.join().unwrap().map_err(mlua::Error::runtime)?;
        }
        Ok(looking.is_none())
    });
    lua.globals().set("seen", seen.unwrap()).unwrap();
}
