//! The Lua stack, as shipping and scheduling need it: the one place for `unsafe` on Lua states.
//!
//! mlua's safe API has no upvalues and no coroutines without a handle each, and costs a reference per value. This
//! module gives the few dozen stack operations that the encoder, the decoder and the scheduler are made of. Their
//! contract, which makes each block below sound:
//!
//! - A [`Stack`] is made by [`protected`] alone, for the state that is running, and does not outlive that call. It
//!   is not `Send`, and a state is never touched from another thread.
//! - Operations that need a table or a function look at the type first and do nothing otherwise.
//! - Room on the stack is asked for with [`Stack::reserve`] before values are pushed.
//! - Some operations can raise (out of memory; a call). They leave by unwinding to [`protected`] over the frames in
//!   between, whose destructors may then not run. So code that runs inside [`protected`] keeps what it allocates in
//!   structures that its caller owns, and holds nothing that needs dropping across a raising operation. What is
//!   forgotten against this rule leaks; it does not dangle.
#![allow(unsafe_code)]

mod coroutine;
mod entry;
mod functions;
mod hook;
mod local;
mod memory;
mod objects;
mod position;
mod prototype;
mod refusal;
mod script_hooks;
#[cfg(unix)]
mod sigpipe;
mod switch;
mod type_name;
mod wrap;

use std::any::Any;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use mlua::ffi;
use mlua::{Lua, MultiValue};

pub(crate) use coroutine::{Coroutine, Resumed};
pub(crate) use entry::{CANNOT_PARK, Primitive, Went, closure, faces, wrong};
pub(crate) use functions::Unloadable;
pub(crate) use hook::{interrupt_hook, prepare_home, prepare_interrupts};
pub(crate) use local::{HomeSwitches, anchor, is_polled_by_executor, running, unprotected};
pub(crate) use memory::advise;
pub use memory::limit_memory;
pub(crate) use objects::object_of;
pub(crate) use position::{Position, is_being_closed, position};
pub(crate) use prototype::Prototypes;
pub(crate) use refusal::Refusals;
pub(crate) use script_hooks::{ctrl_c, guard_hooks};
#[cfg(unix)]
pub(crate) use sigpipe::without_sigpipe;
pub(crate) use switch::{Switches, protect};
pub(crate) use wrap::wrapper;

/// How many values a stack of this Lua has room for, as it is built by default.
#[cfg(not(any(feature = "lua51", feature = "luajit")))]
pub(crate) const STACK_LIMIT: c_int = 1_000_000;
/// How many values a C function of this Lua may have on the stack, as it is built by default.
#[cfg(any(feature = "lua51", feature = "luajit"))]
pub(crate) const STACK_LIMIT: c_int = 8000;

/// Where the registry of a state keeps a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(c_int);

/// The type of a value on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No value at this index.
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
    /// A type that this Lua adds (LuaJIT's cdata).
    Other,
}

/// A number as this Lua holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

/// The stack of the running state, for the length of one protected call.
pub(crate) struct Stack<'a> {
    state: *mut ffi::lua_State,
    _call: PhantomData<&'a mut ()>,
}

/// Runs `body` on the stack of `lua`, with `args` pushed as its first values. What the body leaves on the stack
/// is popped and returned.
///
/// # Errors
/// When an operation of the body raised.
pub(crate) fn protected(
    lua: &Lua,
    args: impl mlua::IntoLuaMulti,
    body: impl FnOnce(&mut Stack<'_>),
) -> mlua::Result<MultiValue> {
    // SAFETY: `exec_raw` runs the closure in a protected call on the current state; the stack wrapper borrows it for
    // that time only. The closure's captures are references (see the module's contract), so an unwinding leaks nothing.
    unsafe { lua.exec_raw(args, |state| body(&mut Stack { state, _call: PhantomData })) }
}

/// Runs `body` on an empty part of the stack of `lua`, in a protected call that is cheaper than [`protected`]: nothing goes
/// in or out by the stack.
///
/// # Errors
/// The text of the error, when an operation of the body raised.
pub(crate) fn protected_bare(lua: &Lua, body: &mut dyn FnMut(&mut Stack<'_>)) -> Result<(), String> {
    type Body<'a> = (&'a mut dyn FnMut(&mut Stack<'_>), Option<Box<dyn Any + Send>>);
    unsafe extern "C-unwind" fn call(state: *mut ffi::lua_State) -> c_int {
        // SAFETY: the pointer is the one that is passed below, to what lives until that call has returned. A panic is
        // kept for the other side: it must not unwind through Lua.
        unsafe {
            let body = ffi::lua_touserdata(state, 1).cast::<Body<'_>>();
            ffi::lua_settop(state, 0);
            let mut stack = Stack { state, _call: PhantomData };
            (*body).1 = catch_unwind(AssertUnwindSafe(|| ((*body).0)(&mut stack))).err();
        }
        0
    }
    let mut body: Body<'_> = (body, None);
    let failed = lua.exec_raw_lua(|raw| {
        let state = raw.state();
        // SAFETY: room is made for the function and its argument; the call leaves nothing, or an error, which is popped.
        unsafe {
            if ffi::lua_checkstack(state, 4) == 0 {
                return Some("the Lua stack is full".to_owned());
            }
            let argument: *mut c_void = (&raw mut body).cast();
            // In these, a C function takes memory, and where that has run out it raises, which nothing would catch.
            #[cfg(any(feature = "lua51", feature = "luajit"))]
            let status = ffi::lua_cpcall(state, call, argument);
            #[cfg(not(any(feature = "lua51", feature = "luajit")))]
            let status = {
                ffi::lua_pushcfunction(state, call);
                ffi::lua_pushlightuserdata(state, argument);
                ffi::lua_pcall(state, 1, 0, 0)
            };
            if status == ffi::LUA_OK {
                return None;
            }
            let mut len = 0;
            let text = ffi::lua_tolstring(state, -1, &mut len);
            let text = match text.is_null() {
                true => "an error without a text".to_owned(),
                false => {
                    String::from_utf8_lossy(std::slice::from_raw_parts(text.cast::<u8>(), len)).into_owned()
                }
            };
            ffi::lua_pop(state, 1);
            Some(text)
        }
    });
    if let Some(panic) = body.1.take() {
        resume_unwind(panic);
    }
    failed.map_or(Ok(()), Err)
}

impl Stack<'_> {
    /// Makes room for `n` more values. False when Lua's stack limit is reached.
    #[must_use]
    pub(crate) fn reserve(&mut self, n: c_int) -> bool {
        // SAFETY: the state is alive; lua_checkstack does not raise.
        unsafe { ffi::lua_checkstack(self.state, n) != 0 }
    }

    /// The number of values on the stack of this call.
    pub(crate) fn top(&self) -> c_int {
        // SAFETY: reads only.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Drops the topmost `n` values.
    pub(crate) fn pop(&mut self, n: c_int) {
        debug_assert!(n <= self.top());
        // SAFETY: at most as many as there are, by the assertion; the callers' pushes and pops are balanced.
        unsafe { ffi::lua_settop(self.state, -n - 1) }
    }

    /// Takes out the value at `index`.
    pub(crate) fn remove(&mut self, index: c_int) {
        debug_assert!(self.kind(index) != Kind::None);
        // SAFETY: the index is of a value on the stack.
        unsafe { ffi::lua_remove(self.state, index) }
    }

    /// Moves the value on top to `index`, and those from there on up by one.
    pub(crate) fn insert(&mut self, index: c_int) {
        debug_assert!(index > 0 && index <= self.top());
        // SAFETY: the index is of a value on the stack.
        unsafe { ffi::lua_rotate(self.state, index, 1) }
    }

    /// Moves the topmost `n` values to `index`, and those from there on up by `n`.
    pub(crate) fn insert_many(&mut self, index: c_int, n: c_int) {
        debug_assert!(index > 0 && index <= self.top() - n + 1);
        // SAFETY: the indices are of values on the stack.
        unsafe { ffi::lua_rotate(self.state, index, n) }
    }

    /// Drops the first `n` values.
    pub(crate) fn drop_bottom(&mut self, n: c_int) {
        debug_assert!(n <= self.top());
        // SAFETY: there are so many values; they are moved to the top, and dropped from there.
        unsafe {
            ffi::lua_rotate(self.state, 1, -n);
            ffi::lua_settop(self.state, -n - 1);
        }
    }

    /// Drops all values above the first `n`.
    pub(crate) fn truncate(&mut self, n: c_int) {
        debug_assert!(n <= self.top());
        // SAFETY: shrinks only.
        unsafe { ffi::lua_settop(self.state, n) }
    }

    /// Pops a value and puts it in the place of the one at `index`.
    pub(crate) fn replace(&mut self, index: c_int) {
        debug_assert!(index > 0 && index < self.top());
        // SAFETY: the index is of a value below the top.
        unsafe { ffi::lua_replace(self.state, index) }
    }

    /// The type of the value at `index`.
    pub(crate) fn kind(&self, index: c_int) -> Kind {
        // SAFETY: any acceptable index may be asked for; reads only.
        match unsafe { ffi::lua_type(self.state, index) } {
            ffi::LUA_TNONE => Kind::None,
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::Other,
        }
    }

    /// The boolean at `index`; false for anything else but true.
    pub(crate) fn boolean(&self, index: c_int) -> bool {
        self.kind(index) == Kind::Boolean
            // SAFETY: reads only.
            && unsafe { ffi::lua_toboolean(self.state, index) != 0 }
    }

    /// The number at `index`, which must be one; strings are not converted.
    pub(crate) fn number(&self, index: c_int) -> Number {
        // SAFETY: reads only; on something that is no number they give 0.
        unsafe {
            #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
            if ffi::lua_isinteger(self.state, index) != 0 {
                return Number::Integer(ffi::lua_tointegerx(self.state, index, ptr::null_mut()));
            }
            Number::Float(ffi::lua_tonumberx(self.state, index, ptr::null_mut()))
        }
    }

    /// The bytes of the string at `index`; empty for anything else. They live as long as nothing is popped.
    pub(crate) fn bytes(&self, index: c_int) -> &[u8] {
        if self.kind(index) != Kind::String {
            return &[];
        }
        let mut len = 0;
        // SAFETY: the value is a string, so this converts nothing and does not raise. The bytes belong to a string
        // that stays on the stack while the borrow of `self` lasts, since popping needs `&mut self`.
        unsafe {
            let data = ffi::lua_tolstring(self.state, index, &mut len);
            std::slice::from_raw_parts(data.cast::<u8>(), len)
        }
    }

    /// The bytes of the value at `index`, which is a string.
    pub(crate) fn string(&self, index: c_int) -> &[u8] {
        debug_assert_eq!(self.kind(index), Kind::String);
        let mut len = 0;
        // SAFETY: as in `bytes`. A number would be converted in place, another value give null: then there are no bytes.
        unsafe {
            let data = ffi::lua_tolstring(self.state, index, &mut len);
            if data.is_null() { &[] } else { std::slice::from_raw_parts(data.cast::<u8>(), len) }
        }
    }

    /// The identity of the table, function, userdata or thread at `index`.
    pub(crate) fn address(&self, index: c_int) -> usize {
        // SAFETY: reads only; the pointer is used as a number.
        unsafe { ffi::lua_topointer(self.state, index) as usize }
    }

    /// Whether the values at both indices are the same, without metamethods.
    pub(crate) fn same(&self, a: c_int, b: c_int) -> bool {
        // SAFETY: reads only; acceptable indices without a value compare as different.
        unsafe { ffi::lua_rawequal(self.state, a, b) != 0 }
    }

    pub(crate) fn push_nil(&mut self) {
        // SAFETY: room was reserved.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Pushes so many nils.
    pub(crate) fn push_nils(&mut self, n: c_int) {
        debug_assert!(n >= 0);
        // SAFETY: room was reserved.
        unsafe { ffi::lua_settop(self.state, ffi::lua_gettop(self.state) + n) }
    }

    pub(crate) fn push_boolean(&mut self, value: bool) {
        // SAFETY: room was reserved.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) }
    }

    pub(crate) fn push_number(&mut self, value: Number) {
        // SAFETY: room was reserved.
        unsafe {
            match value {
                #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
                Number::Integer(value) => ffi::lua_pushinteger(self.state, value),
                #[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
                Number::Integer(value) => ffi::lua_pushnumber(self.state, value as f64),
                Number::Float(value) => ffi::lua_pushnumber(self.state, value),
            }
        }
    }

    /// Pushes a string. May raise when memory runs out.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: room was reserved; Lua copies the bytes.
        unsafe {
            ffi::lua_pushlstring(self.state, bytes.as_ptr().cast::<c_char>(), bytes.len());
        }
    }

    /// Pushes a copy of the value at `index`.
    pub(crate) fn push_copy(&mut self, index: c_int) {
        // SAFETY: room was reserved; the callers pass indices of values they pushed.
        unsafe { ffi::lua_pushvalue(self.state, index) }
    }

    /// Pushes an empty table with room for `array` and `hash` entries. May raise when memory runs out.
    pub(crate) fn push_table(&mut self, array: c_int, hash: c_int) {
        // SAFETY: room was reserved.
        unsafe { ffi::lua_createtable(self.state, array.max(0), hash.max(0)) }
    }

    /// Pushes the table of global variables of this state.
    pub(crate) fn push_globals(&mut self) {
        // SAFETY: room was reserved; the table of globals always exists.
        unsafe {
            ffi::lua_pushglobaltable(self.state);
        }
    }

    /// Pushes a value that [`Stack::keep`] keeps.
    pub(crate) fn push_kept(&mut self, key: Key) {
        // SAFETY: room was reserved; the registry is a table.
        unsafe {
            ffi::lua_rawgeti(self.state, ffi::LUA_REGISTRYINDEX, key.0 as _);
        }
    }

    /// Keeps the value on top, and pops it, as long as the Lua state lives.
    pub(crate) fn keep(&mut self) -> Key {
        // SAFETY: a value is on top. May raise when memory runs out.
        Key(unsafe { ffi::luaL_ref(self.state, ffi::LUA_REGISTRYINDEX) })
    }

    /// Replaces the key on top by the next pair of the table at `table`; at the end only pops the key.
    /// The table must not be changed between the calls of one traversal.
    pub(crate) fn next(&mut self, table: c_int) -> bool {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table, and a key that came from it. (A key that is gone would raise, which is allowed here.)
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// Replaces the key on top by its value in the table at `table`, without metamethods.
    pub(crate) fn raw_get(&mut self, table: c_int) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table; the key is on top.
        unsafe {
            ffi::lua_rawget(self.state, table);
        }
    }

    /// Pushes entry `n` of the table at `table`, without metamethods, and tells its type.
    pub(crate) fn raw_get_index(&mut self, table: c_int, n: usize) -> Kind {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table; room was reserved.
        unsafe {
            ffi::lua_rawgeti(self.state, table, n as _);
        }
        self.kind(-1)
    }

    /// Pops a value and a key below it and sets them in the table at `table`, without metamethods. Refuses keys that
    /// Lua refuses (nil and NaN), and then only pops.
    pub(crate) fn raw_set(&mut self, table: c_int) -> bool {
        let key = self.kind(-2);
        let refused = matches!(key, Kind::Nil | Kind::None)
            || key == Kind::Number && matches!(self.number(-2), Number::Float(n) if n.is_nan());
        if refused || self.kind(table) != Kind::Table {
            self.pop(2);
            return false;
        }
        // SAFETY: a table, a key that Lua takes, and a value. May raise when memory runs out.
        unsafe { ffi::lua_rawset(self.state, table) }
        true
    }

    /// The same for a key that is a string, which Lua always takes.
    pub(crate) fn raw_set_field(&mut self, table: c_int) {
        debug_assert!(self.kind(table) == Kind::Table && self.kind(-2) == Kind::String);
        // SAFETY: a table, a key that Lua takes, and a value. May raise when memory runs out.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Pops a value and sets it as entry `n` of the table at `table`, without metamethods.
    pub(crate) fn raw_set_index(&mut self, table: c_int, n: usize) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table and a value. May raise when memory runs out.
        unsafe { ffi::lua_rawseti(self.state, table, n as _) }
    }

    /// Pushes the metatable of the value at `index`, if it has one.
    pub(crate) fn push_metatable(&mut self, index: c_int) -> bool {
        // SAFETY: room was reserved; pushes nothing when there is none.
        unsafe { ffi::lua_getmetatable(self.state, index) != 0 }
    }

    /// Pops a table and makes it the metatable of the table at `index`. If they are none, only pops.
    pub(crate) fn set_metatable(&mut self, index: c_int) -> bool {
        if self.kind(index) != Kind::Table || self.kind(-1) != Kind::Table {
            self.pop(1);
            return false;
        }
        // SAFETY: a table on top, for a table.
        unsafe {
            ffi::lua_setmetatable(self.state, index);
        }
        true
    }

    /// Pushes field `name` of the metatable of the value at `index`, if there is such a field.
    pub(crate) fn push_metafield(&mut self, index: c_int, name: &CStr) -> bool {
        if !self.push_metatable(index) {
            return false;
        }
        self.push_bytes(name.to_bytes());
        self.raw_get(-2);
        // SAFETY: the metatable below the field is taken out.
        unsafe { ffi::lua_remove(self.state, -2) };
        if self.kind(-1) == Kind::Nil {
            self.pop(1);
            return false;
        }
        true
    }

    /// Pushes the text of an error that a Rust function raised, or of its panic, if the value at the absolute `index` is
    /// one. mlua resumes a panic as soon as it sees it as a value, so this has to come first.
    pub(crate) fn push_failure_text(&mut self, index: c_int) -> bool {
        if !self.reserve(4) || !self.push_metafield(index, c"__type") {
            return false;
        }
        let failure = self.bytes(-1) == b"error";
        self.pop(1);
        if !failure || !self.push_metafield(index, c"__tostring") {
            return false;
        }
        self.push_copy(index);
        self.call(1, 1);
        true
    }
}

/// A new state with all libraries, the unsafe ones included: goroutines get what a stock interpreter has.
pub(crate) fn new_state() -> Lua {
    // SAFETY: the libraries can break Rust's guarantees only if a script asks for it (`debug`, C modules), as in any
    // stock interpreter; the documentation says so.
    unsafe { Lua::unsafe_new() }
}
