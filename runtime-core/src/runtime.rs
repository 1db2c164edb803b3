//! [`Runtime`]: tasks on several workers, for Rust without Lua.

mod start_queue;
mod task;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::backend::{Backend, LocalSpawn, WorkerHandle, block_on};
use crate::handle::{Handle, Reporting};
use crate::id::next_id;
use crate::timeout::deadline;
use crate::wait_group::WaitGroup;
use start_queue::StartQueue;
use task::Task;

/// Workers that share the tasks they are given, as goroutines are shared: one that has not begun is taken by a worker
/// that is free, and stays there from then on.
///
/// **Who wakes whom.** Starting a task wakes a free worker. The end of a task wakes those who wait for its handle, and
/// the last one [`shutdown`](Runtime::shutdown).
///
/// Dropping a `Runtime` cancels its tasks and waits for none of them: each ends at its next `await`, on its worker.
///
/// ```ignore
/// // Runs as it stands in a crate that depends on backend-threads.
/// let runtime = Runtime::new(Arc::new(backend_threads::Threads::new()), 4)?;
/// let task = runtime.spawn(|| async { Ok::<_, std::num::ParseIntError>("42".parse::<i32>()? + 1) });
/// block_on(runtime.backend(), task.wait());
/// assert_eq!(task.outcome(), Some(&Outcome::Done(43)));
/// runtime.shutdown(Duration::from_secs(1))?;
/// ```
pub struct Runtime {
    backend: Arc<dyn Backend>,
    queue: Arc<StartQueue>,
    /// Only locked to be shared: a handle can't be.
    workers: Mutex<Vec<Box<dyn WorkerHandle>>>,
    /// Counts the tasks that have not ended.
    tasks: WaitGroup,
}

/// Why a task of a [`Runtime`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError<E> {
    /// It returned an error.
    #[error("{0}")]
    Failed(E),
    /// It panicked, with this message.
    #[error("the task panicked: {0}")]
    Panicked(String),
}

/// Tasks had not ended when a runtime was shut down; they were cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{tasks} tasks had not ended and were cancelled")]
pub struct Unfinished {
    /// How many.
    pub tasks: usize,
}

impl Runtime {
    /// Starts `workers` workers.
    ///
    /// # Errors
    /// When the backend can't start them; then none is left. When `workers` is 0.
    pub fn new(backend: Arc<dyn Backend>, workers: usize) -> io::Result<Self> {
        if workers == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a runtime needs a worker"));
        }
        // From here on dropping it ends the workers that were started.
        let mut runtime = Self {
            backend,
            queue: StartQueue::new(workers),
            workers: Mutex::default(),
            tasks: WaitGroup::new(),
        };
        for seat in 0..workers {
            let queue = Arc::clone(&runtime.queue);
            let body = move |spawner: Rc<dyn LocalSpawn>| async move {
                while queue.wait(seat).await {
                    spawner.spawn_local(Box::pin(Arc::clone(&queue).run_one(seat)));
                    // It runs now; other workers may take the next one meanwhile.
                    futures_lite::future::yield_now().await;
                }
            };
            let name = format!("worker-{seat}");
            let worker = runtime.backend.start_worker(&name, Box::new(|spawner| Box::pin(body(spawner))))?;
            runtime.workers.get_mut().push(worker);
        }
        Ok(runtime)
    }

    /// The backend that carries it, to wait and to sleep with.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Starts a task. `make` is called on the worker, so that the future need not be `Send`.
    ///
    /// [Cancelling](Handle::cancel) it drops the future at its next `await`, or keeps it from being made when its
    /// turn comes. A panic, also
    /// in `make`, makes it fail with [`TaskError::Panicked`] (once the panic hook has printed it).
    pub fn spawn<T, E, F>(&self, make: impl FnOnce() -> F + Send + 'static) -> Handle<T, TaskError<E>>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + 'static,
    {
        let (handle, completer) = Handle::new(next_id(), Reporting::Never);
        // Adding one can't fail before there are 2^63.
        let _ = self.tasks.add(1);
        let task = Task::new(completer, self.tasks.clone());
        let queue = Arc::clone(&self.queue);
        self.queue.push(Box::new(move |seat| {
            Box::pin(async move {
                let outcome = {
                    let mut future = pin!(async { make().await });
                    poll_fn(|cx| queue.poll(seat, cx, |cx| task.poll(cx, |cx| future.as_mut().poll(cx))))
                        .await
                };
                // What the future owned is gone by the time that anybody hears of the end.
                task.end(outcome);
            })
        }));
        handle
    }

    /// Waits for the tasks to end, at most for `bound`; then ends the workers. Tasks that have not ended are cancelled,
    /// and not waited for. Not to be called in a task of this runtime, for which it would wait.
    ///
    /// # Errors
    /// [`Unfinished`] when there were such tasks.
    pub fn shutdown(mut self, bound: Duration) -> Result<(), Unfinished> {
        let limit = self.backend.now().checked_add(bound);
        block_on(&*self.backend, deadline(&*self.backend, limit, self.tasks.wait()));
        let tasks = usize::try_from(self.tasks.count()).unwrap_or(0);
        self.queue.close();
        if tasks > 0 {
            return Err(Unfinished { tasks });
        }
        for worker in self.workers.get_mut() {
            // Nothing runs on it: it ends at once.
            worker.join_timeout(Duration::from_secs(1));
        }
        Ok(())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("backend", &self.backend.name())
            .field("workers", &self.workers.lock().len())
            .field("tasks", &self.tasks.count())
            .finish_non_exhaustive()
    }
}
