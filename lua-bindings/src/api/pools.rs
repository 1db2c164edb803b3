//! The functions of pools.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use dashmap::Entry;
use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use runtime_core::{
    Close, OnFull, Percentiles, Pool, PoolOptions, PoolStats, SlotId, Status, Submit, SubmitErrorKind,
};

use super::handle::awaited;
use super::locks::cancelled;
use super::options::Options;
use super::scope::wait_for_scope;
use super::start::{Report, prepare};
use super::{Answer, Args, Context, HandleObject, Named, Outcome, Primitives, ScopeObject};
use crate::fault::Fault;
use crate::goroutine::{GoroutineHandle, Reply};
use crate::local::{Flavour, POOL_KIND};
use crate::object::Object;
use crate::pool::{LuaPool, PoolTask, Slot, has_ended};
use crate::scope::Scope;
use crate::state::State;
use crate::system::System;

/// More than this many workers or places is taken for a mistake.
const MOST: i64 = 1_000_000_000;

/// A pool as a Lua value.
#[derive(Clone)]
pub(crate) struct PoolObject(pub(crate) LuaPool);

impl Named for PoolObject {
    const NAME: &'static str = "pool";
    const CLASS: &'static str = "pool";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Pool(object) => Some(object),
            _ => None,
        }
    }
}

/// Which pool a call means: the one that has a name now, or one that the script holds.
enum Target {
    Name(String),
    Pool(LuaPool),
}

impl Target {
    fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Pool(pool) => pool.name(),
        }
    }

    /// It, unless it is gone.
    fn find(&self, context: &Context<'_>) -> Option<LuaPool> {
        let found = find(context.state, self.name())?;
        match self {
            // Another may have its name by now.
            Self::Pool(pool) if !found.same(pool) => None,
            _ => Some(found),
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("pool_create", create)?;
    prim.function("pool", |context, args| match find(context.state, &args.string(1)?) {
        Some(pool) => context.values(context.object(Object::Pool(PoolObject(pool)))?),
        None => context.values(Value::Nil),
    })?;
    // As functions they get the name first; as methods the pool is the object.
    type Body = fn(&Context<'_>, Args, Target, usize) -> Outcome;
    let both: [(&'static str, &'static str, Body); 6] = [
        ("submit", "pool_submit", |context, args, target, offset| {
            args.check_function(1 + offset)?;
            match waiting(context, &target) {
                Some(submitting) => wait_to_submit(context, submitting, Gives::TaskId),
                None => submit(context, &target, args.rest(1 + offset), 0, Gives::TaskId, None),
            }
        }),
        ("async", "pool_async", |context, args, target, offset| {
            args.check_function(1 + offset)?;
            match waiting(context, &target) {
                Some(submitting) => wait_to_submit(context, submitting, Gives::Handle),
                None => submit(context, &target, args.rest(1 + offset), 0, Gives::Handle, None),
            }
        }),
        ("wait", "pool_wait", wait),
        ("close", "pool_close", close),
        ("stats", "pool_stats", |context, _, target, _| match target.find(context) {
            Some(pool) => {
                let stats = stats_table(context.lua, &pool.stats())?;
                context.values(stats)
            }
            None => context.values(Value::Nil),
        }),
        // The arguments of a map, and whether there is such a pool: an empty list submits nothing that would tell.
        ("map", "pool_map", |context, args, target, offset| {
            let (list, count) = args.list(1 + offset, "value")?;
            for index in 1..=count {
                let value: Value = list.raw_get(index)?;
                if value.is_nil() {
                    return Err(args.wrong_item(1 + offset, "value", index, &value));
                }
            }
            args.check_function(2 + offset)?;
            match target.find(context) {
                None => context.values((Value::Nil, not_found(target.name()))),
                Some(pool) if pool.is_closed() => context.values((Value::Nil, "pool is closed")),
                Some(_) => context.values(true),
            }
        }),
    ];
    for (method, function, body) in both {
        let key = if method == "map" { "pool_map_check" } else { function };
        prim.add(key, function, false, move |context, args| {
            let target = Target::Name(args.string(1)?);
            body(context, args, target, 1)
        })?;
        prim.add(&format!("pool_object_{method}"), method, true, move |context, args| {
            let target = Target::Pool(args.this::<PoolObject>()?.0);
            body(context, args, target, 0)
        })?;
    }
    prim.function("pool_submit_priority", |context, args| {
        let name = args.string(1)?;
        let priority = args.integer(2)?;
        args.check_function(3)?;
        let pool = find(context.state, &name);
        if pool.is_some_and(|pool| !pool.has_priority()) {
            return Err(args.bad(1, &format!("pool '{name}' was not created with priority=true")));
        }
        submit(context, &Target::Name(name), args.rest(3), priority, Gives::TaskId, None)
    })?;
    prim.add("pool_map_submit", "pool_map", false, map_submit)?;
    prim.raw("pool_map_failed", |lua, _, scope: Value| {
        Ok(super::args::object::<ScopeObject>(lua, &scope).is_some_and(|scope| scope.0.failed().is_some()))
    })?;
    prim.add("pool_map_wait", "pool_map", false, map_wait)
}

/// The pool of this name. One that has been closed and has ended is gone, also if who closed it did not wait for that.
pub(super) fn find(state: &State, name: &str) -> Option<LuaPool> {
    let pools = &state.system.pools;
    let pool = pools.get(name).map(|pool| pool.clone())?;
    if has_ended(&pool) {
        pools.remove_if(name, |_, current| current.same(&pool));
        return None;
    }
    Some(pool)
}

fn not_found(name: &str) -> String {
    format!("pool not found: {name}")
}

fn create(context: &Context<'_>, args: Args) -> Outcome {
    let name = args.string(1)?;
    let mut options = PoolOptions::default();
    let given = Options::read(&args, 2, &["workers", "queue", "on_full", "priority"])?;
    if let Some(workers) = given.count("workers", 1, MOST)? {
        options.workers = workers;
    }
    options.queue = given.count("queue", 0, MOST)?;
    options.priority = given.boolean("priority")?.unwrap_or(false);
    options.on_full = match given.string("on_full")?.as_deref() {
        None | Some("block") => OnFull::Block,
        Some("error") => OnFull::Error,
        Some(other) => {
            return Err(given.bad("on_full", &format!("\"block\" or \"error\" expected, got \"{other}\"")));
        }
    };
    if context.flavour == Flavour::Local {
        options.kind = POOL_KIND;
    }
    let system = Arc::clone(&context.state.system);
    let new = Pool::new(&name, options, Arc::clone(&system.backend));
    let Some(old) = put(&system, &name, &new, None) else {
        return context.values(true);
    };
    not_from_inside(context, &old, "pool_create")?;
    // The old pool is closed first; the name is taken over once all that it had accepted has ended. Somebody else may
    // have been waiting for the same, and be faster: then theirs is the old pool, and is closed likewise.
    let replace = async move {
        let mut old = old;
        loop {
            old.close(Close::Finish).await;
            match put(&system, &name, &new, Some(&old)) {
                None => return,
                Some(other) => old = other,
            }
        }
    };
    context.wait(None, replace, |()| Reply::True)
}

/// Registers a pool under its name, if that is free or belongs to `old`. If not, gives the pool that has it.
fn put(system: &System, name: &str, new: &LuaPool, old: Option<&LuaPool>) -> Option<LuaPool> {
    match system.pools.entry(name.to_owned()) {
        Entry::Vacant(place) => {
            place.insert(new.clone());
            None
        }
        Entry::Occupied(mut place) if old.is_some_and(|old| place.get().same(old)) => {
            place.insert(new.clone());
            None
        }
        Entry::Occupied(place) => Some(place.get().clone()),
    }
}

/// What a submit gives to the script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    TaskId,
    Handle,
}

impl Gives {
    pub(super) fn report(self) -> Report {
        match self {
            Self::TaskId => Report::AtOnce,
            Self::Handle => Report::IfUnseen,
        }
    }
}

/// A submit that has to wait, and the handle of its task.
pub(crate) struct Submitting {
    pub(super) submit: Submit<PoolTask>,
    pub(super) handle: GoroutineHandle,
}

/// The place that the running goroutine has in a pool.
pub(super) fn inside(state: &State) -> Option<SlotId> {
    state.current().and_then(|running| running.in_pool(Slot::id))
}

fn submit(
    context: &Context<'_>,
    target: &Target,
    values: MultiValue,
    priority: i64,
    gives: Gives,
    scope: Option<Arc<Scope>>,
) -> Outcome {
    let Some(pool) = target.find(context) else {
        return context.values((Value::Nil, not_found(target.name())));
    };
    if pool.is_closed() {
        return context.values((Value::Nil, "pool is closed"));
    }
    let (start, handle) = prepare(&context.of(flavour_of(&pool)), values, gives.report(), scope)?;
    let submit = pool.submit(PoolTask::new(start, &pool), priority, inside(context.state));
    wait_to_submit(context, Submitting { submit, handle }, gives)
}

/// Where a pool's tasks run.
pub(super) fn flavour_of(pool: &LuaPool) -> Flavour {
    if pool.kind() == POOL_KIND { Flavour::Local } else { Flavour::Parallel }
}

/// What `direct_pools` has prepared for this very call.
fn waiting(context: &Context<'_>, target: &Target) -> Option<Submitting> {
    context.state.submitting.take().filter(|_| matches!(target, Target::Name(_)))
}

fn wait_to_submit(context: &Context<'_>, submitting: Submitting, gives: Gives) -> Outcome {
    let Submitting { mut submit, handle } = submitting;
    let values =
        move |lua: &Lua, state: &State, submitted: Result<runtime_core::TaskId, Refused>| match submitted {
            Ok(_) if gives == Gives::Handle => {
                let handle = Object::Handle(HandleObject(handle)).to_value(lua, state)?;
                Ok(handle.into_lua_multi(lua)?)
            }
            Ok(id) => Ok(id.to_string().into_lua_multi(lua)?),
            Err(Refused::Value(message)) => Ok((Value::Nil, message).into_lua_multi(lua)?),
            Err(Refused::Raise(message)) => Err(Fault::Wrong(message)),
        };
    // Mostly there is room, and nothing to wait for.
    let at_once = Pin::new(&mut submit).poll(&mut TaskContext::from_waker(Waker::noop()));
    if let Poll::Ready(submitted) = at_once {
        return Ok(Answer::Values(values(context.lua, context.state, submitted.map_err(refused))?));
    }
    context.wait(None, submit, move |submitted| {
        let submitted = submitted.map_err(refused);
        Reply::make(move |lua, state| values(lua, state, submitted))
    })
}

/// How a refused submit shows in the script.
pub(super) enum Refused {
    Value(String),
    Raise(String),
}

pub(super) fn refused(error: runtime_core::SubmitError<PoolTask>) -> Refused {
    match error.kind {
        SubmitErrorKind::WouldDeadlock => Refused::Raise(error.to_string()),
        _ => Refused::Value(error.to_string()),
    }
}

/// Waiting in a pool's task for that pool to end would be waiting for oneself.
fn not_from_inside(context: &Context<'_>, pool: &LuaPool, function: &str) -> Result<(), Fault> {
    let inside = context
        .state
        .current()
        .is_some_and(|running| running.in_pool(|slot| slot.pool().same(pool)).unwrap_or(false));
    if inside {
        let name = pool.name();
        return Err(Fault::Wrong(format!(
            "{function}: a task of pool '{name}' cannot wait for its own pool to end"
        )));
    }
    Ok(())
}

fn wait(context: &Context<'_>, args: Args, target: Target, offset: usize) -> Outcome {
    let limit = args.deadline(1 + offset, context.state.system.backend.now())?;
    let Some(pool) = target.find(context) else {
        return context.values((false, not_found(target.name())));
    };
    if context.state.must_stop() {
        return cancelled();
    }
    let stats = pool.stats();
    if stats.queued == 0 && stats.active == 0 {
        return context.values(true);
    }
    if limit.is_none() {
        not_from_inside(context, &pool, args.function)?;
    }
    context.wait(limit, pool.wait(), |()| Reply::True)
}

fn close(context: &Context<'_>, args: Args, target: Target, offset: usize) -> Outcome {
    let given = Options::read(&args, 1 + offset, &["cancel"])?;
    let mode = if given.boolean("cancel")?.unwrap_or(false) { Close::Cancel } else { Close::Finish };
    let Some(pool) = target.find(context) else {
        return context.values(false);
    };
    not_from_inside(context, &pool, args.function)?;
    let closed = pool.close(mode);
    let system = Arc::clone(&context.state.system);
    context.wait(None, closed, move |()| {
        // Another pool may have taken the name in the meantime.
        system.pools.remove_if(pool.name(), |_, current| current.same(&pool));
        Reply::True
    })
}

fn stats_table(lua: &Lua, stats: &PoolStats) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 12)?;
    table.raw_set("name", &*stats.name)?;
    table.raw_set("workers", stats.workers)?;
    table.raw_set("active", stats.active)?;
    table.raw_set("queued", stats.queued)?;
    table.raw_set("completed", stats.completed)?;
    table.raw_set("failed", stats.failed)?;
    table.raw_set("rejected", stats.rejected)?;
    table.raw_set("cancelled", stats.cancelled)?;
    table.raw_set("submitted", stats.submitted)?;
    table.raw_set("wait_ms", percentiles_table(lua, &stats.wait_ms)?)?;
    table.raw_set("run_ms", percentiles_table(lua, &stats.run_ms)?)?;
    table.raw_set("utilisation", stats.utilisation)?;
    Ok(table)
}

fn percentiles_table(lua: &Lua, percentiles: &Percentiles) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 4)?;
    table.raw_set("p50", percentiles.p50)?;
    table.raw_set("p95", percentiles.p95)?;
    table.raw_set("p99", percentiles.p99)?;
    table.raw_set("max", percentiles.max)?;
    Ok(table)
}

/// Submits one item of a map: `scope, name or pool, fn, item, index`.
fn map_submit(context: &Context<'_>, args: Args) -> Outcome {
    let scope = args.object::<ScopeObject>(1)?.0;
    let target = match args.object::<PoolObject>(2) {
        Ok(PoolObject(pool)) => Target::Pool(pool),
        Err(_) => Target::Name(args.string(2)?),
    };
    submit(context, &target, args.rest(3), 0, Gives::Handle, Some(scope))
}

/// Waits for all items of `pool_map`: `scope, handles`.
fn map_wait(context: &Context<'_>, args: Args) -> Outcome {
    let scope = args.object::<ScopeObject>(1)?.0;
    let handles: Vec<_> = args.list_of::<HandleObject>(2)?.into_iter().map(|object| object.0).collect();
    wait_for_scope(context, scope, |scope| {
        scope.close();
        Reply::make(move |lua, state| {
            // Those that were cancelled for the sake of the first error are not the error.
            let unfinished = handles.iter().find(|handle| handle.status() != Status::Done);
            if let Some(handle) = scope.failed().or(unfinished) {
                let error = awaited(lua, state, handle)?.get(1).cloned().unwrap_or(Value::Nil);
                return Ok((Value::Nil, error).into_lua_multi(lua)?);
            }
            let results = lua.create_table_with_capacity(handles.len(), 0)?;
            for (index, handle) in handles.iter().enumerate() {
                results.raw_set(index + 1, awaited(lua, state, handle)?.get(1).cloned())?;
            }
            Ok(results.into_lua_multi(lua)?)
        })
    })
}
