//! [`AtomicInt`]: a 64-bit integer that tasks share.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicI64, Ordering};

/// A 64-bit integer that changes as one step. Clones share one value; sums wrap around. Nobody waits for it.
///
/// ```
/// let counter = runtime_core::AtomicInt::new(i64::MAX);
/// assert_eq!(counter.add(1), i64::MIN);
/// assert!(counter.compare_and_swap(i64::MIN, 7));
/// assert_eq!(counter.swap(8), 7);
/// ```
#[derive(Clone, Debug, Default)]
pub struct AtomicInt {
    value: Arc<AtomicI64>,
}

impl AtomicInt {
    /// An integer that starts at `value`.
    pub fn new(value: i64) -> Self {
        Self { value: Arc::new(AtomicI64::new(value)) }
    }

    /// Adds `n` and returns the sum.
    pub fn add(&self, n: i64) -> i64 {
        self.value.fetch_add(n, Ordering::SeqCst).wrapping_add(n)
    }

    /// The value now.
    pub fn load(&self) -> i64 {
        self.value.load(Ordering::SeqCst)
    }

    /// Sets the value.
    pub fn store(&self, value: i64) {
        self.value.store(value, Ordering::SeqCst);
    }

    /// Sets the value and returns the one before.
    pub fn swap(&self, value: i64) -> i64 {
        self.value.swap(value, Ordering::SeqCst)
    }

    /// Sets `new` if the value is `old`; returns whether it was.
    pub fn compare_and_swap(&self, old: i64, new: i64) -> bool {
        self.value.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// An address that is this integer's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.value) as usize
    }
}
