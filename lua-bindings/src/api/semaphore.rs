//! `semaphore(n)` and its methods.

use std::num::NonZeroUsize;

use runtime_core::locks::Semaphore;

use super::locks::{cancelled, limit, with_limit};
use super::{Args, Named, Primitives};
use crate::fault::Fault;
use crate::goroutine::Reply;
use crate::object::Object;

/// The most permits: as many as every Lua can count.
const MOST: i64 = 1 << 53;

/// A semaphore as a Lua value.
#[derive(Clone)]
pub(crate) struct SemaphoreObject(pub(crate) Semaphore);

impl Named for SemaphoreObject {
    const NAME: &'static str = "semaphore";
    const CLASS: &'static str = "semaphore";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Semaphore(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<Semaphore, Fault> { Ok(args.this::<SemaphoreObject>()?.0) };
    prim.function("semaphore", |context, args| {
        let permits = NonZeroUsize::new(args.count_between(1, 1, MOST)?).unwrap_or(NonZeroUsize::MIN);
        context.values(context.object(Object::Semaphore(SemaphoreObject(Semaphore::new(permits))))?)
    })?;
    prim.method("semaphore", "acquire", move |context, args| {
        let this = this(&args)?;
        let limit = limit(context, &args, 1)?;
        if context.state.must_stop() {
            return cancelled();
        }
        if this.try_acquire() {
            return context.values(true);
        }
        context.wait(limit, this.acquire(), |()| Reply::True)
    })?;
    // The rest of it is Lua (`lua/locks.lua`). Here the permit belongs to the goroutine, and is given back with its end.
    prim.method("semaphore", "with", move |context, args| {
        let this = this(&args)?;
        let limit = with_limit(context, &args)?;
        if context.state.must_stop() {
            return cancelled();
        }
        context.state.as_holder(|holder| {
            if this.try_acquire_for(holder) {
                return context.values(true);
            }
            let holder = holder.clone();
            context.wait(limit, async move { this.acquire_for(&holder).await }, |()| Reply::True)
        })
    })?;
    prim.method("semaphore", "leave", move |context, args| {
        let this = this(&args)?;
        released(context.state.as_holder(|holder| this.release_for(holder)))?;
        context.values(())
    })?;
    prim.method("semaphore", "try_acquire", move |context, args| context.values(this(&args)?.try_acquire()))?;
    prim.method("semaphore", "release", move |context, args| {
        released(this(&args)?.release())?;
        context.values(())
    })?;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    prim.method("semaphore", "available", move |context, args| {
        context.values(count(this(&args)?.available()))
    })?;
    prim.method("semaphore", "capacity", move |context, args| context.values(count(this(&args)?.capacity())))
}

fn released<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), Fault> {
    result.map_err(|error| Fault::Wrong(error.to_string()))
}
