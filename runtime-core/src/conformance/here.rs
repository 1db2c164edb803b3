//! A backend on the thread that a test runs on, which may be inside another runtime.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::kit::{Event, PATIENCE, join, work};
use crate::{Backend, block_on};

/// How the tests are run unless they are told: as they are.
pub fn as_it_is(test: impl FnOnce()) {
    test();
}

/// Waits, sleeps, workers and jobs, all begun by one thread, which also drops the backend before it waits for the last of
/// them. It is the thread of the test itself: with `inside`, that of the embedder's runtime.
pub fn a_backend_serves_the_thread_that_calls_it(backend: Arc<dyn Backend>) {
    let short = Duration::from_millis(5);
    assert_eq!(block_on(&*backend, in_time("a future that is ready", async { 3 })), 3);
    let early = backend.sleep_until(backend.now() + 4 * short);
    block_on(&*backend, in_time("a sleep", backend.sleep_until(backend.now() + short)));
    let said = Event::new("a worker and a job");
    let (of_worker, of_job) = (said.clone(), said.clone());
    let timers = Arc::clone(&backend);
    let worker = work(&backend, move |_| async move {
        timers.sleep_until(timers.now() + short).await;
        of_worker.say("a worker");
    });
    backend.run_blocking(Box::new(move || of_job.say("a job")));
    let heard = block_on(
        &*backend,
        in_time("a worker and a job", async { [said.heard().await, said.heard().await] }),
    );
    assert!(heard.contains(&"a worker") && heard.contains(&"a job"), "{heard:?}");
    join(worker);
    drop(backend);
    futures_lite::future::block_on(in_time("a sleep of a backend that is gone", early));
}

/// `future`, given up after a while. The alarm is a plain thread, so that it does not depend on any runtime.
async fn in_time<F: Future>(what: &'static str, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let limit = Instant::now() + PATIENCE;
    let mut alarm = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        assert!(Instant::now() < limit, "waited {PATIENCE:?} in vain for: {what}");
        alarm.get_or_insert_with(|| {
            let waker = cx.waker().clone();
            let (over, is_over) = flume::bounded::<()>(0);
            std::thread::spawn(move || {
                if is_over.recv_timeout(PATIENCE) == Err(flume::RecvTimeoutError::Timeout) {
                    waker.wake();
                }
            });
            over
        });
        Poll::Pending
    })
    .await
}
