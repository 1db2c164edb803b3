//! What `coroutine.wrap` gives in place of Lua's own: a C function too, which leaves its caller on the call stack also where
//! that makes a tail call. So an error has the caller's position in front, as everywhere.
//!
//! It resumes by the function that is under `coroutine.resume`, and sees to the plain results itself. All else (a park that goes outward,
//! an error) is left to Lua code of ours.

use std::ffi::c_int;

#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
use mlua::ffi;
use mlua::{Lua, Value};

use super::Stack;

/// `wrapper(resume, slow, held, park, pending)`, for `lua/coroutines.lua`: gives a function that makes such a function of a coroutine.
/// Nil where C functions cannot yield.
///
/// `slow(coroutine, ...)` is called with what resuming has given, and gives `true, values...` or `false, error`; `held` has
/// the coroutines that are not for others to resume, though they are suspended.
pub(crate) fn wrapper(lua: &Lua) -> mlua::Result<Value> {
    #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
    // SAFETY: a C function without upvalues, which our own code calls with the arguments that it wants.
    return unsafe { lua.create_c_function(yielding::make).map(Value::Function) };
    #[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
    {
        let _ = lua;
        Ok(Value::Nil)
    }
}

impl Stack<'_> {
    /// Whether the value at `index` is such a function.
    pub(crate) fn is_wrapped(&self, index: c_int) -> bool {
        #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
        // SAFETY: reads only.
        return unsafe { ffi::lua_tocfunction(self.state, index) }
            .is_some_and(|function| function as usize == yielding::wrapped as *const () as usize);
        #[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
        {
            let _ = index;
            false
        }
    }
}

#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
mod yielding {
    use std::ffi::{CStr, c_int};

    use mlua::ffi::{self, lua_State};

    use crate::raw::switch::RUNNING;

    /// The upvalues of such a function; the first is that of the function that resumes.
    const RESUME: c_int = 2;
    const SLOW: c_int = 3;
    const HELD: c_int = 4;
    /// What is yielded for the scheduler, and for the driver of an embedder's async function.
    const PARKS: [c_int; 2] = [5, 6];
    const COROUTINE: c_int = 7;

    pub(super) unsafe extern "C-unwind" fn make(state: *mut lua_State) -> c_int {
        // SAFETY: a C function's stack with five arguments. What the first of them has as its own upvalue is put before it.
        unsafe {
            ffi::lua_settop(state, 5);
            if ffi::lua_getupvalue(state, 1, 1).is_null() {
                ffi::lua_pushnil(state);
            }
            ffi::lua_rotate(state, 1, 1);
            ffi::lua_pushcclosure(state, make_one, 6);
        }
        1
    }

    unsafe extern "C-unwind" fn make_one(state: *mut lua_State) -> c_int {
        // SAFETY: a C function's stack with one argument, which becomes the last upvalue; there is room for the others.
        unsafe {
            ffi::lua_settop(state, 1);
            for upvalue in 1..COROUTINE {
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue));
            }
            ffi::lua_rotate(state, 1, -1);
            ffi::lua_pushcclosure(state, wrapped, COROUTINE);
        }
        1
    }

    /// The function that `coroutine.wrap` gives.
    pub(super) unsafe extern "C-unwind" fn wrapped(state: *mut lua_State) -> c_int {
        // SAFETY: a C function's stack, with room for some values more. The coroutine is an upvalue, so it lives. The function that resumes
        // is a C function of ours, which is entered with the stack and the first upvalue that it has when Lua calls it; its
        // results are the topmost values. Nothing here holds what needs dropping.
        unsafe {
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(COROUTINE));
            ffi::lua_pushvalue(state, -1);
            ffi::lua_rawget(state, ffi::lua_upvalueindex(HELD));
            if ffi::lua_toboolean(state, -1) != 0
                && ffi::lua_status(ffi::lua_tothread(state, -2)) == ffi::LUA_YIELD
            {
                ffi::lua_settop(state, 0);
                ffi::lua_pushstring(state, RUNNING.as_ptr());
                return failed(state);
            }
            ffi::lua_pop(state, 1);
            ffi::lua_rotate(state, 1, 1);
            let Some(resume) = ffi::lua_tocfunction(state, ffi::lua_upvalueindex(RESUME)) else {
                return 0;
            };
            let results = resume(state);
            ffi::lua_rotate(state, 1, results);
            ffi::lua_settop(state, results);
            let parks = results == 2
                && PARKS.iter().any(|park| ffi::lua_rawequal(state, 2, ffi::lua_upvalueindex(*park)) != 0);
            if ffi::lua_toboolean(state, 1) != 0 && !parks {
                return results - 1;
            }
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(SLOW));
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(COROUTINE));
            ffi::lua_rotate(state, 1, 2);
            ffi::lua_callk(state, results + 1, ffi::LUA_MULTRET, 0, Some(ended));
            conclude(state)
        }
    }

    /// Goes on when `slow` has returned, after it has yielded.
    unsafe extern "C-unwind" fn ended(state: *mut lua_State, _: c_int, _: ffi::lua_KContext) -> c_int {
        // SAFETY: what it has returned is all that is on the stack.
        unsafe { conclude(state) }
    }

    /// Returns, or raises, what `slow` has given.
    unsafe fn conclude(state: *mut lua_State) -> c_int {
        // SAFETY: `true` and values, or `false` and an error, are all that is on the stack.
        unsafe {
            if ffi::lua_toboolean(state, 1) != 0 {
                return ffi::lua_gettop(state) - 1;
            }
            ffi::lua_settop(state, 2);
            failed(state)
        }
    }

    /// Raises what is on top; a text with the caller's position in front, as Lua's own does.
    unsafe fn failed(state: *mut lua_State) -> c_int {
        // SAFETY: a C function has room for two values more. Only what is a string is read as one.
        unsafe {
            let index = ffi::lua_gettop(state);
            if ffi::lua_type(state, index) == ffi::LUA_TSTRING
                && CStr::from_ptr(ffi::lua_tolstring(state, index, std::ptr::null_mut()))
                    != c"not enough memory"
            {
                ffi::luaL_where(state, 1);
                ffi::lua_rotate(state, index, 1);
                ffi::lua_concat(state, 2);
            }
            ffi::lua_error(state)
        }
    }
}
