//! [`Inbox`]: how other threads reach a worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

use parking_lot::Mutex;

/// A task of one worker: its place in the table of tasks, and a number that tells it from the tasks that had that
/// place before. A ticket that outlived its task is ignored, or, after four billion tasks, polls a stranger in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) slot: u32,
    pub(crate) serial: u32,
}

/// Tickets of tasks that were woken by other threads than their worker's own.
///
/// **Who wakes whom.** The push that finds the inbox empty unparks the worker; later ones need not, for the worker
/// takes everything at once. The worker parks only after it has seen the inbox empty under the lock, so that a push
/// is either seen or comes later and unparks. `std`'s park keeps one token: an unpark that comes before the park
/// makes that park return at once. Code that parks inside a task may eat the token, which is why the worker always
/// looks into the inbox between running a task and parking.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// A hint that costs no lock, for the worker that has other things to do.
    filled: AtomicBool,
    woken: Mutex<Woken>,
    worker: Thread,
}

#[derive(Debug, Default)]
struct Woken {
    tickets: Vec<Ticket>,
    /// Set when the worker has left: nobody will look any more.
    closed: bool,
}

impl Inbox {
    /// The inbox of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        Self { filled: AtomicBool::new(false), woken: Mutex::default(), worker: std::thread::current() }
    }

    /// Hands `ticket` to the worker. Called on other threads.
    pub(crate) fn push(&self, ticket: Ticket) {
        let mut woken = self.woken.lock();
        if woken.closed {
            return;
        }
        let first = woken.tickets.is_empty();
        woken.tickets.push(ticket);
        if first {
            self.filled.store(true, Ordering::Release);
            drop(woken);
            self.worker.unpark();
        }
    }

    /// Whether there may be something. Never wrongly `false` for long: the worker asks [`take`](Inbox::take), which
    /// is exact, before it parks.
    #[inline]
    pub(crate) fn may_hold_any(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Exchanges what is here for `empty`. Returns whether there was something. Called by the worker.
    pub(crate) fn take(&self, empty: &mut Vec<Ticket>) -> bool {
        debug_assert!(empty.is_empty());
        let mut woken = self.woken.lock();
        self.filled.store(false, Ordering::Relaxed);
        std::mem::swap(&mut woken.tickets, empty);
        !empty.is_empty()
    }

    /// Refuses all that comes from now on.
    pub(crate) fn close(&self) {
        let mut woken = self.woken.lock();
        woken.closed = true;
        woken.tickets = Vec::new();
    }
}
