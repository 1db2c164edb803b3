//! Primitives that Lua calls without mlua in between.
//!
//! A call through mlua makes a list of references out of its arguments, and values out of its results, which costs more
//! than most primitives do. An [`entry`](closure) works on the Lua stack itself. It handles the calls that are right and
//! need no wait; whatever else comes, wrong arguments included, it leaves to the general primitive, which it then calls.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::ffi;
use mlua::{Function, Lua, Value};

use super::{Stack, protected};
use crate::state::State;

/// What a call came to.
pub(crate) enum Went {
    /// So many values on top of the stack are its results.
    Done(c_int),
    /// Nothing has happened; the general primitive has to see to it.
    General,
}

/// A primitive on the Lua stack, where its arguments are the first values.
///
/// It may raise only where memory runs out: what it holds then leaks.
pub(crate) type Primitive = fn(&mut Stack<'_>, &Rc<State>) -> Went;

/// What belongs to one such function; emptied when the Lua state is closed.
type Anchor = Option<(Rc<State>, Primitive)>;

/// The Lua function for a primitive, with the general one behind it.
pub(crate) fn closure(
    lua: &Lua,
    state: &Rc<State>,
    primitive: Primitive,
    general: &Function,
) -> mlua::Result<Function> {
    let mut anchored = Some((Rc::clone(state), primitive));
    let made = protected(lua, general, |stack| {
        // SAFETY: as in `objects`: the block is written before the metatable makes it known to the collector. What is
        // pushed: the userdata, its metatable with the finalizer, then the function takes both upvalues.
        unsafe {
            if ffi::lua_checkstack(stack.state, 8) == 0 {
                return;
            }
            const { assert!(align_of::<Anchor>() <= 8) };
            #[cfg(feature = "lua54")]
            let block = ffi::lua_newuserdatauv(stack.state, size_of::<Anchor>(), 0);
            #[cfg(not(feature = "lua54"))]
            let block = ffi::lua_newuserdata(stack.state, size_of::<Anchor>());
            block.cast::<Anchor>().write(None);
            ffi::lua_createtable(stack.state, 0, 1);
            ffi::lua_pushstring(stack.state, c"__gc".as_ptr());
            ffi::lua_pushcclosure(stack.state, release, 0);
            ffi::lua_rawset(stack.state, -3);
            ffi::lua_setmetatable(stack.state, -2);
            *block.cast::<Anchor>() = anchored.take();
            ffi::lua_rotate(stack.state, 1, 1);
            ffi::lua_pushcclosure(stack.state, enter, 2);
        }
    })?;
    match made.into_iter().next() {
        Some(Value::Function(function)) => Ok(function),
        _ => Err(mlua::Error::runtime("the Lua stack is full")),
    }
}

/// The finalizer of an anchor: the state is being closed.
unsafe extern "C-unwind" fn release(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: only Lua's collector has this function, and calls it with the anchor.
    let anchor = unsafe { (*ffi::lua_touserdata(state, 1).cast::<Anchor>()).take() };
    let panicked: Result<(), Box<dyn Any + Send>> = catch_unwind(AssertUnwindSafe(|| drop(anchor)));
    drop(panicked);
    0
}

unsafe extern "C-unwind" fn enter(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the first upvalue is the anchor, which lives as long as this function does; its contents are only taken
    // when the state is being closed. The second is the general primitive. The stack is used as `Stack` demands, and has
    // the room that every C function is given.
    unsafe {
        let args = ffi::lua_gettop(state);
        let anchor = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Anchor>();
        if let Some((ours, primitive)) = (*anchor).clone() {
            let mut stack = Stack { state, _call: std::marker::PhantomData };
            match catch_unwind(AssertUnwindSafe(|| primitive(&mut stack, &ours))) {
                Ok(Went::Done(results)) => return results,
                Ok(Went::General) => {}
                Err(panic) => {
                    drop((panic, ours));
                    return ffi::luaL_error(state, c"a primitive of the module goroutine panicked".as_ptr());
                }
            }
        }
        ffi::lua_settop(state, args);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(2));
        ffi::lua_rotate(state, 1, 1);
        ffi::lua_call(state, args, ffi::LUA_MULTRET);
        ffi::lua_gettop(state)
    }
}
