//! Starting tasks without recursion.
//!
//! A task may end while it is being started, and its slot then go to the next one in the queue. Were that started
//! right there, a million such tasks would need a million frames. So each thread knows for which pools it is in the
//! middle of a start; what such a start launches is put aside, and started when it is back. Other threads are not
//! held up: each starts what it has launched itself.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::state::Launch;
use super::{Pool, Slot, Task};

thread_local! {
    /// The pools that this thread is starting tasks of, with how many more it has put aside.
    static STARTING: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

impl<T: Task> Pool<T> {
    /// Starts a task that has its slot, and whatever that launches. No lock may be held.
    pub(super) fn launch(&self, launch: Launch<T>) {
        let pool = self.address();
        if is_starting(pool) {
            self.shared.state.lock().nested.push_back(launch);
            put_aside(pool);
            return;
        }
        begin(pool);
        let mut next = Some(launch);
        while let Some(Launch { task, slot, accepted, launched }) = next {
            let slot = Slot::new(self.clone(), slot, accepted, launched);
            contained(|| task.start(slot));
            // Another thread's may come out, which then starts ours: each takes out as many as it has put in.
            next = match take_one(pool) {
                true => self.shared.state.lock().nested.pop_front(),
                false => None,
            };
        }
        end(pool);
    }
}

/// Calls foreign code; a panic in it goes no further than the panic hook, so that everybody else is served too.
pub(super) fn contained(act: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
        // Dropping it could panic again.
        std::mem::forget(payload);
    }
}

fn is_starting(pool: usize) -> bool {
    with(|starting| starting.iter().any(|(address, _)| *address == pool)).unwrap_or(false)
}

fn begin(pool: usize) {
    with(|starting| starting.push((pool, 0)));
}

fn put_aside(pool: usize) {
    with(|starting| {
        if let Some((_, aside)) = starting.iter_mut().find(|(address, _)| *address == pool) {
            *aside += 1;
        }
    });
}

fn take_one(pool: usize) -> bool {
    with(|starting| {
        let aside = starting.iter_mut().find(|(address, _)| *address == pool);
        match aside {
            Some((_, aside)) if *aside > 0 => {
                *aside -= 1;
                true
            }
            _ => false,
        }
    })
    .unwrap_or(false)
}

fn end(pool: usize) {
    with(|starting| starting.retain(|(address, _)| *address != pool));
}

/// `None` in a thread whose thread-locals are gone: what it launches on its way out is started right there.
fn with<R>(act: impl FnOnce(&mut Vec<(usize, usize)>) -> R) -> Option<R> {
    STARTING.try_with(|starting| act(&mut starting.borrow_mut())).ok()
}
