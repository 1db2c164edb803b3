//! [`contain_panic`] and [`contained`]: foreign code whose panic ends nothing but itself.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::backend::LocalFuture;

/// Wraps `future` so that a panic in it ends it alone: the wrapper is ready then, as if `future` had returned.
///
/// For backends whose executor lets a panic through. `future` is dropped as soon as it has ended, and a panic while
/// it is dropped, finished or not, is contained too. Whoever wants to hear of panics hears through the panic hook,
/// which has run (and by default has printed) by the time the panic is caught; the payload is dropped then.
///
/// ```
/// # use runtime_core::{block_on, contain_panic, testing::BareBackend};
/// std::panic::set_hook(Box::new(|_| {}));
/// block_on(&BareBackend::new(), contain_panic(Box::pin(async { panic!("heard by the hook alone") })));
/// ```
pub fn contain_panic(future: LocalFuture) -> ContainPanic {
    ContainPanic { future: Some(future) }
}

/// The future that [`contain_panic`] makes. Polled after it was ready, it is ready again.
#[must_use = "futures do nothing unless polled"]
pub struct ContainPanic {
    /// `None` once it has ended.
    future: Option<LocalFuture>,
}

impl fmt::Debug for ContainPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainPanic").field("ended", &self.future.is_none()).finish_non_exhaustive()
    }
}

impl Future for ContainPanic {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = self.future.as_mut() else {
            return Poll::Ready(());
        };
        // Unwind safe: after a panic the future is dropped and never polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(payload) => contained(|| drop(payload)),
        }
        let ended = self.future.take();
        contained(|| drop(ended));
        Poll::Ready(())
    }
}

impl Drop for ContainPanic {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            contained(|| drop(future));
        }
    }
}

/// Calls `act`; a panic in it goes no further. For a backend's threads, which outlive the foreign code they call.
///
/// As in [`contain_panic`], the panic hook has run by then, and the payload is dropped; one that panics itself when
/// it is dropped is leaked.
#[inline]
pub fn contained(act: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act))
        && let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(worse);
    }
}
