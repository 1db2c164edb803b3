//! What an isolate has under `debug.sethook`, `debug.gethook` and `coroutine.create`: Lua's own, and what keeps a hook of the script's and
//! the one that interrupts goroutines from getting in each other's way.
//!
//! A signal may come while Lua's own function is setting a hook, and displace what is half there; or just before, so that a new
//! coroutine inherits the hook that interrupts, and not the one that it stands in for. Both are put right after the fact.

use std::ffi::{c_int, c_void};

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Value};

use super::hook::{is_hooked, set_hook};
use super::protected;

/// Replaces these in this isolate, unless the host has put something of its own in their place.
pub(crate) fn guard_hooks(lua: &Lua) -> mlua::Result<()> {
    let replace =
        |library: &str, name: &str, function: ffi::lua_CFunction, learn: bool| -> mlua::Result<()> {
            let Value::Table(library) = lua.globals().raw_get(library)? else {
                return Ok(());
            };
            if let Some(own) = library.raw_get::<Option<Function>>(name)?
                && let Some(guarded) = guarded(lua, &own, function, learn)?
            {
                library.raw_set(name, guarded)?;
            }
            Ok(())
        };
    replace("debug", "sethook", sethook, true)?;
    replace("debug", "gethook", gethook, false)?;
    // LuaJIT has one hook for all coroutines.
    #[cfg(not(feature = "luajit"))]
    replace("coroutine", "create", create, false)?;
    Ok(())
}

/// `function`, with Lua's own as its first upvalue, and what that installs as its second. `None` if it is no C function without
/// variables.
fn guarded(
    lua: &Lua,
    own: &Function,
    function: ffi::lua_CFunction,
    learn: bool,
) -> mlua::Result<Option<Function>> {
    let made = protected(lua, own, |stack| {
        let state = stack.state;
        // SAFETY: room for what is pushed is made. The new thread is on the stack while its hook is set and removed, and does not
        // run; nothing else runs meanwhile.
        unsafe {
            if ffi::lua_checkstack(state, 8) == 0 {
                return;
            }
            let plain =
                ffi::lua_tocfunction(state, 1).is_some() && ffi::lua_getupvalue(state, 1, 1).is_null();
            if !plain {
                return ffi::lua_settop(state, 0);
            }
            let mut installed: *mut c_void = std::ptr::null_mut();
            if learn {
                ffi::lua_pushvalue(state, 1);
                let thread = ffi::lua_newthread(state);
                ffi::lua_pushvalue(state, 1); // any function
                ffi::lua_pushstring(state, c"".as_ptr());
                ffi::lua_pushinteger(state, 1);
                if ffi::lua_pcall(state, 4, 0, 0) == ffi::LUA_OK {
                    installed = ffi::lua_gethook(thread).map_or(installed, |hook| hook as *mut c_void);
                    ffi::lua_sethook(thread, None, 0, 0);
                }
            }
            ffi::lua_settop(state, 1);
            ffi::lua_pushlightuserdata(state, installed);
            ffi::lua_pushcclosure(state, function, 2);
        }
    })?;
    let made = made.into_iter().next();
    Ok(made.and_then(|value| value.as_function().cloned()))
}

/// Calls the first upvalue in the place of the running function: with its arguments, and as it is seen on the call stack.
unsafe fn call_own(state: *mut lua_State) -> c_int {
    // SAFETY: `guarded` has put a C function there that has no upvalues of its own, so it does not miss them. If it raises, nothing
    // is left that needs dropping.
    unsafe {
        match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(1)) {
            Some(own) => own(state),
            None => 0,
        }
    }
}

/// `debug.sethook([thread,] hook, mask [, count])`.
unsafe extern "C-unwind" fn sethook(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack. A thread that is an argument may be dropped from the stack by the call, but is kept by the table
    // of hooks, or has none then; it is not collected before the next allocation, and nothing allocates after the call.
    unsafe {
        let other = ffi::lua_tothread(state, 1);
        let first = c_int::from(!other.is_null());
        let of = if other.is_null() { state } else { other };
        let mut mask = 0;
        if ffi::lua_type(state, first + 1) == ffi::LUA_TFUNCTION {
            let mut length = 0;
            // A number here is text without a letter that counts.
            if ffi::lua_type(state, first + 2) == ffi::LUA_TSTRING {
                let text = ffi::lua_tolstring(state, first + 2, &mut length).cast::<u8>();
                for letter in
                    std::slice::from_raw_parts(text, length).split(|byte| *byte == 0).next().unwrap_or(&[])
                {
                    mask |= match letter {
                        b'c' => ffi::LUA_MASKCALL,
                        b'r' => ffi::LUA_MASKRET,
                        b'l' => ffi::LUA_MASKLINE,
                        _ => 0,
                    };
                }
            }
        }
        let count = ffi::lua_tointegerx(state, first + 3, std::ptr::null_mut()) as c_int;
        if ffi::lua_type(state, first + 1) == ffi::LUA_TFUNCTION && count > 0 {
            mask |= ffi::LUA_MASKCOUNT;
        }
        let results = call_own(state);
        let installed = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2));
        if mask == 0 || installed.is_null() {
            set_hook(state, of, None, 0, 0);
        } else {
            let installed: ffi::lua_Hook = std::mem::transmute(installed);
            set_hook(state, of, Some(installed), mask, count);
        }
        results
    }
}

/// `debug.gethook([thread])`: the hook that interrupts is none of the script's. Where there is none at all, Lua's own may still know of a
/// function: one that was set for a goroutine that has ended, or, in LuaJIT, the one with which `guarded` has looked.
unsafe extern "C-unwind" fn gethook(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack, which has room for some values; a thread among the arguments stays there.
    unsafe {
        let other = ffi::lua_tothread(state, 1);
        if is_hooked(if other.is_null() { state } else { other }) {
            return call_own(state);
        }
        ffi::lua_pushnil(state);
        if cfg!(any(feature = "lua54", feature = "lua55")) {
            return 1;
        }
        ffi::lua_pushstring(state, c"".as_ptr());
        ffi::lua_pushinteger(state, 0);
        3
    }
}

/// `coroutine.create(function)`.
#[cfg(not(feature = "luajit"))]
unsafe extern "C-unwind" fn create(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack, on which the new coroutine is the last value.
    unsafe {
        let results = call_own(state);
        let inner = ffi::lua_tothread(state, -1);
        if !inner.is_null() {
            super::hook::inherit_hook(state, inner);
        }
        results
    }
}

/// Whether Ctrl-C was pressed since this was called, in an interpreter which then sets a hook that raises an error. It is taken away, for one
/// who raises the error in its place.
pub(crate) fn ctrl_c(lua: &Lua) -> impl Fn() -> bool {
    let before = interpreter_hook(lua);
    move || {
        let hook = interpreter_hook(lua);
        let pressed = hook.is_some() && hook != before;
        if pressed {
            // SAFETY: the hook itself does the same when it is called. It is not running.
            lua.exec_raw_lua(|raw| unsafe { ffi::lua_sethook(main_coroutine(raw.state()), None, 0, 0) });
        }
        pressed
    }
}

/// The hook that an interpreter sets in its main coroutine: it is to be called at all that may come next. Known by that.
fn interpreter_hook(lua: &Lua) -> Option<usize> {
    const SOON: c_int = ffi::LUA_MASKCALL | ffi::LUA_MASKRET | ffi::LUA_MASKCOUNT;
    // SAFETY: reads only.
    lua.exec_raw_lua(|raw| unsafe {
        let main = main_coroutine(raw.state());
        let soon = ffi::lua_gethookmask(main) & SOON == SOON && ffi::lua_gethookcount(main) == 1;
        ffi::lua_gethook(main).filter(|_| soon).map(|hook| hook as usize)
    })
}

/// The main coroutine, where Lua says which it is. Lua 5.1 does not; LuaJIT has one hook for all.
///
/// # Safety
/// `state` is alive, and runs on this thread.
unsafe fn main_coroutine(state: *mut lua_State) -> *mut lua_State {
    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
    // SAFETY: the main coroutine lives as long as the state; what is pushed, for which there is room, is popped.
    unsafe {
        if ffi::lua_checkstack(state, 1) != 0 {
            ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, ffi::LUA_RIDX_MAINTHREAD);
            let main = ffi::lua_tothread(state, -1);
            ffi::lua_pop(state, 1);
            if !main.is_null() {
                return main;
            }
        }
    }
    state
}
