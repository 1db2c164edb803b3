//! [`LocalTasks`]: the tasks of a worker that ends before they do.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_lite::future::poll_once;
use slab::Slab;

use crate::backend::LocalFuture;
use crate::contain_panic::{ContainPanic, contain_panic};

/// The tasks of one worker that have not ended, for backends whose executor cannot say that it has dropped all of them: a
/// wake-up from another thread may put a task into its queue behind its back. `J` is what the executor gives for a task.
///
/// **Who waits for whom.** A task that ends takes its `J` out of here. When the worker ends, all that are left are cancelled,
/// and waited for while the executor runs: it drops what they own, on its thread.
///
/// ```
/// # use runtime_core::LocalTasks;
/// # use std::{any::Any, rc::Rc};
/// // An executor that never runs anything. What it gives for a task is the task.
/// let tasks = LocalTasks::<Box<dyn Any>>::new();
/// let owned = Rc::new(());
/// let theirs = Rc::clone(&owned);
/// tasks.start(Box::pin(async move { drop(theirs) }), |task| Box::new(task));
/// futures_lite::future::block_on(tasks.end(|task| async move { drop(task) }));
/// assert_eq!(Rc::strong_count(&owned), 1);
/// ```
pub struct LocalTasks<J> {
    /// `None` once the worker ends.
    tasks: Rc<RefCell<Option<Slab<J>>>>,
}

impl<J> LocalTasks<J> {
    /// None yet.
    pub fn new() -> Self {
        Self { tasks: Rc::new(RefCell::new(Some(Slab::new()))) }
    }

    /// Has `spawn` make a task of `future`, whose panic ends it alone. Once the worker ends, `future` is dropped instead.
    pub fn start(&self, future: LocalFuture, spawn: impl FnOnce(LocalTask<J>) -> J) {
        let future = contain_panic(future);
        // Dropped before `future` is, which may spawn.
        let mut tasks = self.tasks.borrow_mut();
        let Some(tasks) = &mut *tasks else {
            return;
        };
        let place = tasks.vacant_entry();
        let task = LocalTask { future, key: place.key(), tasks: Rc::clone(&self.tasks) };
        // Spawning calls no foreign code, so nothing can want the list meanwhile.
        place.insert(spawn(task));
    }

    /// Starts no more tasks, and ends those there are by `cancel`, which is ready once a task has been dropped.
    pub async fn end<C: Future>(&self, cancel: impl Fn(J) -> C) {
        let tasks = self.tasks.take().unwrap_or_default();
        // All are told before any of them runs again.
        let mut ends = Vec::new();
        for (_, task) in tasks {
            let mut end = Box::pin(cancel(task));
            if poll_once(&mut end).await.is_none() {
                ends.push(end);
            }
        }
        for end in ends {
            end.await;
        }
    }
}

impl<J> Default for LocalTasks<J> {
    fn default() -> Self {
        Self::new()
    }
}

impl<J> fmt::Debug for LocalTasks<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTasks").finish_non_exhaustive()
    }
}

/// The future of such a task.
#[must_use = "futures do nothing unless polled"]
pub struct LocalTask<J> {
    future: ContainPanic,
    key: usize,
    tasks: Rc<RefCell<Option<Slab<J>>>>,
}

impl<J> Future for LocalTask<J> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.future).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let own = self.tasks.borrow_mut().as_mut().and_then(|tasks| tasks.try_remove(self.key));
        drop(own);
        Poll::Ready(())
    }
}

impl<J> fmt::Debug for LocalTask<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalTask").finish_non_exhaustive()
    }
}
