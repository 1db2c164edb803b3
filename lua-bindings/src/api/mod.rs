//! The Lua face: the module's table, made anew for every state.
//!
//! Each function is a *primitive* in Rust, which calls nothing in Lua, and a *face* around it that turns what the primitive
//! says into results, a park or an error at the caller's line (`raw/entry.rs`; `lua/base.lua` where C functions cannot
//! yield). Whatever takes a callback is
//! written in Lua over primitives, so that the callback may block and yield.

mod args;
mod atomic_int;
mod barrier;
mod broadcaster;
mod cancelled;
mod channel;
mod circuit_breaker;
mod classes;
#[cfg(unix)]
mod commands;
mod cond;
mod configure;
mod context;
mod direct;
mod direct_locks;
mod direct_pools;
mod embedded;
mod flow;
mod handle;
mod local;
mod locks;
mod look;
mod metatables;
mod mutex;
mod once;
mod options;
mod pools;
mod prints;
#[cfg(unix)]
mod processes;
mod rate_limiter;
mod retry;
mod rw_mutex;
mod scope;
mod select;
mod semaphore;
mod shared;
mod start;
mod time;
mod timers;
mod wait_group;

use std::hash::BuildHasher as _;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use mlua::{AnyUserData, Function, IntoLuaMulti, Lua, MultiValue, Table, Value};
use rustc_hash::FxHashSet;

use crate::fault::{self, Fault};
use crate::goroutine::{Reply, Wait};
use crate::local::Flavour;
use crate::modules;
use crate::object::Object;
use crate::packet::{self, Refusal, Roots};
use crate::raw::{self, Primitive, Refusals, Switches, Went};
use crate::state::{Role, State, Tables, vital};
use crate::system::{GRACE, System};

pub(crate) use args::{Args, Named};
pub(crate) use atomic_int::AtomicIntObject;
pub(crate) use barrier::BarrierObject;
pub(crate) use broadcaster::BroadcasterObject;
pub(crate) use cancelled::{CancelledObject, is_cancelled};
pub(crate) use channel::ChannelObject;
pub(crate) use circuit_breaker::CircuitBreakerObject;
#[cfg(unix)]
pub use commands::command_file;
pub(crate) use cond::CondObject;
pub(crate) use context::{ContextMember, ContextObject};
pub use embedded::{Results, WaitingCall, answer_observers, current_id, root_id, waiting_function};
pub(crate) use handle::HandleObject;
pub(crate) use local::{NAME as LOCAL, wind_down};
pub(crate) use look::{describe, describe_all};
pub(crate) use mutex::MutexObject;
pub(crate) use once::OnceObject;
pub(crate) use pools::{PoolObject, Submitting};
pub(crate) use prints::Printing;
pub use prints::{Pause, Paused, Printed, pausing_function, print_to};
pub(crate) use rate_limiter::RateLimiterObject;
pub(crate) use rw_mutex::RwMutexObject;
pub(crate) use scope::ScopeObject;
pub(crate) use semaphore::SemaphoreObject;
pub(crate) use shared::SharedObject;
pub(crate) use wait_group::WaitGroupObject;

/// Where a state keeps the module, once it is installed.
const MODULE: &str = "goroutine.module";

/// Where a home state's registry keeps the standard globals.
const GLOBALS: &str = "goroutine.globals";

/// Where a state keeps what makes a function of the module out of a primitive.
const FACE: &str = "goroutine.face";

/// The parts of the module that are files of their own.
const PARTS: [(&str, &str); 4] = [
    ("locks", include_str!("../lua/locks.lua")),
    ("context", include_str!("../lua/context.lua")),
    ("shared", include_str!("../lua/shared.lua")),
    ("on_top", include_str!("../lua/on_top.lua")),
];

/// What a primitive comes to.
pub(crate) enum Answer {
    /// Its values.
    Values(MultiValue),
    /// It has to wait.
    Wait(Wait),
    /// It has to wait, and sees to its own end when the goroutine is cancelled.
    Shielded(Wait),
}

/// The result of a primitive.
pub(crate) type Outcome = Result<Answer, Fault>;

/// What a primitive works with.
pub(crate) struct Context<'a> {
    pub(crate) lua: &'a Lua,
    pub(crate) state: &'a Rc<State>,
    /// Where the script is on the call stack, as seen from the primitive.
    caller: usize,
    /// Where the goroutines run that it starts.
    flavour: Flavour,
}

impl Context<'_> {
    /// The same call, for goroutines that run elsewhere.
    pub(crate) fn of(&self, flavour: Flavour) -> Self {
        Self { flavour, ..*self }
    }

    /// These values, now.
    pub(crate) fn values(&self, values: impl IntoLuaMulti) -> Outcome {
        Ok(Answer::Values(values.into_lua_multi(self.lua)?))
    }

    /// Waits for `future`, at most until `limit`; `reply` makes the values of what it gives.
    pub(crate) fn wait<T: 'static>(
        &self,
        limit: Option<std::time::Instant>,
        future: impl Future<Output = T> + 'static,
        reply: impl FnOnce(T) -> Reply + 'static,
    ) -> Outcome {
        let backend = Arc::clone(&self.state.system.backend);
        Ok(Answer::Wait(Box::pin(async move {
            match runtime_core::deadline(&*backend, limit, future).await {
                Some(output) => reply(output),
                None => Reply::TimedOut,
            }
        })))
    }

    /// The Lua value of an object of ours.
    pub(crate) fn object(&self, object: Object) -> Result<Value, Fault> {
        Ok(object.to_value(self.lua, self.state)?)
    }
}

/// The table of primitives while it is filled.
struct Primitives<'a> {
    lua: &'a Lua,
    state: &'a Rc<State>,
    table: Table,
    /// Those that are functions of the module as they are.
    whole: Table,
    /// Where the goroutines run that they start, unless an object says so.
    flavour: Flavour,
}

impl<'a> Primitives<'a> {
    fn new(lua: &'a Lua, state: &'a Rc<State>, flavour: Flavour) -> mlua::Result<Self> {
        Ok(Self { lua, state, table: lua.create_table()?, whole: lua.create_table()?, flavour })
    }

    /// A function of the module: `name` is what scripts call it.
    fn function(
        &self,
        name: &'static str,
        body: impl Fn(&Context<'_>, Args) -> Outcome + 'static,
    ) -> mlua::Result<()> {
        self.add(name, name, false, body)
    }

    /// Puts a primitive on the Lua stack before the general one of this key, which sees to what the former leaves.
    fn direct(&self, key: &str, primitive: Primitive, whole: bool) -> mlua::Result<()> {
        let general: Function = self.table.raw_get(key)?;
        let function = raw::closure(self.lua, self.state, primitive, &general, whole)?;
        if whole { self.whole.raw_set(key, function) } else { self.table.raw_set(key, function) }
    }

    /// Puts a primitive beside the general one of this key, under the name `KEY_at_once`: it never waits nor raises, and
    /// gives no values where it could not do what the other then has to.
    fn at_once(&self, key: &str, primitive: Primitive) -> mlua::Result<()> {
        let general: Function = self.table.raw_get(key)?;
        let function = raw::closure(self.lua, self.state, primitive, &general, true)?;
        self.table.raw_set(format!("{key}_at_once"), function)
    }

    /// A method of `class`.
    fn method(
        &self,
        class: &str,
        name: &'static str,
        body: impl Fn(&Context<'_>, Args) -> Outcome + 'static,
    ) -> mlua::Result<()> {
        self.add(&format!("{class}_{name}"), name, true, body)
    }

    fn add(
        &self,
        key: &str,
        name: &'static str,
        method: bool,
        body: impl Fn(&Context<'_>, Args) -> Outcome + 'static,
    ) -> mlua::Result<()> {
        let (state, flavour) = (Rc::clone(self.state), self.flavour);
        // The general primitive lies in between, too.
        let caller = 1 + if direct::is_whole(key) { direct::WHOLE_CALLER } else { direct::FACED };
        let function = self.lua.create_function(move |lua, values: MultiValue| {
            let Some(args) = Args::new(lua, name, values, method) else {
                return Err(being_closed());
            };
            match body(&Context { lua, state: &state, caller, flavour }, args) {
                Ok(Answer::Wait(wait)) => {
                    state.will_wait(name);
                    state.wait(lua, wait, false)
                }
                Ok(Answer::Shielded(wait)) => {
                    state.will_wait(name);
                    state.wait(lua, wait, true)
                }
                Ok(Answer::Values(values)) => state.values(lua, Ok(values)),
                Err(fault) => state.values(lua, Err(fault)),
            }
        })?;
        self.table.raw_set(key, function)?;
        if direct::exists(key) {
            return Ok(());
        }
        // The entry guards it: a finalizer may call it when it is no more.
        self.direct(key, |_, _| Went::General, false)
    }

    /// Gives our Lua code what raises errors as standard functions do.
    fn refusals(&self) -> mlua::Result<()> {
        let Refusals { refuse, blame } = Refusals::new(self.lua)?;
        self.table.raw_set("refuse", refuse)?;
        self.table.raw_set("blame", blame)
    }

    /// Replaces the functions of `coroutine`. The primitives that they need are there.
    fn coroutines(&self, park: &Table) -> mlua::Result<()> {
        self.raw("cannot_park", |_, state, ()| {
            state.cannot_park();
            Ok(())
        })?;
        let args = (&self.table, park, Lua::poll_pending());
        chunk(self.lua, "coroutines", include_str!("../lua/coroutines.lua"), args)
    }

    /// A function for our own Lua code, without the convention of primitives.
    fn raw<A: mlua::FromLuaMulti, R: IntoLuaMulti>(
        &self,
        key: &str,
        body: impl Fn(&Lua, &Rc<State>, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let state = Rc::clone(self.state);
        let function = self.lua.create_function(move |lua, values: A| match lua.weak().try_upgrade() {
            Some(lua) => body(&lua, &state, values),
            None => Err(being_closed()),
        })?;
        self.table.raw_set(key, function)
    }
}

/// Finalizers call us while a state of ours is being closed: mlua's references are good for nothing then.
fn being_closed() -> mlua::Error {
    mlua::Error::runtime("the Lua state is being closed")
}

/// What our Lua files find as globals. Some are loaded long after the script has begun, whose globals may be called as it likes.
const STANDARD: &[&str] = &[
    "_G",
    "_VERSION",
    "assert",
    "bit",
    "bit32",
    "collectgarbage",
    "coroutine",
    "debug",
    "dofile",
    "error",
    "getfenv",
    "getmetatable",
    "io",
    "ipairs",
    "jit",
    "load",
    "loadfile",
    "loadstring",
    "math",
    "newproxy",
    "next",
    "os",
    "package",
    "pairs",
    "pcall",
    "print",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "require",
    "select",
    "setfenv",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "utf8",
    "warn",
    "xpcall",
];

/// Keeps the standard globals of a home state as they are now.
fn keep_globals(lua: &Lua) -> mlua::Result<()> {
    let (kept, globals) = (lua.create_table()?, lua.globals());
    for name in STANDARD {
        kept.raw_set(*name, globals.raw_get::<Value>(*name)?)?;
    }
    lua.set_named_registry_value(GLOBALS, kept)
}

/// The standard globals, whatever the script has made of them. Nobody changes those of isolates: goroutines have tables of their own.
pub(crate) fn globals(lua: &Lua) -> mlua::Result<Table> {
    let kept: Option<Table> = lua.named_registry_value(GLOBALS)?;
    Ok(kept.unwrap_or_else(|| lua.globals()))
}

/// Runs one of our Lua files.
fn chunk<R: mlua::FromLuaMulti>(
    lua: &Lua,
    name: &str,
    source: &str,
    args: impl IntoLuaMulti,
) -> mlua::Result<R> {
    lua.load(source)
        .set_name(format!("=[goroutine:{name}]"))
        .set_mode(mlua::chunk::ChunkMode::Text)
        .set_environment(globals(lua)?)
        .call(args)
}

/// Makes the module for `lua`, and what belongs to the state.
///
/// In an isolate this also replaces some standard functions, makes `goroutine` a global and runs the embedder's setup.
pub(crate) fn install(lua: &Lua, system: Arc<System>, role: Role) -> mlua::Result<Rc<State>> {
    if lua.named_registry_value::<Value>(MODULE)? != Value::Nil {
        return Err(mlua::Error::runtime("goroutines are installed in this Lua state already"));
    }
    for library in ["package", "coroutine", "table", "string"] {
        if !lua.globals().raw_get::<Value>(library)?.is_table() {
            return Err(mlua::Error::runtime(format!("the Lua state lacks the library '{library}'")));
        }
    }
    if role == Role::Home {
        keep_globals(lua)?;
    }
    let is_c = lua.create_function(|_, function: Function| Ok(function.info().what == "C"))?;
    let isolate = role == Role::Isolate;
    let check = {
        let system = Arc::clone(&system);
        lua.create_function(move |_, (name, module): (mlua::LuaString, Table)| {
            modules::compare(&system, &name.as_bytes(), &module)
        })?
    };
    let check = isolate.then_some(check);
    let (named, by_name, refresh_names, adopt, resolve, copy_module, alone): (
        Table,
        Table,
        Function,
        Function,
        Function,
        Function,
        Function,
    ) = chunk(lua, "names", include_str!("../lua/names.lua"), (is_c, isolate, check))?;
    let (environment_metatable, complete, poison): (Table, Function, Function) =
        chunk(lua, "environment", include_str!("../lua/environment.lua"), ())?;
    let package_loaded = lua.globals().get::<Table>("package")?.get("loaded")?;
    let weak = lua.create_table_from([("__mode", "v")])?;
    let weak_table = || -> mlua::Result<Table> {
        let table = lua.create_table()?;
        table.set_metatable(Some(weak.clone()))?;
        Ok(table)
    };
    let (objects, environments) = (weak_table()?, lua.create_table()?);
    let vitals = lua.create_table()?;
    vitals.raw_set(vital::NAMED, &named)?;
    vitals.raw_set(vital::BY_NAME, by_name)?;
    vitals.raw_set(vital::REFRESH_NAMES, &refresh_names)?;
    vitals.raw_set(vital::RESOLVE, resolve)?;
    vitals.raw_set(vital::PACKAGE_LOADED, &package_loaded)?;
    let witnesses = lua.create_table_with_capacity(vital::LAST_CALLER, 0)?;
    witnesses.set_metatable(Some(weak.clone()))?;
    vitals.raw_set(vital::CODES, witnesses)?;
    vitals.raw_set(vital::LOADED, lua.create_table()?)?;
    vitals.raw_set(vital::OBJECTS, &objects)?;
    vitals.raw_set(vital::ENVIRONMENTS, &environments)?;
    if !cfg!(feature = "lua51") {
        vitals.raw_set(vital::XPCALL, lua.globals().get::<Value>("xpcall")?)?;
    }
    let transfer = lua.create_table()?;
    vitals.raw_set(vital::TRANSFER, &transfer)?;
    let foreign = lua.create_table()?;
    foreign.set_metatable(Some(lua.create_table_from([("__mode", "k")])?))?;
    let classes = lua.create_table()?;
    classes.raw_set(0, weak_table()?)?;
    vitals.raw_set(vital::CLASSES, &classes)?;
    let defined = lua.create_table()?;
    defined.set_metatable(Some(lua.create_table_from([("__mode", "k")])?))?;
    vitals.raw_set(vital::DEFINED, defined)?;
    let echoes = lua.create_table()?;
    echoes.set_metatable(named.metatable())?; // weak, as that one
    vitals.raw_set(vital::ECHOES, echoes)?;
    let tables = Tables {
        vitals,
        named,
        classes,
        copy_module,
        package_loaded,
        objects,
        transfer,
        foreign,
        threads: lua.create_table()?,
        environments,
        environment_metatable,
        complete,
        poison,
    };
    let state = Rc::new(State::new(lua, system, role, tables));

    let methods = lua.create_table()?;
    let metatables = metatables::make(lua, &state, &methods)?;
    let prim = Primitives::new(lua, &state, Flavour::Parallel)?;
    prim.table.raw_set("methods", &methods)?;
    prim.table.raw_set("whole", &prim.whole)?;
    prim.table.raw_set("metatables", metatables)?;
    prim.table.raw_set("version", env!("CARGO_PKG_VERSION"))?;
    prim.refusals()?;
    start::add(&prim)?;
    time::add(&prim)?;
    handle::add(&prim)?;
    scope::add(&prim)?;
    wait_group::add(&prim)?;
    atomic_int::add(&prim)?;
    channel::add(&prim)?;
    select::add(&prim)?;
    timers::add(&prim)?;
    flow::add(&prim)?;
    classes::add(&prim)?;
    configure::add(&prim)?;
    pools::add(&prim)?;
    look::add(&prim)?;
    cancelled::add(&prim)?;
    locks::add(&prim)?;
    context::add(&prim)?;
    shared::add(&prim)?;
    retry::add(&prim)?;
    rate_limiter::add(&prim)?;
    circuit_breaker::add(&prim)?;
    broadcaster::add(&prim)?;
    direct::add(&prim)?;
    if isolate {
        add_isolate(&prim)?;
        #[cfg(unix)]
        {
            processes::add(&prim)?;
            commands::add(&prim)?;
        }
    }
    let resumed = {
        let state = Rc::clone(&state);
        lua.create_function(move |lua, ()| state.resumed(lua))?
    };
    let resumed = raw::closure(lua, &state, direct::resumed, &resumed, false)?;
    let abandon = {
        let state = Rc::clone(&state);
        lua.create_function(move |_, ()| {
            state.abandon_wait();
            Ok(())
        })?
    };
    // Any value that nobody else has; a table is unique, and never leaves the state.
    let park = lua.create_table()?;
    let (settle, face, attempt, fail): (Function, Function, Function, Function) = {
        let native = raw::faces(lua, &resumed, &abandon, &park)?;
        prim.table.raw_set("native_faces", !native.is_nil())?;
        let wrong = raw::wrong(lua)?;
        prim.table.raw_set("wrong", &wrong)?;
        let args = (resumed, abandon, &park, wrong, raw::CANNOT_PARK, native);
        chunk(lua, "base", include_str!("../lua/base.lua"), args)?
    };
    prim.table.raw_set("fail", fail)?;
    let module: Table =
        chunk(lua, "module", include_str!("../lua/module.lua"), (&prim.table, &settle, &face, &attempt))?;
    for (name, source) in PARTS {
        chunk::<()>(lua, name, source, (&prim.table, &settle, &face, &attempt, &module))?;
    }
    lua.set_named_registry_value(MODULE, &module)?;
    lua.set_named_registry_value(FACE, &face)?;
    lua.try_set_app_data(Rc::downgrade(&state))
        .map_err(|_| mlua::Error::runtime("the Lua state's app data is borrowed"))?;
    adopt.call::<()>((&module, "goroutine"))?;
    let functions = [face, adopt.clone(), settle.clone(), attempt.clone()];
    local::offer(lua, &state, [prim.table.clone(), module.clone()], functions, &park)?;
    for pair in methods.pairs::<String, Table>() {
        let (class, index) = pair?;
        adopt.call::<()>((index, format!("goroutine:{class}")))?;
    }
    if isolate {
        lua.globals().raw_set("goroutine", &module)?;
        state.tables.package_loaded.raw_set("goroutine", &module)?;
        // Before the standard functions are replaced: mlua's async functions keep the real coroutine.yield.
        #[cfg(unix)]
        let before = commands::standard(lua)?;
        if let Some(setup) = &state.system.setup {
            setup(lua)?;
        }
        #[cfg(unix)]
        commands::replace(&prim, [&settle, &attempt], &before)?;
        let complete = {
            let state = Rc::clone(&state);
            lua.create_function(move |lua, ()| state.complete_environment(lua))?
        };
        raw::guard_hooks(lua)?;
        let close = lua.globals().get::<Table>("coroutine")?.raw_get("close")?;
        let Switches { resume, yielding, in_main, close, protect } = Switches::new(lua, &park, close)?;
        prim.table.raw_set("resume", resume)?;
        prim.table.raw_set("yielding", yielding)?;
        prim.table.raw_set("in_main", in_main)?;
        prim.table.raw_set("close", close)?;
        prim.coroutines(&park)?;
        let (pcall, xpcall) = protect.unzip();
        let handler: Value = chunk(
            lua,
            "isolate",
            include_str!("../lua/isolate.lua"),
            (&prim.table, settle, complete, alone, pcall, xpcall),
        )?;
        let os: Table = lua.globals().get("os")?;
        let nothing = lua.create_function(|_, ()| Ok(()))?;
        os.set("exit", checked_exit(lua, (os.get("exit")?, nothing))?)?;
        // Each state of LuaJIT begins with the same random numbers. (The Luas before 5.4 share C's, later ones take new ones.)
        if cfg!(feature = "luajit") {
            let seed = std::hash::RandomState::new().hash_one(()) >> 11;
            lua.globals()
                .get::<Table>("math")?
                .get::<mlua::Function>("randomseed")?
                .call::<()>(seed as f64)?;
        }
        state.tables.vitals.raw_set(vital::HANDLER, handler)?;
        let mut globals = FxHashSet::default();
        lua.globals().for_each(|name: Value, _: Value| {
            globals.extend(name.as_string().map(|name| Box::from(&*name.as_bytes())));
            Ok(())
        })?;
        // First, as home waits for the globals alone.
        state.system.set_libraries(modules::libraries(&state.tables.package_loaded)?);
        state.system.set_globals(globals);
    }
    if !isolate {
        end_with_process(lua, &state)?;
        State::add_awaiting(lua, &state)?;
    }
    refresh_names.call::<()>(())?;
    Ok(state)
}

/// What belongs to a state, once the module is installed there.
pub(crate) fn state(lua: &Lua) -> Option<Rc<State>> {
    // Weak: the module's functions own it, and go with the state.
    lua.try_app_data_ref::<Weak<State>>().ok().flatten()?.upgrade()
}

/// The module of a state, once it is installed.
pub(crate) fn module(lua: &Lua) -> mlua::Result<Table> {
    lua.named_registry_value(MODULE)
}

/// Makes the home state's `os.exit` end goroutines first, as the end of the script does.
fn end_with_process(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let Ok(os) = lua.globals().get::<Table>("os") else {
        return Ok(());
    };
    let Ok(exit) = os.get::<Function>("exit") else {
        return Ok(());
    };
    let shutdown = {
        let state = Rc::clone(state);
        lua.create_function(move |lua, ()| {
            // The state is not closed, and so drops no handles: errors that nobody has seen are told here.
            state.tables.objects.for_each(|_: Value, object: AnyUserData| {
                if let Some(Object::Handle(handle)) = Object::from_userdata(lua, &object) {
                    handle.0.report_unseen();
                }
                Ok(())
            })?;
            local::wind_down(lua, &state, state.system.backend.now() + GRACE);
            state.system.shutdown(GRACE);
            state.system.end_with_process();
            Ok(())
        })?
    };
    let ours = checked_exit(lua, (exit, shutdown))?;
    // It travels as the isolates' own, which does the same.
    state.tables.named.raw_set(&ours, "os\0exit")?;
    os.set("exit", ours)
}

/// What refuses wrong arguments for the function that ends the process, which is called after the other one.
fn checked_exit(lua: &Lua, (exit, before): (Function, Function)) -> mlua::Result<Function> {
    let Refusals { refuse, .. } = Refusals::new(lua)?;
    chunk(lua, "exit", include_str!("../lua/exit.lua"), (exit, before, refuse))
}

fn add_isolate(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.raw("expose", |_, state, ()| {
        if let Some(running) = state.current() {
            running.exposed.set(true);
        }
        Ok(())
    })?;
    prim.raw("raising", |_, state, ()| {
        state.raising_cancelled();
        Ok(())
    })?;
    prim.raw("keep_traceback", |_, state, traceback: mlua::LuaString| {
        if let Some(running) = state.current() {
            *running.rare().traceback.borrow_mut() = Some(fault::traceback(&traceback.to_string_lossy()));
        }
        Ok(())
    })?;
    prim.raw("loaded_at_home", |_, state, name: mlua::LuaString| {
        Ok(state.system.is_loaded_at_home(&name.as_bytes()))
    })?;
    prim.raw("clean", |_, _, message: mlua::LuaString| Ok(fault::clean(&message.to_string_lossy())))?;
    prim.raw("exit", |_, state, code: f64| {
        // The system takes the lowest byte of it, as everywhere.
        state.system.exit(code as i64 as i32);
        Ok(())
    })
}

/// Encodes values that go to another state.
pub(crate) fn ship(
    context: &Context<'_>,
    values: MultiValue,
    roots: Roots,
) -> Result<packet::Packet, Refusal> {
    packet::encode(context.lua, context.state, values, roots)
}

/// Where the script stands that called a function of ours.
pub(crate) fn caller(context: &Context<'_>) -> Arc<str> {
    context.state.last_place.borrow_mut().of(raw::position(context.lua, context.caller))
}
