//! [`Monitor`]: looks at the isolates from time to time, while any runs a goroutine.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::thread::Doing;
use super::{Interrupt, Pulse, Rest};

/// How long a goroutine computes before it is interrupted, if it is not said otherwise.
pub(crate) const TIME_SLICE: Duration = Duration::from_millis(10);

/// After how many looks at the same turn of a goroutine it is interrupted, and again after as many: if it has computed for
/// at least half the time between two looks, and has not just stood in line for a processor.
const LONG: u32 = 2;

/// An isolate that has not got to an interrupt is asked again when it has computed for twice as long as before, and for no longer than
/// this. The handler takes the longer the deeper the calls are: a signal that came each time before it had ended would let nothing
/// else run.
const PATIENCE: Duration = Duration::from_millis(200);

/// After so long in the same turn an isolate that is asleep counts as blocked.
const ASLEEP: Duration = Duration::from_millis(15);

/// After so long in the same turn an isolate that computes counts as stuck: where interrupts make goroutines yield, each goes on
/// in a new turn.
const STUCK: Duration = Duration::from_millis(100);

/// Between looks that are closer than this the monitor does not sleep: it would sleep longer.
const SHORT: Duration = Duration::from_micros(100);

/// For how many time slices nobody is found at work before the monitor falls asleep.
const QUIET: u32 = 10;

/// The thread that interrupts, and what it shares with the isolates.
pub(crate) struct Monitor {
    mode: Interrupt,
    pulses: Mutex<Vec<Watched>>,
    rest: Rest,
    ended: AtomicBool,
    thread: OnceLock<Thread>,
    /// How often a goroutine was made to yield.
    interrupts: AtomicU64,
}

/// One isolate, and what the last look at it has shown.
struct Watched {
    pulse: Arc<Pulse>,
    turn: u64,
    /// Looks at the same turn, since it was last interrupted.
    looks: u32,
    /// How often it was asked for an interrupt in vain, until now.
    unheard: u32,
    /// How long its thread had computed when these began.
    before: Option<Duration>,
    /// When this turn was first seen.
    since: Instant,
    /// How long its thread had computed when that was first looked at in this turn, and at the last look.
    first: Option<Duration>,
    last: Option<Duration>,
}

/// How an isolate is kept from its other goroutines.
enum Blocked {
    /// Asleep in the kernel.
    Asleep,
    /// It computes, and cannot be made to yield.
    Stuck,
}

/// What a look has shown.
#[derive(Default)]
struct Seen {
    /// Whether any isolate runs a goroutine.
    busy: bool,
    asleep: usize,
    stuck: usize,
}

impl Watched {
    /// From now on the looks are counted, and what is computed.
    fn begin(&mut self) {
        self.looks = 0;
        self.before = self.pulse.thread.processor_time();
    }

    /// Whether its thread has computed for so long since. Where that cannot be known it has.
    fn has_computed(&self, long: Duration) -> bool {
        let computed = self.pulse.thread.processor_time();
        self.before.zip(computed).is_none_or(|(before, computed)| computed.saturating_sub(before) >= long)
    }

    /// For how long it is to have computed, where `long` is enough the first time.
    fn patience(&self, long: Duration) -> Duration {
        long.max(long.saturating_mul(1 << self.unheard).min(PATIENCE))
    }

    /// Whether the isolate is blocked by what it has run for so long.
    fn blocked(&mut self, lasts: Duration) -> Option<Blocked> {
        let computed = self.pulse.thread.processor_time()?;
        match self.pulse.thread.doing() {
            Doing::Sleeping => {
                // One that is merely found asleep may have computed since the last look.
                let before = self.last.replace(computed);
                (before == Some(computed)).then_some(Blocked::Asleep)
            }
            Doing::Computing => {
                // On a machine that is merely busy it waits for a processor.
                let first = *self.first.get_or_insert(computed);
                (lasts >= STUCK && computed - first >= STUCK / 2).then_some(Blocked::Stuck)
            }
            Doing::Unknown => None,
        }
    }
}

impl Monitor {
    pub(crate) fn new(mode: Interrupt) -> Self {
        Self {
            mode: if cfg!(not(target_os = "linux")) && matches!(mode, Interrupt::Signal(_)) {
                Interrupt::Hook
            } else {
                mode
            },
            pulses: Mutex::default(),
            rest: Rest::new(),
            ended: AtomicBool::new(false),
            thread: OnceLock::new(),
            interrupts: AtomicU64::new(0),
        }
    }

    pub(crate) fn mode(&self) -> Interrupt {
        self.mode
    }

    /// Starts the thread. It ends when [`Monitor::end`] is called, or the last reference from elsewhere is dropped.
    ///
    /// `take_over` is told at each look how many isolates are blocked, asleep or computing in C functions, if any runs a goroutine.
    pub(crate) fn start(
        self: &Arc<Self>,
        time_slice: Duration,
        take_over: impl Fn(usize, usize) + Send + 'static,
    ) -> io::Result<Option<JoinHandle<()>>> {
        if self.mode == Interrupt::Never {
            return Ok(None);
        }
        #[cfg(target_os = "linux")]
        if let Interrupt::Signal(signal) = self.mode {
            super::signal::check(signal)?;
        }
        let monitor = Arc::downgrade(self);
        let thread = thread::Builder::new()
            .name("goroutine-monitor".into())
            .spawn(move || watch(&monitor, time_slice / LONG, &take_over))?;
        let _ = self.thread.set(thread.thread().clone());
        Ok(Some(thread))
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// How often a goroutine was made to yield to its neighbours.
    pub(crate) fn interrupts(&self) -> u64 {
        self.interrupts.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn watch(&self, pulse: &Arc<Pulse>) {
        #[cfg(target_os = "linux")]
        if matches!(self.mode, Interrupt::Signal(_)) {
            super::signal::enter(pulse);
        }
        self.pulses.lock().push(Watched {
            pulse: Arc::clone(pulse),
            turn: 0,
            looks: 0,
            unheard: 0,
            before: None,
            since: Instant::now(),
            first: None,
            last: None,
        });
    }

    /// Called on the pulse's thread. The monitor signals threads with this lock held, so it signals none that is gone.
    pub(super) fn forget(&self, pulse: &Arc<Pulse>) {
        self.pulses.lock().retain(|watched| !Arc::ptr_eq(&watched.pulse, pulse));
        #[cfg(target_os = "linux")]
        if matches!(self.mode, Interrupt::Signal(_)) {
            super::signal::leave(pulse);
        }
    }

    /// Whether it is there for a home state.
    pub(crate) fn watches_home(&self) -> bool {
        self.pulses.lock().iter().any(|watched| watched.pulse.is_home)
    }

    /// Whether the thread was started.
    pub(crate) fn is_started(&self) -> bool {
        self.thread.get().is_some()
    }

    /// How often all isolates together have taken up goroutines, if none runs one now and all their threads are asleep.
    pub(crate) fn turns_if_all_sleep(&self) -> Option<u64> {
        let pulses = self.pulses.lock();
        let sleeps = |watched: &Watched| {
            !watched.pulse.handshake.is_running() && watched.pulse.thread.doing() == Doing::Sleeping
        };
        let isolates = || pulses.iter().filter(|watched| !watched.pulse.is_home);
        isolates().all(sleeps).then(|| isolates().map(|watched| watched.pulse.handshake.turn()).sum())
    }

    /// Called by an isolate that has just shown what it runs.
    pub(super) fn wake_if_at_rest(&self) {
        if self.rest.end()
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Looks at all isolates, as it does every `tick`.
    fn look(&self, now: Instant, tick: Duration) -> Seen {
        let mut seen = Seen::default();
        for watched in &mut *self.pulses.lock() {
            if !watched.pulse.handshake.is_running() {
                watched.looks = 0;
                continue;
            }
            seen.busy = true;
            let turn = watched.pulse.handshake.turn();
            if turn != watched.turn {
                (watched.turn, watched.since) = (turn, now);
                watched.unheard = 0;
                (watched.first, watched.last) = (None, None);
                watched.begin();
                continue;
            }
            watched.looks += 1;
            let lasts = now - watched.since;
            if lasts >= ASLEEP && !watched.pulse.is_home {
                match watched.blocked(lasts) {
                    Some(Blocked::Asleep) => seen.asleep += 1,
                    Some(Blocked::Stuck) => seen.stuck += 1,
                    None => {}
                }
            }
            if !watched.pulse.handshake.is_wanted() {
                watched.unheard = 0;
            }
            if watched.looks >= LONG && watched.has_computed(watched.patience(tick / 2)) {
                if watched.pulse.handshake.is_wanted() {
                    watched.unheard = (watched.unheard + 1).min(31);
                }
                self.interrupt(&watched.pulse);
                watched.begin();
            }
        }
        seen
    }

    /// Asks an isolate to interrupt what it runs.
    fn interrupt(&self, pulse: &Pulse) {
        match self.mode {
            Interrupt::Signal(signal) => {
                if pulse.thread.doing() == Doing::Computing {
                    // With the first goroutine that computes for so long, and not before.
                    #[cfg(target_os = "linux")]
                    if super::signal::install(signal).is_err() {
                        return;
                    }
                    pulse.handshake.want();
                    #[cfg(target_os = "linux")]
                    pulse.thread.signal(signal);
                    #[cfg(not(target_os = "linux"))]
                    let _ = signal;
                }
            }
            Interrupt::Hook => pulse.handshake.want(),
            Interrupt::Never => {}
        }
    }
}

fn watch(monitor: &Weak<Monitor>, tick: Duration, take_over: &dyn Fn(usize, usize)) {
    let mut last_busy = Instant::now();
    loop {
        {
            let Some(monitor) = monitor.upgrade() else {
                return;
            };
            if monitor.ended.load(Ordering::SeqCst) {
                return;
            }
            let now = Instant::now();
            let seen = monitor.look(now, tick);
            if seen.busy {
                take_over(seen.asleep, seen.stuck);
                last_busy = now;
            } else if now - last_busy >= tick * LONG * QUIET {
                let runs = |watched: &Watched| watched.pulse.handshake.is_running();
                monitor.rest.begin(|| monitor.pulses.lock().iter().any(runs));
            }
            if monitor.rest.is_on() {
                drop(monitor);
                // Spurious wake-ups are harmless. Now and then it looks whether the runtime is there at all.
                thread::park_timeout(Duration::from_secs(1));
                continue;
            }
        }
        if tick < SHORT {
            thread::yield_now();
        } else {
            thread::park_timeout(tick);
        }
    }
}
