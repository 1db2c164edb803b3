//! `wait_group()` and its methods.

use runtime_core::WaitGroup;

use super::locks::cancelled;
use super::{Named, Primitives};
use crate::fault::Fault;
use crate::goroutine::Reply;
use crate::object::Object;

/// A wait group as a Lua value.
#[derive(Clone)]
pub(crate) struct WaitGroupObject(pub(crate) WaitGroup);

impl Named for WaitGroupObject {
    const NAME: &'static str = "wait group";
    const CLASS: &'static str = "wait_group";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::WaitGroup(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("wait_group", |context, _| {
        context.values(context.object(Object::WaitGroup(WaitGroupObject(WaitGroup::new())))?)
    })?;
    prim.method("wait_group", "add", |context, args| {
        let group = args.this::<WaitGroupObject>()?.0;
        let n = args.optional_integer(1, 1)?;
        group.add(n).map_err(|error| {
            // Adding can only fail at the other end of its range.
            Fault::Wrong(if n > 0 { "WaitGroup counter overflow".into() } else { error.to_string() })
        })?;
        context.values(())
    })?;
    prim.method("wait_group", "done", |context, args| {
        let group = args.this::<WaitGroupObject>()?.0;
        group.done().map_err(|error| Fault::Wrong(error.to_string()))?;
        context.values(())
    })?;
    prim.method("wait_group", "wait", |context, args| {
        let group = args.this::<WaitGroupObject>()?.0;
        let limit = args.deadline(1, context.state.system.backend.now())?;
        if context.state.must_stop() {
            return cancelled();
        }
        if group.count() == 0 {
            return context.values(true);
        }
        context.wait(limit, group.wait(), |()| Reply::True)
    })
}
