//! [`System`]: what all states of one runtime share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use event_listener::Event;
use mlua::Lua;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use runtime_core::{Backend, Channel, Close, WorkerBody, WorkerHandle};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::blocking::Blocking;
use crate::deadlock::{Counting, Detector, Outside, Pending};
use crate::foreign::ForeignType;
use crate::goroutine::{Shipped, Start, Waiting};
use crate::injector::Injector;
use crate::inquiry::Inquiries;
use crate::interrupt::{Interrupt, Monitor};
use crate::isolate;
use crate::modules::{Fields, Libraries, Modules};
use crate::packet::Packet;
use crate::pool::LuaPool;
use crate::registry::Registry;
use crate::room::Room;
use crate::settings::Settings;
use crate::spares::Spares;

/// Called with each new isolate, to register what its goroutines may use.
pub(crate) type Setup = Arc<dyn Fn(&Lua) -> mlua::Result<()> + Send + Sync>;

/// Called with the report of an error that nobody awaits.
pub(crate) type ErrorReport = Arc<dyn Fn(&str) + Send + Sync>;
/// Called right before `os.exit` ends the process.
pub(crate) type BeforeExit = Box<dyn Fn() + Send + Sync>;

/// How long goroutines may take to unwind when the program ends.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Whether, and how, the process is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    None,
    /// A goroutine has called `os.exit`.
    Exit,
    /// The program was interrupted from outside.
    Interrupt,
}

/// What all states of one runtime share: the queue of goroutines that have not started, the isolates that take from
/// it, the pools by name.
///
/// **Who wakes whom.** A goroutine that is started goes into the queue and wakes an isolate that waits there; whichever
/// isolate is free takes it. `closing` is notified once, after its flag is set; isolates look at the flag after they
/// have begun to listen, so that none misses it.
pub(crate) struct System {
    pub(crate) backend: Arc<dyn Backend>,
    settings: RwLock<Settings>,
    pub(crate) setup: Option<Setup>,
    pub(crate) report: ErrorReport,
    /// Set before any state has the module, if at all.
    pub(crate) before_exit: OnceLock<BeforeExit>,
    /// The embedder's types that travel.
    pub(crate) foreign: Vec<ForeignType>,
    /// What `now` counts from.
    pub(crate) epoch: Instant,
    /// Not bounded: as in Go, starting a goroutine does not wait. Pools and channels give back-pressure.
    pub(crate) queue: Injector<Waiting>,
    /// Memory for what stands there.
    pub(crate) room: Arc<Room>,
    started: AtomicBool,
    /// Why an isolate could not be set up.
    failed: OnceLock<String>,
    workers: Mutex<Vec<Box<dyn WorkerHandle>>>,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) inquiries: Inquiries,
    pub(crate) blocking: Blocking,
    pub(crate) spares: Spares,
    /// Looks for deadlocks, if that is wanted.
    pub(crate) detector: Option<Detector>,
    closing: AtomicBool,
    ending: AtomicU8,
    closed: Event,
    pub(crate) pools: DashMap<String, LuaPool>,
    /// The errors channels of pipelines whose stages have not ended, by a number of the pipeline's.
    pub(crate) pipelines: DashMap<u64, Channel<Packet>>,
    pub(crate) modules: RwLock<Arc<Modules>>,
    /// The fields that the home state's modules had when it first sent them, until an isolate has looked at them.
    pub(crate) sent_modules: Mutex<FxHashMap<Box<[u8]>, Fields>>,
    /// The names of the globals that every isolate has, once one is set up; what its standard libraries have.
    globals: OnceLock<FxHashSet<Box<[u8]>>>,
    libraries: OnceLock<Libraries>,
    /// The names of the modules that the home state has loaded, for messages.
    home_modules: RwLock<(usize, FxHashSet<Vec<u8>>)>,
}

/// No isolate could be started, or none is there any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("goroutines have been shut down")]
    Closed,
    #[error("{0}")]
    Memory(String),
    #[error("cannot start an isolate: {0}")]
    Setup(String),
    #[error("cannot start an isolate's thread: {0}")]
    Thread(#[from] io::Error),
}

impl System {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        isolates: usize,
        setup: Option<Setup>,
        report: ErrorReport,
        foreign: Vec<ForeignType>,
        interrupt: Interrupt,
        detect_deadlocks: bool,
    ) -> Self {
        let mut backend = backend;
        let detector = detect_deadlocks.then(|| {
            let (outside, inner) = (Outside::default(), Arc::clone(&backend));
            backend = Arc::new(Counting { inner: Arc::clone(&inner), outside: outside.clone() });
            Detector { backend: inner, outside }
        });
        Self {
            epoch: backend.now(),
            backend,
            settings: RwLock::new(Settings::new(isolates)),
            setup,
            report,
            before_exit: OnceLock::new(),
            foreign,
            queue: Injector::new(),
            room: Arc::default(),
            started: AtomicBool::new(false),
            failed: OnceLock::new(),
            workers: Mutex::default(),
            monitor: Arc::new(Monitor::new(interrupt)),
            registry: Arc::default(),
            inquiries: Inquiries::default(),
            blocking: Blocking::default(),
            spares: Spares::default(),
            detector,
            closing: AtomicBool::new(false),
            ending: AtomicU8::new(Ending::None as u8),
            closed: Event::new(),
            pools: DashMap::new(),
            pipelines: DashMap::new(),
            modules: RwLock::default(),
            sent_modules: Mutex::default(),
            globals: OnceLock::new(),
            libraries: OnceLock::new(),
            home_modules: RwLock::default(),
        }
    }

    /// Says that something outside of Lua may wake a goroutine, until it is dropped.
    pub(crate) fn woken_from_outside(&self) -> Option<Pending> {
        self.detector.as_ref().map(|detector| detector.outside.pending())
    }

    /// As they are now.
    pub(crate) fn settings(&self) -> RwLockReadGuard<'_, Settings> {
        self.settings.read()
    }

    /// Changes the settings, unless the isolates are there already: then it does not, and says so.
    pub(crate) fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> bool {
        // Whoever starts the isolates holds this lock.
        let workers = self.workers.lock();
        let early = workers.is_empty() && !self.started.load(Ordering::Acquire);
        if early {
            let mut settings = self.settings.write();
            change(&mut settings);
            self.room.set_limit(&settings);
        }
        early
    }

    /// The present as a number of nanoseconds, which takes half the room of an `Instant`; [`at`](Self::at) makes one of it.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.backend.now().saturating_duration_since(self.epoch).as_nanos() as u64
    }

    pub(crate) fn at(&self, nanoseconds: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanoseconds)
    }

    /// Whether there are isolates that take goroutines.
    pub(crate) fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire) && !self.is_closing()
    }

    /// Starts the isolates, if they have not been, and waits until they are set up.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(), StartError> {
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut workers = self.workers.lock();
        if self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.is_closing() {
            return Err(StartError::Closed);
        }
        if let Some(message) = self.failed.get() {
            return Err(StartError::Setup(message.clone()));
        }
        self.start_monitor()?;
        let isolates = self.settings().isolates;
        let (tell, ready) = flume::bounded(isolates);
        for index in 0..isolates {
            let body = isolate::body(Arc::clone(self), tell.clone());
            workers.push(self.backend.start_worker(&format!("isolate-{index}"), body)?);
        }
        drop(tell);
        for _ in 0..isolates {
            let message = match ready.recv() {
                Ok(Ok(())) => continue,
                Ok(Err(message)) => message,
                Err(_) => "its worker ended".into(),
            };
            // It would fail the next time as well, and what has been started is there already.
            return Err(StartError::Setup(self.failed.get_or_init(|| message).clone()));
        }
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// Starts what interrupts a home state, which may have no isolates.
    pub(crate) fn watch_home(self: &Arc<Self>) -> io::Result<()> {
        // Whoever starts the isolates holds this lock.
        let _workers = self.workers.lock();
        self.start_monitor()
    }

    fn start_monitor(self: &Arc<Self>) -> io::Result<()> {
        if self.monitor.is_started() {
            return Ok(());
        }
        let system = Arc::downgrade(self);
        let take_over = move |asleep, stuck| {
            if let Some(system) = system.upgrade() {
                system.take_over(asleep, stuck);
            }
        };
        self.monitor.start(self.settings().time_slice, take_over).map(drop)
    }

    /// Starts one more worker, which is waited for as the others are.
    pub(crate) fn add_worker(&self, name: &str, body: WorkerBody) -> Result<(), StartError> {
        // Whoever closes holds the lock until all have ended, the isolate of the caller included.
        let mut workers = loop {
            match self.workers.try_lock_for(Duration::from_millis(5)) {
                Some(workers) => break workers,
                None if self.is_closing() => return Err(StartError::Closed),
                None => {}
            }
        };
        workers.retain(|worker| !worker.is_finished());
        if self.is_closing() {
            return Err(StartError::Closed);
        }
        workers.push(self.backend.start_worker(name, body)?);
        Ok(())
    }

    /// Puts a goroutine into the queue, if there is [room](crate::room) for it.
    pub(crate) fn submit(self: &Arc<Self>, start: Start) -> Result<(), StartError> {
        self.enqueue(start, true)
    }

    /// The same for one that was accepted before, by a pool.
    pub(crate) fn submit_accepted(self: &Arc<Self>, start: Start) -> Result<(), StartError> {
        self.enqueue(start, false)
    }

    fn enqueue(self: &Arc<Self>, mut start: Start, check: bool) -> Result<(), StartError> {
        if let Shipped::Here(parcel) = &start.shipped {
            let post = Arc::clone(parcel.post());
            let taken = !self.is_closing() && post.start(start.queue(None), false);
            return if taken { Ok(()) } else { Err(StartError::Closed) };
        }
        self.start()?;
        if self.is_closing() {
            return Err(StartError::Closed);
        }
        if check {
            match self.room.take(|| start.shipped.size()) {
                Ok(place) => place.into_iter().for_each(|place| start.ties.set_place(place)),
                Err(full) => return Err(StartError::Memory(full.text(&self.settings()))),
            }
        }
        self.queue.push(start.queue(None));
        // `shutdown` sets the flag, then empties the queue; here it is the other way round. So at least one of the two
        // sees the other, and nothing stays in the queue for ever.
        if self.is_closing() {
            self.drop_queued();
        }
        Ok(())
    }

    /// Notes the names of the globals that an isolate has. All isolates have the same.
    pub(crate) fn set_globals(&self, names: FxHashSet<Box<[u8]>>) {
        let _ = self.globals.set(names);
    }

    /// Whether every isolate has a global of this name. Before isolates were started that cannot be told: then they are.
    pub(crate) fn has_global(self: &Arc<Self>, name: &[u8]) -> bool {
        if self.globals.get().is_none() {
            // Without isolates it has none, and what is said about it tells why.
            let _ = self.start();
        }
        self.globals.get().is_some_and(|names| names.contains(name))
    }

    /// Notes what the standard libraries of an isolate have. All isolates have the same.
    pub(crate) fn set_libraries(&self, libraries: Libraries) {
        let _ = self.libraries.set(libraries);
    }

    /// What the standard libraries of isolates have, once there are some.
    pub(crate) fn libraries(&self) -> Option<&Libraries> {
        self.libraries.get()
    }

    /// Notes the names of the modules that home has loaded, so many, if that is another number than before.
    pub(crate) fn set_home_modules(
        &self,
        count: usize,
        names: impl FnOnce() -> mlua::Result<FxHashSet<Vec<u8>>>,
    ) -> mlua::Result<()> {
        if self.home_modules.read().0 != count {
            let names = names()?;
            *self.home_modules.write() = (count, names);
        }
        Ok(())
    }

    /// Whether the home state had loaded a module of this name when something was last started.
    pub(crate) fn is_loaded_at_home(&self, name: &[u8]) -> bool {
        self.home_modules.read().1.contains(name)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Ready once the system is closing.
    pub(crate) async fn closing(&self) {
        let closed = self.closed.listen();
        if !self.is_closing() {
            closed.await;
        }
    }

    /// Ends the process as the end of the script does: everything is cancelled and has 2 s to unwind. From now on the
    /// home state's blocking calls do not return.
    ///
    /// Called in an isolate, which has to go on to unwind its own goroutines: so another thread does it.
    pub(crate) fn exit(self: &Arc<Self>, code: i32) {
        if self.ending.swap(Ending::Exit as u8, Ordering::SeqCst) == Ending::Exit as u8 {
            return; // the first call's code counts
        }
        let system = Arc::clone(self);
        let exit = move || {
            system.close(GRACE);
            system.end_with_process();
            std::process::exit(code);
        };
        if std::thread::Builder::new().name("exit".into()).spawn(exit).is_err() {
            self.end_with_process();
            std::process::exit(code);
        }
    }

    /// What the host does before the process ends.
    pub(crate) fn end_with_process(&self) {
        if let Some(end) = self.before_exit.get() {
            end();
        }
    }

    /// Ready once the program is interrupted.
    pub(crate) async fn interrupted(&self) {
        loop {
            let closed = self.closed.listen();
            if self.ending() == Ending::Interrupt {
                return;
            }
            closed.await;
        }
    }

    /// Cancels everything; the home state's blocking calls raise an error, now and from now on.
    pub(crate) fn interrupt(&self, bound: Duration) -> usize {
        let none = Ending::None as u8;
        let _ =
            self.ending.compare_exchange(none, Ending::Interrupt as u8, Ordering::SeqCst, Ordering::SeqCst);
        self.close(bound)
    }

    /// Whether, and how, the process is being ended.
    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::SeqCst) {
            0 => Ending::None,
            1 => Ending::Exit,
            _ => Ending::Interrupt,
        }
    }

    /// As [`close`](System::close), for the home state's thread: does not return if a goroutine has called `os.exit`.
    pub(crate) fn shutdown(&self, bound: Duration) -> usize {
        self.stay_if_exiting();
        let stuck = self.close(bound);
        self.stay_if_exiting();
        stuck
    }

    /// Keeps this thread from going on while another one ends the process.
    pub(crate) fn stay_if_exiting(&self) {
        while self.ending() == Ending::Exit {
            std::thread::park();
        }
    }

    /// What never started is dropped, and so ends as cancelled.
    fn drop_queued(&self) {
        while let Some(waiting) = self.queue.try_pop() {
            drop(waiting);
        }
        self.blocking.drop_waiting();
    }

    /// Cancels everything and waits for the isolates to end, at most for `bound`. Returns how many had not ended by
    /// then; these are left to themselves.
    fn close(&self, bound: Duration) -> usize {
        let deadline = Instant::now() + bound;
        self.closing.store(true, Ordering::SeqCst);
        self.closed.notify(usize::MAX);
        self.drop_queued();
        for pool in &self.pools {
            // Nobody waits for it here: the goroutines end with their isolates.
            drop(pool.close(Close::Cancel));
        }
        self.pools.clear();
        // Whoever comes second, as the end of a script that was interrupted, waits for the first to be through.
        let Some(mut workers) = self.workers.try_lock_until(deadline) else {
            return self.settings().isolates;
        };
        let mut stuck = 0;
        for worker in &mut *workers {
            if !worker.join_timeout(deadline.saturating_duration_since(Instant::now())) {
                stuck += 1;
            }
        }
        workers.clear();
        // Until here it has stopped those that computed. A home state may still have to be.
        if !self.monitor.watches_home() {
            self.monitor.end();
        }
        stuck
    }
}
