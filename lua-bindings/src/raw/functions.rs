//! Functions: their captured variables, their code, and calls.

use std::ffi::{CStr, c_char, c_int, c_void};

use mlua::ffi;

use super::{Kind, Stack};

/// What tells and joins the variables behind upvalues. Lua 5.1 has no such functions; LuaJIT has them since its version 2.0,
/// and mlua does not know.
mod joining {
    #[cfg(feature = "luajit")]
    unsafe extern "C-unwind" {
        pub(super) fn lua_upvalueid(
            state: *mut super::ffi::lua_State,
            function: super::c_int,
            n: super::c_int,
        ) -> *mut super::c_void;
        pub(super) fn lua_upvaluejoin(
            state: *mut super::ffi::lua_State,
            function: super::c_int,
            n: super::c_int,
            other: super::c_int,
            m: super::c_int,
        );
    }
    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
    pub(super) use super::ffi::{lua_upvalueid, lua_upvaluejoin};
}

/// Why bytecode was not loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unloadable {
    /// There is not enough of it.
    Memory,
    /// This Lua does not take it.
    Code,
}

impl Stack<'_> {
    /// Whether the value at `index` is a function written in C (or Rust).
    pub(crate) fn is_c_function(&self, index: c_int) -> bool {
        // SAFETY: reads only.
        unsafe { ffi::lua_iscfunction(self.state, index) != 0 }
    }

    /// Pushes upvalue `n` (from 1) of the Lua function at `function`, if it has so many.
    pub(crate) fn push_upvalue(&mut self, function: c_int, n: c_int) -> bool {
        if self.kind(function) != Kind::Function {
            return false;
        }
        // SAFETY: a function; pushes nothing when there is no such upvalue.
        unsafe { !ffi::lua_getupvalue(self.state, function, n).is_null() }
    }

    /// The debug name of upvalue `n` (from 1) of the function at `function`.
    pub(crate) fn upvalue_name(&mut self, function: c_int, n: c_int) -> Option<String> {
        if self.kind(function) != Kind::Function {
            return None;
        }
        // SAFETY: a function; the name is copied before the value is popped, and it is a C string that Lua owns.
        unsafe {
            let name = ffi::lua_getupvalue(self.state, function, n);
            if name.is_null() {
                return None;
            }
            let copy = CStr::from_ptr(name).to_string_lossy().into_owned();
            self.pop(1);
            Some(copy)
        }
    }

    /// Pops a value into upvalue `n` (from 1) of the function at `function`. Without such an upvalue only pops.
    pub(crate) fn set_upvalue(&mut self, function: c_int, n: c_int) -> bool {
        if self.kind(function) != Kind::Function {
            self.pop(1);
            return false;
        }
        // SAFETY: a function and a value; lua_setupvalue pops nothing when there is no such upvalue.
        let set = unsafe { !ffi::lua_setupvalue(self.state, function, n).is_null() };
        if !set {
            self.pop(1);
        }
        set
    }

    /// The identity of the variable behind upvalue `n` of the Lua function at `function`, which has so many; 0 where this
    /// Lua cannot tell.
    pub(crate) fn upvalue_id(&self, function: c_int, n: c_int) -> usize {
        #[cfg(not(feature = "lua51"))]
        if self.kind(function) == Kind::Function {
            // SAFETY: a function, and it has that upvalue: Lua before 5.4 would read past its end.
            return unsafe { joining::lua_upvalueid(self.state, function, n) as usize };
        }
        let _ = (function, n);
        0
    }

    /// Makes upvalue `n` of the Lua function at `function` the same variable as upvalue `m` of that at `other`.
    pub(crate) fn join_upvalue(&mut self, function: c_int, n: c_int, other: c_int, m: c_int) -> bool {
        #[cfg(not(feature = "lua51"))]
        if !self.is_c_function(function)
            && !self.is_c_function(other)
            && self.has_upvalue(function, n)
            && self.has_upvalue(other, m)
        {
            // SAFETY: both are Lua functions and have these upvalues, as was just looked up.
            unsafe { joining::lua_upvaluejoin(self.state, function, n, other, m) };
            return true;
        }
        let _ = (function, n, other, m);
        false
    }

    #[cfg(not(feature = "lua51"))]
    fn has_upvalue(&mut self, function: c_int, n: c_int) -> bool {
        let has = self.push_upvalue(function, n);
        if has {
            self.pop(1);
        }
        has
    }

    /// Pushes the environment of the function at `index` (Lua 5.1 and LuaJIT, whose functions have one).
    #[cfg(any(feature = "lua51", feature = "luajit"))]
    pub(crate) fn push_environment(&mut self, index: c_int) {
        // SAFETY: room was reserved; pushes nil for values that have none.
        unsafe { ffi::lua_getfenv(self.state, index) }
    }

    /// Pops a table and makes it the environment of the function at `index` (Lua 5.1 and LuaJIT).
    #[cfg(any(feature = "lua51", feature = "luajit"))]
    pub(crate) fn set_environment(&mut self, index: c_int) {
        if self.kind(index) != Kind::Function || self.kind(-1) != Kind::Table {
            self.pop(1);
            return;
        }
        // SAFETY: a function, and a table on top.
        unsafe {
            ffi::lua_setfenv(self.state, index);
        }
    }

    /// Appends the bytecode of the Lua function on top to `out`, debug information included. False for a C function.
    pub(crate) fn dump(&mut self, out: &mut Vec<u8>) -> bool {
        unsafe extern "C-unwind" fn append(
            _state: *mut ffi::lua_State,
            data: *const c_void,
            len: usize,
            out: *mut c_void,
        ) -> c_int {
            // SAFETY: `out` is the vector passed to lua_dump below, and Lua lends `len` bytes for this call.
            unsafe {
                let out = &mut *out.cast::<Vec<u8>>();
                match len {
                    0 => {}
                    1 => out.push(*data.cast()), // most of a dump comes in single bytes
                    _ => out.extend_from_slice(std::slice::from_raw_parts(data.cast(), len)),
                }
            }
            0
        }
        if self.kind(-1) != Kind::Function || self.is_c_function(-1) {
            return false;
        }
        let out: *mut Vec<u8> = out;
        // SAFETY: a Lua function on top; the writer gets the vector back as it is passed here.
        unsafe { ffi::lua_dump(self.state, append, out.cast(), 0) == 0 }
    }

    /// Pushes the function whose bytecode this is. On failure nothing is pushed.
    ///
    /// The bytes must come from [`Stack::dump`] of the same Lua: Lua does not check bytecode.
    pub(crate) fn load(&mut self, bytecode: &[u8]) -> Result<(), Unloadable> {
        // SAFETY: Lua reads `len` bytes and keeps none. That the bytecode is what this Lua has dumped is the
        // caller's part: code comes into a packet through `dump` alone.
        let status = unsafe {
            ffi::luaL_loadbufferx(
                self.state,
                bytecode.as_ptr().cast::<c_char>(),
                bytecode.len(),
                c"=goroutine".as_ptr(),
                c"b".as_ptr(),
            )
        };
        if status == ffi::LUA_OK {
            return Ok(());
        }
        self.pop(1);
        Err(if status == ffi::LUA_ERRMEM { Unloadable::Memory } else { Unloadable::Code })
    }

    /// Calls the function below its `args` arguments; leaves `results` values. Raises what the function raises.
    pub(crate) fn call(&mut self, args: c_int, results: c_int) {
        // SAFETY: the callers have pushed the function and so many arguments.
        unsafe { ffi::lua_call(self.state, args, results) }
    }

    /// The same, but an error is left on top in the place of the results, and gives false. The function cannot yield.
    pub(crate) fn try_call(&mut self, args: c_int, results: c_int) -> bool {
        // SAFETY: as in `call`; lua_pcall does not raise.
        unsafe { ffi::lua_pcall(self.state, args, results, 0) == ffi::LUA_OK }
    }
}
