//! Carries goroutines on std threads, without a runtime.
//!
//! [`Threads`] implements [`Backend`]:
//!
//! | what | how |
//! |---|---|
//! | a worker | a named thread with a queue of its own; with nothing ready it parks, after a look around if waits were short |
//! | a sleep | an entry in one table per backend (150 bytes in all), watched by one thread that starts with the first sleep |
//! | a blocking job | a thread of a pool that grows to 512 and gives back threads that were idle for 10 s |
//! | blocking a thread | the thread parks until the future's waker unparks it |
//!
//! # Who wakes whom
//! A task woken on its worker's own thread is queued there. Woken by another thread, it goes through the worker's
//! inbox, and the wake-up that finds the inbox empty unparks the worker. The timer thread wakes sleepers, and is itself woken
//! by a sleep that is earlier than all others. A blocking job notifies an idle thread, or starts one. Who joins a
//! worker is notified by the worker's last act. Nothing polls.
//!
//! # What outlives what
//! A backend is a few tables, and no state is shared between backends. When the last clone is dropped the timer
//! thread ends with the last sleep, idle pool threads end at once, and queued jobs are still run. Workers go on until
//! their bodies end.
//!
//! ```
//! use backend_threads::Threads;
//! use runtime_core::{Backend, WaitGroup, block_on};
//! use std::time::Duration;
//!
//! let backend = Threads::new();
//! let group = WaitGroup::new();
//! group.add(10)?;
//! let (timers, done) = (backend.clone(), group.clone());
//! let mut worker = backend.start_worker("worker-0", Box::new(move |spawner| {
//!     for n in 0..10 {
//!         let sleep = timers.sleep_until(timers.now() + Duration::from_millis(n));
//!         let done = done.clone();
//!         spawner.spawn_local(Box::pin(async move {
//!             sleep.await;
//!             done.done().expect("ten were added");
//!         }));
//!     }
//!     Box::pin(done.wait())
//! }))?;
//! block_on(&backend, group.wait());
//! assert!(worker.join_timeout(Duration::from_secs(10)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`runtime_core::Runtime`] does more of that: it has several workers, and gives handles.
//!
//! ```
//! use backend_threads::Threads;
//! use runtime_core::{Outcome, Runtime, block_on};
//! use std::{num::ParseIntError, sync::Arc, time::Duration};
//!
//! let runtime = Runtime::new(Arc::new(Threads::new()), 4)?;
//! let task = runtime.spawn(|| async { Ok::<_, ParseIntError>("42".parse::<i32>()? + 1) });
//! block_on(runtime.backend(), task.wait());
//! assert_eq!(task.outcome(), Some(&Outcome::Done(43)));
//! runtime.shutdown(Duration::from_secs(10))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod blocking;
mod executor;
mod inbox;
mod timers;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use runtime_core::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle, worker_thread};

use crate::blocking::BlockingPool;
use crate::executor::Executor;
use crate::timers::Timers;

/// The backend on std threads. Clones are the same backend.
#[derive(Clone, Default)]
pub struct Threads {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    timers: Arc<Timers>,
    blocking: Arc<BlockingPool>,
}

impl Threads {
    /// A backend of its own, which shares nothing with others. No thread is started before it is needed.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Backend for Threads {
    fn name(&self) -> &'static str {
        "threads"
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        worker_thread(name, || Executor::run(body))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Box::pin(self.shared.timers.sleep_until(deadline))
    }

    fn run_blocking(&self, job: BlockingJob) {
        self.shared.blocking.run(job);
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        futures_lite::future::block_on(future);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.timers.backend_gone();
        self.blocking.backend_gone();
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}
