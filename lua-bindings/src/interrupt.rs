//! Interrupts: a goroutine that computes for long makes room for its neighbours, and can be stopped.
//!
//! # The parts
//! - Each isolate has a [`Pulse`], where it shows which coroutine it is running, and how often it has taken up a goroutine.
//! - The **monitor** (`monitor.rs`) is one thread per runtime that looks at the pulses every few milliseconds while any
//!   goroutine runs, and sleeps otherwise. It interrupts an isolate that has been running the same goroutine for about
//!   10 ms.
//! - The **handler** (`signal.rs`) runs on the isolate's own thread, in the midst of whatever that was doing. It does what
//!   the stock interpreter does for Ctrl-C: it installs a count hook in the innermost running coroutine.
//! - The **hook** (`raw/hook.rs`) runs at the next instruction of that coroutine, where everything is allowed again. It asks
//!   [`State::interrupted`](crate::state::State) what to do: yield, raise the error of a cancelled goroutine, or nothing.
//!
//! # Who does what when
//! 1. The monitor says that it [wants](Handshake::want) an interrupt, then signals the thread. It signals only a thread that is on a processor or waits
//!    for one: a signal would cut short what sleeps in the kernel (`sleep`, `poll`).
//! 2. The handler finds the pulse of its thread. If a coroutine runs and an interrupt is wanted, it installs the hook. A
//!    signal that comes late, when something else runs already, does no harm: the hook decides by what runs then.
//! 3. The hook takes the wish back and yields with nothing. **It stays installed until it is called again**, after the
//!    coroutine was resumed, finds none and removes itself (or puts back the hook that was there before): a
//!    coroutine that has yielded in a hook keeps its registers only as long as the hook is there for mlua to see.
//! 4. Whoever resumed the coroutine finds [`Interrupts::take_yielded`] and hands the yield outward: our
//!    `coroutine.resume` to the coroutine around it, the goroutine's future to the executor, behind its neighbours.
//!
//! What these say to each other is in `handshake.rs`, which runtime-core's loom tests explore.
//!
//! Hooks of the script's own (debuggers', coverage tools') are put aside meanwhile (`displaced.rs`). The handler never comes upon
//! a hook that is half set: whoever sets one says so, and the monitor comes again. On 5.2 and 5.3 what has a hook that both counts
//! and follows lines is not interrupted (`signal.rs` says why).
//!
//! Nothing is paid while nobody is interrupted, but for two stores when a goroutine is taken up and put down.
//!
//! A hook can yield on Lua 5.3 and later. On 5.1, 5.2 and LuaJIT it can raise only: there a goroutine that computes is not
//! interrupted for its neighbours, but it can be cancelled. Code that LuaJIT has compiled sees no hooks at all.
//!
//! Where there are no such signals ([`Interrupt::Hook`]), every coroutine has a count hook all the time, which slows calls
//! down by half.

#[cfg(target_os = "linux")]
mod displaced;
mod handshake;
mod monitor;
#[cfg(target_os = "linux")]
mod signal;
mod thread;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic as sync;

use mlua::ffi::lua_State;

use handshake::{Handshake, Rest};
pub(crate) use monitor::{Monitor, TIME_SLICE};
use thread::ThreadId;

use crate::raw::Coroutine;

/// How goroutines that compute for long are interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interrupt {
    /// By this signal, sent to the thread of their isolate; a handler that is installed already still gets those that come
    /// from elsewhere. Ours is installed when the first goroutine computes for longer than its time slice, and stays. Costs nothing while
    /// nobody is interrupted. Linux only: elsewhere this is [`Interrupt::Hook`].
    Signal(i32),
    /// By a hook that Lua calls every few thousand instructions. Slows code with many calls down to half its speed. LuaJIT calls it in
    /// interpreted code only.
    Hook,
    /// Not at all. A goroutine runs until it waits, and one that computes without end cannot be stopped.
    Never,
}

impl Default for Interrupt {
    /// `SIGURG`, which does nothing unless somebody asks for it; Go uses the same.
    fn default() -> Self {
        #[cfg(target_os = "linux")]
        return Self::Signal(libc::SIGURG);
        #[cfg(not(target_os = "linux"))]
        return Self::Hook;
    }
}

/// What an isolate shows to the monitor and to the signal handler.
pub(crate) struct Pulse {
    handshake: Handshake<lua_State>,
    thread: ThreadId,
    /// Whether it is a home state's: nobody takes over from that, and it blocks as it likes.
    is_home: bool,
}

impl Pulse {
    /// Of the calling thread, which runs nothing yet.
    pub(crate) fn here() -> Self {
        Self { handshake: Handshake::new(), thread: ThreadId::current(), is_home: false }
    }

    /// Whether its isolate runs a goroutine just now.
    pub(crate) fn runs(&self) -> bool {
        self.handshake.is_running()
    }

    #[cfg(test)]
    pub(crate) fn handshake(&self) -> &Handshake<lua_State> {
        &self.handshake
    }
}

/// Whether a coroutine yielded because the goroutine was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yielded {
    No,
    /// In its own hook: its stack holds its registers, and must be left alone.
    Here,
    /// A coroutine inside it did, and it handed that outward.
    Inside,
}

/// The isolate's side: lives on its thread, as long as it runs goroutines.
pub(crate) struct Interrupts {
    pulse: Arc<Pulse>,
    monitor: Arc<Monitor>,
    /// The coroutine of the goroutine that is taken up; null while none is.
    main: Cell<*mut lua_State>,
    /// Set by the hook when it yields, until whoever resumed the coroutine has seen it.
    yielded: Cell<Yielded>,
    /// Whether all the coroutines around the innermost one can yield.
    yieldable: Cell<bool>,
    /// Whether hooks of the script's were displaced in coroutines that have yielded.
    displaced: Cell<bool>,
}

impl Interrupts {
    /// Makes the calling thread, which is an isolate's, known to the monitor.
    pub(crate) fn begin(monitor: &Arc<Monitor>) -> Self {
        Self::of(monitor, false)
    }

    /// The same for the thread of a home state.
    pub(crate) fn begin_at_home(monitor: &Arc<Monitor>) -> Self {
        Self::of(monitor, true)
    }

    fn of(monitor: &Arc<Monitor>, is_home: bool) -> Self {
        let pulse = Arc::new(Pulse { is_home, ..Pulse::here() });
        monitor.watch(&pulse);
        Self {
            pulse,
            monitor: Arc::clone(monitor),
            main: Cell::new(std::ptr::null_mut()),
            yielded: Cell::new(Yielded::No),
            yieldable: Cell::new(true),
            displaced: Cell::new(false),
        }
    }

    /// What others see of it.
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// A goroutine is about to be resumed.
    pub(crate) fn take_up(&self, coroutine: Coroutine) {
        self.main.set(coroutine.as_ptr());
        self.pulse.handshake.take_up(coroutine.as_ptr());
        self.monitor.wake_if_at_rest();
    }

    /// In a home state: Lua runs in this coroutine from now on. Gives what is to be restored then; null if nothing ran. A turn of its
    /// own, also within another's.
    pub(crate) fn begin_turn(&self, coroutine: *mut lua_State) -> *mut lua_State {
        let before = self.pulse.handshake.take_up(coroutine);
        self.monitor.wake_if_at_rest();
        before
    }

    /// What ran before goes on; if nothing did, the thread looks for something to run, or blocks.
    pub(crate) fn end_turn(&self, before: *mut lua_State) {
        self.pulse.handshake.take_up(before);
    }

    /// In a home state: does something while no Lua code runs, but for turns that begin within it.
    pub(crate) fn paused<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = self.pulse.handshake.take_up(std::ptr::null_mut());
        let result = act();
        if !before.is_null() {
            self.begin_turn(before);
        }
        result
    }

    /// The coroutine has ended, and what the goroutine still does before it is put down runs on this one.
    pub(crate) fn go_on_in(&self, outer: *mut lua_State) {
        self.pulse.handshake.switch_back(outer);
    }

    /// It has yielded, or ended.
    pub(crate) fn put_down(&self) {
        self.main.set(std::ptr::null_mut());
        self.pulse.handshake.put_down();
    }

    /// Whether this is the goroutine's own coroutine, and not one that it has made.
    pub(crate) fn is_main(&self, coroutine: *mut lua_State) -> bool {
        self.main.get() == coroutine
    }

    /// A coroutine of the goroutine's own is about to be resumed; `yieldable`: whether the one that resumes it can yield.
    /// Returns what [`Interrupts::leave`] restores.
    pub(crate) fn enter(&self, inner: *mut lua_State, yieldable: bool) -> (*mut lua_State, bool) {
        let outer = self.pulse.handshake.switch(inner);
        (outer, self.yieldable.replace(self.yieldable.get() && yieldable))
    }

    pub(crate) fn leave(&self, (outer, yieldable): (*mut lua_State, bool)) {
        self.pulse.handshake.switch_back(outer);
        self.yieldable.set(yieldable);
    }

    /// Whether the coroutines around the innermost one can yield.
    pub(crate) fn is_yieldable(&self) -> bool {
        self.yieldable.get()
    }

    /// Whether an interrupt is wanted; takes the wish back.
    pub(crate) fn take_wanted(&self) -> bool {
        self.pulse.handshake.take_wanted()
    }

    /// The interrupt is still wanted, a little later.
    pub(crate) fn put_off(&self) {
        self.pulse.handshake.want();
    }

    /// Whether a hook stays installed all the time.
    pub(crate) fn is_permanent(&self) -> bool {
        self.monitor.mode() == Interrupt::Hook
    }

    /// The hook yields, in this coroutine of a goroutine with this number.
    pub(crate) fn set_yielded(&self, state: *mut lua_State, goroutine: u64) {
        self.monitor.count();
        self.yielded.set(Yielded::Here);
        #[cfg(target_os = "linux")]
        if displaced::own(state, goroutine) {
            self.displaced.set(true);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (state, goroutine);
    }

    /// Sets a hook, or several things that belong together, without the handler coming in between.
    pub(crate) fn setting<T>(&self, set: impl FnOnce() -> T) -> T {
        self.pulse.handshake.setting(set)
    }

    /// The goroutine with this number has ended, and its coroutines will not go on.
    pub(crate) fn ended(&self, goroutine: impl FnOnce() -> u64) {
        #[cfg(target_os = "linux")]
        if self.displaced.get() {
            displaced::forget(goroutine());
        }
        #[cfg(not(target_os = "linux"))]
        let _ = goroutine;
    }

    /// Whether the coroutine that has just yielded did so because the goroutine was interrupted.
    pub(crate) fn take_yielded(&self) -> Yielded {
        self.yielded.replace(Yielded::No)
    }

    /// For whoever has resumed a coroutine of the goroutine's own: whether it was interrupted. The yield is handed outward.
    pub(crate) fn pass_yielded_on(&self) -> bool {
        let here = self.yielded.get() == Yielded::Here;
        if here {
            self.yielded.set(Yielded::Inside);
        }
        here
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.monitor.forget(&self.pulse);
    }
}

#[cfg(target_os = "linux")]
pub(crate) use displaced::{Displaced, find as displaced, take as take_displaced};
