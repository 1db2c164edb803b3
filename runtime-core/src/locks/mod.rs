//! Locks: [`Mutex`], [`RwMutex`], [`Semaphore`], [`Once`], [`Cond`], [`Barrier`], and the [`Holder`] that holds them.
//!
//! As in Go, a lock guards no data: what it is for is the callers' agreement. A lock is held by a [`Holder`], which
//! stands for a task, a thread, whoever: so a lock is unlocked by the one who has locked it and nobody else, and a holder
//! that ends gives back what it holds. The next one to lock is then told, once, that the lock was [abandoned](Locked):
//! what it guards may be half done.
//!
//! **Why none was bought.** async-lock's and tokio's locks are fair as well, but a lock there belongs to a guard, which
//! cannot be told that its owner is gone, nor by whom it is dropped; and a waiter of theirs that is dropped just when
//! its turn has come is beyond the reach of a test. Here all that wait stand in the queue of `token.rs`, as in
//! channels, under one small lock per object.

mod barrier;
mod cond;
mod gate;
mod held;
mod holder;
mod mutex;
mod once;
mod rw_mutex;
mod semaphore;

pub use barrier::{Barrier, BarrierWait};
pub use cond::{Cond, Woken};
pub use gate::{Lock, Locked};
pub use holder::Holder;
pub use mutex::Mutex;
pub use once::{Once, Turn};
pub use rw_mutex::RwMutex;
pub use semaphore::{Acquire, ReleasedTooOften, Semaphore};

/// The caller holds the lock itself: to wait for it would be to wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("would wait for what the caller itself holds")]
pub struct HeldByCaller;

/// Why a lock could not be taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryLockError {
    /// Another holds it, or waits for it already.
    #[error("another one holds it, or waits for it")]
    Busy,
    /// The caller holds it: waiting would not help.
    #[error("the caller itself holds it")]
    HeldByCaller,
}

/// A lock was given back by one who does not hold it; nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// Nobody holds it.
    #[error("unlock of what is not locked")]
    NotLocked,
    /// Another holds it, or it was locked in the other way (for reading, for writing).
    #[error("unlock of what the caller does not hold")]
    NotHeld,
}
