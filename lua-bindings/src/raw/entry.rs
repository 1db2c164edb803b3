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

use super::objects::{drop_contained, new_block};
use super::position::push_where;
use super::{Stack, protected};
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
use crate::state::{AWAIT, PARK};
use crate::state::{DONE, State, WRONG};

/// What a call came to.
pub(crate) enum Went {
    /// So many values on top of the stack are its results.
    Done(c_int),
    /// Nothing has happened; the general primitive has to see to it.
    General,
    /// A wrong call, or a refusal: raised at the caller's line.
    Wrong(String),
    /// The value on top is raised as it is.
    Raise,
}

/// A primitive on the Lua stack, where its arguments are the first values.
///
/// It may raise only where memory runs out: what it holds then leaks.
pub(crate) type Primitive = fn(&mut Stack<'_>, &Rc<State>) -> Went;

/// What belongs to one such function; emptied when the Lua state is closed.
type Anchor = Option<(Rc<State>, Primitive)>;

/// The Lua function for a primitive, with the general one behind it, which answers as all primitives do: with a number
/// that says how it went, and values. `whole`: the function is what scripts call; there is no Lua function of ours around
/// it that looks at the number. Such a primitive must never wait.
pub(crate) fn closure(
    lua: &Lua,
    state: &Rc<State>,
    primitive: Primitive,
    general: &Function,
    whole: bool,
) -> mlua::Result<Function> {
    let mut anchored = Some((Rc::clone(state), primitive));
    let enter = if whole { enter_whole } else { enter };
    let made = protected(lua, general, |stack| {
        // SAFETY: as in `objects`: the block is written before the metatable makes it known to the collector. What is
        // pushed: the userdata, its metatable with the finalizer, then the function takes both upvalues.
        unsafe {
            if ffi::lua_checkstack(stack.state, 8) == 0 {
                return;
            }
            let block = new_block::<(Rc<State>, Primitive)>(stack.state);
            block.write(None);
            ffi::lua_createtable(stack.state, 0, 1);
            ffi::lua_pushstring(stack.state, c"__gc".as_ptr());
            ffi::lua_pushcclosure(stack.state, release, 0);
            ffi::lua_rawset(stack.state, -3);
            ffi::lua_setmetatable(stack.state, -2);
            *block = anchored.take();
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
    drop_contained(anchor);
    0
}

/// A function of the module, without a face in Lua: raises itself.
unsafe extern "C-unwind" fn enter_whole(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: `enter` has the same contract, and leaves a number and what belongs to it on the stack, unless the direct
    // primitive was through with the call: then there is no number.
    unsafe {
        let results = match enter_direct(state, CLOSURE) {
            Some((results, false)) => return results,
            Some((results, true)) => results,
            None => enter_general(state, CLOSURE),
        };
        let how = ffi::lua_tointegerx(state, 1, std::ptr::null_mut()) as i64;
        match how {
            DONE => return results - 1,
            WRONG => raise_wrong(state, 2),
            _ => ffi::lua_settop(state, 2),
        }
        ffi::lua_error(state)
    }
}

/// Raises the message at `index`, with the script's position in front.
unsafe fn raise_wrong(state: *mut ffi::lua_State, index: c_int) -> ! {
    // SAFETY: a C function has room for three values more; two are pushed, and one takes their place.
    unsafe {
        ffi::lua_settop(state, index);
        push_where(state);
        ffi::lua_rotate(state, index, 1);
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// For our own Lua code: `wrong(message)` raises it as a wrong call of the script's.
pub(crate) fn wrong(lua: &Lua) -> mlua::Result<Function> {
    unsafe extern "C-unwind" fn wrong(state: *mut ffi::lua_State) -> c_int {
        // SAFETY: one argument, which is a string.
        unsafe { raise_wrong(state, 1) }
    }
    // SAFETY: a C function without upvalues; it reads its argument alone.
    unsafe { lua.create_c_function(wrong) }
}

impl Stack<'_> {
    /// Whether the coroutine that has called may yield. In Lua 5.1, 5.2 and LuaJIT nobody knows; then it may.
    pub(crate) fn can_yield(&self) -> bool {
        #[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
        // SAFETY: reads only.
        return unsafe { ffi::lua_isyieldable(self.state) != 0 };
        #[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
        true
    }
}

/// What says that a call which had to wait cannot.
pub(crate) const CANNOT_PARK: &str = "cannot wait across a C-call boundary: in a function that a C function has called \
     (a comparison for table.sort, say, or a module that is being loaded), or that closes a coroutine's variables";

/// The faces of primitives, where C functions can yield: `face(primitive)` gives a function that turns what the primitive
/// answers into results, a park or an error. The same in Lua (`base.lua`) would copy all arguments and results once more,
/// and would not leave the calling function on the call stack for the error's position if the call is a tail call.
///
/// The face of a [`closure`] does that closure's work itself: a call of it costs one C call, and one place on the call
/// stack, and not two.
///
/// `resumed`, which is a [`closure`], `abandon` and `park` are those of `base.lua`.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
pub(crate) fn faces(
    lua: &Lua,
    resumed: &Function,
    abandon: &Function,
    park: &mlua::Table,
) -> mlua::Result<Value> {
    unsafe extern "C-unwind" fn make(state: *mut ffi::lua_State) -> c_int {
        // SAFETY: one argument; two values take its place if it is a closure of ours, and a nil is put behind it otherwise.
        // With the upvalues they become those of the new function. A C function has room for all of them.
        unsafe {
            ffi::lua_settop(state, 1);
            let direct = push_parts(state, 1);
            if direct {
                ffi::lua_remove(state, 1);
            } else {
                ffi::lua_pushnil(state);
            }
            for upvalue in 1..=4 {
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue));
            }
            ffi::lua_pushcclosure(state, if direct { enter_direct_face } else { enter_face }, 6);
        }
        1
    }
    let made = protected(lua, (abandon, park, resumed), |stack| {
        // SAFETY: the values on the stack become upvalues: two, and the two parts of the third.
        unsafe {
            if ffi::lua_checkstack(stack.state, 4) != 0 && push_parts(stack.state, 3) {
                ffi::lua_remove(stack.state, 3);
                ffi::lua_pushcclosure(stack.state, make, 4);
            }
        }
    })?;
    match made.into_iter().last() {
        Some(face @ Value::Function(_)) => Ok(face),
        _ => Err(mlua::Error::runtime("the primitive that gives the reply after a park is not known")),
    }
}

#[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
pub(crate) fn faces(_: &Lua, _: &Function, _: &Function, _: &mlua::Table) -> mlua::Result<Value> {
    Ok(Value::Nil)
}

/// Pushes what a [`closure`] consists of: its anchor and the general primitive. Otherwise pushes nothing.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe fn push_parts(state: *mut ffi::lua_State, index: c_int) -> bool {
    // SAFETY: the caller has reserved room; a function of this kind has two upvalues.
    unsafe {
        let ours = ffi::lua_tocfunction(state, index)
            .is_some_and(|function| function as usize == enter as *const () as usize);
        if ours {
            ffi::lua_getupvalue(state, index, 1);
            ffi::lua_getupvalue(state, index, 2);
        }
        ours
    }
}

/// The upvalues of a face: first the primitive, or both its parts.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
mod upvalue {
    use std::ffi::c_int;

    pub(super) const ABANDON: c_int = 3;
    pub(super) const PARK: c_int = 4;
    /// The two parts of `resumed`.
    pub(super) const RESUMED: [c_int; 2] = [5, 6];
}

/// A function of the module around a primitive.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe extern "C-unwind" fn enter_face(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the first upvalue is the primitive, which gets all arguments. Nothing here holds what needs dropping.
    unsafe {
        let args = ffi::lua_gettop(state);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_rotate(state, 1, 1);
        ffi::lua_call(state, args, ffi::LUA_MULTRET);
        conclude(state)
    }
}

/// The same around the parts of a closure.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe extern "C-unwind" fn enter_direct_face(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the first two upvalues are those of a closure.
    unsafe { conclude_parts(state, CLOSURE) }
}

/// Goes on when the wait is over. What was yielded and what came by resuming is no concern of ours.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe extern "C-unwind" fn unparked(
    state: *mut ffi::lua_State,
    _status: c_int,
    _context: ffi::lua_KContext,
) -> c_int {
    // SAFETY: these upvalues are those of the closure that gives the reply as a primitive does.
    unsafe {
        ffi::lua_settop(state, 0);
        conclude_parts(state, upvalue::RESUMED)
    }
}

/// Calls the primitive whose parts these upvalues are with all that is on the stack, and does what it answers.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe fn conclude_parts(state: *mut ffi::lua_State, parts: [c_int; 2]) -> c_int {
    // SAFETY: as in `enter`. The topmost `results` values are a number and what belongs to it.
    unsafe {
        match enter_direct(state, parts) {
            Some((results, _)) => {
                if ffi::lua_tointegerx(state, -results, std::ptr::null_mut()) == DONE {
                    return results - 1;
                }
                ffi::lua_rotate(state, 1, results);
                ffi::lua_settop(state, results);
            }
            None => drop(enter_general(state, parts)),
        }
        conclude(state)
    }
}

/// Does what a primitive has answered: a number, and what belongs to it, are all that is on the stack.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe fn conclude(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the stack is as said; two upvalues are a function and a table. A C function has room for some values more.
    unsafe {
        match ffi::lua_tointegerx(state, 1, std::ptr::null_mut()) {
            DONE => return ffi::lua_gettop(state) - 1,
            PARK => {
                ffi::lua_settop(state, 0);
                if ffi::lua_isyieldable(state) != 0 {
                    ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue::PARK));
                    return ffi::lua_yieldk(state, 1, 0, Some(unparked));
                }
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue::ABANDON));
                ffi::lua_call(state, 0, 0);
                ffi::lua_pushlstring(state, CANNOT_PARK.as_ptr().cast(), CANNOT_PARK.len());
                raise_wrong(state, 1)
            }
            AWAIT => {
                // The function that yields, or the one that blocks.
                let waits = if ffi::lua_isyieldable(state) != 0 { 2 } else { 3 };
                ffi::lua_settop(state, waits);
                ffi::lua_rotate(state, 1, 1);
                ffi::lua_settop(state, 1);
                ffi::lua_callk(state, 0, ffi::LUA_MULTRET, 0, Some(awaited));
                return conclude(state);
            }
            WRONG => raise_wrong(state, 2),
            _ => ffi::lua_settop(state, 2),
        }
        ffi::lua_error(state)
    }
}

/// Goes on when the function that waits has returned, after it has yielded.
#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe extern "C-unwind" fn awaited(
    state: *mut ffi::lua_State,
    _status: c_int,
    _context: ffi::lua_KContext,
) -> c_int {
    // SAFETY: what it has returned is all that is on the stack, as `conclude` wants it.
    unsafe { conclude(state) }
}

/// The upvalues of a [`closure`]: its anchor, and the general primitive.
const CLOSURE: [c_int; 2] = [1, 2];

/// A primitive, of which a Lua function of ours makes a function of the module.
unsafe extern "C-unwind" fn enter(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the same contract.
    unsafe {
        match enter_direct(state, CLOSURE) {
            Some((results, _)) => results,
            None => enter_general(state, CLOSURE),
        }
    }
}

/// How many results there are, and whether they are a number and a message about what was wrong. `None`: the call is the
/// general primitive's, and the stack as it was.
unsafe fn enter_direct(state: *mut ffi::lua_State, parts: [c_int; 2]) -> Option<(c_int, bool)> {
    // SAFETY: the first of these upvalues is the anchor, which lives as long as this function does; its contents are only
    // taken when the state is being closed. The second is the general primitive. The stack is used as `Stack` demands, and has
    // the room that every C function is given.
    unsafe {
        let args = ffi::lua_gettop(state);
        let anchor = ffi::lua_touserdata(state, ffi::lua_upvalueindex(parts[0])).cast::<Anchor>();
        let Some((ours, primitive)) = (*anchor).clone() else {
            // A finalizer of something older than we are. The general primitive is no more, either.
            ffi::lua_settop(state, 0);
            ffi::lua_pushstring(state, c"the Lua state is being closed".as_ptr());
            ffi::lua_error(state);
        };
        let mut stack = Stack { state, _call: std::marker::PhantomData };
        match catch_unwind(AssertUnwindSafe(|| primitive(&mut stack, &ours))) {
            Ok(Went::Done(results)) => return Some((results, false)),
            // The general one is mlua's, which is good for nothing then, and whose errors finalizers' warnings do not show.
            Ok(Went::General) if ours.lua().is_none() => {
                drop(ours);
                ffi::lua_settop(state, 0);
                ffi::lua_pushinteger(state, WRONG as _);
                ffi::lua_pushstring(state, c"the Lua state is being closed".as_ptr());
                return Some((2, true));
            }
            Ok(Went::General) => {}
            Ok(Went::Raise) => {
                drop(ours);
                ffi::lua_error(state);
            }
            Ok(Went::Wrong(message)) => {
                drop(ours);
                ffi::lua_settop(state, 0);
                ffi::lua_pushinteger(state, WRONG as _);
                ffi::lua_pushlstring(state, message.as_ptr().cast(), message.len());
                drop(message);
                return Some((2, true));
            }
            Err(panic) => {
                drop(ours);
                push_panic(state, panic);
                ffi::lua_error(state);
            }
        }
        ffi::lua_settop(state, args);
        None
    }
}

/// Pushes the text of a panic, which is one of a function of the embedder's that a packet has called.
unsafe fn push_panic(state: *mut ffi::lua_State, panic: Box<dyn Any + Send>) {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    let message = format!("a Rust function panicked: {text}");
    // SAFETY: a C function has room for one more value; Lua copies the bytes. When memory runs out, the message leaks.
    unsafe {
        ffi::lua_settop(state, 0);
        ffi::lua_pushlstring(state, message.as_ptr().cast(), message.len());
    }
}

unsafe fn enter_general(state: *mut ffi::lua_State, parts: [c_int; 2]) -> c_int {
    // SAFETY: as in `enter_direct`. What the general primitive raises passes through this frame, which holds nothing.
    unsafe {
        let args = ffi::lua_gettop(state);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(parts[1]));
        ffi::lua_rotate(state, 1, 1);
        ffi::lua_call(state, args, ffi::LUA_MULTRET);
        ffi::lua_gettop(state)
    }
}
