//! The primitives under `scope`, and the method `spawn` of scopes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use mlua::{Lua, MultiValue, Value};
use runtime_core::Handle;

use super::handle::awaited;
use super::start::{Report, start};
use super::{Answer, Context, HandleObject, Named, Outcome, Primitives};
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

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Scope(object) => Some(object),
            _ => None,
        }
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
    prim.raw("check_function", |lua, _, values: MultiValue| check_function(lua, values))?;
    prim.function("scope_new", |context, _| {
        context.values(context.object(Object::Scope(ScopeObject(Arc::new(Scope::new(context.flavour)))))?)
    })?;
    prim.method("scope", "spawn", |context, args| {
        let scope = args.this::<ScopeObject>()?.0;
        args.check_function(1)?;
        let flavour = scope.flavour;
        let handle = start(&context.of(flavour), args.rest(1), Report::IfUnseen, Some(scope))?;
        context.values(context.object(Object::Handle(HandleObject(handle)))?)
    })?;
    prim.function("scope_cancel", |context, args| {
        args.object::<ScopeObject>(1)?.0.cancel("the function of its scope failed");
        context.values(())
    })?;
    prim.add("scope_wait", "scope", false, |context, args| {
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

/// How long the children of a cancelled goroutine's scope may take to unwind before it goes on without them.
const UNWINDING: Duration = Duration::from_secs(1);

/// Waits until all children of a scope have ended. If the waiting goroutine is cancelled itself, it cancels the children
/// and still waits for them, for a bounded time: no child outlives its scope but one that cannot be stopped.
pub(super) fn wait_for_scope(
    context: &Context<'_>,
    scope: Arc<Scope>,
    reply: impl FnOnce(Arc<Scope>) -> Reply + 'static,
) -> Outcome {
    let backend = Arc::clone(&context.state.system.backend);
    let parent = context.state.current().map(|running| running.completer.handle());
    let children = Arc::clone(&scope);
    let mut guard = CancelOnDrop(Some(Arc::clone(&scope)));
    let mut ended = Box::pin(scope.group().wait());
    let mut bound = None;
    let wait = poll_fn(move |cx| {
        let ready = ended.as_mut().poll(cx).is_ready();
        let cancelled = parent.as_ref().is_some_and(Handle::is_cancelled);
        if ready {
            let guard = &mut guard;
            guard.0.take();
        } else if !cancelled {
            return Poll::Pending;
        } else {
            // The runner is woken and polls this again when it is cancelled.
            let bound = bound.get_or_insert_with(|| {
                children.cancel("the goroutine that waited for its scope was cancelled");
                backend.sleep_until(backend.now() + UNWINDING)
            });
            if bound.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(cancelled)
    });
    Ok(Answer::Shielded(Box::pin(async move {
        match wait.await {
            true => Reply::Cancelled,
            false => reply(scope),
        }
    })))
}

/// `0`, or `2` and the message, as primitives answer.
fn check_function(lua: &Lua, mut values: MultiValue) -> mlua::Result<(i64, Option<String>)> {
    let name = values.pop_front().and_then(|name| name.as_string().map(|name| name.to_string_lossy()));
    let got = match values.front() {
        Some(Value::Function(_)) => return Ok((0, None)),
        None => String::from("no value"),
        Some(value) => super::args::type_name(lua, value),
    };
    let name = name.unwrap_or_default();
    Ok((2, Some(format!("bad argument #1 to '{name}' (function expected, got {got})"))))
}
