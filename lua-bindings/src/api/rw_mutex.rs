//! `rwmutex()` and its methods.

use runtime_core::locks::RwMutex;

use super::locks::{limit, lock, tried, unlocked, with_limit};
use super::{Args, Named, Primitives};
use crate::fault::Fault;
use crate::object::Object;

/// A lock for readers and writers as a Lua value.
#[derive(Clone)]
pub(crate) struct RwMutexObject(pub(crate) RwMutex);

impl Named for RwMutexObject {
    const NAME: &'static str = "rwmutex";
    const CLASS: &'static str = "rwmutex";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::RwMutex(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<RwMutex, Fault> { Ok(args.this::<RwMutexObject>()?.0) };
    prim.function("rwmutex", |context, _| {
        context.values(context.object(Object::RwMutex(RwMutexObject(RwMutex::new())))?)
    })?;
    // `with` and `rwith` lock; the rest of them is Lua (`lua/locks.lua`).
    for (name, reads, with) in
        [("lock", false, false), ("rlock", true, false), ("with", false, true), ("rwith", true, true)]
    {
        prim.method("rwmutex", name, move |context, args| {
            let this = this(&args)?;
            let limit = if with { with_limit(context, &args)? } else { limit(context, &args, 1)? };
            if reads {
                lock(context, limit, "rwmutex", |holder| this.try_rlock(holder), |holder| this.rlock(holder))
            } else {
                lock(context, limit, "rwmutex", |holder| this.try_lock(holder), |holder| this.lock(holder))
            }
        })?;
    }
    prim.method("rwmutex", "try_lock", move |context, args| {
        let this = this(&args)?;
        tried(context, context.state.as_holder(|holder| this.try_lock(holder)))
    })?;
    prim.method("rwmutex", "try_rlock", move |context, args| {
        let this = this(&args)?;
        tried(context, context.state.as_holder(|holder| this.try_rlock(holder)))
    })?;
    prim.method("rwmutex", "unlock", move |context, args| {
        let this = this(&args)?;
        unlocked(context, "rwmutex", context.state.as_holder(|holder| this.unlock(holder)))
    })?;
    prim.method("rwmutex", "runlock", move |context, args| {
        let this = this(&args)?;
        unlocked(context, "rwmutex", context.state.as_holder(|holder| this.runlock(holder)))
    })
}
