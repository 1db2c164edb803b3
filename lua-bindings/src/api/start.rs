//! `spawn`, `spawn_many`, `async`, `blocking`, `timeout`, `current`.

use std::sync::Arc;

use mlua::{Function, MultiValue, Value};
use runtime_core::{Reporting, next_id};

use super::handle::await_or_cancel;
use super::{Answer, Args, Context, HandleObject, Primitives, caller, ship};
use crate::code::Code;
use crate::fault::Fault;
use crate::goroutine::{Failure, GoroutineHandle, Shipped, Start};
use crate::local::{Flavour, ONLY_AT_HOME};
use crate::object::Object;
use crate::packet::Roots;
use crate::scope::Scope;
use crate::state::State;
use crate::ties::Ties;

/// What becomes of the failure of a goroutine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// Reported as soon as it fails.
    AtOnce,
    /// Reported if nobody can await it any more.
    IfUnseen,
}

/// A goroutine that is ready to be put into a queue, and its handle.
pub(super) fn prepare(
    context: &Context<'_>,
    values: MultiValue,
    report: Report,
    scope: Option<Arc<Scope>>,
) -> Result<(Start, GoroutineHandle), Fault> {
    let shipped = match context.flavour {
        Flavour::Parallel => {
            context.state.system.start().map_err(|error| Fault::Wrong(error.to_string()))?;
            Shipped::Packet(ship(context, values, Roots::Start)?)
        }
        Flavour::Local => match context.state.local() {
            Some(local) => Shipped::Here(local.pack_values(context.lua, values)?),
            None => return Err(Fault::Wrong(ONLY_AT_HOME.into())),
        },
    };
    let (mut start, handle) = assemble(context.state, shipped, None, &caller(context), report);
    if let Some(scope) = &scope {
        match scope.enter(&handle) {
            None => return Err(Fault::Wrong("the scope has ended: it starts no more goroutines".into())),
            Some(membership) => start.ties.set_scope(membership),
        }
    }
    Ok((start, handle))
}

/// A goroutine from what it consists of, in no scope. `code`: that of its function, if no packet has it.
pub(super) fn assemble(
    state: &State,
    shipped: Shipped,
    code: Option<Arc<Code>>,
    started_at: &Arc<str>,
    report: Report,
) -> (Start, GoroutineHandle) {
    let reporting = match report {
        Report::AtOnce => Reporting::AtOnce(Failure::unhandled),
        Report::IfUnseen => Reporting::IfUnseen(Failure::unhandled),
    };
    let (handle, completer) = GoroutineHandle::new(next_id(), reporting);
    let member =
        state.with_children(|children| children.add(&state.system, started_at, code, handle.watch()));
    state.meter.started();
    (Start { shipped, completer, member, ties: Ties::default() }, handle)
}

/// Starts a goroutine.
pub(super) fn start(
    context: &Context<'_>,
    values: MultiValue,
    report: Report,
    scope: Option<Arc<Scope>>,
) -> Result<GoroutineHandle, Fault> {
    let (start, handle) = prepare(context, values, report, scope)?;
    context.state.system.submit(start).map_err(|error| Fault::Wrong(error.to_string()))?;
    Ok(handle)
}

fn start_function(context: &Context<'_>, args: Args, report: Report) -> super::Outcome {
    args.check_function(1)?;
    let handle = start(context, args.rest(1), report, None)?;
    context.values(context.object(Object::Handle(HandleObject(handle)))?)
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("spawn", |context, args| start_function(context, args, Report::AtOnce))?;
    prim.function("async", |context, args| start_function(context, args, Report::IfUnseen))?;
    prim.function("blocking", |context, args| {
        args.check_function(1)?;
        let (start, handle) = prepare(context, args.rest(1), Report::IfUnseen, None)?;
        context.state.system.submit_blocking(start).map_err(|error| Fault::Wrong(error.to_string()))?;
        context.values(context.object(Object::Handle(HandleObject(handle)))?)
    })?;
    prim.function("spawn_many", |context, args| {
        let count = args.count_between(1, 0, 10_000_000)?;
        let function: Function = args.function(2)?;
        let rest = args.rest(3);
        let handles = context.lua.create_table_with_capacity(count, 0)?;
        for id in 1..=count {
            let mut values = rest.clone();
            values.push_front(Value::Integer(id as i64));
            values.push_front(Value::Function(function.clone()));
            let handle = start(context, values, Report::AtOnce, None)?;
            handles.raw_set(id, context.object(Object::Handle(HandleObject(handle)))?)?;
        }
        context.values(handles)
    })?;
    prim.function("timeout", |context, args| {
        let now = context.state.system.backend.now();
        let limit = args.duration(1)?.and_then(|limit| now.checked_add(limit));
        args.check_function(2)?;
        let handle = start(context, args.rest(2), Report::IfUnseen, None)?;
        await_or_cancel(context, handle, limit)
    })?;
    prim.function("current", |context, _| match context.state.current() {
        Some(running) => {
            context.values(context.object(Object::Handle(HandleObject(running.completer.handle())))?)
        }
        None => Ok(Answer::Values(MultiValue::from_iter([Value::Nil]))),
    })
}
