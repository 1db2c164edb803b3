//! A worker: a named thread with an executor of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::catch_unwind;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use async_executor::{LocalExecutor, Task};
use async_io::Timer;
use futures_lite::future::{block_on, or, poll_once, yield_now};
use runtime_core::{
    LocalFuture, LocalSpawn, LocalTasks, Patience, WorkerBody, WorkerHandle, contain_panic, worker_thread,
};

/// How many tasks are polled before the worker looks at the reactor.
const POLLS_PER_LOOK: usize = 200;

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
    let end = async {
        body.await;
        spawner.tasks.end(Task::cancel).await;
    };
    async_io::block_on(or(end, poll_tasks(&executor)));
}

/// Polls tasks for ever. Without one that is ready it looks around, if waits were short, and then waits for one.
///
/// **Who wakes whom.** Whoever wakes a task puts it into the executor's queue, and wakes this future if it waits in `tick`, which
/// looks into the queue once more after it has said so.
async fn poll_tasks(executor: &LocalExecutor<'_>) {
    let mut patience = Patience::new();
    loop {
        for _ in 0..POLLS_PER_LOOK {
            if !executor.try_tick() && !patience.look(|| executor.try_tick()) {
                park(executor, &mut patience).await;
            }
        }
        yield_now().await;
    }
}

/// Waits for a task, and polls it.
async fn park(executor: &LocalExecutor<'_>, patience: &mut Patience) {
    let mut tick = pin!(executor.tick());
    let mut parked = false;
    poll_fn(|cx| {
        if parked {
            patience.unparked(); // what the task does is no wait
        }
        parked = true;
        tick.as_mut().poll(cx)
    })
    .await;
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
