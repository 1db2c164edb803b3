//! How goroutines are interrupted, under every interleaving of the isolate and the monitor; the signal handler runs on the isolate's
//! thread, between any two of its steps.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p runtime-core --test loom_interrupt --release`. What is explored is lua-bindings' own file;
//! Lua is a list of instructions here, in a coroutine and one inside it, and hooks are what they are in Lua: called before an
//! instruction, of the coroutine that they are set for.
#![cfg(loom)]

#[allow(dead_code, reason = "two threads are enough here")]
mod explore;

#[path = "../../lua-bindings/src/interrupt/handshake.rs"]
#[allow(dead_code, unreachable_pub)]
mod handshake;

use std::cell::{Cell, RefCell};

use explore::model;
use handshake::{Handshake, Rest};
use loom::sync::Arc;
use loom::thread;
use sync::{AtomicBool, Ordering};

/// loom's atomics. It takes a sequentially consistent operation for one that acquires and releases; a fence on both sides makes
/// it what the standard promises.
mod sync {
    use loom::sync::atomic;
    pub(crate) use loom::sync::atomic::Ordering;

    fn ordered<T>(ordering: Ordering, operation: impl FnOnce() -> T) -> T {
        if ordering != Ordering::SeqCst {
            return operation();
        }
        atomic::fence(Ordering::SeqCst);
        let output = operation();
        atomic::fence(Ordering::SeqCst);
        output
    }

    fn loading(ordering: Ordering) -> Ordering {
        if ordering == Ordering::SeqCst { Ordering::Acquire } else { ordering }
    }

    fn storing(ordering: Ordering) -> Ordering {
        if ordering == Ordering::SeqCst { Ordering::Release } else { ordering }
    }

    fn both(ordering: Ordering) -> Ordering {
        if ordering == Ordering::SeqCst { Ordering::AcqRel } else { ordering }
    }

    macro_rules! atomic {
        ($name:ident $value:ty $(, $type:ident)?) => {
            pub(crate) struct $name$(<$type>)?(atomic::$name$(<$type>)?);

            impl$(<$type>)? $name$(<$type>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }
                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    ordered(ordering, || self.0.load(loading(ordering)))
                }
                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    ordered(ordering, || self.0.store(value, storing(ordering)));
                }
                #[allow(dead_code)]
                pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                    ordered(ordering, || self.0.swap(value, both(ordering)))
                }
            }
        };
    }

    atomic!(AtomicBool bool);
    atomic!(AtomicU64 u64);
    atomic!(AtomicPtr *mut T, T);

    /// The handler is called by the isolate's own code here: the compiler has nothing to move.
    pub(crate) fn compiler_fence(_: Ordering) {}
}

/// A coroutine: what the hook is of it, and how far it is.
#[derive(Default)]
struct Coroutine {
    hooked: Cell<bool>,
    next: Cell<usize>,
}

/// What the isolate and the monitor share.
struct Shared {
    handshake: Handshake<Coroutine>,
    rest: Rest,
    /// A signal is on its way to the isolate's thread.
    signal: AtomicBool,
}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Self { handshake: Handshake::new(), rest: Rest::new(), signal: AtomicBool::new(false) };
        Arc::new(shared)
    }

    /// What the monitor does to interrupt.
    fn interrupt(&self) {
        self.handshake.want();
        self.signal.store(true, Ordering::Release);
    }
}

/// The isolate: runs a goroutine whose main coroutine runs another inside.
struct Isolate {
    shared: Arc<Shared>,
    main: Coroutine,
    inner: Coroutine,
    /// Which instructions were executed, in order.
    done: RefCell<Vec<&'static str>>,
    interrupts: Cell<usize>,
}

/// How running a coroutine ended.
#[derive(PartialEq, Eq)]
enum Ran {
    Yielded,
    Returned,
}

impl Isolate {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            main: Coroutine::default(),
            inner: Coroutine::default(),
            done: RefCell::default(),
            interrupts: Cell::new(0),
        }
    }

    /// Between any two steps a signal may come.
    fn step(&self) {
        if !self.shared.signal.swap(false, Ordering::AcqRel) {
            return;
        }
        let handshake = &self.shared.handshake;
        if handshake.is_wanted()
            && let Some(running) = handshake.to_be_hooked()
        {
            let (main, inner) = (std::ptr::from_ref(&self.main), std::ptr::from_ref(&self.inner));
            let running = running.cast_const();
            // Its own coroutines: those of nobody else can be there.
            let coroutine = if running == main { &self.main } else { &self.inner };
            assert!(running == main || running == inner);
            coroutine.hooked.set(true);
        }
    }

    /// Executes one instruction of a coroutine, after its hook if it has one. True if the hook has yielded instead.
    fn instruction(&self, of: &Coroutine, what: &'static str) -> bool {
        self.step();
        if of.hooked.get() {
            let handshake = &self.shared.handshake;
            if handshake.take_wanted() {
                self.interrupts.set(self.interrupts.get() + 1);
                // It stays hooked until the next call.
                return true;
            }
            handshake.setting(|| {
                self.step();
                of.hooked.set(false);
                self.step();
            });
        }
        self.done.borrow_mut().push(what);
        of.next.set(of.next.get() + 1);
        false
    }

    fn resume_inner(&self) -> Ran {
        for (index, what) in ["inner 1", "inner 2"].into_iter().enumerate() {
            if self.inner.next.get() == index && self.instruction(&self.inner, what) {
                return Ran::Yielded;
            }
        }
        Ran::Returned
    }

    /// What `coroutine.resume` of ours does: an interrupt inside is handed outward.
    fn resume_main(&self) -> Ran {
        let handshake = &self.shared.handshake;
        if self.main.next.get() == 0 && self.instruction(&self.main, "before") {
            return Ran::Yielded;
        }
        if self.main.next.get() == 1 {
            let outer = handshake.switch(std::ptr::from_ref(&self.inner).cast_mut());
            let ran = self.resume_inner();
            self.step();
            handshake.switch_back(outer);
            self.step();
            if ran == Ran::Yielded {
                return ran;
            }
        }
        for (index, what) in ["after", "end"].into_iter().enumerate() {
            if self.main.next.get() == index + 1 && self.instruction(&self.main, what) {
                return Ran::Yielded;
            }
        }
        Ran::Returned
    }

    /// Runs the goroutine to its end; says how often the monitor was to be woken.
    fn run(&self) -> usize {
        let mut woken = 0;
        loop {
            self.step();
            self.shared.handshake.take_up(std::ptr::from_ref(&self.main).cast_mut());
            woken += usize::from(self.shared.rest.end());
            let ran = self.resume_main();
            self.shared.handshake.put_down();
            self.step();
            if ran == Ran::Returned {
                return woken;
            }
        }
    }

    fn check(&self) {
        assert_eq!(*self.done.borrow(), ["before", "inner 1", "inner 2", "after", "end"]);
    }
}

#[test]
fn each_instruction_is_executed_once_however_often_it_is_interrupted() {
    model(|| {
        let shared = Shared::new();
        let monitor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for _ in 0..2 {
                    shared.interrupt();
                }
            })
        };
        let isolate = Isolate::new(&shared);
        isolate.run();
        monitor.join().unwrap();
        isolate.check();
        assert!(isolate.interrupts.get() <= 2);
    });
}

#[test]
fn a_monitor_that_comes_again_interrupts_what_runs_on() {
    model(|| {
        let shared = Shared::new();
        let isolate = Isolate::new(&shared);
        shared.handshake.take_up(std::ptr::from_ref(&isolate.main).cast_mut());
        // Wherever the first signal comes, also while a hook is being removed, the second one finds what runs.
        let monitor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.interrupt())
        };
        isolate.main.hooked.set(true);
        let first = isolate.instruction(&isolate.main, "one");
        monitor.join().unwrap();
        if !first {
            shared.interrupt();
            assert!(isolate.instruction(&isolate.main, "two"));
        }
        assert_eq!(isolate.interrupts.get(), 1);
    });
}

#[test]
fn a_monitor_that_rests_is_woken_by_whoever_takes_up_a_goroutine() {
    model(|| {
        let shared = Shared::new();
        let monitor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.rest.begin(|| shared.handshake.is_running());
                shared.rest.is_on()
            })
        };
        let isolate = Isolate::new(&shared);
        shared.handshake.take_up(std::ptr::from_ref(&isolate.main).cast_mut());
        let woken = shared.rest.end();
        let rests = monitor.join().unwrap();
        // It sees the goroutine and does not rest, or it is woken; or it was asked before it lay down and then saw the goroutine.
        assert!(!rests || woken);
        assert!(!shared.rest.is_on());
    });
}

#[test]
fn a_goroutine_is_seen_to_have_had_its_turn() {
    model(|| {
        let shared = Shared::new();
        let monitor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let turn = shared.handshake.turn();
                let running = shared.handshake.is_running();
                (turn, running, shared.handshake.turn())
            })
        };
        let isolate = Isolate::new(&shared);
        isolate.run();
        let (before, running, after) = monitor.join().unwrap();
        assert!(before <= after && after <= 1);
        assert!(!running || shared.handshake.turn() == 1);
        isolate.check();
    });
}
