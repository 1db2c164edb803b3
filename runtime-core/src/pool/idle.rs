//! The future of waiting until a pool has nothing to do.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::state::Place;
use super::{Pool, Task};

/// Ready once nothing was queued and nothing active at some instant since it was made.
pub(super) struct Idle<T: Task> {
    pool: Pool<T>,
    waiting: Option<Place<()>>,
}

impl<T: Task> Idle<T> {
    pub(super) fn new(pool: Pool<T>) -> Self {
        let waiting = pool.shared.state.lock().wait_for_idle();
        Self { pool, waiting }
    }
}

impl<T: Task> Future for Idle<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((token, _)) = &self.waiting
            && token.poll(cx.waker()).is_none()
        {
            return Poll::Pending;
        }
        self.waiting = None;
        Poll::Ready(())
    }
}

/// Nothing in it is pinned.
impl<T: Task> Unpin for Idle<T> {}

impl<T: Task> Drop for Idle<T> {
    fn drop(&mut self) {
        if let Some((_, ticket)) = self.waiting {
            let withdrawn = self.pool.shared.state.lock().withdraw_idle(ticket);
            drop(withdrawn);
        }
    }
}
