//! The error of memory that has run out, as whoever catches it gets it.
//!
//! Lua has one text for it, which is there when nothing else can be made. Where a limit is the cause, the one that names it is made before, and
//! takes the place of Lua's where an error is caught.

use std::ffi::c_void;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua};

use super::{protect, protected};

/// Its address is the key under which the registry has that text.
static TEXT: u8 = 0;

fn key() -> *const c_void {
    (&raw const TEXT).cast()
}

/// The error `not enough memory` of this state says so from now on, for those who catch it.
///
/// # Errors
/// When memory runs out.
pub(crate) fn advise(lua: &Lua, advice: &str) -> mlua::Result<()> {
    let text = format!("not enough memory: {advice}");
    protected(lua, (), |stack| {
        if stack.reserve(2) {
            stack.push_bytes(text.as_bytes());
            // SAFETY: the text is on top of the stack, and popped.
            unsafe { ffi::lua_rawsetp(stack.state, ffi::LUA_REGISTRYINDEX, key()) };
        }
    })
    .map(drop)
}

/// Limits what a home state may take, in bytes; `advice` is what its error says besides `not enough memory`.
///
/// In Lua 5.4 and 5.5 `pcall` and `xpcall` are ours from then on: those who catch that error by them are told as well.
///
/// # Errors
/// When this Lua cannot limit its memory.
pub fn limit_memory(lua: &Lua, bytes: usize, advice: &str) -> mlua::Result<()> {
    advise(lua, advice)?;
    if let Some((pcall, xpcall)) = protect(lua)? {
        let globals = lua.globals();
        let ours: [(&str, Function); 2] = [("pcall", pcall), ("xpcall", xpcall)];
        for (name, function) in ours {
            globals.raw_set(name, function)?;
        }
    }
    lua.set_memory_limit(bytes).map(drop)
}

/// Puts that text in the place of the error on top, which was caught with this status. Takes no memory.
///
/// # Safety
/// A C function's stack, with an error on top.
pub(super) unsafe fn name_limit(state: *mut lua_State, status: i32) {
    // SAFETY: the same promise; room is made, which may fail, and then the error stays as it is.
    unsafe {
        if status != ffi::LUA_ERRMEM || ffi::lua_checkstack(state, 1) == 0 {
            return;
        }
        if ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, key()) == ffi::LUA_TSTRING {
            ffi::lua_replace(state, -2);
        } else {
            ffi::lua_pop(state, 1);
        }
    }
}
