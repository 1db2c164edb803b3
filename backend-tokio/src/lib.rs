//! Carries goroutines on tokio.
//!
//! [`Tokio`] implements [`Backend`]:
//!
//! | what | how |
//! |---|---|
//! | a worker | a named thread with a current-thread runtime of its own, with timers and, if built in, the reactor; with nothing ready it parks, after a look around if waits were short |
//! | a sleep | a timer of the worker that polls it; polled elsewhere, one of the home runtime |
//! | a blocking job | `spawn_blocking` of the home runtime, or the embedder's (tokio's limit is 512 threads) |
//! | blocking a thread | the thread parks; legal inside any runtime, unlike tokio's own `block_on` |
//!
//! The home runtime is one thread that is started when it is first needed.
//!
//! With [`Tokio::on`] the embedder's runtime is shared: blocking jobs run there, and what a worker polls is polled inside that
//! runtime's context. So sockets, timers and `tokio::spawn` of the embedder's async functions use its reactor and its threads; the
//! goroutines themselves stay on the workers.
//!
//! Libraries that want to be called inside tokio's context are: a worker polls everything in there. This crate itself
//! asks only for tokio's `rt` and `time`. Whether sockets work inside a worker is decided, as always with Cargo, by
//! whether anybody in the build asks for `net`: the runtimes enable all that is there.
//!
//! # Who wakes whom
//! Tasks, and sleeps that a worker polls, are woken by tokio. The thread of the home runtime wakes all other
//! sleepers. Who joins a worker is notified by the worker's last act. Sleeps are as exact as tokio's timers: up to two
//! milliseconds late, never early.
//!
//! # What outlives what
//! When the last clone of a backend is dropped, which may happen inside a runtime, its own home runtime goes on until
//! the last sleep is dropped and the last blocking job has ended. Workers go on until their bodies end; they do not
//! wait for blocking jobs that a library started in the worker's runtime.
//!
//! ```
//! use backend_tokio::Tokio;
//! use runtime_core::{Backend, WaitGroup, block_on};
//! use std::time::Duration;
//!
//! let backend = Tokio::new();
//! let group = WaitGroup::new();
//! group.add(1)?;
//! let done = group.clone();
//! let mut worker = backend.start_worker("worker-0", Box::new(move |_spawner| Box::pin(async move {
//!     // Anything that needs tokio's context works here.
//!     tokio::time::sleep(Duration::from_millis(1)).await;
//!     done.done().expect("one was added");
//! })))?;
//! block_on(&backend, group.wait());
//! assert!(worker.join_timeout(Duration::from_secs(10)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod home;
mod idle;
mod inside;
mod polls;
mod sleep;
mod worker;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use runtime_core::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle, contained};

use crate::home::Home;
use crate::sleep::SleepUntil;

/// The backend on tokio. Clones are the same backend.
#[derive(Clone)]
pub struct Tokio {
    home: Arc<Home>,
}

/// Why a backend can't share an embedder's runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuitable {
    /// It has one thread: whoever blocks on a goroutine in there stops the whole runtime.
    #[error("the backend can't share a current-thread runtime; give it a multi-thread one, or none")]
    CurrentThread,
}

impl Tokio {
    /// A backend of its own, which shares nothing with others. No thread is started before it is needed.
    pub fn new() -> Self {
        Self { home: Arc::new(Home::new(None)) }
    }

    /// A backend that shares the embedder's multi-thread runtime. Blocking jobs run there, and so within its limits. What a
    /// worker polls is inside that runtime's context: a socket that is made there is its reactor's, and `tokio::spawn` its
    /// threads' (`spawn_local` is refused by tokio). Workers have threads of their own all the same, and so have the sleeps of
    /// the backend itself, which come to an end although all threads of the embedder's runtime may be blocked.
    ///
    /// Once that runtime is shut down, blocking jobs are dropped unrun, and tokio refuses what needs its context.
    ///
    /// # Errors
    /// When the runtime is a current-thread one.
    pub fn on(runtime: tokio::runtime::Handle) -> Result<Self, Unsuitable> {
        if runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::CurrentThread {
            return Err(Unsuitable::CurrentThread);
        }
        Ok(Self { home: Arc::new(Home::new(Some(runtime))) })
    }
}

impl Default for Tokio {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn start_worker(&self, name: &str, body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        worker::start(name, body, self.home.embedder())
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Box::pin(SleepUntil::new(deadline, Arc::clone(&self.home)))
    }

    fn run_blocking(&self, job: BlockingJob) {
        let Ok(runtime) = self.home.for_blocking() else {
            // No thread to be had: run in place.
            contained(job);
            return;
        };
        let home = Arc::clone(&self.home);
        runtime.spawn_blocking(move || {
            // An own home is not shut down before its jobs have run.
            let _home = home;
            contained(job);
        });
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        // Inside a task, tokio's futures take from that task's budget, and when it is spent they are pending until the
        // task has yielded, which it can't: it is being blocked here. So they are freed from the budget.
        futures_lite::future::block_on(tokio::task::unconstrained(future));
    }

    fn may_block(&self) -> bool {
        let alone = tokio::runtime::Handle::try_current()
            .is_ok_and(|runtime| runtime.runtime_flavor() == tokio::runtime::RuntimeFlavor::CurrentThread);
        !alone || !polls::is_being_polled()
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokio").finish_non_exhaustive()
    }
}
