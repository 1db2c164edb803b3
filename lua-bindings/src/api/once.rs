//! `once()` and its method.

use runtime_core::locks::{Once, TryLockError, Turn};

use super::locks::{cancelled, held, with_limit};
use super::{Named, Primitives};
use crate::goroutine::Reply;
use crate::object::Object;

/// A once as a Lua value.
#[derive(Clone)]
pub(crate) struct OnceObject(pub(crate) Once);

impl Named for OnceObject {
    const NAME: &'static str = "once";
    const CLASS: &'static str = "once";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Once(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("once", |context, _| {
        context.values(context.object(Object::Once(OnceObject(Once::new())))?)
    })?;
    // The first half of `call` (the rest is in `lua/locks.lua`): no value for the one who has to run the function, else
    // what `call` gives.
    prim.method("once", "call", |context, args| {
        let this = args.this::<OnceObject>()?.0;
        let limit = with_limit(context, &args)?;
        if context.state.must_stop() {
            return cancelled();
        }
        match context.state.as_holder(|holder| this.try_begin(holder)) {
            Ok(Turn::Run) => context.values(()),
            Ok(Turn::Done) => context.values(true),
            Err(TryLockError::HeldByCaller) => Err(held("once")),
            Err(TryLockError::Busy) => {
                context.wait(limit, context.state.as_holder(|holder| this.begin(holder)), |turn| match turn {
                    Ok(Turn::Run) => Reply::Nothing,
                    Ok(Turn::Done) => Reply::True,
                    Err(_) => Reply::make(|_, _| Err(held("once"))),
                })
            }
        }
    })?;
    prim.method("once", "finish", |context, args| {
        let this = args.this::<OnceObject>()?.0;
        context.state.as_holder(|holder| this.finish(holder));
        context.values(())
    })
}
