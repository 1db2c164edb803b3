//! [`RateLimiter`]: so many in a time.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backend::Backend;
use crate::locks::Semaphore;

/// Lets so many through in a time, evenly, and `burst` at once after a pause: a token bucket. Clones are the same limiter.
///
/// **Fair.** Those who wait go through in the order in which they came; [`try_now`](Self::try_now) goes before nobody.
///
/// **Who wakes whom.** The first in the line sleeps until there is a token, takes it, and wakes the next. One that is
/// dropped takes none, and wakes the next if it was the first.
///
/// ```
/// # use std::{num::NonZeroUsize, sync::Arc, time::Duration};
/// # use runtime_core::{RateLimiter, conformance::MovedClock, testing::BareBackend};
/// let clock = MovedClock::new(Arc::new(BareBackend::new()));
/// // One each 100 ms, two at once after a pause.
/// let limiter = RateLimiter::new(Arc::new(clock.clone()), Duration::from_millis(100), NonZeroUsize::new(2).unwrap());
/// assert_eq!([limiter.try_now(), limiter.try_now(), limiter.try_now()], [true, true, false]);
/// clock.advance(Duration::from_millis(100));
/// assert_eq!([limiter.try_now(), limiter.try_now()], [true, false]);
/// ```
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    interval: Duration,
    /// How far the bucket can be ahead.
    ahead: Duration,
    /// When the bucket would be full if nobody came.
    full_at: Mutex<Instant>,
    /// Whose turn it is to wait for a token.
    turn: Semaphore,
}

impl RateLimiter {
    /// One goes through each `interval`, and up to `burst` at once if so many could have.
    pub fn new(backend: Arc<dyn Backend>, interval: Duration, burst: NonZeroUsize) -> Self {
        let more = u32::try_from(burst.get() - 1).unwrap_or(u32::MAX);
        let shared = Shared {
            interval,
            ahead: interval.saturating_mul(more),
            full_at: Mutex::new(backend.now()),
            turn: Semaphore::new(NonZeroUsize::MIN),
            backend,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Goes through if that can be done at once, and nobody waits; whether it did.
    pub fn try_now(&self) -> bool {
        if !self.shared.turn.try_acquire() {
            return false;
        }
        let _turn = Turn(&self.shared.turn);
        self.shared.take().is_ok()
    }

    /// Waits until it can go through.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            shared.turn.acquire().await;
            let _turn = Turn(&shared.turn);
            while let Err(at) = shared.take() {
                shared.backend.sleep_until(at).await;
            }
        }
    }

    /// How many wait behind the first.
    pub fn waiting(&self) -> usize {
        self.shared.turn.waiting()
    }

    /// An address that is this limiter's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }
}

impl Shared {
    /// Takes a token; else says when there will be one.
    fn take(&self) -> Result<(), Instant> {
        let now = self.backend.now();
        let mut full_at = self.full_at.lock();
        // As of a bucket that has run over, nothing is kept of the time before now.
        let from = (*full_at).max(now);
        let due = from.checked_sub(self.ahead).unwrap_or(now);
        if due > now {
            return Err(due);
        }
        *full_at = from.checked_add(self.interval).unwrap_or(from);
        Ok(())
    }
}

/// The turn, given back when dropped.
struct Turn<'a>(&'a Semaphore);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Cannot fail: it was acquired.
        let _ = self.0.release();
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("interval", &self.shared.interval).finish_non_exhaustive()
    }
}
