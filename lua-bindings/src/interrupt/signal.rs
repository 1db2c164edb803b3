//! The signal handler: finds what its thread runs, and installs the hook there.
//!
//! What it does is what a handler may do: it reads and writes atomics, asks for the thread it runs on, and calls
//! `lua_sethook`, which Lua allows in a handler on the thread that runs the state (its own interpreter's handler of Ctrl-C
//! is the same). It touches no thread-local, which in a loaded library may be allocated on first use.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use mlua::ffi::{self, lua_State};
use parking_lot::Mutex;

use super::Pulse;
use super::displaced::{self, Displaced};
use crate::raw::interrupt_hook;

/// One isolate's thread, where the handler finds its pulse. Empty while `thread` is 0.
struct Place {
    thread: AtomicUsize,
    pulse: AtomicPtr<Pulse>,
}

/// More isolates than a runtime can have; those of all runtimes of the process stand here. One that finds no place is not
/// interrupted.
static PLACES: [Place; 4096] =
    [const { Place { thread: AtomicUsize::new(0), pulse: AtomicPtr::new(ptr::null_mut()) } }; 4096];
/// Places from here on have never been used.
static USED: AtomicUsize = AtomicUsize::new(0);
static PLACING: Mutex<()> = Mutex::new(());

/// What was installed before, by number of signal. Set before our handler is, and never changed.
static BEFORE: [OnceLock<libc::sigaction>; 65] = [const { OnceLock::new() }; 65];

/// Whether there can be a handler for `signal`. Installs none.
pub(super) fn check(signal: c_int) -> io::Result<()> {
    before(signal)?;
    match signal {
        // What these do can be asked for, too.
        libc::SIGKILL | libc::SIGSTOP => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        _ => installed(signal).map(drop),
    }
}

/// What the process does at `signal`.
fn installed(signal: c_int) -> io::Result<libc::sigaction> {
    // SAFETY: a record of integers and pointers, for which zero is a value; the call gets a valid pointer to it, and changes nothing
    // else.
    unsafe {
        let mut found: libc::sigaction = mem::zeroed();
        if libc::sigaction(signal, ptr::null(), &mut found) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(found)
    }
}

fn before(signal: c_int) -> io::Result<&'static OnceLock<libc::sigaction>> {
    let before = usize::try_from(signal).ok().and_then(|signal| BEFORE.get(signal));
    before.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Installs the handler for `signal`, once.
pub(super) fn install(signal: c_int) -> io::Result<()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let before = before(signal)?;
    let _one_at_a_time = INSTALLING.lock();
    if before.get().is_some() {
        return Ok(());
    }
    // SAFETY: a record of integers and pointers, for which zero is a value; the call gets a valid pointer to it. The
    // handler is ready to run when it is installed, since what was there before is noted first.
    unsafe {
        let _ = before.set(installed(signal)?);
        let mut new: libc::sigaction = mem::zeroed();
        new.sa_sigaction = handle as *const () as usize;
        new.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut new.sa_mask);
        if libc::sigaction(signal, &new, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Lets the handler find this pulse. Called on the thread it belongs to.
pub(super) fn enter(pulse: &Pulse) {
    let _one_at_a_time = PLACING.lock();
    let used = USED.load(Ordering::Relaxed);
    let free = PLACES[..used].iter().position(|place| place.thread.load(Ordering::Relaxed) == 0);
    let index = free.unwrap_or(used);
    let Some(place) = PLACES.get(index) else {
        return;
    };
    place.pulse.store(ptr::from_ref(pulse).cast_mut(), Ordering::Release);
    place.thread.store(pulse.thread.as_number(), Ordering::Release);
    USED.fetch_max(index + 1, Ordering::Release);
}

/// The handler finds it no more. Called on the same thread, so no handler is looking at it.
pub(super) fn leave(pulse: &Pulse) {
    let _one_at_a_time = PLACING.lock();
    for place in &PLACES[..USED.load(Ordering::Relaxed)] {
        if place.pulse.load(Ordering::Relaxed).cast_const() == ptr::from_ref(pulse) {
            place.thread.store(0, Ordering::Release);
            place.pulse.store(ptr::null_mut(), Ordering::Release);
        }
    }
}

unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the thread's own place holds a pulse that lives until the thread has left it; other threads' pulses are not
    // looked at. The coroutine is alive, see `Handshake`. Loading a OnceLock that is set takes no lock.
    unsafe {
        let this = libc::pthread_self() as usize;
        for place in &PLACES[..USED.load(Ordering::Acquire)] {
            if place.thread.load(Ordering::Acquire) == this {
                let pulse = place.pulse.load(Ordering::Acquire);
                if !pulse.is_null() && (*pulse).handshake.is_wanted() {
                    if let Some(running) = (*pulse).handshake.to_be_hooked() {
                        install_hook(running);
                    }
                    return;
                }
            }
        }
        // Not from us.
        let Some(before) = usize::try_from(signal).ok().and_then(|signal| BEFORE.get(signal)?.get()) else {
            return;
        };
        match before.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {}
            handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(c_int) = mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

unsafe fn install_hook(state: *mut lua_State) {
    // SAFETY: the innermost running coroutine of this very thread; see the module's documentation. Nobody is in the midst of
    // setting its hook: see `Handshake::setting`.
    unsafe {
        // If it is ours, it has not been called yet. It is set once more, as something may keep it from that: Lua may have been
        // about to note in the running function that there is no hook to look at, or to write the count of instructions.
        let mut mask = ffi::lua_gethookmask(state);
        if let Some(hook) = ffi::lua_gethook(state)
            && !ptr::fn_addr_eq(hook, interrupt_hook as ffi::lua_Hook)
        {
            if is_fragile(mask) || !displaced::write_down(state, Displaced::of(state, hook)) {
                return;
            }
            if !STANDS_IN_FOR_ALL {
                mask = 0;
            }
        }
        ffi::lua_sethook(state, Some(interrupt_hook), mask | ffi::LUA_MASKCOUNT, 1);
    }
}

/// Whether ours is called for the events of the script's hook, too, and passes them on. So none is missed; and where the signal
/// came as Lua was writing the count of instructions, ours is called at the next line all the same, and not a round of the
/// counter later. (In Lua 5.2 and 5.3, see [`is_fragile`]; LuaJIT changes its code for such hooks.)
const STANDS_IN_FOR_ALL: bool = cfg!(any(feature = "lua54", feature = "lua55"));

/// Whether a hook for these events may not be replaced at any moment. Lua 5.2 and 5.3 call a hook that counts, and then tell
/// by a position which they have remembered whether a line has begun. Setting a hook meanwhile makes that a position in the
/// hook's own function, and they look it up in the wrong one. What has such a hook is not interrupted.
fn is_fragile(mask: c_int) -> bool {
    let both = ffi::LUA_MASKCOUNT | ffi::LUA_MASKLINE;
    cfg!(any(feature = "lua52", feature = "lua53")) && mask & both == both
}
