//! Numbers that are unique in the process.

use std::sync::atomic::{AtomicU64, Ordering};

/// The next number, from 1 on. Goroutines, tasks and objects draw from the same series.
pub fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
