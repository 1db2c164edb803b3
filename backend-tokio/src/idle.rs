//! How a worker looks around before tokio parks its thread.
//!
//! **Who wakes whom.** A task that another thread wakes is put into the runtime's global queue first, and then the thread
//! is woken from its reactor, whether it waits there or not. The worker looks at the length of that queue, when tokio
//! says that it is about to park. If it finds something, it wakes a task of its own, which does nothing: with
//! that in its queue, tokio asks the reactor without waiting and goes on. If it does not, it parks as it
//! would have done: what comes after the last look ends the wait in the reactor. The body of a worker is a task, so that its wake-ups
//! are seen, too.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use runtime_core::Patience;
use tokio::runtime::{LocalRuntime, RuntimeMetrics};

thread_local! {
    static IDLE: RefCell<Option<Idle>> = const { RefCell::new(None) };
}

struct Idle {
    patience: Patience,
    queue: RuntimeMetrics,
    /// Wakes the task that does nothing.
    go_on: Waker,
}

/// While it lives, the worker that this thread is looks around.
pub(crate) struct LooksAround(());

/// Makes the worker of this runtime, which is this thread, look around when it is idle.
pub(crate) fn look_around(runtime: &LocalRuntime) -> LooksAround {
    let queue = runtime.handle().metrics();
    runtime.spawn_local(poll_fn(move |cx| {
        IDLE.with_borrow_mut(|idle| {
            let new = || Idle { patience: Patience::new(), queue: queue.clone(), go_on: cx.waker().clone() };
            idle.get_or_insert_with(new);
        });
        Poll::<()>::Pending
    }));
    LooksAround(())
}

impl Drop for LooksAround {
    fn drop(&mut self) {
        IDLE.set(None);
    }
}

/// Called by tokio.
pub(crate) fn about_to_park() {
    IDLE.with_borrow_mut(|idle| {
        if let Some(Idle { patience, queue, go_on }) = idle
            && patience.look(|| queue.global_queue_depth() > 0)
        {
            go_on.wake_by_ref();
        }
    });
}

/// Called by tokio.
pub(crate) fn unparked() {
    IDLE.with_borrow_mut(|idle| {
        if let Some(idle) = idle {
            idle.patience.unparked();
        }
    });
}
