//! [`deadline`]: a bound in time for any wait.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Instant;

use crate::backend::Backend;

/// Waits for `future`, at most until `limit` (`None` is for ever), on the clock of `backend`.
///
/// A future that is ready is preferred to a deadline that has passed, so that what was received at the last moment
/// is not lost. When the deadline wins the future is dropped, which must leave no trace in what it waited on.
pub async fn deadline<F: Future>(
    backend: &dyn Backend,
    limit: Option<Instant>,
    future: F,
) -> Option<F::Output> {
    let Some(limit) = limit else {
        return Some(future.await);
    };
    let mut future = pin!(future);
    let mut sleep = None;
    poll_fn(|cx| {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(cx) {
            return std::task::Poll::Ready(Some(output));
        }
        // Made only now: most waits that have a deadline are ready at once and never need a timer.
        let sleep = sleep.get_or_insert_with(|| backend.sleep_until(limit));
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}
