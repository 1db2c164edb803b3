use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::Instant;

use runtime_core::{
    Backend, BlockingJob, LocalFuture, LocalSpawn, LocalTasks, Sleep, WorkerBody, WorkerHandle,
};
use runtime_core::{contain_panic, contained, relayed, worker_thread};
use smol::{LocalExecutor, Task, Timer, future};

/// A backend on the crate smol.
pub struct Toy;

impl Backend for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        worker_thread(name, || run(body))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        // The reactor keeps the waker of a timer that is dropped for a while, so it gets one that wakes nobody any more.
        relayed(async move {
            Timer::at(deadline).await;
        })
    }

    fn run_blocking(&self, job: BlockingJob) {
        smol::unblock(|| contained(job)).detach();
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        future::block_on(future);
    }
}

fn run(body: WorkerBody) {
    let executor = Rc::new(LocalExecutor::new());
    let worker = Rc::new(Worker { executor: Rc::downgrade(&executor), tasks: LocalTasks::new() });
    let spawner = Rc::clone(&worker);
    // A task like the others, so that it takes turns with them; called by the first poll, so that one wrapper contains its panics.
    let body = executor.spawn(contain_panic(Box::pin(async move { body(spawner).await })));
    smol::block_on(executor.run(async {
        body.await;
        worker.tasks.end(Task::cancel).await;
    }));
}

struct Worker {
    /// Gone when the thread is about to end.
    executor: Weak<LocalExecutor<'static>>,
    /// Which have to be dropped on this thread before it ends.
    tasks: LocalTasks<Task<()>>,
}

impl LocalSpawn for Worker {
    fn spawn_local(&self, future: LocalFuture) {
        if let Some(executor) = self.executor.upgrade() {
            self.tasks.start(future, |task| executor.spawn(task));
        }
    }
}
