//! `goroutine.local`: the module whose goroutines run in the home state itself (see [`crate::local`]).

use std::rc::Rc;
use std::time::Instant;

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::install::add_running;
use super::start::{Report, assemble};
use super::{HandleObject, Primitives, chunk, context, direct, flow, pools, scope, start};
use crate::goroutine::Shipped;
use crate::local::{Flavour, Local, StartedAs};
use crate::object::Object;
use crate::raw::{HomeSwitches, Kind, Stack, Went, protect};
use crate::state::{Role, State, vital};
use crate::system::GRACE;

/// What `require` calls it.
pub(crate) const NAME: &str = "goroutine.local";

/// Where a state keeps what it makes the module of, and then the module.
const PARTS: &str = "goroutine.local.parts";

/// The functions of `coroutine` that are replaced when the module is made.
const REPLACED: [&str; 7] = ["resume", "wrap", "yield", "status", "close", "running", "isyieldable"];

/// Lets `require` find the module. It is made when it is first required: from then on some standard functions are ours.
pub(super) fn offer(
    lua: &Lua,
    state: &Rc<State>,
    [prim, module]: [Table; 2],
    [face, adopt, settle, attempt]: [Function; 4],
    park: &Table,
) -> mlua::Result<()> {
    let parts = lua.create_sequence_from([prim, module, park.clone()])?;
    parts.push(face)?;
    parts.push(adopt)?;
    parts.push(settle)?;
    parts.push(attempt)?;
    #[cfg(unix)]
    parts.raw_set("standard", super::commands::standard(lua)?)?;
    lua.set_named_registry_value(PARTS, parts)?;
    let preload: Value = lua.globals().get::<Table>("package")?.raw_get("preload")?;
    let Value::Table(preload) = preload else {
        return Ok(()); // a host that has taken it away
    };
    let loader = {
        let state = Rc::clone(state);
        lua.create_function(move |lua, _: mlua::MultiValue| module_of(lua, &state))?
    };
    preload.raw_set(NAME, loader)
}

/// The module, made if need be.
pub(crate) fn module_of(lua: &Lua, state: &Rc<State>) -> mlua::Result<Table> {
    let parts: Table = lua.named_registry_value(PARTS)?;
    if let Some(made) = parts.raw_get::<Option<Table>>("module")? {
        return Ok(made);
    }
    let made = make(lua, state, &parts)?;
    parts.raw_set("module", &made)?;
    Ok(made)
}

fn make(lua: &Lua, state: &Rc<State>, parts: &Table) -> mlua::Result<Table> {
    let [shared, module, park]: [Table; 3] = [parts.raw_get(1)?, parts.raw_get(2)?, parts.raw_get(3)?];
    let [face, adopt, settle, attempt]: [Function; 4] =
        [parts.raw_get(4)?, parts.raw_get(5)?, parts.raw_get(6)?, parts.raw_get(7)?];
    let prim = Primitives::new(lua, state, Flavour::Local)?;
    prim.table.raw_set("shared", &shared)?;
    prim.table.raw_set("whole", &prim.whole)?;
    prim.table.raw_set("methods", shared.raw_get::<Table>("methods")?)?;
    start::add(&prim)?;
    scope::add(&prim)?;
    context::add(&prim)?;
    pools::add(&prim)?;
    flow::add(&prim)?;
    prim.direct("spawn", |stack, state| begin(stack, state, Report::AtOnce), true)?;
    prim.direct("async", |stack, state| begin(stack, state, Report::IfUnseen), true)?;
    if state.role == Role::Home && state.local().is_none() {
        let local = Local::new(lua, state)?;
        let close = super::globals(lua)?.get::<Table>("coroutine")?.raw_get("close")?;
        let HomeSwitches { resume, yielding, in_main, close } = HomeSwitches::new(lua, state, close)?;
        prim.table.raw_set("resume", resume)?;
        prim.table.raw_set("yielding", yielding)?;
        prim.table.raw_set("in_main", in_main)?;
        prim.table.raw_set("close", close)?;
        if let Some((pcall, xpcall)) = protect(lua)? {
            prim.table.raw_set("pcall", pcall)?;
            prim.table.raw_set("xpcall", xpcall)?;
        }
        add_home(&prim)?;
        prim.refusals()?;
        #[cfg(unix)]
        {
            super::processes::add(&prim)?;
            super::commands::add(&prim)?;
            prim.table.raw_set("wrong", shared.raw_get::<Value>("wrong")?)?;
            super::commands::replace(&prim, [&settle, &attempt], &parts.raw_get("standard")?)?;
        }
        #[cfg(not(unix))]
        drop((settle, attempt));
        prim.coroutines(&park)?;
        state.set_local(local);
    }
    let (made, renew, handler): (Table, Value, Value) =
        chunk(lua, "local", include_str!("../lua/local.lua"), (&prim.table, module, face))?;
    if state.role == Role::Home {
        state.tables.vitals.raw_set(vital::RENEW, renew)?;
        state.tables.vitals.raw_set(vital::HANDLER, handler)?;
        if let Some(local) = state.local() {
            local.set_runner(lua, state)?;
        }
        // They travel as the isolates' own, which do the same.
        let coroutine: Table = super::globals(lua)?.get("coroutine")?;
        for name in REPLACED {
            if let Some(function) = coroutine.raw_get::<Option<Function>>(name)? {
                state.tables.named.raw_set(function, format!("coroutine\0{name}"))?;
            }
        }
        state.forget_named();
    }
    adopt.call::<()>((&made, NAME))?;
    Ok(made)
}

fn add_home(prim: &Primitives<'_>) -> mlua::Result<()> {
    add_running(prim)?;
    let state = Rc::clone(prim.state);
    let finalizer = prim.lua.create_function(move |lua, _: MultiValue| {
        // A state of ours is closed by its host, which has wound it down before.
        if let Some(lua) = lua.weak().try_upgrade() {
            // If `os.exit` has begun to end them, what is left of its time is left for this.
            let until = state.closing_until.get();
            wind_down(&lua, &state, until.unwrap_or_else(|| state.system.backend.now() + GRACE));
        }
        Ok(())
    })?;
    prim.table.raw_set("wind_down", finalizer)
}

/// Ends the goroutines that run in this state, at most until `limit`.
pub(crate) fn wind_down(lua: &Lua, state: &Rc<State>, limit: Instant) {
    if let Some(local) = state.local() {
        local.wind_down(lua, state, limit);
    }
}

/// Starts a goroutine of the function at the bottom of the stack.
fn begin(stack: &mut Stack<'_>, state: &Rc<State>, report: Report) -> Went {
    let Some(local) = state.local() else {
        return Went::General;
    };
    if stack.kind(1) != Kind::Function || state.system.is_closing() {
        return Went::General;
    }
    let StartedAs { place: given, ahead, by_home } = local.take_next_start();
    let count = stack.top();
    state.push_vitals(stack);
    let lent = match &given {
        Some(_) => None,
        None => {
            stack.raw_get_index(count + 1, vital::CODES);
            let place = direct::place(stack, state, direct::WHOLE_CALLER);
            stack.truncate(count + 1);
            Some(place)
        }
    };
    let Some(parcel) = local.pack(stack, count) else {
        return Went::Wrong("too many arguments for a goroutine".into());
    };
    let Some(started_at) = given.as_ref().or(lent.as_ref()) else {
        return Went::General; // there is one of the two
    };
    // What is assembled is a child of the one who runs.
    let starter = by_home.then(|| state.set_current(None));
    let (start, handle) = assemble(state, Shipped::Here(parcel), None, started_at, report);
    if let Some(starter) = starter {
        state.set_current(starter);
    }
    if let Some(place) = lent {
        state.last_place.borrow_mut().give_back(place);
    }
    local.post().start(start.queue(None), ahead);
    Object::push_new_handle(HandleObject(handle), stack, state, count + 1);
    Went::Done(1)
}
