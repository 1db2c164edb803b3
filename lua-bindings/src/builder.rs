//! The Rust API: [`Builder`] and [`Goroutines`].

use std::borrow::Cow;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use mlua::{IntoLua, Lua, UserData};
use runtime_core::Backend;

use crate::api;
use crate::fault;
use crate::foreign::ForeignType;
use crate::interrupt::Interrupt;
use crate::observer::Observer;
use crate::state::Role;
use crate::system::{BeforeExit, Ending, ErrorReport, GRACE, Setup, StartError, System};

/// How a runtime for goroutines is set up. Made by [`Goroutines::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    backend: Option<Arc<dyn Backend>>,
    isolates: Option<usize>,
    setup: Option<Setup>,
    report: Option<ErrorReport>,
    before_exit: Option<BeforeExit>,
    memory_limit: Option<(usize, Cow<'static, str>)>,
    lazy: bool,
    time_slice: Option<Duration>,
    detect_deadlocks: bool,
    interrupt: Interrupt,
    foreign: Vec<ForeignType>,
}

/// A runtime for goroutines: isolates, and what they share. There may be several in one process.
///
/// Dropping it is [`shutdown`](Goroutines::shutdown) with a bound of 2 s.
pub struct Goroutines {
    system: Arc<System>,
}

/// Why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No backend was given, and none is among the features.
    #[error(
        "no backend: choose one with `Builder::backend`, or enable the feature `backend-tokio`, `backend-threads` or `backend-smol`"
    )]
    NoBackend,
    /// The number of isolates is not possible.
    #[error("the number of isolates has to be from 1 to 1024, not {0}")]
    Isolates(usize),
    /// An isolate could not be started: its thread was refused, or the setup function failed.
    #[error("{0}")]
    Start(String),
}

/// Why the module could not be installed in a Lua state.
#[derive(Debug, thiserror::Error)]
#[error("cannot install goroutines: {0}")]
pub struct InstallError(String);

/// What came of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Shutdown {
    /// Every isolate has ended.
    Complete,
    /// So many isolates were still busy when the time was up. They are left to themselves, and end when their
    /// goroutines do.
    Abandoned(usize),
}

impl Shutdown {
    /// What it is if so many isolates were still busy.
    fn of(stuck: usize) -> Self {
        if stuck == 0 { Self::Complete } else { Self::Abandoned(stuck) }
    }
}

impl Goroutines {
    /// Starts to set up a runtime.
    pub fn builder() -> Builder {
        Builder {
            backend: None,
            isolates: None,
            setup: None,
            report: None,
            before_exit: None,
            memory_limit: None,
            lazy: false,
            time_slice: None,
            detect_deadlocks: false,
            interrupt: Interrupt::default(),
            foreign: Vec::new(),
        }
    }

    /// Makes `require("goroutine")` give the module in this Lua state, the home state.
    ///
    /// The state must have the `package` library. Goroutines that it starts get the standard libraries, what the
    /// builder's [`setup`](Builder::setup) has registered, and what they captured; not the other globals of this state.
    ///
    /// # Errors
    /// When the state lacks a library that is needed, or has the module already.
    pub fn install(&self, lua: &Lua) -> Result<(), InstallError> {
        self.module(lua).map(|_| ()).map_err(|error| InstallError(fault::text(&error)))
    }

    /// Installs the module, and gives its table.
    ///
    /// # Errors
    /// As [`install`](Goroutines::install).
    pub fn module(&self, lua: &Lua) -> mlua::Result<mlua::Table> {
        api::install(lua, Arc::clone(&self.system), Role::Home)?;
        let module = api::module(lua)?;
        let loaded: mlua::Table = lua.globals().get::<mlua::Table>("package")?.get("loaded")?;
        loaded.raw_set("goroutine", &module)?;
        Ok(module)
    }

    /// Makes `require("goroutine")` give the other flavour of the module in this state, which is
    /// `require("goroutine.local")` in any: its goroutines run in the state itself, whenever its script blocks. Gives the
    /// module's table.
    ///
    /// ```
    /// # use goroutine::Goroutines;
    /// let (lua, goroutines) = (mlua::Lua::new(), Goroutines::builder().lazy(true).build()?);
    /// goroutines.local_module(&lua)?;
    /// let sum: i64 = lua
    ///     .load(
    ///         r#"
    ///         local goroutine, sum = require("goroutine"), 0
    ///         goroutine.spawn_many(10, function(n) sum = sum + n end)
    ///         goroutine.wait_all()
    ///         return sum
    ///         "#,
    ///     )
    ///     .eval()?;
    /// assert_eq!(sum, 55);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`install`](Goroutines::install).
    pub fn local_module(&self, lua: &Lua) -> mlua::Result<mlua::Table> {
        if api::state(lua).is_none() {
            self.module(lua)?;
        }
        let module: mlua::Table = lua.globals().get::<mlua::Function>("require")?.call(api::LOCAL)?;
        let loaded: mlua::Table = lua.globals().get::<mlua::Table>("package")?.get("loaded")?;
        loaded.raw_set("goroutine", &module)?;
        Ok(module)
    }

    /// Calls `script`, which runs Lua code in this state, in a way in which what computes there can be interrupted, with the means by
    /// which goroutines in isolates are. Then who looks in by an [`Observer`] is answered also while the state computes; once the
    /// [runtime is interrupted](Goroutines::interrupter), the script gets the error for that where it is, and not just where it blocks; a
    /// goroutine of `goroutine.local` that is [meant to](crate::interrupt_when_cancelled) ends when it is cancelled; and
    /// goroutines that were [started](crate::start_next_as) to go ahead have their turns while others compute. To the script
    /// nothing else changes.
    ///
    /// Called on the thread that the state belongs to. On Lua 5.4 (and 5.5), coroutines that the script has made are seen once
    /// `goroutine.local` is loaded.
    ///
    /// # Errors
    /// When the module is not installed in this state, or there can be no thread, or no handler for the signal.
    pub fn interruptible<R>(&self, lua: &Lua, script: impl FnOnce() -> R) -> mlua::Result<R> {
        api::interruptible(lua, script)
    }

    /// Cancels the goroutines that run in this state itself, and lets them unwind, at most for `bound`. For the end of a
    /// script: closing the state ends them where they are, and their `<close>` variables are not closed.
    pub fn wind_down(&self, lua: &Lua, bound: Duration) {
        let until = self.system.backend.now().checked_add(bound);
        if let (Some(state), Some(until)) = (api::state(lua), until) {
            api::wind_down(lua, &state, until);
        }
    }

    /// The same, as something that can be called later, with the state.
    pub fn unwinder(&self) -> impl Fn(&Lua, Duration) + Clone + 'static {
        let system = Arc::clone(&self.system);
        move |lua, bound| {
            let until = system.backend.now().checked_add(bound);
            if let (Some(state), Some(until)) = (api::state(lua), until) {
                api::wind_down(lua, &state, until);
            }
        }
    }

    /// Cancels all goroutines and ends the isolates, and waits for that at most for `bound`. Nothing can be started
    /// any more. Does nothing the second time.
    ///
    /// Goroutines that wait are woken with the error `cancelled: shutdown`, and their `<close>` variables are closed.
    /// One that computes without end cannot be stopped; its isolate is left to itself.
    pub fn shutdown(&self, bound: Duration) -> Shutdown {
        Shutdown::of(self.system.shutdown(bound))
    }

    /// Something to shut this runtime down with from another thread. The home state's blocking calls see what comes of the
    /// goroutines that they wait for.
    pub fn closer(&self) -> impl Fn(Duration) -> Shutdown + Send + Sync + Clone + 'static {
        let system = Arc::clone(&self.system);
        move |bound| Shutdown::of(system.shutdown(bound))
    }

    /// Interrupts this runtime from elsewhere, such as a handler of Ctrl-C: all goroutines are cancelled, and the home
    /// state's blocking calls raise the error `interrupted`, the one that it is in included. Gives the function for it;
    /// its argument bounds the time that it waits for the isolates to end.
    pub fn interrupter(&self) -> impl Fn(Duration) -> Shutdown + Send + Sync + Clone + 'static {
        let system = Arc::clone(&self.system);
        move |bound| Shutdown::of(system.interrupt(bound))
    }

    /// Something to look at this runtime with from other threads.
    pub fn observer(&self) -> Observer {
        Observer::new(Arc::clone(&self.system))
    }

    /// Something to see with whether this runtime was interrupted, from anywhere.
    pub fn interruption(&self) -> impl Fn() -> bool + Send + Sync + Clone + 'static {
        let system = Arc::clone(&self.system);
        move || system.ending() == Ending::Interrupt
    }

    /// Whether it was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.system.ending() == Ending::Interrupt
    }
}

impl Drop for Goroutines {
    fn drop(&mut self) {
        self.system.shutdown(GRACE);
    }
}

impl fmt::Debug for Goroutines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Goroutines")
            .field("backend", &self.system.backend.name())
            .field("isolates", &self.system.settings().isolates)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The runtime that carries the goroutines. Without this it is the first of tokio, threads and smol that is among the
    /// crate's features; never async-std, which is discontinued.
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    /// The same, for a backend that is shared or chosen at run time.
    pub fn shared_backend(mut self, backend: Arc<dyn Backend>) -> Self {
        self.backend = Some(backend);
        self
    }

    /// How many isolates there are, and so how many goroutines can compute at the same time; from 1 to 1024. Without
    /// this, as many as the process may use cores.
    pub fn isolates(mut self, count: usize) -> Self {
        self.isolates = Some(count);
        self
    }

    /// Called with each new isolate's state, on its own thread, before any goroutine runs there: registers the functions
    /// (async ones too) and modules that goroutines may use besides the standard ones.
    ///
    /// A function that is registered as a global under the same name in the home state can be captured there and is
    /// found here by its name.
    pub fn setup(mut self, setup: impl Fn(&Lua) -> mlua::Result<()> + Send + Sync + 'static) -> Self {
        self.setup = Some(Arc::new(setup));
        self
    }

    /// Called, on any thread, with the report of an error that nobody awaits: what failed, where it was started, the
    /// message and the traceback. Also told of modules that the script changed after loading them, and that are unchanged in
    /// goroutines. Without this it is written to standard error.
    pub fn on_unhandled_error(mut self, report: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.report = Some(Arc::new(report));
        self
    }

    /// Called when a script ends the process by `os.exit`, at home or in a goroutine: after its goroutines have unwound, or had 2 s
    /// to, and right before the process ends. It may be on any thread.
    pub fn before_exit(mut self, end: impl Fn() + Send + Sync + 'static) -> Self {
        self.before_exit = Some(Box::new(end));
        self
    }

    /// Lets values of a type of yours travel: captured, as an argument, a result or through a channel. The receiver gets a
    /// clone, so this is for types of which clones stand for the same thing (an `Arc` inside). Within one Lua state the
    /// same value is always the same userdata, also when it comes back.
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// # use mlua::{Lua, UserData, UserDataMethods};
    /// #[derive(Clone)]
    /// struct Counter(Arc<AtomicU64>);
    ///
    /// impl UserData for Counter {
    ///     fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
    ///         methods.add_method("add", |_, this, n: u64| Ok(this.0.fetch_add(n, Ordering::Relaxed) + n));
    ///     }
    /// }
    ///
    /// let goroutines = goroutine::Goroutines::builder().isolates(2).shareable::<Counter>().build()?;
    /// let lua = Lua::new();
    /// goroutines.install(&lua)?;
    /// let counter = Counter(Arc::default());
    /// lua.globals().set("counter", counter.clone())?;
    /// lua.load(r#"
    ///     local goroutine = require("goroutine")
    ///     goroutine.spawn_many(10, function(id) counter:add(id) end)
    ///     goroutine.wait_all()
    /// "#).exec()?;
    /// assert_eq!(counter.0.load(Ordering::Relaxed), 55);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shareable<T: UserData + Clone + Send + 'static>(mut self) -> Self {
        self.foreign.push(ForeignType::shareable::<T>());
        self
    }

    /// Lets values of a type of yours travel that cannot be shared: `pack` makes something of it that can go to another
    /// thread, `unpack` makes a value of that in the state that receives it, each time it is received. An error of `pack`
    /// refuses the call that was to send the value, with the path to it; one of `unpack` is the receiver's.
    ///
    /// ```
    /// # use std::cell::Cell;
    /// # use mlua::{Lua, UserData, UserDataMethods};
    /// struct Cursor(Cell<u32>);
    ///
    /// impl UserData for Cursor {
    ///     fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
    ///         methods.add_method("next", |_, this, ()| Ok(this.0.replace(this.0.get() + 1)));
    ///     }
    /// }
    ///
    /// let goroutines = goroutine::Goroutines::builder()
    ///     .isolates(1)
    ///     .convert(|_, cursor: &Cursor| Ok(cursor.0.get()), |lua, at: &u32| lua.create_userdata(Cursor(Cell::new(*at))))
    ///     .build()?;
    /// let lua = Lua::new();
    /// goroutines.install(&lua)?;
    /// lua.globals().set("cursor", lua.create_userdata(Cursor(Cell::new(7)))?)?;
    /// let (there, here): (u32, u32) = lua.load(r#"
    ///     local goroutine = require("goroutine")
    ///     local _, there = goroutine.async(function(c) c:next() return c:next() end, cursor):await()
    ///     return there, cursor:next()
    /// "#).eval()?;
    /// assert_eq!((there, here), (8, 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn convert<T, C, V>(
        mut self,
        pack: impl Fn(&Lua, &T) -> mlua::Result<C> + Send + Sync + 'static,
        unpack: impl Fn(&Lua, &C) -> mlua::Result<V> + Send + Sync + 'static,
    ) -> Self
    where
        T: 'static,
        C: Send + Sync + 'static,
        V: IntoLua,
    {
        self.foreign.push(ForeignType::converted(pack, unpack));
        self
    }

    /// How goroutines that compute for long are interrupted, so that others run and they can be cancelled. Without this,
    /// [`Interrupt::default`].
    pub fn interrupt_by(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// How long a goroutine computes before others get their turn, about; 10 ms without this. Between them the isolates do
    /// something else for some microseconds, so much shorter slices cost time.
    pub fn time_slice(mut self, slice: Duration) -> Self {
        self.time_slice = Some(slice);
        self
    }

    /// Makes a blocking call of the home state's raise `all goroutines are asleep - deadlock!`, with a list of who waits for what,
    /// when nothing can ever end it: no goroutine can run, no timer is pending and no async function of yours is being awaited.
    ///
    /// For programs where goroutines are woken by each other only, as in an interpreter. Where other parts of the program hold
    /// handles or channels, or several threads have home states of this runtime, it would take these for asleep; so it is off
    /// without this. Linux only.
    pub fn detect_deadlocks(mut self, detect: bool) -> Self {
        self.detect_deadlocks = detect;
        self
    }

    /// How many bytes the Lua state of each isolate may take. Who needs more gets the error `not enough memory`, which names the limit and
    /// ends with `advice`: how it is raised, as in `see --memory-limit`. A script can set another by `configure`.
    pub fn memory_limit(mut self, bytes: usize, advice: impl Into<Cow<'static, str>>) -> Self {
        self.memory_limit = Some((bytes, advice.into()));
        self
    }

    /// Starts the isolates only with the first goroutine. Then an error of `setup` is raised there, by `spawn`.
    pub fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// [`BuildError`] says which.
    pub fn build(self) -> Result<Goroutines, BuildError> {
        let isolates =
            self.isolates.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
        if !(1..=1024).contains(&isolates) {
            return Err(BuildError::Isolates(isolates));
        }
        let backend = self.backend.or_else(default_backend).ok_or(BuildError::NoBackend)?;
        let report = self.report.unwrap_or_else(|| Arc::new(to_stderr));
        let system = Arc::new(System::new(
            backend,
            isolates,
            self.setup,
            report,
            self.foreign,
            self.interrupt,
            self.detect_deadlocks,
        ));
        if let Some(end) = self.before_exit {
            let _ = system.before_exit.set(end);
        }
        if let Some(slice) = self.time_slice {
            system.change_settings(|settings| settings.time_slice = slice);
        }
        if let Some((bytes, advice)) = self.memory_limit {
            system.change_settings(|settings| {
                settings.memory_limit = Some(bytes);
                settings.memory_advice = advice;
            });
        }
        let goroutines = Goroutines { system };
        if !self.lazy {
            goroutines.system.start().map_err(|error: StartError| BuildError::Start(error.to_string()))?;
        }
        Ok(goroutines)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("backend", &self.backend.as_ref().map(|backend| backend.name()))
            .field("isolates", &self.isolates)
            .field("lazy", &self.lazy)
            .finish_non_exhaustive()
    }
}

/// A Lua state with all standard libraries, `debug` and the loading of C modules included, as a stock interpreter has:
/// a home state for programs that run scripts. (`Lua::new` leaves those two out.)
///
/// ```
/// let lua = goroutine::new_state();
/// let traceback: String = lua.load("return debug.traceback()").eval()?;
/// assert!(traceback.starts_with("stack traceback"));
/// # Ok::<(), mlua::Error>(())
/// ```
pub fn new_state() -> Lua {
    crate::raw::new_state()
}

fn to_stderr(report: &str) {
    use std::io::Write;
    // One write, so that reports of several goroutines do not mix. If nobody reads it there is nobody to tell.
    let _ = std::io::stderr().write_all(format!("{report}\n").as_bytes());
}

#[allow(unreachable_code, reason = "the first feature that is there wins")]
fn default_backend() -> Option<Arc<dyn Backend>> {
    #[cfg(feature = "backend-tokio")]
    return Some(Arc::new(backend_tokio::Tokio::new()));
    #[cfg(feature = "backend-threads")]
    return Some(Arc::new(backend_threads::Threads::new()));
    #[cfg(feature = "backend-smol")]
    return Some(Arc::new(backend_smol::Smol::new()));
    None
}
