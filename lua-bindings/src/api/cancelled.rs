//! The error that a cancelled goroutine gets, and `is_cancelled`.

use std::sync::Arc;

use mlua::{Function, Lua, Value};

use super::{Named, Primitives};
use crate::object::Object;

/// The error value "cancelled", with its reason. `tostring` gives `cancelled` or `cancelled: REASON`.
#[derive(Clone)]
pub(crate) struct CancelledObject {
    reason: Arc<Option<Arc<str>>>,
}

impl CancelledObject {
    pub(crate) fn new(reason: Option<Arc<str>>) -> Self {
        Self { reason: Arc::new(reason) }
    }

    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.reason) as usize
    }

    fn text(&self) -> String {
        match &*self.reason {
            Some(reason) => format!("cancelled: {reason}"),
            None => String::from("cancelled"),
        }
    }
}

impl Named for CancelledObject {
    const NAME: &'static str = "cancelled error";
    const CLASS: &'static str = "cancelled";

    fn from_object(object: Object) -> Option<Self> {
        match object {
            Object::Cancelled(object) => Some(object),
            _ => None,
        }
    }
}

/// Whether an error value is the one that cancelling raises.
pub(crate) fn is_cancelled(lua: &Lua, error: &Value) -> bool {
    matches!(Object::from_value(lua, error), Some(Object::Cancelled(_)))
}

/// The `__tostring` of such errors.
pub(super) fn tostring(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, this: Value| match Object::from_value(lua, &this) {
        Some(Object::Cancelled(error)) => Ok(error.text()),
        _ => Err(mlua::Error::runtime("cancelled error expected")),
    })
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("is_cancelled", |context, args| {
        context.values(args.get(1).is_some_and(|error| is_cancelled(context.lua, error)))
    })
}
