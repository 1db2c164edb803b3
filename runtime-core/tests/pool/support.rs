//! A task that the test starts and ends by hand, and a clock that it moves.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use runtime_core::testing::BareBackend;
use runtime_core::{
    Backend, BlockingJob, Cancel, Ended, OnFull, Pool, PoolOptions, PoolStats, Sleep, Slot, SlotId, Task,
    WorkerBody, WorkerHandle,
};

/// Where jobs are when they are not in the pool.
#[derive(Default)]
pub(crate) struct Yard {
    running: Mutex<Vec<(u32, Slot<Job>)>>,
    started: Mutex<Vec<u32>>,
    dropped: Mutex<Vec<u32>>,
    cancelled: Mutex<Vec<u32>>,
}

/// A task with a name. It runs until the test ends it.
pub(crate) struct Job {
    pub(crate) name: u32,
    yard: Arc<Yard>,
}

pub(crate) struct AskToStop(u32, Arc<Yard>);

impl Yard {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn job(self: &Arc<Self>, name: u32) -> Job {
        Job { name, yard: Arc::clone(self) }
    }

    pub(crate) fn slot(&self, name: u32) -> Slot<Job> {
        let mut running = self.running.lock().unwrap();
        let index = running.iter().position(|(running, _)| *running == name);
        running.remove(index.expect("it runs")).1
    }

    pub(crate) fn slot_id(&self, name: u32) -> SlotId {
        let running = self.running.lock().unwrap();
        let found = running.iter().find(|(running, _)| *running == name);
        found.expect("it runs").1.id()
    }

    pub(crate) fn end(&self, name: u32) {
        self.slot(name).finish(Ended::Completed);
    }

    pub(crate) fn started(&self) -> Vec<u32> {
        self.started.lock().unwrap().clone()
    }

    pub(crate) fn dropped(&self) -> Vec<u32> {
        self.dropped.lock().unwrap().clone()
    }

    pub(crate) fn cancelled(&self) -> Vec<u32> {
        self.cancelled.lock().unwrap().clone()
    }
}

impl Task for Job {
    type Canceller = AskToStop;

    fn canceller(&self) -> AskToStop {
        AskToStop(self.name, Arc::clone(&self.yard))
    }

    fn key(&self) -> Option<u64> {
        Some(u64::from(self.name))
    }

    fn start(self, slot: Slot<Self>) {
        self.yard.started.lock().unwrap().push(self.name);
        self.yard.running.lock().unwrap().push((self.name, slot));
    }

    fn dropped(self) {
        self.yard.dropped.lock().unwrap().push(self.name);
    }
}

impl Cancel for AskToStop {
    fn cancel(&self) {
        self.1.cancelled.lock().unwrap().push(self.0);
    }
}

/// A task that is a closure, and is called with its slot as it is started.
pub(crate) struct Call(pub(crate) Box<dyn FnOnce(Slot<Call>) + Send>);

impl Call {
    pub(crate) fn new(call: impl FnOnce(Slot<Call>) + Send + 'static) -> Self {
        Self(Box::new(call))
    }
}

impl Task for Call {
    type Canceller = ();

    fn canceller(&self) {}

    fn start(self, slot: Slot<Self>) {
        (self.0)(slot);
    }

    fn dropped(self) {}
}

pub(crate) fn options(workers: usize, queue: usize) -> PoolOptions {
    let mut options = PoolOptions::default();
    options.workers = workers;
    options.queue = Some(queue);
    options
}

pub(crate) fn refusing(workers: usize, queue: usize) -> PoolOptions {
    let mut options = options(workers, queue);
    options.on_full = OnFull::Error;
    options
}

pub(crate) fn pool<T: Task>(options: PoolOptions) -> Pool<T> {
    Pool::new("test", options, Arc::new(BareBackend::new()))
}

pub(crate) fn check(stats: &PoolStats) {
    let ended = stats.completed + stats.failed + stats.cancelled;
    assert_eq!(stats.submitted, stats.queued as u64 + stats.active as u64 + ended);
    assert!(stats.active <= stats.workers);
    assert!((0.0..=1.0).contains(&stats.utilisation));
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Alarm(AtomicUsize);

impl Alarm {
    pub(crate) fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn poll_with<F: Future + Unpin>(future: &mut F, alarm: &Arc<Alarm>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(alarm));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// A backend with a clock that the test moves, and nothing else.
pub(crate) struct Clock {
    start: Instant,
    passed: Mutex<Duration>,
}

impl Clock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), passed: Mutex::default() })
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        *self.passed.lock().unwrap() += Duration::from_millis(milliseconds);
    }
}

impl Backend for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn start_worker(&self, _name: &str, _body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn now(&self) -> Instant {
        self.start + *self.passed.lock().unwrap()
    }

    fn sleep_until(&self, _deadline: Instant) -> Sleep {
        Box::pin(std::future::pending())
    }

    fn run_blocking(&self, _job: BlockingJob) {}

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        BareBackend::new().block_on(future);
    }
}
