//! What goroutines that run in the home state itself need of the Lua stack (see [`crate::local`]), and what takes the
//! place of some functions of the standard library there.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Value};

use super::hook::go_on_stopping_at_home;
use super::objects::{drop_contained, new_block};
use super::switch::{resumable, resumed, yield_unless};
use super::{Coroutine, Stack, protected, protected_bare};
use crate::state::State;

/// Its address is the key under which the registry of a home state has the anchor of its [`State`].
static HOME: u8 = 0;

fn key() -> *const c_void {
    (&raw const HOME).cast()
}

/// What keeps the [`State`] for the functions of this file; emptied when the Lua state is closed.
type Anchor = Option<Rc<State>>;

/// The coroutine whose code is running, be it the main one.
pub(crate) fn running(lua: &Lua) -> Coroutine {
    lua.exec_raw_lua(|raw| Coroutine::of(raw.state()))
}

/// Whether the running coroutine is one that mlua polls for an executor (`call_async`).
///
/// Such a coroutine is not the script's: for what it is, mlua tells the one that has called. So one that a script has made and
/// resumed is none, also if it runs within one.
pub(crate) fn is_polled_by_executor(lua: &Lua) -> bool {
    let running = running(lua);
    !std::ptr::eq(lua.current_thread().to_pointer(), running.as_ptr().cast())
}

impl Stack<'_> {
    /// The coroutine that has this stack.
    pub(crate) fn coroutine(&self) -> Coroutine {
        Coroutine::of(self.state)
    }

    /// How many values a coroutine that does not run has on its stack.
    pub(crate) fn values_of(&self, coroutine: Coroutine) -> c_int {
        // SAFETY: the coroutine is anchored (see `Coroutine`); reads only.
        unsafe { ffi::lua_gettop(coroutine.as_ptr()) }
    }

    /// Pushes copies of the values of a coroutine that does not run, from the one at `first` on. Says how many they are;
    /// `None` if there is no room for them.
    pub(crate) fn copy_from(&mut self, coroutine: Coroutine, first: c_int) -> Option<c_int> {
        // SAFETY: as in `move_to`; the copies are made on top of the coroutine's stack, and moved from there.
        unsafe {
            let top = ffi::lua_gettop(coroutine.as_ptr());
            let count = (top - first + 1).max(0);
            if ffi::lua_checkstack(coroutine.as_ptr(), count) == 0
                || ffi::lua_checkstack(self.state, count.saturating_add(8)) == 0
            {
                return None;
            }
            for index in first..=top {
                ffi::lua_pushvalue(coroutine.as_ptr(), index);
            }
            ffi::lua_xmove(coroutine.as_ptr(), self.state, count);
            Some(count)
        }
    }
}

/// Runs `body` on what is on the stack of `lua`, without a protected call around it, and drops what it leaves there. It must do nothing
/// that may raise, and has room for so many values.
///
/// # Errors
/// When the Lua stack is full. In Lua 5.1 and LuaJIT making room may raise, and so the call is protected there: then also as
/// [`protected_bare`] does.
pub(crate) fn unprotected(
    lua: &Lua,
    room: c_int,
    body: &mut dyn FnMut(&mut Stack<'_>),
) -> Result<(), String> {
    if cfg!(any(feature = "lua51", feature = "luajit")) {
        return protected_bare(lua, &mut |stack| {
            // SAFETY: a state that is alive.
            if unsafe { ffi::lua_checkstack(stack.state, room) } != 0 {
                body(stack);
            }
        });
    }
    lua.exec_raw_lua(|raw| {
        let state = raw.state();
        // SAFETY: room is made; the body raises nothing, by its promise, and what it has left is dropped. If it panics, that goes
        // through functions of Rust's alone.
        unsafe {
            if ffi::lua_checkstack(state, room) == 0 {
                return Err("the Lua stack is full".to_owned());
            }
            let top = ffi::lua_gettop(state);
            body(&mut Stack { state, _call: PhantomData });
            ffi::lua_settop(state, top);
        }
        Ok(())
    })
}

/// The functions of this file, for `lua/coroutines.lua`.
pub(crate) struct HomeSwitches {
    /// `resume(coroutine, ...)`: as Lua's own, and keeps track of which coroutine runs.
    pub(crate) resume: Function,
    /// `yield(...)`: as Lua's own, and raises in a goroutine's main coroutine.
    pub(crate) yielding: Function,
    /// Whether the running coroutine is a goroutine's main one.
    pub(crate) in_main: Function,
    /// `close(coroutine)`, around Lua's own.
    pub(crate) close: Option<Function>,
}

/// Anchors the state, so that our hook finds it before `goroutine.local` is loaded.
pub(crate) fn anchor(lua: &Lua, state: &Rc<State>) -> mlua::Result<()> {
    let mut anchored = Some(Rc::clone(state));
    protected(lua, (), |stack| {
        // SAFETY: room is made.
        unsafe {
            if ffi::lua_checkstack(stack.state, 8) != 0 {
                push_anchor(stack.state, &mut anchored);
                ffi::lua_pop(stack.state, 1);
            }
        }
    })?;
    match anchored {
        None => Ok(()),
        Some(_) => Err(mlua::Error::runtime("the Lua stack is full")),
    }
}

/// Pushes what keeps the [`State`], which stays in the registry.
///
/// # Safety
/// `state` is the running one, and has room for four values. May raise when memory runs out.
unsafe fn push_anchor(state: *mut lua_State, anchored: &mut Anchor) {
    // SAFETY: as in `entry::closure`: the block is written before the metatable makes it known to the collector. What is pushed: the
    // userdata, its metatable with the finalizer.
    unsafe {
        let block = new_block::<Rc<State>>(state);
        block.write(None);
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_pushstring(state, c"__gc".as_ptr());
        ffi::lua_pushcclosure(state, release, 0);
        ffi::lua_rawset(state, -3);
        ffi::lua_setmetatable(state, -2);
        *block = anchored.take();
        ffi::lua_pushvalue(state, -1);
        ffi::lua_rawsetp(state, ffi::LUA_REGISTRYINDEX, key());
    }
}

impl HomeSwitches {
    /// Anchors the state, and makes the functions.
    ///
    /// `raw_close`: Lua's own `coroutine.close`, where there is one.
    pub(crate) fn new(lua: &Lua, state: &Rc<State>, raw_close: Option<Function>) -> mlua::Result<Self> {
        let mut anchored = Some(Rc::clone(state));
        let closes = raw_close.is_some();
        let made = protected(lua, raw_close, |stack| {
            // SAFETY: room is made; each function has the anchor as its upvalue.
            unsafe {
                let state = stack.state;
                if ffi::lua_checkstack(state, 12) == 0 {
                    return;
                }
                ffi::lua_settop(state, 1);
                push_anchor(state, &mut anchored);
                for function in [resume, yielding, in_main] {
                    ffi::lua_pushvalue(state, 2);
                    ffi::lua_pushcclosure(state, function, 1);
                }
                if closes {
                    ffi::lua_pushvalue(state, 2);
                    ffi::lua_pushvalue(state, 1);
                    ffi::lua_pushcclosure(state, close, 2);
                }
                ffi::lua_rotate(state, 1, -2);
                ffi::lua_pop(state, 2);
            }
        })?;
        let mut functions = made.into_iter().filter_map(|value| match value {
            Value::Function(function) => Some(function),
            _ => None,
        });
        match (functions.next(), functions.next(), functions.next()) {
            (Some(resume), Some(yielding), Some(in_main)) => {
                Ok(Self { resume, yielding, in_main, close: functions.next() })
            }
            _ => Err(mlua::Error::runtime("the Lua stack is full")),
        }
    }
}

/// The finalizer of the anchor: the state is being closed.
unsafe extern "C-unwind" fn release(state: *mut lua_State) -> c_int {
    // SAFETY: only Lua's collector has this function, and calls it with the anchor.
    let anchor = unsafe { (*ffi::lua_touserdata(state, 1).cast::<Anchor>()).take() };
    drop_contained(anchor);
    0
}

/// The [`State`] of a home state with goroutines of its own.
///
/// # Safety
/// `state` is alive, and has room for one value.
pub(super) unsafe fn home_of(state: *mut lua_State) -> Option<Rc<State>> {
    // SAFETY: what `HomeSwitches::new` has put there, or nil.
    unsafe {
        ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, key());
        let anchor = ffi::lua_touserdata(state, -1).cast::<Anchor>().cast_const();
        let found = anchor.as_ref().and_then(Clone::clone);
        ffi::lua_pop(state, 1);
        found
    }
}

/// Lets go what was kept for a handle that has just been collected, so that the next collection takes it.
///
/// # Safety
/// `state` is alive, and has room for some values.
pub(super) unsafe fn sweep_home(state: *mut lua_State) {
    // SAFETY: the same promise.
    let home = unsafe { home_of(state) };
    if let Some(local) = home.as_ref().and_then(|home| home.local()) {
        local.sweep(&mut Stack { state, _call: PhantomData });
    }
}

/// The [`State`] by the upvalue of one of the functions here; `None` when it is being closed.
unsafe fn anchored(state: *mut lua_State) -> Option<Rc<State>> {
    // SAFETY: the upvalue is the anchor, which lives as long as the function.
    unsafe { (*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Anchor>()).clone() }
}

/// `coroutine.resume`, called by Lua code of ours with a coroutine and the arguments.
///
/// A goroutine parks by yielding through all coroutines between the call and the scheduler. That works if each of them was
/// resumed by this function: so it notes that the innermost of them is now another one.
unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack. The coroutine is on it while it runs, so it lives. `lua_resume` does not raise, so what
    // is noted is taken back. What may raise (running out of memory) holds nothing that needs dropping: the reference to the
    // state is dropped before.
    unsafe {
        let (inner, args) = match resumable(state) {
            Ok(found) => found,
            Err(results) => return results,
        };
        let home = anchored(state);
        ffi::lua_xmove(state, inner, args);
        let mut results = 0;
        let outer = Coroutine::of(state);
        let chain = home.as_ref().and_then(|home| home.local()).map(|local| local.chain());
        let interrupts = home.as_ref().and_then(|home| home.interrupts());
        let entered = interrupts.map(|interrupts| interrupts.enter(inner, false));
        let status = match chain.filter(|chain| chain.get() == Some(outer)) {
            None => ffi::lua_resume(inner, state, args, &mut results),
            Some(chain) => {
                chain.set(Some(Coroutine::of(inner)));
                let status = ffi::lua_resume(inner, state, args, &mut results);
                chain.set(Some(outer));
                status
            }
        };
        if let (Some(interrupts), Some(before)) = (interrupts, entered) {
            interrupts.leave(before);
            if !matches!(status, ffi::LUA_OK | ffi::LUA_YIELD) {
                home.iter().for_each(|home| go_on_stopping_at_home(home, state));
            }
        }
        drop(home);
        resumed(state, inner, status, results)
    }
}

/// Whether the running coroutine is the main one of the goroutine that runs.
unsafe fn is_main(state: *mut lua_State) -> bool {
    // SAFETY: called by the functions below, whose upvalue is the anchor.
    let home = unsafe { anchored(state) };
    home.is_some_and(|home| home.local().is_some_and(|local| local.main() == Some(Coroutine::of(state))))
}

/// `coroutine.yield`.
unsafe extern "C-unwind" fn yielding(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack; nothing is held when it raises, or yields, which is the last thing it does.
    unsafe {
        let main = is_main(state);
        yield_unless(main, state)
    }
}

/// `coroutine.close`, called by Lua code of ours with a coroutine that may be closed.
///
/// Lua calls what closes its variables where nothing can be yielded. A wait there could only block in place, and hold up what it
/// waits for: so a goroutine cannot wait there, nor in a coroutine that is resumed there.
unsafe extern "C-unwind" fn close(state: *mut lua_State) -> c_int {
    // SAFETY: a C function's stack; the coroutine is kept by this function's own copy of it. The second upvalue is Lua's own
    // function, which is called in protected mode, so what is noted is taken back; nothing is held when the error goes on.
    unsafe {
        let home = anchored(state);
        ffi::lua_settop(state, 1);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(2));
        ffi::lua_pushvalue(state, 1);
        let local = home.as_ref().and_then(|home| home.local());
        let mut status = ffi::LUA_OK;
        let interrupts = home.as_ref().and_then(|home| home.interrupts());
        let inner = ffi::lua_tothread(state, 3);
        let mut call = || {
            // They are closed on the coroutine's own stack.
            let entered =
                interrupts.filter(|_| !inner.is_null()).map(|interrupts| interrupts.enter(inner, false));
            status = ffi::lua_pcall(state, 1, ffi::LUA_MULTRET, 0);
            if let (Some(interrupts), Some(before)) = (interrupts, entered) {
                interrupts.leave(before);
            }
        };
        match local {
            Some(local) => local.closing(call),
            None => call(),
        }
        drop(home);
        if status != ffi::LUA_OK {
            ffi::lua_error(state);
        }
        ffi::lua_gettop(state) - 1
    }
}

unsafe extern "C-unwind" fn in_main(state: *mut lua_State) -> c_int {
    // SAFETY: a C function has room for one more value.
    unsafe {
        let main = is_main(state);
        ffi::lua_pushboolean(state, c_int::from(main));
    }
    1
}
