//! What an isolate, the monitor and the signal handler say to each other, in atomics.
//!
//! This file is also compiled into a test of runtime-core's (`tests/loom_interrupt.rs`), which explores its interleavings: so it knows
//! nothing of Lua, nor of threads. `sync` is std's atomics, or loom's.

use super::sync::{AtomicBool, AtomicPtr, AtomicU64, Ordering, compiler_fence};

/// What an isolate shows. Written by its own thread alone, but for the wish.
pub(crate) struct Handshake<T> {
    /// The innermost coroutine that runs; null while no goroutine does. It stays alive as long as it stands here: the
    /// isolate's thread writes it around the resume that runs it.
    running: AtomicPtr<T>,
    /// How often a goroutine was taken up.
    turn: AtomicU64,
    /// Whether the monitor wants the running code to be interrupted.
    wanted: AtomicBool,
    /// Whether the isolate is in the midst of setting a hook, which the handler would find half done: it leaves it alone, and the
    /// monitor comes again.
    setting: AtomicBool,
}

impl<T> Handshake<T> {
    pub(crate) fn new() -> Self {
        Self {
            running: AtomicPtr::new(std::ptr::null_mut()),
            turn: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            setting: AtomicBool::new(false),
        }
    }

    /// The isolate is about to resume a goroutine. Gives what it ran before, if a home state's thread ran something.
    pub(crate) fn take_up(&self, coroutine: *mut T) -> *mut T {
        // The isolate alone writes it.
        self.turn.store(self.turn.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // Pairs with `Rest::begin`: either the monitor sees this coroutine, or `Rest::end` sees that it rests.
        self.running.swap(coroutine, Ordering::SeqCst)
    }

    /// The goroutine has yielded, or ended.
    pub(crate) fn put_down(&self) {
        self.running.store(std::ptr::null_mut(), Ordering::Release);
    }

    /// The goroutine goes on in another coroutine. Gives the one before.
    pub(crate) fn switch(&self, coroutine: *mut T) -> *mut T {
        self.running.swap(coroutine, Ordering::Relaxed)
    }

    /// The same, where the one before is known.
    pub(crate) fn switch_back(&self, coroutine: *mut T) {
        self.running.store(coroutine, Ordering::Relaxed);
    }

    /// For the monitor: whether a goroutine runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.running.load(Ordering::SeqCst).is_null()
    }

    /// For the monitor: it changes whenever a goroutine is taken up.
    pub(crate) fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// An interrupt is wanted. The isolate is to be signalled after this.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// For the handler: whether the signal may be the monitor's.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    /// For the handler, if it is: the coroutine that is to get the hook.
    pub(crate) fn to_be_hooked(&self) -> Option<*mut T> {
        let running = self.running.load(Ordering::SeqCst);
        (!running.is_null() && !self.setting.load(Ordering::Relaxed)).then_some(running)
    }

    /// For the hook: whether an interrupt is wanted; takes the wish back.
    pub(crate) fn take_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::SeqCst)
    }

    /// Does something with hooks without the handler coming in between.
    pub(crate) fn setting<R>(&self, set: impl FnOnce() -> R) -> R {
        // The handler runs on this thread: it sees what is written before it comes, if the compiler leaves that there.
        self.setting.store(true, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let done = set();
        compiler_fence(Ordering::SeqCst);
        self.setting.store(false, Ordering::Relaxed);
        done
    }
}

/// Whether the monitor rests, because no isolate runs a goroutine.
pub(crate) struct Rest(AtomicBool);

impl Rest {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// The monitor rests, unless somebody runs a goroutine at this moment.
    pub(crate) fn begin(&self, anybody_runs: impl FnOnce() -> bool) {
        self.0.store(true, Ordering::SeqCst);
        if anybody_runs() {
            self.0.store(false, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// For an isolate that has taken up a goroutine: whether it has ended the rest, and is to wake the monitor.
    pub(crate) fn end(&self) -> bool {
        self.0.load(Ordering::SeqCst) && self.0.swap(false, Ordering::SeqCst)
    }
}
