//! Carries goroutines on smol.
//!
//! [`Smol`] implements [`Backend`] with the crates that smol is made of:
//!
//! | what | how |
//! |---|---|
//! | a worker | a named thread with an executor of its own (async-executor), that drives the reactor while it is idle |
//! | a sleep | a timer of the reactor (async-io) |
//! | a blocking job | a thread of smol's pool (blocking): at most 500, or `BLOCKING_MAX_THREADS` of the environment |
//! | blocking a thread | the thread parks until the future's waker unparks it |
//!
//! Libraries that are made for smol work inside a worker, as they do anywhere: they find the reactor by themselves.
//!
//! # Who wakes whom
//! One thread at a time waits in the reactor, for timers, sockets and wake-ups: an idle worker, or the thread `async-io`. The
//! others park. Who waits there wakes all sleepers that are due, its own and others'; a task woken by another thread
//! unparks its worker, or ends that worker's wait in the reactor. Sleeps may be late by 10 ms when the worker that waited in
//! the reactor gets other things to do and no other is idle: so long the thread `async-io` may take to notice. They are never
//! early.
//!
//! # What outlives what
//! smol has one reactor and one pool of threads per process, and all backends of this kind share them. The thread `async-io` is
//! started with the first sleep or worker, and stays; idle threads of the pool end after half a second. So a backend is
//! nothing but a name, and dropping it ends nothing. Workers go on until their bodies end.
//!
//! ```
//! use backend_smol::Smol;
//! use runtime_core::{Backend, WaitGroup, block_on};
//! use std::time::Duration;
//!
//! let backend = Smol::new();
//! let group = WaitGroup::new();
//! group.add(1)?;
//! let done = group.clone();
//! let mut worker = backend.start_worker("worker-0", Box::new(move |_spawner| Box::pin(async move {
//!     // What is made for smol works here.
//!     async_io::Timer::after(Duration::from_millis(1)).await;
//!     done.done().expect("one was added");
//! })))?;
//! block_on(&backend, group.wait());
//! assert!(worker.join_timeout(Duration::from_secs(10)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod worker;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::Timer;
use runtime_core::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle, contained, relayed};

/// The backend on smol. All of them are the same.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Smol;

impl Smol {
    /// The backend. No thread is started before it is needed.
    pub fn new() -> Self {
        Self
    }
}

impl Backend for Smol {
    fn name(&self) -> &'static str {
        "smol"
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        worker::start(name, body)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        // The reactor removes timers, and their wakers, when it comes to it.
        relayed(At(Timer::at(deadline)))
    }

    fn run_blocking(&self, job: BlockingJob) {
        blocking::unblock(|| contained(job)).detach();
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        futures_lite::future::block_on(future);
    }
}

/// A timer without a result.
struct At(Timer);

impl Future for At {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
