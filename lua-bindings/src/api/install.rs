//! Installing the module in a state: what belongs to the state, the primitives, the Lua files over them and, in an isolate, what
//! takes the place of standard functions.

use std::hash::BuildHasher as _;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use mlua::{AnyUserData, Function, Lua, Table, Value};
use rustc_hash::FxHashSet;

use super::globals::{chunk, keep_globals};
use super::{
    Primitives, atomic_int, broadcaster, cancelled, channel, circuit_breaker, classes, configure, context,
    direct, flow, handle, local, locks, look, metatables, pools, prints, rate_limiter, retry, scope, select,
    shared, start, time, timers, wait_group,
};
#[cfg(unix)]
use super::{commands, processes};
use crate::fault;
use crate::local::Flavour;
use crate::modules;
use crate::object::Object;
use crate::raw::{self, Refusals, Switches};
use crate::state::{Role, State, Tables, vital};
use crate::system::{GRACE, System};

/// Where a state keeps the module, once it is installed.
const MODULE: &str = "goroutine.module";

/// Where a state keeps what makes a function of the module out of a primitive.
pub(super) const FACE: &str = "goroutine.face";

/// The parts of the module that are files of their own.
const PARTS: [(&str, &str); 4] = [
    ("locks", include_str!("../lua/locks.lua")),
    ("context", include_str!("../lua/context.lua")),
    ("shared", include_str!("../lua/shared.lua")),
    ("on_top", include_str!("../lua/on_top.lua")),
];

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
        prim.table.raw_set("printed", prints::printed(lua)?)?;
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
            let until = state.system.backend.now() + GRACE;
            state.closing_until.set(Some(until));
            local::wind_down(lua, &state, until);
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

/// What both flavours' own Lua code does in the goroutine that runs.
pub(super) fn add_running(prim: &Primitives<'_>) -> mlua::Result<()> {
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
    prim.raw("clean", |_, _, message: mlua::LuaString| Ok(fault::clean(&message.to_string_lossy())))
}

fn add_isolate(prim: &Primitives<'_>) -> mlua::Result<()> {
    add_running(prim)?;
    prim.raw("loaded_at_home", |_, state, name: mlua::LuaString| {
        Ok(state.system.is_loaded_at_home(&name.as_bytes()))
    })?;
    prim.raw("exit", |_, state, code: f64| {
        // The system takes the lowest byte of it, as everywhere.
        state.system.exit(code as i64 as i32);
        Ok(())
    })
}
