//! A worker: a named thread inside async-std's context, and the tasks that it has to end.

use std::cell::RefCell;
use std::io;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use async_std::task::{self, JoinHandle};
use futures_lite::future::{block_on, poll_once, yield_now};
use runtime_core::{LocalFuture, LocalSpawn, WorkerBody, WorkerHandle, contain_panic, worker_thread};
use slab::Slab;

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
    let spawner = Rc::new(Spawner { tasks: Rc::new(RefCell::new(Some(Slab::new()))) });
    let body_spawner = Rc::clone(&spawner);
    // The call of `body` is made by the first poll, so that one wrapper contains all its panics. It is a task like the
    // others, so that it takes turns with them.
    let body = contain_panic(Box::pin(async move { body(body_spawner).await }));
    task::block_on(async {
        task::spawn_local(body).await;
        // From here on nothing is spawned any more.
        let tasks = spawner.tasks.take().unwrap_or_default();
        // All are told before any of them runs again.
        let mut ends = Vec::new();
        for (_, task) in tasks {
            let mut end = Box::pin(task.cancel());
            if poll_once(&mut end).await.is_none() {
                ends.push(end);
            }
        }
        for end in ends {
            end.await;
        }
    });
}

/// The tasks of a worker that have not ended; `None` when its body has.
type Tasks = Rc<RefCell<Option<Slab<JoinHandle<()>>>>>;

struct Spawner {
    tasks: Tasks,
}

impl LocalSpawn for Spawner {
    fn spawn_local(&self, future: LocalFuture) {
        let future = contain_panic(future);
        // Dropped before `future` is, which may spawn.
        let mut tasks = self.tasks.borrow_mut();
        let Some(tasks) = &mut *tasks else {
            return;
        };
        let place = tasks.vacant_entry();
        let (key, tasks) = (place.key(), Rc::clone(&self.tasks));
        place.insert(task::spawn_local(async move {
            future.await;
            let own = tasks.borrow_mut().as_mut().and_then(|tasks| tasks.try_remove(key));
            drop(own);
        }));
    }

    fn wake_after_others(&self, waker: &Waker) {
        // Waits in the reactor for no time, unless another thread waits there: this wakes the sleepers that are due. What other
        // threads have woken is in the queue that the waker appends to.
        async_io::block_on(yield_now());
        waker.wake_by_ref();
    }
}
