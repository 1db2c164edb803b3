//! [`relayed`]: a sleep that lets go of its waker at once, made of a timer that does not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;
use pin_project_lite::pin_project;

use crate::backend::Sleep;

/// Makes a [`Sleep`] of `timer`, and keeps its wakers for itself. For backends.
///
/// Some runtimes queue the removal of a timer, and keep the waker of one that was dropped, or polled with another waker
/// since, until they come to it. They are given a waker that only passes the call on; whom it wakes is taken out when the sleep
/// is dropped. So what stays behind for a while is a few words, and no task.
///
/// `timer` is not polled before the sleep is.
///
/// ```
/// # use runtime_core::{block_on, relayed, testing::BareBackend};
/// block_on(&BareBackend::new(), relayed(std::future::ready(())));
/// ```
pub fn relayed(timer: impl Future<Output = ()> + Send + 'static) -> Sleep {
    Box::pin(Relayed { timer, relay: LettingGo(Arc::new(Relay(AtomicWaker::new()))) })
}

pin_project! {
    /// No async block, which would keep the timer twice: a million of them may sleep.
    struct Relayed<F> {
        // Dropped before what lets go of the waker, so that nobody can fetch it any more then.
        #[pin]
        timer: F,
        relay: LettingGo,
    }
}

impl<F: Future<Output = ()>> Future for Relayed<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let LettingGo(relay) = this.relay;
        // Before the timer is polled: a wake from then on finds the waker.
        relay.0.register(cx.waker());
        let waker = Waker::from(Arc::clone(relay));
        this.timer.poll(&mut Context::from_waker(&waker))
    }
}

/// The waker that the timer has.
struct Relay(AtomicWaker);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

struct LettingGo(Arc<Relay>);

impl Drop for LettingGo {
    fn drop(&mut self) {
        drop(self.0.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Wake, Waker};

    use super::relayed;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_timer_that_keeps_its_waker_keeps_nobody_alive() {
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        let mut sleep = relayed(poll_fn(move |cx| {
            *keep.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }));
        let task = Arc::new(Nobody);
        let waker = Waker::from(Arc::clone(&task));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop((sleep, waker));
        assert_eq!(Arc::strong_count(&task), 1);
        // The timer may still use what it has.
        kept.lock().unwrap().take().unwrap().wake();
    }
}
