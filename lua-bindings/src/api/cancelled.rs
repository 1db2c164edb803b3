//! The error that a cancelled goroutine gets, and `is_cancelled`.

use std::sync::Arc;

use mlua::{MetaMethod, UserData, UserDataMethods, UserDataRegistry, Value};

use super::{Named, Primitives};
use crate::goroutine::GoroutineHandle;

/// The error value "cancelled", with its reason. `tostring` gives `cancelled` or `cancelled: REASON`.
#[derive(Clone)]
pub(crate) struct CancelledObject {
    reason: Arc<Option<Arc<str>>>,
}

impl CancelledObject {
    pub(crate) fn new(reason: Option<Arc<str>>) -> Self {
        Self { reason: Arc::new(reason) }
    }

    /// The error for a goroutine that was asked to stop.
    pub(crate) fn of(handle: &GoroutineHandle) -> Self {
        Self::new(handle.cancel_reason())
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
}

impl UserData for CancelledObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        use mlua::UserDataFields;
        registry.add_meta_field("__name", Self::NAME);
        registry.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.text()));
    }
}

/// Whether an error value is the one that cancelling raises.
pub(crate) fn is_cancelled(error: &Value) -> bool {
    error.as_userdata().is_some_and(|error| error.is::<CancelledObject>())
}

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("is_cancelled", |context, args| context.values(args.get(1).is_some_and(is_cancelled)))
}
