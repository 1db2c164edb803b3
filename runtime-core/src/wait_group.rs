//! [`WaitGroup`]: a counter that can be waited for until it is zero.

use std::future::Future;

use event_listener::Event;

use crate::sync::{Arc, Mutex};

/// A counter of work under way, as Go's `sync.WaitGroup`.
///
/// Clones share one counter. Any number of tasks and threads may wait; all of them are released when the counter
/// comes down to zero, also if somebody raises it again before they have run.
///
/// **Who wakes whom.** Only the call that takes the counter to zero notifies, and it notifies everybody. A waiter
/// registers its listener before it looks whether there was a zero, so one that comes in between finds it registered. A
/// waiter that is dropped takes its listener with it; nobody depends on it.
///
/// ```
/// # use runtime_core::{WaitGroup, block_on, testing::BareBackend};
/// let group = WaitGroup::new();
/// group.add(1)?;
/// let worker = { let group = group.clone(); std::thread::spawn(move || group.done()) };
/// block_on(&BareBackend::new(), group.wait());
/// worker.join().unwrap()?;
/// # Ok::<(), runtime_core::NegativeCounter>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WaitGroup {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    counter: Mutex<Counter>,
    zero: Event,
}

#[derive(Debug, Default)]
struct Counter {
    count: i64,
    /// How often the count has come down to zero. A waiter waits for this to change: a notification that is late, for
    /// a zero before the waiter came, does not release it.
    zeros: u64,
}

/// The counter of a wait group would have gone below zero, or past its range; it was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("negative WaitGroup counter")]
pub struct NegativeCounter;

impl WaitGroup {
    /// A group with the counter at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `n`, which may be negative, to the counter.
    ///
    /// # Errors
    /// [`NegativeCounter`] when the sum would be negative (or would not fit); the counter stays as it was.
    pub fn add(&self, n: i64) -> Result<(), NegativeCounter> {
        let reached_zero = {
            let mut counter = self.shared.counter.lock();
            let sum = counter.count.checked_add(n).filter(|sum| *sum >= 0).ok_or(NegativeCounter)?;
            counter.count = sum;
            let reached_zero = n != 0 && sum == 0;
            counter.zeros += u64::from(reached_zero);
            reached_zero
        };
        if reached_zero {
            self.shared.zero.notify(usize::MAX);
        }
        Ok(())
    }

    /// Takes one from the counter.
    ///
    /// # Errors
    /// [`NegativeCounter`] when it is zero already.
    pub fn done(&self) -> Result<(), NegativeCounter> {
        self.add(-1)
    }

    /// The counter now.
    pub fn count(&self) -> i64 {
        self.shared.counter.lock().count
    }

    /// Whether both are the same group.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// An address that is this group's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }

    /// A future that is ready once the counter is, or has been, zero since the first poll.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            let zeros = {
                let counter = shared.counter.lock();
                if counter.count == 0 {
                    return;
                }
                counter.zeros
            };
            loop {
                let zero = shared.zero.listen();
                // It may have come between the look and the registration.
                if shared.counter.lock().zeros != zeros {
                    return;
                }
                zero.await;
            }
        }
    }
}
