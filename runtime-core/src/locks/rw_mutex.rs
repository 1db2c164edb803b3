//! [`RwMutex`]: a lock that many readers have at a time, or one writer.

use std::fmt;

use super::gate::{Gate, Lock, Locked, Wait};
use super::mutex::unlock;
use super::{Holder, TryLockError, UnlockError};
use crate::sync::Arc;

/// What a reader takes; a writer takes all there are.
const READ: usize = 1;
const ALL: usize = u32::MAX as usize;

/// A lock that many [`Holder`]s have at a time for reading, or one for writing, as Go's `sync.RWMutex`. Clones are the
/// same lock.
///
/// **Fair.** All who wait stand in one line: a reader that comes after a writer that waits, waits for it. So neither
/// starves the other. But a holder that reads already may come in again at once, also while a writer waits; in Go it would
/// wait for ever. It has to go out as often.
///
/// **Who wakes whom.** The last reader to go out wakes the writer at the head of the line; a writer wakes the next writer,
/// or all readers up to it; so does a wait that is dropped. Ending while holding it is going out; the next holder,
/// reader or writer, is told once if that was a writer.
///
/// ```
/// # use runtime_core::locks::{Holder, Locked, RwMutex, TryLockError};
/// let lock = RwMutex::new();
/// let (one, two) = (Holder::new(), Holder::new());
/// assert_eq!(lock.try_rlock(&one), Ok(Locked::InOrder));
/// assert_eq!(lock.try_rlock(&two), Ok(Locked::InOrder));
/// assert_eq!(lock.try_lock(&two), Err(TryLockError::HeldByCaller));
/// lock.runlock(&two)?;
/// assert_eq!(lock.try_lock(&two), Err(TryLockError::Busy));
/// lock.runlock(&one)?;
/// assert_eq!(lock.try_lock(&two), Ok(Locked::InOrder));
/// # Ok::<(), runtime_core::locks::UnlockError>(())
/// ```
#[derive(Clone)]
pub struct RwMutex {
    gate: Arc<Gate>,
}

impl Default for RwMutex {
    fn default() -> Self {
        Self { gate: Gate::new(ALL) }
    }
}

impl RwMutex {
    /// A lock that nobody holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks for writing, waiting if need be. A holder that reads must go out first.
    pub fn lock(&self, holder: &Holder) -> Lock {
        Lock(Wait::new(&self.gate, ALL, Some(holder)))
    }

    /// Locks for reading, waiting if need be.
    pub fn rlock(&self, holder: &Holder) -> Lock {
        Lock(Wait::new(&self.gate, READ, Some(holder)))
    }

    /// Locks for writing if that can be done at once.
    ///
    /// # Errors
    /// When somebody holds it, or waits for it.
    pub fn try_lock(&self, holder: &Holder) -> Result<Locked, TryLockError> {
        self.try_enter(holder, ALL)
    }

    /// Locks for reading if that can be done at once.
    ///
    /// # Errors
    /// When somebody writes, or waits to.
    pub fn try_rlock(&self, holder: &Holder) -> Result<Locked, TryLockError> {
        if holder.enter_again(&self.gate) {
            return Ok(Locked::InOrder);
        }
        self.try_enter(holder, READ)
    }

    fn try_enter(&self, holder: &Holder, permits: usize) -> Result<Locked, TryLockError> {
        match self.gate.try_enter(permits) {
            Some(locked) => {
                holder.hold(&self.gate, permits);
                Ok(locked)
            }
            None if holder.holds(&self.gate) => Err(TryLockError::HeldByCaller),
            None => Err(TryLockError::Busy),
        }
    }

    /// Ends writing.
    ///
    /// # Errors
    /// When this holder does not write.
    pub fn unlock(&self, holder: &Holder) -> Result<(), UnlockError> {
        unlock(&self.gate, holder, ALL)
    }

    /// Ends reading.
    ///
    /// # Errors
    /// When this holder does not read.
    pub fn runlock(&self, holder: &Holder) -> Result<(), UnlockError> {
        unlock(&self.gate, holder, READ)
    }

    /// How many holders read.
    pub fn readers(&self) -> usize {
        let taken = ALL - self.gate.free();
        if taken == ALL { 0 } else { taken }
    }

    /// Whether somebody writes.
    pub fn is_locked(&self) -> bool {
        self.gate.free() == 0
    }

    /// How many waits stand in line.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// An address that is this lock's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.gate) as usize
    }
}

impl fmt::Debug for RwMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwMutex")
            .field("locked", &self.is_locked())
            .field("readers", &self.readers())
            .field("waiting", &self.waiting())
            .finish()
    }
}
