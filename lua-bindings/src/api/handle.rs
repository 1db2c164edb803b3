//! Awaiting, and the methods of handles.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use futures_lite::future;
use mlua::{IntoLuaMulti, Lua, MultiValue, Value};
use runtime_core::{Outcome as Ended, Status};

use super::locks::cancelled;
use super::{Answer, Args, CancelledObject, Context, Named, Outcome, Primitives};
use crate::fault::Fault;
use crate::goroutine::{GoroutineHandle, Reply};
use crate::object::Object;
use crate::packet::{self, Packet};
use crate::state::State;

/// The handle of a goroutine as a Lua value.
#[derive(Clone)]
pub(crate) struct HandleObject(pub(crate) GoroutineHandle);

impl HandleObject {
    /// Whether what its goroutine has come to is kept in the home state.
    pub(crate) fn keeps(&self) -> bool {
        match self.0.peek() {
            Some(Ended::Done(packet)) => matches!(packet, Packet::Kept(_)),
            Some(Ended::Failed(failure)) => matches!(failure.error, Packet::Kept(_)),
            _ => false,
        }
    }
}

impl Named for HandleObject {
    const NAME: &'static str = "handle";
    const CLASS: &'static str = "handle";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Handle(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("await", |context, args| {
        let handle = args.object::<HandleObject>(1)?.0;
        await_one(context, &args, handle, 2)
    })?;
    prim.method("handle", "await", |context, args| {
        let handle = args.this::<HandleObject>()?.0;
        await_one(context, &args, handle, 1)
    })?;
    prim.function("await_all", await_all)?;
    prim.function("await_any", await_any)?;
    prim.function("wait_all", |context, args| {
        let limit = args.deadline(1, now(context))?;
        let ended = context.state.with_children(|children| children.wait());
        context.wait(limit, ended, |()| Reply::True)
    })?;
    prim.method("handle", "cancel", |context, args| {
        let handle = args.this::<HandleObject>()?.0;
        handle.cancel(args.optional_string(1)?.as_deref());
        context.values(())
    })?;
    prim.method("handle", "done", |context, args| {
        context.values(args.this::<HandleObject>()?.0.status().is_ended())
    })?;
    prim.method("handle", "status", |context, args| {
        context.values(args.this::<HandleObject>()?.0.status().as_str())
    })?;
    prim.method("handle", "id", |context, args| context.values(args.this::<HandleObject>()?.0.id() as i64))?;
    prim.method("handle", "name", |context, args| {
        let handle = args.this::<HandleObject>()?.0;
        if let Some(name) = args.optional_string(1)? {
            handle.set_name(&name);
        }
        context.values(handle.name().map(|name| name.to_string()))
    })
}

fn now(context: &Context<'_>) -> Instant {
    context.state.system.backend.now()
}

/// The values of `await` for a goroutine that has ended.
pub(super) fn awaited(lua: &Lua, state: &State, handle: &GoroutineHandle) -> Result<MultiValue, Fault> {
    let mut values = match handle.outcome() {
        None => return Err(Fault::Wrong("a goroutine was awaited that has not ended".into())),
        Some(Ended::Done(packet)) => match packet::decode(lua, state, packet) {
            Ok(mut values) => {
                values.push_front(Value::Boolean(true));
                return Ok(values);
            }
            Err(error) => {
                (crate::fault::text(&error), "stack traceback:\n\t[the results could not be received]")
                    .into_lua_multi(lua)?
            }
        },
        Some(Ended::Failed(failure)) => {
            let error = packet::decode(lua, state, &failure.error)?.pop_front().unwrap_or(Value::Nil);
            (error, failure.traceback.as_str()).into_lua_multi(lua)?
        }
        Some(Ended::Cancelled(reason)) => {
            let error = Object::Cancelled(CancelledObject::new(reason.clone()));
            (error.to_value(lua, state)?, "stack traceback:\n\t[cancelled]").into_lua_multi(lua)?
        }
    };
    values.push_front(Value::Boolean(false));
    Ok(values)
}

fn not_oneself(context: &Context<'_>, args: &Args, handle: &GoroutineHandle) -> Result<(), Fault> {
    match context.state.current() {
        Some(running) if running.completer.is_of(handle) => {
            Err(args.bad(1, "a goroutine cannot await itself"))
        }
        _ => Ok(()),
    }
}

fn await_one(context: &Context<'_>, args: &Args, handle: GoroutineHandle, limit: usize) -> Outcome {
    let limit = args.deadline(limit, now(context))?;
    not_oneself(context, args, &handle)?;
    if context.state.must_stop() {
        return cancelled();
    }
    if handle.is_settled() {
        return Ok(Answer::Values(awaited(context.lua, context.state, &handle)?));
    }
    context.wait(limit, handle.wait(), move |()| Reply::make(move |lua, state| awaited(lua, state, &handle)))
}

/// How long `timeout` waits for the function to unwind after it was told to stop: one that computes is left to itself
/// then.
const UNWINDING: Duration = Duration::from_millis(25);

/// The same for one that waits: it unwinds as soon as its isolate comes to it.
const UNWINDING_WAITER: Duration = Duration::from_millis(200);

/// Waits for a handle like `await`, at most until `limit`, and stops its goroutine if it has not ended by then.
pub(super) fn await_or_cancel(
    context: &Context<'_>,
    handle: GoroutineHandle,
    limit: Option<Instant>,
) -> Outcome {
    let backend = Arc::clone(&context.state.system.backend);
    await_or_stop(context, handle, async move {
        match limit {
            Some(limit) => backend.sleep_until(limit).await,
            None => std::future::pending().await,
        }
        "timeout exceeded".to_owned()
    })
}

/// Waits for a handle like `await`, and stops its goroutine if it is still running when the wait ends, be it that `stop`
/// is ready, whose output is the reason, or that the waiting goroutine is cancelled itself.
pub(super) fn await_or_stop(
    context: &Context<'_>,
    handle: GoroutineHandle,
    stop: impl Future<Output = String> + 'static,
) -> Outcome {
    struct CancelOnDrop(GoroutineHandle);
    impl Drop for CancelOnDrop {
        fn drop(&mut self) {
            // After its end, or if it was cancelled already, this does nothing.
            self.0.cancel(Some("timeout exceeded"));
        }
    }
    let backend = Arc::clone(&context.state.system.backend);
    let guard = CancelOnDrop(handle.clone());
    Ok(Answer::Wait(Box::pin(async move {
        // A function that has ended is preferred to its time being over.
        let ended = async {
            handle.wait().await;
            None
        };
        if let Some(reason) = future::or(ended, async { Some(stop.await) }).await {
            handle.cancel(Some(&reason));
            drop(guard);
            // What it was waiting for may come to it at this very moment. It has to be known before the caller goes on
            // whether it did: then the function has its values after all, and they are not lost.
            let bound = match handle.status() {
                Status::Waiting | Status::Queued => UNWINDING_WAITER,
                _ => UNWINDING,
            };
            let unwound = backend.now().checked_add(bound);
            let _ = runtime_core::deadline(&*backend, unwound, handle.wait()).await;
            if handle.status() != Status::Done {
                let _seen = handle.outcome();
                return Reply::make(move |lua, _| Ok((false, reason).into_lua_multi(lua)?));
            }
        }
        Reply::make(move |lua, state| {
            let mut values = awaited(lua, state, &handle)?;
            without_traceback(&mut values);
            Ok(values)
        })
    })))
}

/// Leaves only the error of a failure: `false, err`.
fn without_traceback(values: &mut MultiValue) {
    if values.front() == Some(&Value::Boolean(false)) {
        while values.len() > 2 {
            values.pop_back();
        }
    }
}

/// All of some futures that complete without a value.
struct All<F> {
    pending: Vec<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for All<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        // One after another is enough: all have to end, and each future is registered when its turn comes.
        while let Some(last) = self.pending.last_mut() {
            if last.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pending.pop();
        }
        Poll::Ready(())
    }
}

/// The first of some futures, by its place.
struct Any<F> {
    pending: Vec<Pin<Box<F>>>,
}

impl<F: Future<Output = ()>> Future for Any<F> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<usize> {
        for (index, future) in self.pending.iter_mut().enumerate() {
            if future.as_mut().poll(cx).is_ready() {
                return Poll::Ready(index);
            }
        }
        Poll::Pending
    }
}

fn handles(args: &Args) -> Result<Vec<GoroutineHandle>, Fault> {
    Ok(args.list_of::<HandleObject>(1)?.into_iter().map(|object| object.0).collect())
}

fn await_all(context: &Context<'_>, args: Args) -> Outcome {
    let handles = handles(&args)?;
    let limit = args.deadline(2, now(context))?;
    for handle in &handles {
        not_oneself(context, &args, handle)?;
    }
    let pending = handles.iter().rev().map(|handle| Box::pin(handle.wait())).collect();
    let backend = Arc::clone(&context.state.system.backend);
    Ok(Answer::Wait(Box::pin(async move {
        // What has not ended by the limit is reported in its place.
        let _ = runtime_core::deadline(&*backend, limit, All { pending }).await;
        Reply::make(move |lua, state| all_results(lua, state, &handles))
    })))
}

fn all_results(lua: &Lua, state: &State, handles: &[GoroutineHandle]) -> Result<MultiValue, Fault> {
    let list = lua.create_table_with_capacity(handles.len(), 0)?;
    for handle in handles {
        let entry = lua.create_table_with_capacity(0, 3)?;
        if handle.outcome().is_some() {
            let mut values = awaited(lua, state, handle)?;
            let success = values.pop_front() == Some(Value::Boolean(true));
            entry.raw_set("success", success)?;
            if success {
                let packed = lua.create_table_with_capacity(values.len(), 1)?;
                packed.raw_set("n", values.len())?;
                for (index, value) in values.into_iter().enumerate() {
                    packed.raw_set(index + 1, value)?;
                }
                entry.raw_set("values", packed)?;
            } else {
                entry.raw_set("error", values.pop_front())?;
                entry.raw_set("traceback", values.pop_front())?;
            }
        } else {
            entry.raw_set("success", false)?;
            entry.raw_set("error", "timeout exceeded")?;
        }
        list.raw_push(entry)?;
    }
    Ok(list.into_lua_multi(lua)?)
}

fn await_any(context: &Context<'_>, args: Args) -> Outcome {
    let handles = handles(&args)?;
    let limit = args.deadline(2, now(context))?;
    if handles.is_empty() {
        return Err(args.bad(1, "list of at least one handle expected, got an empty one"));
    }
    for handle in &handles {
        not_oneself(context, &args, handle)?;
    }
    let pending = handles.iter().map(|handle| Box::pin(handle.wait())).collect();
    let backend = Arc::clone(&context.state.system.backend);
    Ok(Answer::Wait(Box::pin(async move {
        let first = runtime_core::deadline(&*backend, limit, Any { pending }).await;
        Reply::make(move |lua, state| match first {
            Some(index) => {
                let mut values = awaited(lua, state, &handles[index])?;
                without_traceback(&mut values);
                values.push_front(Value::Integer(index as i64 + 1));
                Ok(values)
            }
            None => Ok((Value::Nil, false, "timeout exceeded").into_lua_multi(lua)?),
        })
    })))
}
