//! `atomic_int()` and its methods.

use runtime_core::AtomicInt;

use super::{Args, Named, Primitives};
use crate::fault::Fault;
use crate::object::Object;

/// An atomic integer as a Lua value.
#[derive(Clone)]
pub(crate) struct AtomicIntObject(pub(crate) AtomicInt);

impl Named for AtomicIntObject {
    const NAME: &'static str = "atomic int";
    const CLASS: &'static str = "atomic_int";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::AtomicInt(object) => Some(object),
            _ => None,
        }
    }
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    let this = |args: &Args| -> Result<AtomicInt, Fault> { Ok(args.this::<AtomicIntObject>()?.0) };
    prim.function("atomic_int", |context, args| {
        let value = AtomicInt::new(args.optional_integer(1, 0)?);
        context.values(context.object(Object::AtomicInt(AtomicIntObject(value)))?)
    })?;
    prim.method("atomic_int", "add", move |context, args| {
        context.values(this(&args)?.add(args.optional_integer(1, 1)?))
    })?;
    prim.method("atomic_int", "load", move |context, args| context.values(this(&args)?.load()))?;
    prim.method("atomic_int", "store", move |context, args| {
        this(&args)?.store(args.integer(1)?);
        context.values(())
    })?;
    prim.method("atomic_int", "swap", move |context, args| {
        context.values(this(&args)?.swap(args.integer(1)?))
    })?;
    prim.method("atomic_int", "compare_and_swap", move |context, args| {
        context.values(this(&args)?.compare_and_swap(args.integer(1)?, args.integer(2)?))
    })
}
