//! How the polls of a worker's own runtime are told from others on the same thread.
//!
//! A sleep may use the timer of the worker's runtime only if that runtime polls it. If somebody blocks the worker's
//! thread on the sleep instead, with whatever `block_on`, nobody drives that timer meanwhile, and the thread would
//! wait for ever. The waker tells: the wakers of tokio's tasks share one table of functions, those of other executors
//! have others. A combinator with wakers of its own is taken for a stranger, which costs time and nothing else.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use runtime_core::next_id;
use tokio::runtime::Handle;

thread_local! {
    static WORKER: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// What a worker's thread knows of itself.
struct Worker {
    number: u64,
    runtime: Handle,
    wakers_of_tasks: Option<&'static RawWakerVTable>,
}

/// While it lives, the thread is a worker whose runtime drives its timers.
pub(crate) struct TimersHere(());

/// Makes this thread a worker with `runtime`.
pub(crate) fn this_thread_is_a_worker(runtime: &Handle) -> TimersHere {
    WORKER.set(Some(Worker { number: next_id(), runtime: runtime.clone(), wakers_of_tasks: None }));
    TimersHere(())
}

impl Drop for TimersHere {
    fn drop(&mut self) {
        WORKER.set(None);
    }
}

/// Run by a task of a worker.
pub(crate) fn learn_waker_of_task() -> impl Future<Output = ()> {
    poll_fn(|cx| {
        WORKER.with_borrow_mut(|worker| {
            worker.iter_mut().for_each(|worker| worker.wakers_of_tasks = Some(cx.waker().vtable()));
        });
        Poll::Ready(())
    })
}

/// The number of the worker whose own runtime polls with `waker`, if one does. Not 0.
pub(crate) fn worker_polling_with(waker: &Waker) -> Option<u64> {
    let number = WORKER.try_with(|worker| {
        let worker = worker.borrow();
        let worker = worker.as_ref()?;
        let of_tasks = worker.wakers_of_tasks?;
        std::ptr::eq(of_tasks, waker.vtable()).then_some(worker.number)
    });
    // An error: the thread is past its end.
    number.unwrap_or(None)
}

/// The runtime of the worker that this thread is.
pub(crate) fn runtime_here() -> Option<Handle> {
    WORKER.try_with(|worker| worker.borrow().as_ref().map(|worker| worker.runtime.clone())).unwrap_or(None)
}

/// Whether a runtime of tokio's polls whoever calls this: a task, or the future that a thread blocks on in there. In a blocking
/// job, or where a runtime's context was only entered, none does.
///
/// Tokio does not tell. But it bounds what those may do at once, and nobody else: who uses up that bound has one. So this is for
/// calls that come to an error there; the task yields once the earlier for it.
pub(crate) fn is_being_polled() -> bool {
    /// More than any task may do at once.
    const MORE: usize = 512;
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..MORE {
        if !tokio::task::coop::has_budget_remaining() {
            return true;
        }
        let _ = pin!(tokio::task::coop::consume_budget()).poll(&mut cx);
    }
    false
}
