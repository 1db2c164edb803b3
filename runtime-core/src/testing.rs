//! A backend without workers, for examples and unit tests.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::backend::{Backend, BlockingJob, Sleep, WorkerBody, WorkerHandle};

/// Enough of a backend to block on futures and to sleep: it starts no workers, and a sleep takes a thread of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct BareBackend(());

impl BareBackend {
    /// A backend that can wait and sleep, and nothing else.
    pub fn new() -> Self {
        Self(())
    }
}

impl Backend for BareBackend {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn start_worker(&self, _name: &str, _body: WorkerBody) -> io::Result<Box<dyn WorkerHandle>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the bare backend starts no workers"))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let (wake, woken) = flume::bounded::<()>(1);
        std::thread::spawn(move || {
            std::thread::sleep(
                deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(60)),
            );
            drop(wake);
        });
        Box::pin(async move {
            // The other end is dropped when the time has come: an error is the signal.
            let _ = woken.recv_async().await;
        })
    }

    fn run_blocking(&self, job: BlockingJob) {
        std::thread::spawn(job);
    }

    fn block_on(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        futures_lite::future::block_on(future);
    }
}
