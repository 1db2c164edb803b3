//! The hook that interrupts a goroutine (see [`crate::interrupt`]).

use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::Lua;
use mlua::ffi::{self, lua_Debug, lua_State};

use super::local::home_of;
use super::position::is_ours;
use super::{Coroutine, Stack, protected_bare};
use crate::interrupt::Interrupts;
#[cfg(target_os = "linux")]
use crate::interrupt::{Displaced, displaced, take_displaced};
use crate::local::AtHome;
use crate::state::{State, Verdict};

/// After how many instructions the hook is called where it is installed all the time.
const PERIOD: i32 = 10_000;

impl Stack<'_> {
    /// Shows where Lua runs now for the goroutine whose coroutine has ended: functions that say how its results are sent.
    pub(crate) fn goes_on_here(&self, interrupts: &Interrupts) {
        interrupts.go_on_in(self.state);
    }
}

/// Its address is the key under which an isolate's registry has its [`State`].
static STATE: u8 = 0;

fn key() -> *const c_void {
    (&raw const STATE).cast()
}

/// Lets the hook find what belongs to this isolate; installs it for all coroutines where that is the way to interrupt them.
///
/// # Errors
/// When memory runs out.
pub(crate) fn prepare_interrupts(lua: &Lua, state: &Rc<State>, permanent: bool) -> Result<(), String> {
    protected_bare(lua, &mut |stack| {
        if !stack.reserve(2) {
            return;
        }
        // SAFETY: room was reserved. The state lives as long as its Lua, whose functions own it; the hook is not called once
        // that is being closed, since it is for goroutines only. New coroutines take over the hook of the one that makes them.
        unsafe {
            ffi::lua_pushlightuserdata(stack.state, Rc::as_ptr(state).cast_mut().cast());
            ffi::lua_rawsetp(stack.state, ffi::LUA_REGISTRYINDEX, key());
            if permanent {
                ffi::lua_sethook(stack.state, Some(interrupt_hook), ffi::LUA_MASKCOUNT, PERIOD);
            }
        }
    })
}

/// The isolate's [`State`], or `None` in a state that is none.
///
/// # Safety
/// `state` is alive, and has room for one value. What is returned is good as long as it is.
pub(super) unsafe fn state_of<'a>(state: *mut lua_State) -> Option<&'a State> {
    // SAFETY: what `prepare_interrupts` has put there.
    unsafe {
        ffi::lua_rawgetp(state, ffi::LUA_REGISTRYINDEX, key());
        let found = ffi::lua_touserdata(state, -1).cast::<State>().cast_const();
        ffi::lua_pop(state, 1);
        found.as_ref()
    }
}

/// What this isolate shows the monitor.
///
/// # Safety
/// As for `state_of`.
pub(super) unsafe fn interrupts_of<'a>(state: *mut lua_State) -> Option<&'a Interrupts> {
    // SAFETY: the same promise.
    unsafe { state_of(state)?.interrupts() }
}

/// Called by Lua at an instruction of the innermost running coroutine.
pub(crate) unsafe extern "C-unwind" fn interrupt_hook(state: *mut lua_State, record: *mut lua_Debug) {
    // SAFETY: a hook has as much room on the stack as a C function, and may yield with no values, or raise. Nothing that
    // needs dropping is held when it does.
    unsafe {
        let Some(ours) = state_of(state) else { return interrupt_home(state, record) };
        let Some(interrupts) = ours.interrupts() else { return };
        if (*record).event != ffi::LUA_HOOKCOUNT {
            // For the script's hook, which wants to know of a call, a return or a line. There it must not yield; ours is called at
            // the next instruction.
            if let Some(displaced) = stand_in(interrupts, state) {
                displaced.call(state, record);
            }
            return;
        }
        if !interrupts.take_wanted() {
            return restore_hook(interrupts, state);
        }
        // Our own functions are not cut short: between a call that is to wait and the yield, and where a scope waits for its
        // goroutines, nothing may come in between. The hook is called again at the next instruction.
        if is_ours(state, record) {
            return interrupts.put_off();
        }
        let verdict = ours.interrupted();
        if verdict == Verdict::Nothing {
            return;
        }
        let can_yield = interrupts.is_yieldable() && is_yieldable(state);
        if can_yield && verdict != Verdict::Raise {
            if verdict == Verdict::Stop {
                ours.stop_running();
            }
            interrupts.set_yielded(state, ours.current().map_or(0, |running| running.id()));
            yield_nothing(state);
            return; // the yield happens now
        }
        if verdict != Verdict::Yield {
            let mut stack = Stack { state, _call: PhantomData };
            let pushed = stack.reserve(8)
                && catch_unwind(AssertUnwindSafe(|| ours.push_cancelled(&mut stack))).is_ok();
            if pushed {
                if verdict == Verdict::Stop {
                    // It has caught the error for too long. Whoever catches it now gets it again at the next instruction, and so
                    // does a loop around that.
                    keep_on(interrupts, state);
                } else {
                    // The coroutine may end by it, and then this is called no more.
                    restore_hook(interrupts, state);
                }
                ffi::lua_error(state);
            }
        }
    }
}

#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe fn is_yieldable(state: *mut lua_State) -> bool {
    // SAFETY: reads only.
    unsafe { ffi::lua_isyieldable(state) != 0 }
}

#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
unsafe fn yield_nothing(state: *mut lua_State) {
    // SAFETY: in a count hook, of a coroutine that can yield; it returns, and the hook returns at once.
    unsafe {
        ffi::lua_yield(state, 0);
    }
}

/// The script's hook, for which ours stands in, to be called now.
///
/// # Safety
/// That of a hook.
#[cfg(target_os = "linux")]
unsafe fn stand_in(interrupts: &Interrupts, state: *mut lua_State) -> Option<Displaced> {
    // SAFETY: the same arguments. If the coroutine is about to yield, because ours was called for the same instruction before,
    // nothing may run in it.
    unsafe {
        if ffi::lua_status(state) != ffi::LUA_OK {
            return None;
        }
        let displaced = displaced(state)?;
        // The count may be wrong, if the signal came while Lua was writing it.
        let mask = ffi::lua_gethookmask(state);
        interrupts.setting(|| ffi::lua_sethook(state, Some(interrupt_hook), mask, 1));
        Some(displaced)
    }
}

/// Elsewhere it stands in for none.
#[cfg(not(target_os = "linux"))]
unsafe fn stand_in(_: &Interrupts, _: *mut lua_State) -> Option<Displaced> {
    None
}

#[cfg(not(target_os = "linux"))]
enum Displaced {}

#[cfg(not(target_os = "linux"))]
impl Displaced {
    unsafe fn call(self, _: *mut lua_State, _: *mut lua_Debug) {
        match self {}
    }
}

/// The hook in a home state: see [`crate::local`]. It never yields.
///
/// # Safety
/// That of a hook.
unsafe fn interrupt_home(state: *mut lua_State, record: *mut lua_Debug) {
    // SAFETY: as in `interrupt_hook`. What needs dropping is gone before the script's hook is called, or anything is raised: it is
    // in the block, and the state lives on by what anchors it.
    unsafe {
        let mut stands_in_for = None;
        let raises = 'held: {
            let Some(home) = home_of(state) else {
                ffi::lua_sethook(state, None, 0, 0); // the state is being closed
                break 'held false;
            };
            let Some(interrupts) = home.interrupts() else { break 'held false };
            if (*record).event != ffi::LUA_HOOKCOUNT {
                stands_in_for = stand_in(interrupts, state);
                break 'held false;
            }
            if !interrupts.take_wanted() {
                restore_hook(interrupts, state);
                break 'held false;
            }
            if is_ours(state, record) {
                interrupts.put_off();
                break 'held false;
            }
            restore_hook(interrupts, state);
            let became = catch_unwind(AssertUnwindSafe(|| home.interrupted_at_home()));
            let became = became.unwrap_or(AtHome::GoesOn);
            if became == AtHome::GoesOn || ffi::lua_checkstack(state, 8) == 0 {
                break 'held false;
            }
            if became == AtHome::Interrupted {
                ffi::luaL_where(state, 0);
                ffi::lua_pushstring(state, c"interrupted".as_ptr());
                ffi::lua_concat(state, 2);
                break 'held true;
            }
            let mut stack = Stack { state, _call: PhantomData };
            let pushed = catch_unwind(AssertUnwindSafe(|| home.push_cancelled(&mut stack))).is_ok();
            if pushed && became == AtHome::Stopped {
                keep_on(interrupts, state);
            }
            pushed
        };
        if let Some(displaced) = stands_in_for {
            displaced.call(state, record);
        } else if raises {
            ffi::lua_error(state);
        }
    }
}

/// Removes our hook, and puts back the one that it stands in for, unless it is there all the time.
///
/// # Safety
/// `state` is the innermost running coroutine of this thread.
unsafe fn restore_hook(interrupts: &Interrupts, state: *mut lua_State) {
    if interrupts.is_permanent() {
        return;
    }
    interrupts.setting(|| {
        // SAFETY: the caller's promise.
        unsafe {
            #[cfg(target_os = "linux")]
            if let Some(displaced) = take_displaced(state) {
                return displaced.put_back(state);
            }
            ffi::lua_sethook(state, None, 0, 0);
        }
    });
}

/// Has our hook called at the next instruction of this coroutine.
///
/// # Safety
/// `state` is the innermost running coroutine of this thread.
unsafe fn keep_on(interrupts: &Interrupts, state: *mut lua_State) {
    interrupts.put_off();
    // SAFETY: the caller's promise.
    interrupts.setting(|| unsafe { ffi::lua_sethook(state, Some(interrupt_hook), ffi::LUA_MASKCOUNT, 1) });
}

/// Goes on with stopping a goroutine, one of whose coroutines has failed: in the coroutine that has resumed it, which is `state`.
///
/// # Safety
/// `state` is the innermost running coroutine of this thread, and of an isolate.
pub(super) unsafe fn go_on_stopping(state: *mut lua_State) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(ours) = state_of(state) else { return };
        let Some(interrupts) = ours.interrupts() else { return };
        if ours.interrupted() == Verdict::Stop {
            keep_on(interrupts, state);
        }
    }
}

/// Whether the script has a hook in this coroutine, be it one that ours stands in for.
///
/// # Safety
/// `state` is alive, and of this thread.
pub(super) unsafe fn is_hooked(state: *mut lua_State) -> bool {
    // SAFETY: the same promise; reads only.
    let Some(hook) = (unsafe { ffi::lua_gethook(state) }) else { return false };
    if !std::ptr::fn_addr_eq(hook, interrupt_hook as ffi::lua_Hook) {
        return true;
    }
    #[cfg(target_os = "linux")]
    return displaced(state).is_some();
    #[cfg(not(target_os = "linux"))]
    false
}

/// The same in a home state.
///
/// # Safety
/// `state` is the innermost running coroutine of this thread, and of that state.
pub(super) unsafe fn go_on_stopping_at_home(home: &State, state: *mut lua_State) {
    if let Some(interrupts) = home.interrupts()
        && home.current().is_some_and(|running| home.may_be_stopped(&running))
        && home.interrupted() == Verdict::Stop
    {
        // SAFETY: the caller's promise.
        unsafe { keep_on(interrupts, state) };
    }
}

/// Installs the hook for all coroutines of a home state, where that is the way to interrupt them.
pub(crate) fn prepare_home(lua: &Lua, interrupts: &Interrupts) {
    if interrupts.is_permanent() {
        // SAFETY: the running coroutine of the state; new ones take over the hook of the one that makes them.
        lua.exec_raw_lua(|raw| unsafe {
            ffi::lua_sethook(raw.state(), Some(interrupt_hook), ffi::LUA_MASKCOUNT, PERIOD);
        });
    }
}

/// Gives a new coroutine the hook of the one that has made it, if it has got ours from there.
///
/// # Safety
/// `outer` is the innermost running coroutine of this thread; `inner` is alive, and has not run.
#[cfg(not(feature = "luajit"))]
pub(super) unsafe fn inherit_hook(outer: *mut lua_State, inner: *mut lua_State) {
    // SAFETY: the same promise; the handler touches what runs alone.
    unsafe {
        let ours = ffi::lua_gethook(inner)
            .is_some_and(|hook| std::ptr::fn_addr_eq(hook, interrupt_hook as ffi::lua_Hook));
        if !ours || interrupts_of(outer).is_none_or(Interrupts::is_permanent) {
            return;
        }
        #[cfg(target_os = "linux")]
        if let Some(displaced) = displaced(outer) {
            return displaced.put_back(inner);
        }
        ffi::lua_sethook(inner, None, 0, 0);
    }
}

impl Coroutine {
    /// Whether a hook is set in it.
    pub(crate) fn has_hook(self) -> bool {
        // SAFETY: the coroutine is anchored, and does not run; reads only.
        unsafe { ffi::lua_gethook(self.as_ptr()) }.is_some()
    }

    /// Leaves it with the hook that a new coroutine has: one that the script has set, or taken away, was for the goroutine that has
    /// ended.
    pub(crate) fn reset_hook(self, interrupts: &Interrupts) {
        let permanent = interrupts.is_permanent();
        if !permanent && !self.has_hook() {
            return;
        }
        interrupts.setting(|| {
            #[cfg(target_os = "linux")]
            let _ = take_displaced(self.as_ptr());
            // SAFETY: the same; nothing runs in it, and the handler does not come in between.
            unsafe {
                if permanent {
                    ffi::lua_sethook(self.as_ptr(), Some(interrupt_hook), ffi::LUA_MASKCOUNT, PERIOD);
                } else {
                    ffi::lua_sethook(self.as_ptr(), None, 0, 0);
                }
            }
        });
    }
}

/// The script sets this hook for `of`, be it the running coroutine or another: none if `mask` is 0.
///
/// # Safety
/// `running` is the innermost running coroutine of this thread; `of` is alive, and of the same state.
pub(super) unsafe fn set_hook(
    running: *mut lua_State,
    of: *mut lua_State,
    hook: Option<ffi::lua_Hook>,
    mask: i32,
    count: i32,
) {
    // SAFETY: the same promise.
    unsafe {
        let Some(interrupts) = interrupts_of(running) else { return };
        interrupts.setting(|| {
            #[cfg(target_os = "linux")]
            let _ = take_displaced(of);
            ffi::lua_sethook(of, hook, mask, count);
        });
    }
}

/// A hook cannot yield in this Lua.
#[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
unsafe fn is_yieldable(_: *mut lua_State) -> bool {
    false
}

#[cfg(not(any(feature = "lua53", feature = "lua54", feature = "lua55")))]
unsafe fn yield_nothing(_: *mut lua_State) {}
