//! [`MovedClock`]: a backend whose clock stands until a test moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::kit::PATIENCE;
use crate::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle};

/// Another backend, but with a clock that only [`advance`](MovedClock::advance) moves. Clones share the clock.
///
/// Workers, blocking jobs and `block_on` are those of the other backend. A sleep is registered when it is first
/// polled, as with real backends; [`wait_for_sleepers`](MovedClock::wait_for_sleepers) is how a test knows that all
/// those it cares for are asleep before it moves the clock.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use runtime_core::{Backend, block_on, conformance::MovedClock, testing::BareBackend};
/// let clock = MovedClock::new(Arc::new(BareBackend::new()));
/// let sleeper = clock.clone();
/// let thread = std::thread::spawn(move || {
///     let start = sleeper.now();
///     block_on(&sleeper, sleeper.sleep_until(start + Duration::from_secs(3600)));
///     sleeper.now() - start
/// });
/// clock.wait_for_sleepers(1);
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(thread.join().unwrap(), Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct MovedClock {
    backend: Arc<dyn Backend>,
    clock: Arc<Clock>,
}

struct Clock {
    state: Mutex<State>,
    /// A sleep was registered.
    fell_asleep: Condvar,
}

struct State {
    now: Instant,
    sleepers: BTreeMap<(Instant, u64), Waker>,
    next_number: u64,
}

impl MovedClock {
    /// `backend` with a clock that stands.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        let state = State { now: backend.now(), sleepers: BTreeMap::new(), next_number: 0 };
        let clock = Clock { state: Mutex::new(state), fell_asleep: Condvar::new() };
        Self { backend, clock: Arc::new(clock) }
    }

    /// Moves the clock, and wakes those whose deadlines have come, in the order of the deadlines, and of falling
    /// asleep where they are the same. They find the clock where it was moved to.
    ///
    /// # Panics
    /// When the clock can't show that time any more.
    pub fn advance(&self, by: Duration) {
        let mut state = self.clock.state.lock();
        let Some(now) = state.now.checked_add(by) else {
            panic!("the clock can't be moved by {by:?}");
        };
        state.now = now;
        let awake = state.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut state.sleepers, awake);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// How many sleeps are under way: polled, not over, and not dropped.
    pub fn sleepers(&self) -> usize {
        self.clock.state.lock().sleepers.len()
    }

    /// Blocks this thread until at least `count` sleeps are under way.
    ///
    /// # Panics
    /// When that takes longer than 30 s.
    pub fn wait_for_sleepers(&self, count: usize) {
        let mut state = self.clock.state.lock();
        let too_few = |state: &mut State| state.sleepers.len() < count;
        let waited = self.clock.fell_asleep.wait_while_for(&mut state, too_few, PATIENCE);
        assert!(
            !waited.timed_out(),
            "waited {PATIENCE:?} in vain for {count} sleepers; there are {}",
            state.sleepers.len()
        );
    }
}

impl Backend for MovedClock {
    fn name(&self) -> &'static str {
        self.backend.name()
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        self.backend.start_worker(name, body)
    }

    fn now(&self) -> Instant {
        self.clock.state.lock().now
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Box::pin(Sleeper { deadline, number: None, clock: Arc::clone(&self.clock) })
    }

    fn run_blocking(&self, job: BlockingJob) {
        self.backend.run_blocking(job);
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.backend.block_on(future);
    }

    fn may_block(&self) -> bool {
        self.backend.may_block()
    }
}

impl fmt::Debug for MovedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovedClock")
            .field("backend", &self.backend.name())
            .field("sleepers", &self.sleepers())
            .finish_non_exhaustive()
    }
}

struct Sleeper {
    deadline: Instant,
    /// The number of the entry, once there is one.
    number: Option<u64>,
    clock: Arc<Clock>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.clock.state.lock();
        if this.deadline <= state.now {
            return Poll::Ready(());
        }
        let number = *this.number.get_or_insert_with(|| {
            state.next_number += 1;
            state.next_number
        });
        state.sleepers.insert((this.deadline, number), cx.waker().clone());
        this.clock.fell_asleep.notify_all();
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.clock.state.lock().sleepers.remove(&(self.deadline, number));
            drop(waker);
        }
    }
}
