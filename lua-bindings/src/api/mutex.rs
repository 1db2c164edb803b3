//! `mutex()` and its methods.

use runtime_core::locks::Mutex;

use super::locks::{limit, lock, tried, unlocked, with_limit};
use super::{Args, Named, Primitives};
use crate::fault::Fault;
use crate::object::Object;

/// A mutex as a Lua value.
#[derive(Clone)]
pub(crate) struct MutexObject(pub(crate) Mutex);

impl Named for MutexObject {
    const NAME: &'static str = "mutex";
    const CLASS: &'static str = "mutex";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Mutex(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<Mutex, Fault> { Ok(args.this::<MutexObject>()?.0) };
    prim.function("mutex", |context, _| {
        context.values(context.object(Object::Mutex(MutexObject(Mutex::new())))?)
    })?;
    // `with` locks; the rest of it is Lua (`lua/locks.lua`).
    for name in ["lock", "with"] {
        prim.method("mutex", name, move |context, args| {
            let this = this(&args)?;
            let limit = if name == "with" { with_limit(context, &args)? } else { limit(context, &args, 1)? };
            lock(context, limit, "mutex", |holder| this.try_lock(holder), |holder| this.lock(holder))
        })?;
    }
    prim.method("mutex", "try_lock", move |context, args| {
        let this = this(&args)?;
        tried(context, context.state.as_holder(|holder| this.try_lock(holder)))
    })?;
    prim.method("mutex", "unlock", move |context, args| {
        let this = this(&args)?;
        unlocked(context, "mutex", context.state.as_holder(|holder| this.unlock(holder)))
    })
}
