//! Coroutines without a handle each.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use mlua::{Lua, ffi};

use super::Stack;

/// A coroutine, by its address alone: no reference of Rust's keeps it alive.
///
/// Whoever holds one keeps the coroutine in a Lua table for as long; the isolate's table of coroutines does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coroutine {
    address: NonNull<ffi::lua_State>,
}

impl Coroutine {
    /// The coroutine that this is, which a Lua state never is null.
    pub(super) fn of(state: *mut ffi::lua_State) -> Self {
        match NonNull::new(state) {
            Some(address) => Self { address },
            None => unreachable!("a Lua state has an address"),
        }
    }

    pub(crate) fn as_ptr(self) -> *mut ffi::lua_State {
        self.address.as_ptr()
    }

    /// Resumes it with nothing, without a protected call around that. What it returned, or failed with, stays on its stack.
    pub(crate) fn resume(self, lua: &Lua) -> Resumed {
        // SAFETY: the coroutine is anchored, belongs to this Lua and does not run; lua_resume does not raise.
        lua.exec_raw_lua(|raw| unsafe { resume(self, raw.state(), 0) })
    }

    /// Drops what it has on its stack. It does not run.
    pub(crate) fn clear(self) {
        // SAFETY: anchored, and not running. A shorter stack needs no memory; what is to be closed lies in frames further out.
        unsafe { ffi::lua_settop(self.as_ptr(), 0) }
    }
}

/// What came of resuming a coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It returned, with so many values on its stack.
    Returned(c_int),
    /// It yielded, with so many values on its stack.
    Yielded(c_int),
    /// It failed, with the error value on its stack.
    Failed,
}

unsafe fn resume(coroutine: Coroutine, from: *mut ffi::lua_State, args: c_int) -> Resumed {
    let mut results = 0;
    // SAFETY: the callers' promise: both are alive, of the same Lua, and the coroutine does not run.
    match unsafe { ffi::lua_resume(coroutine.as_ptr(), from, args, &mut results) } {
        ffi::LUA_OK => Resumed::Returned(results),
        ffi::LUA_YIELD => Resumed::Yielded(results),
        _ => Resumed::Failed,
    }
}

impl Stack<'_> {
    /// Pushes a new coroutine.
    pub(crate) fn push_coroutine(&mut self) -> Coroutine {
        // SAFETY: room was reserved. May raise when memory runs out.
        Coroutine::of(unsafe { ffi::lua_newthread(self.state) })
    }

    /// Moves the topmost `n` values to a coroutine that is suspended and kept alive by the caller's table.
    pub(crate) fn move_to(&mut self, coroutine: Coroutine, n: c_int) -> bool {
        // SAFETY: the coroutine is anchored (see `Coroutine`), of the same Lua; room is made before the move.
        unsafe {
            if ffi::lua_checkstack(coroutine.as_ptr(), n + 1) == 0 {
                return false;
            }
            ffi::lua_xmove(self.state, coroutine.as_ptr(), n);
        }
        true
    }

    /// Moves the topmost `n` values of a coroutine that does not run onto this stack.
    pub(crate) fn take_from(&mut self, coroutine: Coroutine, n: c_int) -> bool {
        // SAFETY: as in `move_to`; there are `n` values, as `resume` has said.
        unsafe {
            if ffi::lua_checkstack(self.state, n + 1) == 0 {
                return false;
            }
            ffi::lua_xmove(coroutine.as_ptr(), self.state, n);
        }
        true
    }

    /// Resumes a coroutine with the topmost `args` values of its own stack.
    pub(crate) fn resume(&mut self, coroutine: Coroutine, args: c_int) -> Resumed {
        // SAFETY: the coroutine is anchored, belongs to this Lua and does not run; lua_resume does not raise.
        unsafe { resume(coroutine, self.state, args) }
    }

    /// Whether the topmost value of a coroutine that does not run is `true`.
    pub(crate) fn returned_true(&self, coroutine: Coroutine) -> bool {
        // SAFETY: anchored, and not running; reads only.
        unsafe {
            ffi::lua_type(coroutine.as_ptr(), -1) == ffi::LUA_TBOOLEAN
                && ffi::lua_toboolean(coroutine.as_ptr(), -1) != 0
        }
    }

    /// Whether the coroutine's topmost value is mlua's mark for "an async function is pending".
    pub(crate) fn awaits_mlua(&self, coroutine: Coroutine) -> bool {
        // SAFETY: anchored, and not running; reads only.
        unsafe { ffi::lua_touserdata(coroutine.as_ptr(), -1) == Lua::poll_pending().0 }
    }

    /// Pushes the traceback of a coroutine that does not run, from `level` on.
    pub(crate) fn push_traceback(&mut self, coroutine: Coroutine, level: c_int) {
        // SAFETY: anchored; room was reserved. May raise when memory runs out.
        unsafe { ffi::luaL_traceback(self.state, coroutine.as_ptr(), ptr::null(), level) }
    }
}
