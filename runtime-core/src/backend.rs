//! What a runtime must give, and no more.
//!
//! The trait is object-safe, so that one process can hold several backends at once and pick one by value. The
//! idea of a small object-safe trait with one implementation per crate, and of `now` as the seam for tests, is
//! quinn's.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// A future that stays on the worker that spawned it.
pub type LocalFuture = Pin<Box<dyn Future<Output = ()> + 'static>>;

/// A future that is ready once an instant has passed. It may be polled on any thread.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// What a worker runs: called once on the worker's own thread; the worker ends when the future it returns does.
pub type WorkerBody = Box<dyn FnOnce(Rc<dyn LocalSpawn>) -> LocalFuture + Send + 'static>;

/// A job that may block its thread.
pub type BlockingJob = Box<dyn FnOnce() + Send + 'static>;

/// Starts futures that are not `Send` on the worker that owns this spawner.
pub trait LocalSpawn {
    /// Queues `future` to be polled by this worker, after those that are already ready.
    ///
    /// A panic inside it ends that future alone. Futures that are still pending when the worker's body ends
    /// are dropped on the worker's thread; what they spawn while they are dropped is dropped at once.
    fn spawn_local(&self, future: LocalFuture);

    /// Wakes a future of this worker, which is being polled and has computed for long, once everything else that is ready
    /// has had its turn: the other futures, what other threads have woken meanwhile, timers that are due.
    ///
    /// A runtime that looks at those every few dozen polls does well as long as polls are short; a future whose polls take
    /// milliseconds waits for its next one here. Without an implementation the future is woken at once.
    fn wake_after_others(&self, waker: &Waker) {
        waker.wake_by_ref();
    }
}

/// A started worker. Dropping it detaches the worker.
pub trait WorkerHandle: Send {
    /// Whether the worker's thread has left its body and dropped everything that ran on it.
    fn is_finished(&self) -> bool;

    /// Blocks until the worker has ended, at most for `bound`. Returns whether it has; if not, the worker goes
    /// on, and the call may be repeated.
    fn join_timeout(&mut self, bound: Duration) -> bool;
}

/// A runtime, reduced to what goroutines need.
///
/// [`conformance`](crate::conformance) is the meaning of this trait, as tests.
///
/// What was begun with a backend does not need it any more: when the last reference to it is dropped, which may happen
/// anywhere, workers go on until their bodies end, sleeps still end, and jobs that were accepted still run. Threads of its
/// own that nothing needs then end.
pub trait Backend: Send + Sync + 'static {
    /// A short lower-case name, such as `threads`.
    fn name(&self) -> &'static str;

    /// Starts a worker: a dedicated thread called `name` that runs `body`, and the futures that `body` spawns.
    ///
    /// A panic in `body` ends the worker, and nothing else. Futures that are always ready take turns, with each other,
    /// with `body`, and with what other threads wake.
    ///
    /// # Errors
    /// When the operating system refuses a thread, or the runtime its reactor; when `name` holds a zero byte.
    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>>;

    /// The present, on the clock that [`sleep_until`](Backend::sleep_until) follows.
    fn now(&self) -> Instant;

    /// A future that is ready once `deadline` has passed, and never before. Dropping it forgets the timer, and its
    /// waker, at once.
    ///
    /// It may be created and polled on a worker, on a foreign thread and inside another runtime, and blocked on at any
    /// of them; also polled at one and then at another.
    fn sleep_until(&self, deadline: Instant) -> Sleep;

    /// Runs `job` on a thread that may block; more threads are added as they are needed.
    ///
    /// A panic in `job` ends that job alone. Jobs may wait for each other, up to a limit that the backend states.
    fn run_blocking(&self, job: BlockingJob);

    /// Blocks this thread until `future` is ready, by parking it. Legal on a thread that is inside the context
    /// of another runtime; that thread then does nothing else.
    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>);

    /// Whether this thread may be blocked by whoever is being called now. False where it is the only thread of another runtime,
    /// which is polling the caller: everything else in there would stand still meanwhile, and may be what is waited for.
    ///
    /// [`block_on`](Backend::block_on) works there all the same; who has another way to wait asks this first. A backend that
    /// cannot tell says true, as this does without an implementation.
    fn may_block(&self) -> bool {
        true
    }
}

/// Blocks this thread on `future` with `backend`, and returns what the future gives.
///
/// ```
/// # use runtime_core::{block_on, testing::BareBackend};
/// let backend = BareBackend::new();
/// assert_eq!(block_on(&backend, async { 1 + 1 }), 2);
/// ```
pub fn block_on<F: Future>(backend: &dyn Backend, future: F) -> F::Output {
    let mut output = None;
    {
        let fill = async { output = Some(future.await) };
        backend.block_on(std::pin::pin!(fill));
    }
    match output {
        Some(output) => output,
        None => unreachable!("a backend's block_on returned before its future was ready"),
    }
}
