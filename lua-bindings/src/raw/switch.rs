//! What an isolate has under `coroutine.resume`, `yield` and `close`, and under `pcall` and `xpcall`: the same as Lua's own, but they
//! keep track of which coroutine runs, and of where the error of a cancelled goroutine was caught.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Value};

use super::hook::{go_on_stopping, interrupts_of, state_of};
use super::local::home_of;
use super::memory::name_limit;
use super::{Stack, protected};

/// The functions of this file, for `lua/coroutines.lua`.
pub(crate) struct Switches {
    /// `resume(coroutine, ...)`: as Lua's own; gives `true, park` when the coroutine was interrupted.
    pub(crate) resume: Function,
    /// `yield(...)`: as Lua's own, and raises in a goroutine's main coroutine.
    pub(crate) yielding: Function,
    /// Whether the running coroutine is a goroutine's main one.
    pub(crate) in_main: Function,
    /// `close(coroutine)`, around Lua's own.
    pub(crate) close: Option<Function>,
    /// `pcall` and `xpcall`, where there are `<close>` variables.
    pub(crate) protect: Option<(Function, Function)>,
}

impl Switches {
    /// `park`: what a blocking call yields; `close`: Lua's own `coroutine.close`, where there is one.
    pub(crate) fn new(lua: &Lua, park: &mlua::Table, close: Option<Function>) -> mlua::Result<Self> {
        Ok(Self {
            resume: function(lua, resume, park)?,
            yielding: function(lua, yielding, ())?,
            in_main: function(lua, in_main, ())?,
            close: close.map(|close| function(lua, close_coroutine, &close)).transpose()?,
            protect: protect(lua)?,
        })
    }
}

/// `pcall` and `xpcall`, where there are `<close>` variables.
pub(crate) fn protect(lua: &Lua) -> mlua::Result<Option<(Function, Function)>> {
    #[cfg(any(feature = "lua54", feature = "lua55"))]
    return Ok(Some((function(lua, protect::pcall, ())?, function(lua, protect::xpcall, ())?)));
    #[cfg(not(any(feature = "lua54", feature = "lua55")))]
    {
        let _ = lua;
        Ok(None)
    }
}

/// A C function, with what is given as its upvalue.
fn function(
    lua: &Lua,
    function: ffi::lua_CFunction,
    upvalue: impl mlua::IntoLuaMulti,
) -> mlua::Result<Function> {
    let made = protected(lua, upvalue, |stack| {
        if stack.reserve(2) {
            let upvalues = stack.top();
            // SAFETY: room was reserved, and there are so many values.
            unsafe { ffi::lua_pushcclosure(stack.state, function, upvalues) }
        }
    })?;
    match made.into_iter().next() {
        Some(Value::Function(function)) => Ok(function),
        _ => Err(mlua::Error::runtime("the Lua stack is full")),
    }
}

/// `coroutine.resume`, called by Lua code of ours with a coroutine and the arguments.
unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack. The coroutine is on it while it runs, so it lives. `lua_resume` does not raise, so what
    // is entered is left. What may raise (running out of memory) holds nothing that needs dropping.
    unsafe {
        let (inner, args) = match resumable(state) {
            Ok(found) => found,
            Err(results) => return results,
        };
        let interrupts = interrupts_of(state);
        ffi::lua_xmove(state, inner, args);
        let before = interrupts.map(|interrupts| interrupts.enter(inner, is_yieldable(state)));
        let mut results = 0;
        let status = ffi::lua_resume(inner, state, args, &mut results);
        if let (Some(interrupts), Some(before)) = (interrupts, before) {
            interrupts.leave(before);
            if status == ffi::LUA_YIELD && interrupts.pass_yielded_on() {
                // Its registers stay where they are.
                ffi::lua_settop(state, 0);
                ffi::lua_pushboolean(state, 1);
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
                return 2;
            }
            if !matches!(status, ffi::LUA_OK | ffi::LUA_YIELD) {
                go_on_stopping(state);
            }
        }
        resumed(state, inner, status, results)
    }
}

unsafe fn is_main(state: *mut lua_State) -> bool {
    // SAFETY: a C function has room for one more value.
    unsafe { interrupts_of(state) }.is_some_and(|interrupts| interrupts.is_main(state))
}

/// `coroutine.yield`.
unsafe extern "C-unwind" fn yielding(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack.
    unsafe { yield_unless(is_main(state), state) }
}

unsafe extern "C-unwind" fn in_main(state: *mut lua_State) -> c_int {
    // SAFETY: a C function has room for one more value.
    unsafe { ffi::lua_pushboolean(state, c_int::from(is_main(state))) };
    1
}

/// What `coroutine.yield` does in a coroutine, or in a goroutine's main one. To be returned by the C function that calls it.
///
/// # Safety
/// `state` is that of a C function with the arguments of `coroutine.yield` on its stack. It holds nothing that needs dropping.
pub(super) unsafe fn yield_unless(main: bool, state: *mut lua_State) -> c_int {
    // SAFETY: the same promise; yielding is the last thing that the function does.
    unsafe {
        if main {
            let stack = Stack { state, _call: PhantomData };
            // What an async function of the embedder's yields is for its driver.
            if stack.top() != 1 || !stack.awaits_mlua(stack.coroutine()) {
                ffi::lua_pushstring(state, c"attempt to yield from outside a coroutine".as_ptr());
                ffi::lua_error(state);
            }
        }
        ffi::lua_yield(state, ffi::lua_gettop(state))
    }
}

/// What `coroutine.resume` says of the running coroutine, and of one that has resumed another, if `lua_resume` says something else.
#[cfg(feature = "lua51")]
const RUNNING: &CStr = c"cannot resume running coroutine";
#[cfg(feature = "lua51")]
const NORMAL: Option<&CStr> = Some(c"cannot resume normal coroutine");
#[cfg(feature = "luajit")]
const RUNNING: &CStr = c"cannot resume running coroutine";
#[cfg(feature = "luajit")]
const NORMAL: Option<&CStr> = Some(RUNNING);
#[cfg(not(any(feature = "lua51", feature = "luajit")))]
pub(super) const RUNNING: &CStr = c"cannot resume non-suspended coroutine";
#[cfg(not(any(feature = "lua51", feature = "luajit")))]
const NORMAL: Option<&CStr> = None;

/// The coroutine that `coroutine.resume` was called with, and how many arguments, for which it has room. The error is what to
/// return instead.
///
/// # Safety
/// `state` is that of a C function with the arguments of `coroutine.resume` on its stack.
pub(super) unsafe fn resumable(state: *mut lua_State) -> Result<(*mut lua_State, c_int), c_int> {
    // SAFETY: the same promise; the coroutine lives as long as it is on the stack.
    unsafe {
        let inner = ffi::lua_tothread(state, 1);
        let args = ffi::lua_gettop(state) - 1;
        if inner.is_null() {
            return Err(failed(state, c"a coroutine expected"));
        }
        // Lua would leave its message on the stack that the results are made on.
        if inner == state {
            return Err(failed(state, RUNNING));
        }
        // `lua_resume` has another text for these than `coroutine.resume`.
        if let Some(text) = NORMAL
            && ffi::lua_status(inner) == ffi::LUA_OK
            && ffi::lua_getstack(inner, 0, &mut std::mem::zeroed()) != 0
        {
            return Err(failed(state, text));
        }
        if ffi::lua_checkstack(inner, args + 1) == 0 {
            return Err(failed(state, c"too many arguments to resume"));
        }
        if ffi::lua_status(inner) == ffi::LUA_OK && ffi::lua_gettop(inner) == 0 {
            return Err(failed(state, c"cannot resume dead coroutine"));
        }
        Ok((inner, args))
    }
}

/// What `coroutine.resume` returns, after `lua_resume` has given this status and so many results.
///
/// # Safety
/// As for `resumable`, which has given `inner`.
pub(super) unsafe fn resumed(
    state: *mut lua_State,
    inner: *mut lua_State,
    status: c_int,
    results: c_int,
) -> c_int {
    // SAFETY: the same promise; the results, or the error, are on the coroutine's stack.
    unsafe {
        if status != ffi::LUA_OK && status != ffi::LUA_YIELD {
            ffi::lua_settop(state, 0);
            ffi::lua_pushboolean(state, 0);
            ffi::lua_xmove(inner, state, 1);
            name_limit(state, status);
            caught(state);
            return 2;
        }
        if ffi::lua_checkstack(state, results + 2) == 0 {
            ffi::lua_settop(inner, -results - 1);
            return failed(state, c"too many results to resume");
        }
        ffi::lua_settop(state, 0);
        ffi::lua_pushboolean(state, 1);
        ffi::lua_xmove(inner, state, results);
        results + 1
    }
}

unsafe fn failed(state: *mut lua_State, message: &CStr) -> c_int {
    // SAFETY: a C function's stack.
    unsafe {
        ffi::lua_settop(state, 0);
        ffi::lua_pushboolean(state, 0);
        ffi::lua_pushstring(state, message.as_ptr());
    }
    2
}

/// `coroutine.close`: the `<close>` variables of the coroutine are closed on its own stack, by code that may compute
/// without end.
unsafe extern "C-unwind" fn close_coroutine(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack; the coroutine is kept by this function's own copy of it. The upvalue is Lua's own
    // function, which is called in protected mode, so what is entered is left.
    unsafe {
        let inner = ffi::lua_tothread(state, 1);
        if inner.is_null() {
            return failed(state, c"a coroutine expected");
        }
        ffi::lua_settop(state, 1);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_pushvalue(state, 1);
        let interrupts = interrupts_of(state);
        let before = interrupts.map(|interrupts| interrupts.enter(inner, false));
        let status = ffi::lua_pcall(state, 1, ffi::LUA_MULTRET, 0);
        if let (Some(interrupts), Some(before)) = (interrupts, before) {
            interrupts.leave(before);
        }
        if status != ffi::LUA_OK {
            ffi::lua_error(state);
        }
        ffi::lua_gettop(state) - 1
    }
}

/// Notes that the error on top was caught, if it is that of a cancelled goroutine: it is raised again from now on.
unsafe fn caught(state: *mut lua_State) {
    // SAFETY: a C function's stack, with an error on top.
    unsafe {
        if ffi::lua_type(state, -1) != ffi::LUA_TUSERDATA || ffi::lua_checkstack(state, 4) == 0 {
            return;
        }
        let stack = Stack { state, _call: PhantomData };
        let top = ffi::lua_gettop(state);
        if !matches!(stack.object(top), Some(crate::object::Object::Cancelled(_))) {
            return;
        }
        match state_of(state) {
            Some(ours) => ours.caught_cancelled(),
            None => home_of(state).iter().for_each(|ours| ours.caught_cancelled()),
        }
    }
}

#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe fn is_yieldable(state: *mut lua_State) -> bool {
    // SAFETY: reads only.
    unsafe { ffi::lua_isyieldable(state) != 0 }
}

/// No hook yields in this Lua.
#[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
unsafe fn is_yieldable(_: *mut lua_State) -> bool {
    false
}

/// `pcall` and `xpcall`. Where nothing fails they cost what Lua's own do.
#[cfg(any(feature = "lua54", feature = "lua55"))]
mod protect {
    use std::ffi::c_int;

    use mlua::ffi::{self, lua_KContext, lua_State};

    use super::{caught, name_limit};

    pub(super) unsafe extern "C-unwind" fn pcall(state: *mut lua_State) -> c_int {
        // SAFETY: a C function's stack: the function and its arguments, below which `true` is put. The continuation gets
        // the same stack if the function has yielded.
        unsafe {
            ffi::luaL_checkany(state, 1);
            ffi::lua_pushboolean(state, 1);
            ffi::lua_rotate(state, 1, 1);
            let args = ffi::lua_gettop(state) - 2;
            let status = ffi::lua_pcallk(state, args, ffi::LUA_MULTRET, 0, 0, Some(ended));
            ended(state, status, 0)
        }
    }

    pub(super) unsafe extern "C-unwind" fn xpcall(state: *mut lua_State) -> c_int {
        // SAFETY: as in `pcall`. The stack is made: function, handler, `true`, function, arguments; the first two stay below
        // the results.
        unsafe {
            let args = ffi::lua_gettop(state) - 2;
            ffi::luaL_checktype(state, 2, ffi::LUA_TFUNCTION);
            ffi::lua_pushboolean(state, 1);
            ffi::lua_pushvalue(state, 1);
            ffi::lua_rotate(state, 3, 2);
            let status = ffi::lua_pcallk(state, args, ffi::LUA_MULTRET, 2, 2, Some(ended));
            ended(state, status, 2)
        }
    }

    /// The results: everything above the first `below` values, if nothing failed.
    unsafe extern "C-unwind" fn ended(state: *mut lua_State, status: c_int, below: lua_KContext) -> c_int {
        // SAFETY: `true` and the results are on the stack, or an error is on top.
        unsafe {
            if status == ffi::LUA_OK || status == ffi::LUA_YIELD {
                return ffi::lua_gettop(state) - below as c_int;
            }
            name_limit(state, status);
            caught(state);
            ffi::lua_pushboolean(state, 0);
            ffi::lua_pushvalue(state, -2);
        }
        2
    }
}
