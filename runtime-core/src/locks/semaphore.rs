//! [`Semaphore`]: a number of permits.

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Holder;
use super::gate::{Gate, Wait};
use crate::sync::Arc;

/// A number of permits, of which each task that goes on takes one. Clones are the same semaphore.
///
/// A permit belongs to nobody: one task may take it and another give it back, which is how a starter of tasks limits
/// their number. So a permit is not given back when a task ends. One that is taken [for a holder](Self::acquire_for) is.
///
/// **Fair.** Permits are handed out in the order in which the waits were first polled.
///
/// **Who wakes whom.** A release wakes the one wait that gets the permit, which is that wait's from then on. If it is
/// dropped before it has run, the permit goes on to the next.
///
/// ```
/// # use std::num::NonZeroUsize;
/// # use runtime_core::{block_on, locks::{ReleasedTooOften, Semaphore}, testing::BareBackend};
/// let permits = Semaphore::new(NonZeroUsize::MIN);
/// block_on(&BareBackend::new(), permits.acquire());
/// assert!(!permits.try_acquire());
/// let other = { let permits = permits.clone(); std::thread::spawn(move || permits.release()) };
/// block_on(&BareBackend::new(), permits.acquire());
/// assert_eq!(other.join().unwrap(), Ok(()));
/// permits.release()?;
/// assert_eq!(permits.release(), Err(ReleasedTooOften));
/// # Ok::<(), ReleasedTooOften>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    gate: Arc<Gate>,
}

/// A semaphore was given a permit that nobody had taken; it was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("semaphore released more often than acquired")]
pub struct ReleasedTooOften;

impl Semaphore {
    /// So many permits, all of them free.
    pub fn new(permits: NonZeroUsize) -> Self {
        Self { gate: Gate::new(permits.get()) }
    }

    /// Takes a permit, waiting if need be.
    pub fn acquire(&self) -> Acquire {
        Acquire(Wait::new(&self.gate, 1, None))
    }

    /// Takes a permit if that can be done at once; whether it did.
    pub fn try_acquire(&self) -> bool {
        self.gate.try_enter(1).is_some()
    }

    /// Gives a permit back.
    ///
    /// # Errors
    /// When all are there.
    pub fn release(&self) -> Result<(), ReleasedTooOften> {
        if self.gate.leave(1, false) { Ok(()) } else { Err(ReleasedTooOften) }
    }

    /// Takes a permit that is given back when the holder ends, if it was not before, by
    /// [`release_for`](Self::release_for).
    pub async fn acquire_for(&self, holder: &Holder) {
        self.acquire().await;
        holder.hold(&self.gate, 1);
    }

    /// The same, if it can be done at once; whether it was.
    pub fn try_acquire_for(&self, holder: &Holder) -> bool {
        let acquired = self.try_acquire();
        if acquired {
            holder.hold(&self.gate, 1);
        }
        acquired
    }

    /// Gives back a permit that was taken for this holder.
    ///
    /// # Errors
    /// When it has none.
    pub fn release_for(&self, holder: &Holder) -> Result<(), ReleasedTooOften> {
        match holder.let_go(&self.gate, 1) {
            Some(_) => self.release(),
            None => Err(ReleasedTooOften),
        }
    }

    /// How many permits are free.
    pub fn available(&self) -> usize {
        self.gate.free()
    }

    /// How many permits there are.
    pub fn capacity(&self) -> usize {
        self.gate.permits()
    }

    /// How many waits stand in line.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// An address that is this semaphore's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.gate) as usize
    }
}

/// Made by [`Semaphore::acquire`]: ready once it has a permit. It tries when it is first polled.
///
/// Woken by the release that gives it one. Dropped while it waits, it leaves no trace; had its turn come just then, the
/// permit goes to the next.
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nothing is acquired unless it is awaited"]
pub struct Acquire(Wait);

impl Future for Acquire {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Without a holder there is nobody who could hold all permits itself, nor anybody to be told of.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").finish_non_exhaustive()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .field("capacity", &self.capacity())
            .field("waiting", &self.waiting())
            .finish()
    }
}
