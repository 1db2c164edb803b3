//! Functions of the embedder's that wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue};

use super::FACE;
use crate::fault;
use crate::goroutine::Reply;
use crate::raw::{self, Went};
use crate::state::State;

/// What a call of a [`waiting_function`] comes to.
pub enum WaitingCall {
    /// These values, now.
    Now(MultiValue),
    /// It has to wait. What the future gives makes the results, on the state's own thread.
    Wait(Pin<Box<dyn Future<Output = Results>>>),
}

impl fmt::Debug for WaitingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Wait(_) => "Wait",
        })
    }
}

/// Makes the results of a [`waiting_function`].
pub type Results = Box<dyn FnOnce(&Lua) -> mlua::Result<MultiValue>>;

/// A function that waits as the module's own blocking calls do: it parks the goroutine that calls it, and blocks the home
/// state's thread. Cancelling the goroutine ends the wait at once and drops the future; interrupting the runtime ends it at home.
///
/// `body` looks at the arguments, which happens at once, and gives what is to be waited for; its error is raised at the
/// caller's line, as one of the results is. `name` is what [`dump`](crate::Observer::dump) says that the goroutine waits in. The
/// future is polled by the backend of the runtime, whichever that is: it may wait for what other threads do, and nothing else.
///
/// In isolates it can be made by the builder's [`setup`](crate::Builder::setup), at home once the module is installed. In a module
/// that is in `package.loaded` on both sides, under the same name, it can be captured.
///
/// ```
/// # use mlua::{IntoLuaMulti, Lua, MultiValue};
/// fn register(lua: &Lua) -> mlua::Result<()> {
///     let answer = goroutine::waiting_function(lua, "answer", |_, _: MultiValue| {
///         Ok(goroutine::WaitingCall::Wait(Box::pin(async {
///             Box::new(|lua: &Lua| 42.into_lua_multi(lua)) as goroutine::Results
///         })))
///     })?;
///     lua.globals().set("answer", answer)
/// }
/// let goroutines = goroutine::Goroutines::builder().isolates(1).setup(register).build()?;
/// let lua = Lua::new();
/// goroutines.install(&lua)?;
/// register(&lua)?;
/// let both: (i64, bool, i64) = lua.load(r#"
///     return answer(), require("goroutine").async(function() return answer() end):await()
/// "#).eval()?;
/// assert_eq!(both, (42, true, 42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the module is not installed in this state.
pub fn waiting_function(
    lua: &Lua,
    name: &'static str,
    body: impl Fn(&Lua, MultiValue) -> mlua::Result<WaitingCall> + 'static,
) -> mlua::Result<Function> {
    let state = super::state(lua).ok_or_else(not_installed)?;
    let general = {
        let state = Rc::clone(&state);
        lua.create_function(move |lua, values: MultiValue| {
            let Some(lua) = lua.weak().try_upgrade() else {
                return Err(super::being_closed());
            };
            match body(&lua, values) {
                Ok(WaitingCall::Now(values)) => state.values(&lua, Ok(values)),
                Ok(WaitingCall::Wait(call)) => {
                    state.will_wait(name);
                    let outside = state.system.woken_from_outside();
                    let wait = async move {
                        let results = call.await;
                        drop(outside);
                        Reply::make(move |lua, _: &State| Ok(results(lua)?))
                    };
                    state.wait(&lua, Box::pin(wait), false)
                }
                Err(error) => state.values(&lua, Err(fault::Fault::Wrong(fault::text(&error)))),
            }
        })?
    };
    let guarded = raw::closure(lua, &state, |_, _| Went::General, &general, false)?;
    lua.named_registry_value::<Function>(FACE)?.call(guarded)
}

/// The number of the goroutine that runs in this state, as [`Living::id`](crate::Living) has it. `None` at home.
pub fn current_id(lua: &Lua) -> Option<u64> {
    Some(super::state(lua)?.current()?.id())
}

/// The number of the goroutine that the home state has started and that the one that runs in this state descends from; its own, if
/// it was the home state that started it. So what somebody has begun can be told from what others have, whatever was started for it in
/// its turn, and whether those who started it still live. `None` at home.
pub fn root_id(lua: &Lua) -> Option<u64> {
    Some(super::state(lua)?.current()?.root)
}

pub(super) fn not_installed() -> mlua::Error {
    mlua::Error::runtime("goroutines are not installed in this Lua state")
}
