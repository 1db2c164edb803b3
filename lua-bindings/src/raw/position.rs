//! Where functions stand in scripts.

use std::ffi::{c_char, c_int};

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

/// Where the function at `level` of the running state's call stack stands. Level 0 is the running function.
pub(crate) fn position(lua: &Lua, level: usize) -> Option<Position> {
    lua.exec_raw_lua(|raw| position_in(raw.state(), level))
}

impl Stack<'_> {
    /// Where the function at `level` of the call stack stands. Level 0 is the running function.
    pub(crate) fn position(&self, level: usize) -> Option<Position> {
        position_in(self.state, level)
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

fn position_in(state: *mut ffi::lua_State, level: usize) -> Option<Position> {
    // SAFETY: a zeroed lua_Debug is what lua_getstack fills; the state is the running one.
    unsafe {
        let mut record: ffi::lua_Debug = std::mem::zeroed();
        if ffi::lua_getstack(state, level as c_int, &mut record) == 0
            || ffi::lua_getinfo(state, c"Sl".as_ptr(), &mut record) == 0
            || record.currentline < 0
        {
            return None;
        }
        // What lies behind the zero byte is of no meaning, and must not make two places differ.
        let end = record.short_src.iter().position(|byte| *byte == 0).unwrap_or(SOURCE);
        record.short_src[end..].fill(0);
        Some(Position { source: record.short_src, line: record.currentline })
    }
}
