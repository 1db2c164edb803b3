//! A worker: a named thread inside async-std's context, and the tasks that it has to end.

use std::io;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use async_std::task::{self, JoinHandle};
use futures_lite::future::{block_on, poll_once, yield_now};
use runtime_core::{
    LocalFuture, LocalSpawn, LocalTasks, WorkerBody, WorkerHandle, contain_panic, worker_thread,
};

/// Starts a thread called `name` that runs `body` and what it spawns.
pub(crate) fn start(name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
    runtime_is_there()?;
    worker_thread(name, || run(body))
}

/// The runtime is made when it is first needed, and panics when the operating system refuses it a thread or its reactor:
/// better here than in the worker.
fn runtime_is_there() -> io::Result<()> {
    let start = || {
        block_on(async {
            task::spawn(async {}).await;
            poll_once(task::sleep(Duration::from_secs(1))).await
        })
    };
    match catch_unwind(start) {
        Ok(_) => Ok(()),
        Err(_) => Err(io::Error::other("the runtime of async-std cannot be started")),
    }
}

fn run(body: WorkerBody) {
    let spawner = Rc::new(Spawner { tasks: LocalTasks::new() });
    let body_spawner = Rc::clone(&spawner);
    // The call of `body` is made by the first poll, so that one wrapper contains all its panics. It is a task like the
    // others, so that it takes turns with them.
    let body = contain_panic(Box::pin(async move { body(body_spawner).await }));
    task::block_on(async {
        task::spawn_local(body).await;
        spawner.tasks.end(JoinHandle::cancel).await;
    });
}

struct Spawner {
    tasks: LocalTasks<JoinHandle<()>>,
}

impl LocalSpawn for Spawner {
    fn spawn_local(&self, future: LocalFuture) {
        self.tasks.start(future, task::spawn_local);
    }

    fn wake_after_others(&self, waker: &Waker) {
        // Waits in the reactor for no time, unless another thread waits there: this wakes the sleepers that are due. What other
        // threads have woken is in the queue that the waker appends to.
        async_io::block_on(yield_now());
        waker.wake_by_ref();
    }
}
