//! Errors that read as if a standard function had raised them, where a function of ours has its place.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua};

use super::position::is_ours_by_source;

/// The functions of this file, for our own Lua code. Both raise, and are to be called in the very function that the script has
/// called: not in one that has been called by a tail call.
pub(crate) struct Refusals {
    /// `refuse(_, error, method)`: raises what a standard function has raised that was called by `pcall`, which has given the first
    /// two values. Such a function knows neither its name nor who has called it, and so the text lacks them. `method`: its text
    /// counts the arguments of a method, where the object itself is none.
    pub(crate) refuse: Function,
    /// `blame(message)`: raises it with the position of the script's call in front.
    pub(crate) blame: Function,
}

impl Refusals {
    pub(crate) fn new(lua: &Lua) -> mlua::Result<Self> {
        // SAFETY: C functions without upvalues, which read their arguments alone.
        unsafe { Ok(Self { refuse: lua.create_c_function(refuse)?, blame: lua.create_c_function(blame)? }) }
    }
}

unsafe extern "C-unwind" fn refuse(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack, with the error as its second value. `retold` pushes a text and holds nothing afterwards.
    unsafe {
        ffi::lua_settop(state, 3);
        let method = ffi::lua_toboolean(state, 3) != 0;
        ffi::lua_settop(state, 2);
        if ffi::lua_type(state, 2) == ffi::LUA_TSTRING && ffi::lua_checkstack(state, 16) != 0 {
            retold(state, 2, Some(i64::from(method)));
        }
        ffi::lua_error(state)
    }
}

unsafe extern "C-unwind" fn blame(state: *mut lua_State) -> c_int {
    // SAFETY: as in `refuse`; the argument is a string.
    unsafe {
        ffi::lua_settop(state, 1);
        if ffi::lua_checkstack(state, 16) != 0 {
            retold(state, 1, None);
        }
        ffi::lua_error(state)
    }
}

/// Pushes the message at `index`, with what it lacks. `objects`: how many arguments it does not count, if it is about one.
unsafe fn retold(state: *mut lua_State, index: c_int, objects: Option<i64>) {
    // SAFETY: there is room, and the value is a string. The strings of a record live as long as its function is on the call stack.
    // What may raise, when memory runs out, leaks the text.
    unsafe {
        let mut length = 0;
        let bytes = ffi::lua_tolstring(state, index, &mut length);
        let message = std::slice::from_raw_parts(bytes.cast::<u8>(), length);
        let mut level = 1;
        let mut record: ffi::lua_Debug = std::mem::zeroed();
        while ffi::lua_getstack(state, level, &mut record) != 0
            && (is_ours_by_source(state, &mut record) || is_tail_call(&record))
        {
            level += 1;
        }
        let mut text = Vec::new();
        // Only Lua code has lines, and only it is the caller: not, say, pcall.
        if ffi::lua_getstack(state, level, &mut record) != 0
            && ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut record) != 0
            && record.currentline > 0
        {
            text.extend(CStr::from_ptr(record.short_src.as_ptr()).to_bytes());
            text.extend(format!(":{}: ", record.currentline).into_bytes());
        }
        match objects.and_then(|objects| Argument::of(message, objects)) {
            None => text.extend(message),
            Some(argument) => argument.tell(state, level - 1, &mut text),
        }
        ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
    }
}

/// Whether this stands for functions of ours that have made tail calls: in Lua 5.1 they leave a mark.
fn is_tail_call(record: &ffi::lua_Debug) -> bool {
    // SAFETY: `is_ours_by_source` has asked for the source, which lives as long as the function on the call stack.
    cfg!(feature = "lua51") && unsafe { CStr::from_ptr(record.source) } == c"=(tail call)"
}

/// What a message says about a wrong argument.
struct Argument<'a> {
    number: i64,
    /// What is wrong, in parentheses.
    why: &'a [u8],
}

impl<'a> Argument<'a> {
    /// Of `bad argument #1 to '?' (number expected, got no value)`, or `calling '?' on bad self (FILE* expected, got nil)`.
    fn of(message: &'a [u8], objects: i64) -> Option<Self> {
        let (number, rest) = match message.strip_prefix(b"bad argument #") {
            None => (0, message.strip_prefix(b"calling '")?),
            Some(rest) => {
                let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
                let number: i64 = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
                (number, rest[digits..].strip_prefix(b" to '")?)
            }
        };
        let quote = rest.iter().position(|byte| *byte == b'\'')?;
        let why = quote + rest[quote..].iter().position(|byte| *byte == b'(')?;
        Some(Self { number: number.saturating_add(objects), why: &rest[why..] })
    }

    /// Writes what `luaL_argerror` does in the function at this level of the call stack.
    unsafe fn tell(&self, state: *mut lua_State, level: c_int, text: &mut Vec<u8>) {
        // SAFETY: as in `retold`.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            let known = ffi::lua_getstack(state, level, &mut record) != 0
                && ffi::lua_getinfo(state, c"nf".as_ptr(), &mut record) != 0;
            let mut name = b"?".to_vec();
            let mut number = self.number;
            if known {
                if !record.name.is_null() {
                    name = CStr::from_ptr(record.name).to_bytes().to_vec();
                    if CStr::from_ptr(record.namewhat) == c"method" {
                        number -= 1;
                    }
                } else if let Some(found) = name_of_library(state) {
                    name = found;
                }
                ffi::lua_pop(state, 1);
            }
            if number == 0 {
                text.extend(b"calling '");
                text.extend(name);
                text.extend(b"' on bad self ");
            } else {
                text.extend(format!("bad argument #{number} to '").into_bytes());
                text.extend(name);
                text.extend(b"' ");
            }
            text.extend(self.why);
        }
    }
}

/// The name by which the function on top of the stack is found in `package.loaded`, as later Luas tell it: `io.popen`.
unsafe fn name_of_library(state: *mut lua_State) -> Option<Vec<u8>> {
    if cfg!(any(feature = "lua51", feature = "luajit")) {
        return None;
    }
    // SAFETY: there is room for a few values more, and all that is pushed is popped. The tables are read alone; `lua_next` raises
    // for a key that is none of the table's only.
    unsafe {
        let function = ffi::lua_gettop(state);
        ffi::lua_pushstring(state, c"_LOADED".as_ptr());
        ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX);
        let mut found = None;
        if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
            ffi::lua_pushnil(state);
            while found.is_none() && ffi::lua_next(state, function + 1) != 0 {
                found = in_library(state, function);
                ffi::lua_settop(state, function + 2);
            }
        }
        ffi::lua_settop(state, function);
        found
    }
}

/// The name of the function at `function` in the library whose name and table are on top.
unsafe fn in_library(state: *mut lua_State, function: c_int) -> Option<Vec<u8>> {
    // SAFETY: as in `name_of_library`. Only keys that are strings are read as such: reading turns numbers into strings.
    unsafe {
        let library = ffi::lua_gettop(state);
        if ffi::lua_type(state, library - 1) != ffi::LUA_TSTRING
            || ffi::lua_type(state, library) != ffi::LUA_TTABLE
        {
            return None;
        }
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, library) != 0 {
            if ffi::lua_type(state, -2) == ffi::LUA_TSTRING && ffi::lua_rawequal(state, -1, function) != 0 {
                let [of, name] = [library - 1, library + 1].map(|index| {
                    CStr::from_ptr(ffi::lua_tolstring(state, index, std::ptr::null_mut())).to_bytes().to_vec()
                });
                let bare = of == b"_G" && cfg!(not(feature = "lua52"));
                return Some(if bare { name } else { [of, name].join(&b'.') });
            }
            ffi::lua_pop(state, 1);
        }
        None
    }
}
