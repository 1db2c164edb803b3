//! [`Mutex`]: a lock that one holder has at a time.

use std::fmt;

use super::gate::{Gate, Lock, Locked, Wait};
use super::{Holder, TryLockError, UnlockError};
use crate::sync::Arc;

/// A lock that one [`Holder`] has at a time, as Go's `sync.Mutex`. Clones are the same lock.
///
/// **Fair.** It is handed on in the order in which the waits were first polled; nobody overtakes.
///
/// **Who wakes whom.** Unlocking wakes the one wait that the lock is handed to, and it is that wait's from then on. If
/// that wait is dropped before it has run, the lock goes on to the next. If the holder ends, that is an unlock, and the
/// next one is told.
///
/// ```
/// # use runtime_core::{block_on, testing::BareBackend};
/// # use runtime_core::locks::{HeldByCaller, Holder, Locked, Mutex};
/// let mutex = Mutex::new();
/// let here = Holder::new();
/// block_on(&BareBackend::new(), async {
///     assert_eq!(mutex.lock(&here).await, Ok(Locked::InOrder));
///     assert_eq!(mutex.lock(&here).await, Err(HeldByCaller));
/// });
/// let other = { let mutex = mutex.clone(); std::thread::spawn(move || {
///     let there = Holder::new();
///     let locked = block_on(&BareBackend::new(), mutex.lock(&there));
///     (locked, mutex.unlock(&there))
/// }) };
/// mutex.unlock(&here)?;
/// assert_eq!(other.join().unwrap(), (Ok(Locked::InOrder), Ok(())));
/// # Ok::<(), runtime_core::locks::UnlockError>(())
/// ```
#[derive(Clone)]
pub struct Mutex {
    gate: Arc<Gate>,
}

impl Default for Mutex {
    fn default() -> Self {
        Self { gate: Gate::new(1) }
    }
}

impl Mutex {
    /// A lock that nobody holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks, waiting if need be.
    pub fn lock(&self, holder: &Holder) -> Lock {
        Lock(Wait::new(&self.gate, 1, Some(holder)))
    }

    /// Locks if that can be done at once.
    ///
    /// # Errors
    /// When it is locked.
    pub fn try_lock(&self, holder: &Holder) -> Result<Locked, TryLockError> {
        match self.gate.try_enter(1) {
            Some(locked) => {
                holder.hold(&self.gate, 1);
                Ok(locked)
            }
            None if holder.holds(&self.gate) => Err(TryLockError::HeldByCaller),
            None => Err(TryLockError::Busy),
        }
    }

    /// Unlocks.
    ///
    /// # Errors
    /// When this holder does not hold it.
    pub fn unlock(&self, holder: &Holder) -> Result<(), UnlockError> {
        unlock(&self.gate, holder, 1)
    }

    /// Whether somebody holds it.
    pub fn is_locked(&self) -> bool {
        self.gate.free() == 0
    }

    /// Whether this holder holds it.
    pub fn is_held_by(&self, holder: &Holder) -> bool {
        holder.holds(&self.gate)
    }

    /// How many waits stand in line.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// An address that is this lock's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.gate) as usize
    }

    /// Lets the next holder be told that the lock was abandoned.
    pub(super) fn keep_abandoned(&self) {
        self.gate.keep_abandoned();
    }
}

/// Gives back what a holder has of a gate.
pub(super) fn unlock(gate: &Arc<Gate>, holder: &Holder, permits: usize) -> Result<(), UnlockError> {
    match holder.let_go(gate, permits) {
        Some(0) => Ok(()),
        Some(permits) => {
            gate.leave(permits, false);
            Ok(())
        }
        None if gate.free() == gate.permits() => Err(UnlockError::NotLocked),
        None => Err(UnlockError::NotHeld),
    }
}

impl fmt::Debug for Mutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("locked", &self.is_locked()).field("waiting", &self.waiting()).finish()
    }
}
