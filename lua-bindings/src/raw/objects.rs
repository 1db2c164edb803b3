//! Reference objects as userdata of our own.
//!
//! mlua's userdata cost a protected call and a reference each, which is most of what starting a goroutine took. Ours is
//! a block of memory with an [`Object`] in it, and a metatable that is marked as made here.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::ffi;
use mlua::{AnyUserData, Lua};

use super::Stack;
use super::local::sweep_home;
use crate::object::Object;
use crate::places::Places;

/// The contents of such a userdata; empty once it has been collected.
type Block = Option<Object>;

/// Its address, as a light userdata, is what our metatables, and no others, have at [`MARKED`].
static MARK: u8 = 0;

/// A place in the array of a metatable, which takes a third of the time to look at that a key of another kind takes.
const MARKED: ffi::lua_Integer = 1;

fn mark() -> *const c_void {
    (&raw const MARK).cast()
}

impl Stack<'_> {
    /// Makes the table on top a metatable of reference objects: marks it, and gives it a finalizer. `places`: those of
    /// handles, which are taken.
    pub(crate) fn adopt_object_metatable(&mut self, places: &mut Option<Rc<Places>>) {
        // SAFETY: the callers push a table and have reserved room; each push below is popped by what follows it. The block is
        // written before the metatable makes it known to the collector.
        unsafe {
            ffi::lua_pushlightuserdata(self.state, mark().cast_mut());
            ffi::lua_rawseti(self.state, -2, MARKED as _);
            ffi::lua_pushstring(self.state, c"__gc".as_ptr());
            ffi::lua_pushlightuserdata(self.state, ffi::lua_topointer(self.state, -2).cast_mut());
            let block = new_block::<Rc<Places>>(self.state);
            block.write(None);
            ffi::lua_createtable(self.state, 0, 1);
            ffi::lua_pushstring(self.state, c"__gc".as_ptr());
            ffi::lua_pushcclosure(self.state, release, 0);
            ffi::lua_rawset(self.state, -3);
            ffi::lua_setmetatable(self.state, -2);
            *block = places.take();
            ffi::lua_pushcclosure(self.state, collect, 2);
            ffi::lua_rawset(self.state, -3);
        }
    }

    /// Pushes a new userdata with this object, and the table at `metatable` as its metatable.
    pub(crate) fn push_object(&mut self, object: Object, metatable: c_int) {
        // SAFETY: room was reserved. The block is as large and as aligned as a `Block` has to be (Lua aligns to 8 at
        // least), and is written before it gets the metatable by which it is known. When memory runs out, `object` leaks.
        unsafe {
            new_block::<Object>(self.state).write(Some(object));
            ffi::lua_pushvalue(self.state, metatable);
            ffi::lua_setmetatable(self.state, -2);
        }
    }

    /// Tells the collector of memory that it does not see, as if Lua had allocated it. May raise when memory runs out.
    pub(crate) fn collect_for(&mut self, bytes: usize) {
        /// 5.5 counts bytes, the others kilobytes.
        #[cfg(feature = "lua55")]
        const UNIT: usize = 1;
        #[cfg(not(feature = "lua55"))]
        const UNIT: usize = 1024;
        /// LuaJIT has this number, too. 5.1 does not know it, nor tells in another way whether a script has stopped its
        /// collector, which a step would start again: there nothing is done.
        #[cfg(not(any(feature = "lua51", feature = "luajit")))]
        const IS_RUNNING: c_int = ffi::LUA_GCISRUNNING;
        #[cfg(any(feature = "lua51", feature = "luajit"))]
        const IS_RUNNING: c_int = 9;
        #[cfg(feature = "lua55")]
        type Amount = usize;
        #[cfg(not(feature = "lua55"))]
        type Amount = c_int;
        // SAFETY: the state is alive, and no other collection runs: finalizers do not get here.
        unsafe {
            if ffi::lua_gc(self.state, IS_RUNNING, 0) == 1 {
                ffi::lua_gc(self.state, ffi::LUA_GCSTEP, (bytes / UNIT) as Amount);
            }
        }
    }

    /// The reference object at `index`, if the value there is one.
    pub(crate) fn object(&self, index: c_int) -> Option<&Object> {
        // SAFETY: the block stays where it is as long as its userdata lives, which is on the stack while `self` is
        // borrowed; it is emptied by the finalizer alone, which does not run for what is on a stack.
        unsafe { block(self.state, index)?.as_ref()?.as_ref() }
    }

    /// Sets the value on top, and pops it, as what stands for `key` in the table at `table`.
    pub(crate) fn raw_set_pointer(&mut self, table: c_int, key: usize) {
        // SAFETY: a table, and a value on top. May raise when memory runs out.
        unsafe { ffi::lua_rawsetp(self.state, table, key as *const c_void) }
    }

    /// Pushes what stands for `key` in the table at `table`.
    pub(crate) fn raw_get_pointer(&mut self, table: c_int, key: usize) {
        // SAFETY: a table; room was reserved.
        unsafe {
            ffi::lua_rawgetp(self.state, table, key as *const c_void);
        }
    }
}

/// Pushes a userdata with room for a value, which the caller has to write. May raise when memory runs out.
pub(super) unsafe fn new_block<T>(state: *mut ffi::lua_State) -> *mut Option<T> {
    const { assert!(align_of::<Option<T>>() <= 8) };
    // SAFETY: the caller has reserved room on a state that is alive; Lua aligns to 8 at least.
    unsafe {
        #[cfg(any(feature = "lua54", feature = "lua55"))]
        let block = ffi::lua_newuserdatauv(state, size_of::<Option<T>>(), 0);
        #[cfg(not(any(feature = "lua54", feature = "lua55")))]
        let block = ffi::lua_newuserdata(state, size_of::<Option<T>>());
        block.cast()
    }
}

/// Drops what a block had in it. That may run an embedder's hook, whose panic must not reach Lua's collector.
pub(super) fn drop_contained<T>(value: T) {
    let panicked: Result<(), Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| drop(value)));
    drop(panicked);
}

/// The block of the userdata at `index`, if it is one of ours. Only the debug library could give our metatable to
/// another userdata, and even then the sizes have to agree.
unsafe fn block(state: *mut ffi::lua_State, index: c_int) -> Option<*mut Block> {
    // SAFETY: the state is alive and `index` acceptable; what is pushed is popped. Two free slots are always there in a
    // C function, and the callers of `Stack::object` have reserved some. A light userdata has no length.
    unsafe {
        let userdata = ffi::lua_touserdata(state, index);
        if userdata.is_null() || ffi::lua_getmetatable(state, index) == 0 {
            return None;
        }
        ffi::lua_rawgeti(state, -1, MARKED as _);
        let marked = std::ptr::eq(ffi::lua_touserdata(state, -1), mark());
        ffi::lua_pop(state, 2);
        let ours = marked && ffi::lua_rawlen(state, index) as usize == size_of::<Block>();
        ours.then(|| userdata.cast())
    }
}

/// The finalizer of a block with places: the state is being closed.
unsafe extern "C-unwind" fn release(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: only Lua's collector has this function, and calls it with the block.
    let places = unsafe { (*ffi::lua_touserdata(state, 1).cast::<Option<Rc<Places>>>()).take() };
    drop_contained(places);
    0
}

/// The finalizer. Called a second time, or with something else, it does nothing.
unsafe extern "C-unwind" fn collect(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the upvalue is the address of the metatable that has this function, so what has that metatable is one of
    // ours, as in `block`. Nobody borrows its contents while Lua finalizes it.
    let object = unsafe {
        let metatable = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        if ffi::lua_type(state, 1) != ffi::LUA_TUSERDATA
            || ffi::lua_getmetatable(state, 1) == 0
            || ffi::lua_topointer(state, -1) != metatable.cast_const()
            || ffi::lua_rawlen(state, 1) as usize != size_of::<Block>()
        {
            return 0;
        }
        (*ffi::lua_touserdata(state, 1).cast::<Block>()).take()
    };
    if let Some(Object::Handle(handle)) = &object {
        // SAFETY: the second upvalue lives as long as this function; nothing else of it runs meanwhile.
        let places =
            unsafe { &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(2)).cast::<Option<Rc<Places>>>() };
        if let Some(places) = places {
            places.give_back(&handle.0);
        }
    }
    // It may be the last handle of a goroutine whose error nobody has seen, which is reported then.
    // What is kept for it may be let go at once.
    let keeps = matches!(&object, Some(Object::Handle(handle)) if handle.keeps());
    drop_contained(object);
    if keeps {
        // SAFETY: a finalizer's stack, with more room than that takes.
        unsafe { sweep_home(state) };
    }
    0
}

/// The reference object behind a userdata that mlua holds.
pub(crate) fn object_of(lua: &Lua, userdata: &AnyUserData) -> Option<Object> {
    lua.exec_raw_lua(|raw| {
        let state = raw.state();
        // SAFETY: room is made before the push, and what is pushed is popped; the object is cloned while it is there.
        unsafe {
            if ffi::lua_checkstack(state, 4) == 0
                || raw.push_value(&mlua::Value::UserData(userdata.clone())).is_err()
            {
                return None;
            }
            let object = block(state, ffi::lua_gettop(state)).and_then(|block| (*block).clone());
            ffi::lua_pop(state, 1);
            object
        }
    })
}
