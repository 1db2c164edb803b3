//! What a primitive is called with, and what it comes to.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{IntoLuaMulti, Lua, MultiValue, Value};

use crate::fault::Fault;
use crate::goroutine::{Reply, Wait};
use crate::local::Flavour;
use crate::object::Object;
use crate::packet::{self, Refusal, Roots};
use crate::raw;
use crate::state::State;

/// What a primitive comes to.
pub(crate) enum Answer {
    /// Its values.
    Values(MultiValue),
    /// It has to wait.
    Wait(Wait),
    /// It has to wait, and sees to its own end when the goroutine is cancelled.
    Shielded(Wait),
}

/// The result of a primitive.
pub(crate) type Outcome = Result<Answer, Fault>;

/// What a primitive works with.
pub(crate) struct Context<'a> {
    pub(crate) lua: &'a Lua,
    pub(crate) state: &'a Rc<State>,
    /// Where the script is on the call stack, as seen from the primitive.
    pub(super) caller: usize,
    /// Where the goroutines run that it starts.
    pub(super) flavour: Flavour,
}

impl Context<'_> {
    /// The same call, for goroutines that run elsewhere.
    pub(crate) fn of(&self, flavour: Flavour) -> Self {
        Self { flavour, ..*self }
    }

    /// These values, now.
    pub(crate) fn values(&self, values: impl IntoLuaMulti) -> Outcome {
        Ok(Answer::Values(values.into_lua_multi(self.lua)?))
    }

    /// Waits for `future`, at most until `limit`; `reply` makes the values of what it gives.
    pub(crate) fn wait<T: 'static>(
        &self,
        limit: Option<std::time::Instant>,
        future: impl Future<Output = T> + 'static,
        reply: impl FnOnce(T) -> Reply + 'static,
    ) -> Outcome {
        let backend = Arc::clone(&self.state.system.backend);
        Ok(Answer::Wait(Box::pin(async move {
            match runtime_core::deadline(&*backend, limit, future).await {
                Some(output) => reply(output),
                None => Reply::TimedOut,
            }
        })))
    }

    /// The Lua value of an object of ours.
    pub(crate) fn object(&self, object: Object) -> Result<Value, Fault> {
        Ok(object.to_value(self.lua, self.state)?)
    }
}

/// Encodes values that go to another state.
pub(crate) fn ship(
    context: &Context<'_>,
    values: MultiValue,
    roots: Roots,
) -> Result<packet::Packet, Refusal> {
    packet::encode(context.lua, context.state, values, roots)
}

/// Where the script stands that called a function of ours.
pub(crate) fn caller(context: &Context<'_>) -> Arc<str> {
    context.state.last_place.borrow_mut().of(raw::position(context.lua, context.caller))
}
