//! Carries goroutines on async-std.
//!
//! **async-std is discontinued** ([RUSTSEC-2025-0052]): its authors point to smol, which is made of the same parts. So this
//! backend is for programs that use async-std's libraries and cannot leave them yet; any other takes `backend-smol`. It is never
//! a default.
//!
//! [`AsyncStd`] implements [`Backend`]:
//!
//! | what | how |
//! |---|---|
//! | a worker | a named thread inside `task::block_on`; goroutines are tasks of `spawn_local` there, with task-locals of their own |
//! | a sleep | `task::sleep` |
//! | a blocking job | `task::spawn_blocking`: at most 500 threads, or `BLOCKING_MAX_THREADS` of the environment |
//! | blocking a thread | the thread parks until the future's waker unparks it |
//!
//! # Who wakes whom
//! As in `backend-smol`: one thread at a time waits in the reactor, an idle worker or the thread `async-io`, and wakes all
//! sleepers that are due. Sleeps may be late by 10 ms under load, and are never early.
//!
//! # What outlives what
//! async-std's reactor, its pool for blocking jobs and its global executor (as many threads as cores, or
//! `ASYNC_STD_THREAD_COUNT` of the environment; nothing of ours runs there) are one per process, start with the first worker,
//! and stay. So a backend is nothing but a name, and dropping it ends nothing. Workers go on until their bodies end.
//!
//! async-std never ends the tasks of `spawn_local`: they would live until their thread's very end, when nobody can tell any
//! more. So a worker notes its tasks, and cancels them when its body has ended. What libraries give to
//! `async_std::task::spawn_local` themselves is dropped with the thread.
//!
//! ```
//! use backend_async_std::AsyncStd;
//! use runtime_core::{Backend, WaitGroup, block_on};
//! use std::time::Duration;
//!
//! let backend = AsyncStd::new();
//! let group = WaitGroup::new();
//! group.add(1)?;
//! let done = group.clone();
//! let mut worker = backend.start_worker("worker-0", Box::new(move |_spawner| Box::pin(async move {
//!     // What needs async-std's context works here.
//!     async_std::task::spawn_local(async_std::task::sleep(Duration::from_millis(1))).await;
//!     done.done().expect("one was added");
//! })))?;
//! block_on(&backend, group.wait());
//! assert!(worker.join_timeout(Duration::from_secs(10)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [RUSTSEC-2025-0052]: https://rustsec.org/advisories/RUSTSEC-2025-0052

mod worker;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Instant;

use async_std::task;
use runtime_core::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle, contained, relayed};

/// The backend on async-std. All of them are the same.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AsyncStd;

impl AsyncStd {
    /// The backend. No thread is started before it is needed.
    pub fn new() -> Self {
        Self
    }
}

impl Backend for AsyncStd {
    fn name(&self) -> &'static str {
        "async-std"
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        worker::start(name, body)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        // async-std's sleeps last from their first poll; this looks at the clock then. The reactor removes timers, and
        // their wakers, when it comes to it.
        relayed(async move {
            while let Some(left) = deadline.checked_duration_since(Instant::now())
                && !left.is_zero()
            {
                task::sleep(left).await;
            }
        })
    }

    fn run_blocking(&self, job: BlockingJob) {
        drop(task::spawn_blocking(|| contained(job)));
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        // Not async-std's own, which would run other tasks of this thread meanwhile.
        futures_lite::future::block_on(future);
    }
}
