//! `cond()` and its methods.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use futures_lite::future;
use runtime_core::locks::{Cond, Woken};

use super::locks::{limit, reply};
use super::{Answer, Args, MutexObject, Named, Primitives};
use crate::fault::Fault;
use crate::goroutine::Reply;
use crate::object::Object;

/// A condition variable as a Lua value.
#[derive(Clone)]
pub(crate) struct CondObject(pub(crate) Cond);

impl Named for CondObject {
    const NAME: &'static str = "cond";
    const CLASS: &'static str = "cond";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Cond(object) => Some(object),
            _ => None,
        }
    }
}

fn not_held() -> Fault {
    Fault::Wrong("waiting at a cond without holding its mutex: lock it first".into())
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<Cond, Fault> { Ok(args.this::<CondObject>()?.0) };
    prim.function("cond", |context, _| {
        context.values(context.object(Object::Cond(CondObject(Cond::new())))?)
    })?;
    prim.method("cond", "get_mutex", move |context, args| {
        let mutex = this(&args)?.mutex().clone();
        context.values(context.object(Object::Mutex(MutexObject(mutex)))?)
    })?;
    prim.method("cond", "signal", move |context, args| {
        this(&args)?.signal();
        context.values(())
    })?;
    prim.method("cond", "broadcast", move |context, args| {
        this(&args)?.broadcast();
        context.values(())
    })?;
    prim.method("cond", "wait", move |context, args| {
        let this = this(&args)?;
        let limit = limit(context, &args, 1)?;
        let holder = context.state.as_holder(Clone::clone);
        if !this.mutex().is_held_by(&holder) {
            return Err(not_held());
        }
        if context.state.must_stop() {
            return super::locks::cancelled();
        }
        let backend = Arc::clone(&context.state.system.backend);
        let timed_out = async move {
            match limit {
                Some(limit) => backend.sleep_until(limit).await,
                None => pending().await,
            }
            Reply::TimedOut
        };
        // The runner polls this when the goroutine is cancelled.
        let (running, clock) = (context.state.current(), Arc::clone(&context.state.system.backend));
        let cancelled = poll_fn(move |_| match &running {
            Some(running) if running.must_stop(|| clock.now()) => Poll::Ready(Reply::Cancelled),
            _ => Poll::Pending,
        });
        // Shielded: however the wait ends, the lock is waited for, so that the caller's unlock is right.
        Ok(Answer::Shielded(Box::pin(async move {
            match this.wait_or(&holder, future::or(cancelled, timed_out)).await {
                Ok(Woken::Notified(found)) => reply(found),
                Ok(Woken::GaveUp(reply)) => reply,
                Err(_) => Reply::make(|_, _| Err(not_held())),
            }
        })))
    })
}
