//! What a C library calls its type of userdata.

use std::ffi::c_int;

use mlua::ffi;

use super::{Kind, Stack};

impl Stack<'_> {
    /// Pushes the name of the type of the userdata at `index`, if it has one. Later Luas note it in the metatable; before, all
    /// there is is the name that the library has registered the metatable under.
    pub(crate) fn push_type_name(&mut self, index: c_int) -> bool {
        if !self.reserve(8) {
            return false;
        }
        self.push_metafield(index, c"__name")
            || cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit"))
                && self.push_registered_name(index)
    }

    fn push_registered_name(&mut self, index: c_int) -> bool {
        if !self.push_metatable(index) {
            return false;
        }
        let metatable = self.top();
        self.push_nil();
        // SAFETY: room was reserved; the registry is a table.
        unsafe { ffi::lua_pushvalue(self.state, ffi::LUA_REGISTRYINDEX) };
        let (name, registry) = (metatable + 1, metatable + 2);
        self.push_nil();
        while self.next(registry) {
            let found = self.same(registry + 2, metatable) && self.kind(registry + 1) == Kind::String;
            // Of several the same one each time, whatever order the registry has.
            if found && (self.kind(name) == Kind::Nil || self.bytes(registry + 1) < self.bytes(name)) {
                self.push_copy(registry + 1);
                self.replace(name);
            }
            self.pop(1);
        }
        self.pop(1);
        self.remove(metatable);
        let named = self.kind(-1) == Kind::String;
        if !named {
            self.pop(1);
        }
        named
    }
}
