//! [`SleepUntil`]: a sleep that uses the nearest timer that is sure to be driven.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;

use crate::home::Home;
use crate::polls;

/// `timer_of` while the timer belongs to the home, which is no worker.
const HOME: u64 = 0;

pin_project! {
    /// Polled by the runtime of a worker, the worker's own timer wakes it, without another thread. Polled in any other
    /// way, the timer of the [`Home`] does. It is registered when it is first polled, and anew when it is polled in
    /// another way than before: a timer is left before nobody drives it any more.
    pub(crate) struct SleepUntil {
        deadline: Instant,
        home: Arc<Home>,
        timer_of: u64,
        #[pin]
        timer: Option<tokio::time::Sleep>,
    }
}

impl SleepUntil {
    pub(crate) fn new(deadline: Instant, home: Arc<Home>) -> Self {
        Self { deadline, home, timer_of: HOME, timer: None }
    }
}

impl Future for SleepUntil {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if *this.deadline <= Instant::now() {
            return Poll::Ready(());
        }
        let worker = polls::worker_polling_with(cx.waker()).unwrap_or(HOME);
        let is_here = this.timer.is_some() && (*this.timer_of == HOME || *this.timer_of == worker);
        if !is_here {
            let runtime = match polls::runtime_here() {
                Some(runtime) if worker != HOME => Ok(runtime),
                _ => this.home.for_timers(),
            };
            let Ok(runtime) = runtime else {
                // No thread to be had: ask again and again, which is dear, but neither early nor for ever.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            let _inside = runtime.enter();
            this.timer.set(Some(tokio::time::sleep_until((*this.deadline).into())));
            *this.timer_of = worker;
        }
        match this.timer.as_pin_mut() {
            Some(timer) => timer.poll(cx),
            None => unreachable!("the timer was set above"),
        }
    }
}
