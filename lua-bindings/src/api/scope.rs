//! The primitives under `scope`, and the method `spawn` of scopes.

use std::sync::Arc;

use mlua::{MultiValue, UserData, UserDataRegistry, Value};

use super::handle::awaited;
use super::start::{Report, start};
use super::{Context, HandleObject, Named, Outcome, Primitives, register};
use crate::fault::Fault;
use crate::goroutine::Reply;
use crate::object::Object;
use crate::scope::Scope;

/// A scope as a Lua value.
#[derive(Clone)]
pub(crate) struct ScopeObject(pub(crate) Arc<Scope>);

impl Named for ScopeObject {
    const NAME: &'static str = "scope";
    const CLASS: &'static str = "scope";
}

impl UserData for ScopeObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        register(registry);
    }
}

/// Cancels the children of a scope whose waiting parent was cancelled.
struct CancelOnDrop(Option<Arc<Scope>>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(scope) = &self.0 {
            scope.cancel("the goroutine that waited for its scope was cancelled");
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    // For functions whose Lua part calls its callback itself: the check that `spawn` and the like do on the way.
    prim.raw("check_function", |_, _, values: MultiValue| check_function(values))?;
    prim.function("scope_new", |context, _| {
        context.values(context.new_object(Object::Scope(ScopeObject(Arc::new(Scope::new()))))?)
    })?;
    prim.method("scope", "spawn", |context, args| {
        let scope = args.this::<ScopeObject>()?.0;
        args.check_function(1)?;
        let handle = start(context, args.rest(1), Report::IfUnseen, Some(scope))?;
        context.values(context.new_object(Object::Handle(HandleObject(handle)))?)
    })?;
    prim.function("scope_cancel", |context, args| {
        args.object::<ScopeObject>(1)?.0.cancel("the function of its scope failed");
        context.values(())
    })?;
    prim.function("scope_wait", |context, args| {
        wait_for_scope(context, args.object::<ScopeObject>(1)?.0, |scope| {
            scope.close();
            Reply::Nothing
        })
    })?;
    // Raises the first error of the children.
    prim.function("scope_result", |context, args| {
        let scope = args.object::<ScopeObject>(1)?.0;
        let Some(failed) = scope.failed() else {
            return context.values(());
        };
        let error = awaited(context.lua, context.state, failed)?.get(1).cloned().unwrap_or(Value::Nil);
        Err(Fault::Raise(error))
    })
}

/// Waits until all children of a scope have ended, and cancels them if the waiting goroutine is cancelled itself.
pub(super) fn wait_for_scope(
    context: &Context<'_>,
    scope: Arc<Scope>,
    reply: impl FnOnce(Arc<Scope>) -> Reply + 'static,
) -> Outcome {
    let ended = scope.group().wait();
    let guard = CancelOnDrop(Some(Arc::clone(&scope)));
    let wait = async move {
        let mut guard = guard;
        ended.await;
        guard.0.take();
    };
    context.wait(None, wait, move |()| reply(scope))
}

/// `0`, or `2` and the message, as primitives answer.
fn check_function(mut values: MultiValue) -> mlua::Result<(i64, Option<String>)> {
    let name = values.pop_front().and_then(|name| name.as_string().map(|name| name.to_string_lossy()));
    let got = match values.front() {
        Some(Value::Function(_)) => return Ok((0, None)),
        None => String::from("no value"),
        Some(value) => super::args::type_name(value),
    };
    let name = name.unwrap_or_default();
    Ok((2, Some(format!("bad argument #1 to '{name}' (function expected, got {got})"))))
}
