//! [`Io`]: the thread that waits for the network and for processes, so that no isolate does.
//!
//! It is tokio's, whatever carries the goroutines: those only wait for what comes from here, which any backend can do.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};

use nix::sys::signal::{SigSet, Signal, raise};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How many files can be read and written at once; others wait for their turn.
const FILES: usize = 16;

/// Starts with the first thing to do.
#[derive(Debug, Default)]
pub(crate) struct Io {
    runtime: OnceLock<Result<Runtime, String>>,
}

/// Something that is being done. Dropping it stops that, unless it is a blocking function.
#[derive(Debug)]
pub(crate) struct Job<T>(JoinHandle<T>);

impl<T> Job<T> {
    /// Lets it go on, with nobody to wait for it.
    pub(crate) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Io {
    /// Does something that waits.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> mlua::Result<Job<T>> {
        Ok(Job(self.runtime()?.spawn(future)))
    }

    /// Calls something that blocks its thread.
    pub(crate) fn block<T: Send + 'static>(
        &self,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> mlua::Result<Job<T>> {
        Ok(Job(self.runtime()?.spawn_blocking(function)))
    }

    /// Calls something that makes what the thread is to wait for.
    pub(crate) fn within<T>(&self, function: impl FnOnce() -> T) -> mlua::Result<T> {
        let _entered = self.runtime()?.enter();
        Ok(function())
    }

    fn runtime(&self) -> mlua::Result<&Runtime> {
        let made = self.runtime.get_or_init(|| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(1).max_blocking_threads(FILES).thread_name("io").enable_all();
            builder.on_thread_start(keep_broken_pipes);
            builder.build().map_err(|error| error.to_string())
        });
        made.as_ref()
            .map_err(|error| mlua::Error::runtime(format!("cannot start the thread for I/O: {error}")))
    }
}

/// A broken pipe ends the program where that is its standard output; here it is an error of who writes: a command may end before
/// it has read all that it was given.
fn keep_broken_pipes() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGPIPE);
    // It fails for a wrong argument only.
    let _ = signals.thread_block();
}

/// Calls what starts a command, which has the mask of the thread: a command that writes to one who does not read any more is to end, as
/// everywhere (`yes | head`).
pub(crate) fn without_mask<T>(start: impl FnOnce() -> T) -> T {
    let mut pipe = SigSet::empty();
    pipe.add(Signal::SIGPIPE);
    if !SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(Signal::SIGPIPE)) {
        return start();
    }
    // One that this thread has got already, and kept, ends nothing: with another of them there is still one, which is taken.
    if raise(Signal::SIGPIPE).is_ok() {
        let _ = pipe.wait();
    }
    // Between these two nothing of ours is written by this thread.
    let _ = pipe.thread_unblock();
    let started = start();
    let _ = pipe.thread_block();
    started
}

impl Drop for Io {
    fn drop(&mut self) {
        if let Some(Ok(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(done.map_err(|error| {
            if error.is_panic() { "an internal error".into() } else { "the runner is ending".into() }
        }))
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
