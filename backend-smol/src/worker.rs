//! A worker: a named thread with an executor of its own.

use std::io;
use std::panic::catch_unwind;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use async_executor::{LocalExecutor, Task};
use async_io::Timer;
use futures_lite::future::{block_on, poll_once, yield_now};
use runtime_core::{
    LocalFuture, LocalSpawn, LocalTasks, WorkerBody, WorkerHandle, contain_panic, worker_thread,
};

/// Starts a thread called `name` that runs `body` and what it spawns.
pub(crate) fn start(name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
    reactor_is_there()?;
    worker_thread(name, || run(body))
}

/// The reactor is made when it is first needed, and panics when the operating system refuses it: better here than in
/// the worker.
fn reactor_is_there() -> io::Result<()> {
    let sleep = || block_on(poll_once(Timer::interval_at(Instant::now(), Duration::MAX)));
    match catch_unwind(sleep) {
        Ok(_) => Ok(()),
        Err(_) => Err(io::Error::other("the reactor of smol cannot be started")),
    }
}

fn run(body: WorkerBody) {
    let executor = Rc::new(LocalExecutor::new());
    let spawner = Rc::new(Spawner { executor: Rc::downgrade(&executor), tasks: LocalTasks::new() });
    let body_spawner = Rc::clone(&spawner);
    // The call of `body` is made by the first poll, so that one wrapper contains all its panics. It is a task like the
    // others, so that it takes turns with them.
    let body = executor.spawn(contain_panic(Box::pin(async move { body(body_spawner).await })));
    async_io::block_on(executor.run(async {
        body.await;
        spawner.tasks.end(Task::cancel).await;
    }));
}

struct Spawner {
    /// Gone when the worker is.
    executor: Weak<LocalExecutor<'static>>,
    tasks: LocalTasks<Task<()>>,
}

impl LocalSpawn for Spawner {
    fn spawn_local(&self, future: LocalFuture) {
        if let Some(executor) = self.executor.upgrade() {
            self.tasks.start(future, |task| executor.spawn(task));
        }
    }

    fn wake_after_others(&self, waker: &Waker) {
        // Waits in the reactor for no time, unless another thread waits there: this wakes the sleepers that are due. What other
        // threads have woken is in the queue that the waker appends to.
        async_io::block_on(yield_now());
        waker.wake_by_ref();
    }
}
