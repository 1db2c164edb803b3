//! `barrier(n)` and its method.

use std::num::NonZeroUsize;
use std::sync::Arc;

use mlua::IntoLuaMulti;
use runtime_core::locks::Barrier;

use super::locks::{cancelled, limit};
use super::{Answer, Named, Primitives};
use crate::goroutine::Reply;
use crate::object::Object;

/// The largest barrier: as many as every Lua can count.
const MOST: i64 = 1 << 53;

/// A barrier as a Lua value.
#[derive(Clone)]
pub(crate) struct BarrierObject(pub(crate) Barrier);

impl Named for BarrierObject {
    const NAME: &'static str = "barrier";
    const CLASS: &'static str = "barrier";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Barrier(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("barrier", |context, args| {
        let size = NonZeroUsize::new(args.count_between(1, 1, MOST)?).unwrap_or(NonZeroUsize::MIN);
        context.values(context.object(Object::Barrier(BarrierObject(Barrier::new(size))))?)
    })?;
    prim.method("barrier", "wait", |context, args| {
        let this = args.this::<BarrierObject>()?.0;
        let limit = limit(context, &args, 1)?;
        if context.state.must_stop() {
            return cancelled();
        }
        let backend = Arc::clone(&context.state.system.backend);
        let mut wait = this.wait();
        Ok(Answer::Wait(Box::pin(async move {
            let leads = match runtime_core::deadline(&*backend, limit, &mut wait).await {
                Some(leads) => leads,
                // The last may have come since the last look: then this one was there.
                None if wait.cancel() => false,
                None => return Reply::TimedOut,
            };
            Reply::make(move |lua, _| Ok((true, leads).into_lua_multi(lua)?))
        })))
    })
}
