//! Where functions stand in scripts.

use std::ffi::{CStr, c_char, c_int};

use mlua::{Lua, ffi};

use super::Stack;

/// A place in a script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The source as Lua shortens it, up to the zero byte.
    source: [c_char; SOURCE],
    pub(crate) line: c_int,
}

/// The room that Lua has for a shortened source.
const SOURCE: usize = 60;

impl Position {
    /// The file, or `[string "..."]`.
    pub(crate) fn source(&self) -> String {
        let bytes: Vec<u8> =
            self.source.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Where the script stands that has called the function at `level` of the running state's call stack, or is that function.
/// Level 0 is the running function.
pub(crate) fn position(lua: &Lua, level: usize) -> Option<Position> {
    lua.exec_raw_lua(|raw| position_in(raw.state(), level))
}

impl Stack<'_> {
    /// Where the script stands that has called the function at `level` of the call stack, or is that function.
    pub(crate) fn position(&self, level: usize) -> Option<Position> {
        position_in(self.state, level)
    }

    /// Whether the value at `index` is a Lua function of our own.
    pub(crate) fn is_ours(&mut self, index: c_int) -> bool {
        // SAFETY: a zeroed lua_Debug is what lua_getinfo fills, which takes the function that is pushed, for which room is made; its
        // source lives as long as the function.
        unsafe {
            if ffi::lua_type(self.state, index) != ffi::LUA_TFUNCTION
                || ffi::lua_checkstack(self.state, 1) == 0
            {
                return false;
            }
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            ffi::lua_pushvalue(self.state, index);
            ffi::lua_getinfo(self.state, c">S".as_ptr(), &mut record) != 0
                && CStr::from_ptr(record.source).to_bytes().starts_with(OURS)
        }
    }

    /// Pushes the function at `level` of the call stack, and tells the line where it stands: less than
    /// [`Stack::position`] tells, and faster. Pushes nothing if there is none.
    pub(crate) fn push_caller(&mut self, level: usize) -> Option<c_int> {
        // SAFETY: as in `position_in`; the function is pushed, for which room was reserved.
        unsafe {
            let mut record = std::mem::zeroed::<ffi::lua_Debug>();
            if ffi::lua_getstack(self.state, level as c_int, &mut record) == 0
                || ffi::lua_getinfo(self.state, c"fl".as_ptr(), &mut record) == 0
            {
                return None;
            }
            Some(record.currentline)
        }
    }
}

/// Whether the state's closing has called what runs: a finalizer, or the `__close` of a variable.
///
/// Lua does not say so. But when it closes a state it has thrown away the call stack, so that the outermost function is the
/// one that it calls, by the name of that metamethod; while a script runs, the outermost one is the script, or the host's.
/// (Where a host collects garbage while no Lua runs, the outermost function is a finalizer, too.) Lua 5.1 and LuaJIT
/// have no names for these calls, nor Lua 5.4 before 5.4.4.
pub(crate) fn is_being_closed(lua: &Lua) -> bool {
    lua.exec_raw_lua(|raw| {
        let state = raw.state();
        // SAFETY: a zeroed lua_Debug is what lua_getstack fills; the state is the running one, and what lua_pushthread
        // pushes, for which there is room made, is popped.
        unsafe {
            if cfg!(not(feature = "lua54")) || ffi::lua_checkstack(state, 1) == 0 {
                return false;
            }
            let main = ffi::lua_pushthread(state) != 0;
            ffi::lua_pop(state, 1);
            if !main {
                return false; // a coroutine, and whoever has resumed it is not known
            }
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            // The number of frames is looked for as one looks for the end of a file: finding a frame takes as long as
            // it is deep.
            let mut beyond = 1;
            while ffi::lua_getstack(state, beyond, &mut record) != 0 {
                beyond *= 2;
            }
            let mut outermost = beyond / 2;
            while outermost + 1 < beyond {
                let middle = outermost + (beyond - outermost) / 2;
                match ffi::lua_getstack(state, middle, &mut record) {
                    0 => beyond = middle,
                    _ => outermost = middle,
                }
            }
            if ffi::lua_getstack(state, outermost, &mut record) == 0
                || ffi::lua_getinfo(state, c"n".as_ptr(), &mut record) == 0
                || record.name.is_null()
            {
                return false;
            }
            CStr::from_ptr(record.namewhat) == c"metamethod"
                && matches!(CStr::from_ptr(record.name).to_bytes(), b"__gc" | b"close" | b"__close")
        }
    })
}

/// How many frames are looked through for a line.
const FRAMES: c_int = 100;

/// Pushes `file:line: ` for the innermost frame of the script's on the call stack, below the C function that runs; the empty
/// string if there is none. C functions have no line, our own Lua functions none that helps, and a frame that made
/// a tail call is gone (but where it called a C function): then it is the nearest that is still there.
pub(super) unsafe fn push_where(state: *mut ffi::lua_State) {
    // SAFETY: a zeroed lua_Debug is what lua_getstack fills; its strings live as long as the function on the call stack. The
    // caller's C function has room for the text.
    unsafe {
        for level in 1..FRAMES {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(state, level, &mut record) == 0 {
                break;
            }
            if ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut record) == 0
                || record.currentline <= 0
                || CStr::from_ptr(record.source).to_bytes().starts_with(OURS)
            {
                continue;
            }
            ffi::lua_pushfstring(state, c"%s:%d: ".as_ptr(), record.short_src.as_ptr(), record.currentline);
            return;
        }
        ffi::lua_pushlstring(state, c"".as_ptr(), 0);
    }
}

/// What the names of our own chunks begin with.
const OURS: &[u8] = b"=[goroutine:";

/// Whether the function of `record`, which Lua has given to a hook, is one of our own.
///
/// # Safety
/// That is where `record` comes from.
pub(super) unsafe fn is_ours(state: *mut ffi::lua_State, record: *mut ffi::lua_Debug) -> bool {
    // SAFETY: the caller's promise; the source's name lives as long as the function.
    unsafe { is_ours_by_source(state, record) }
}

/// The same for a record that `lua_getstack` has filled.
///
/// # Safety
/// That is where `record` comes from.
pub(super) unsafe fn is_ours_by_source(state: *mut ffi::lua_State, record: *mut ffi::lua_Debug) -> bool {
    // SAFETY: the same promise.
    unsafe {
        ffi::lua_getinfo(state, c"S".as_ptr(), record) != 0
            && CStr::from_ptr((*record).source).to_bytes().starts_with(OURS)
    }
}

/// The innermost frame of the script's, from `level` on: C functions have no line, and our own functions none that helps.
fn position_in(state: *mut ffi::lua_State, level: usize) -> Option<Position> {
    // SAFETY: a zeroed lua_Debug is what lua_getstack fills; the state is the running one. The source's name lives as long as
    // the function on the call stack.
    unsafe {
        let level = c_int::try_from(level).ok()?;
        for level in level..level.saturating_add(FRAMES) {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(state, level, &mut record) == 0
                || ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut record) == 0
            {
                return None;
            }
            if record.currentline < 0 || CStr::from_ptr(record.source).to_bytes().starts_with(OURS) {
                continue;
            }
            // What lies behind the zero byte is of no meaning, and must not make two places differ.
            let end = record.short_src.iter().position(|byte| *byte == 0).unwrap_or(SOURCE);
            record.short_src[end..].fill(0);
            return Some(Position { source: record.short_src, line: record.currentline });
        }
        None
    }
}
