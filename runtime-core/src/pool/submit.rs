//! The future of a submit.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::slot::SlotId;
use super::state::{Admission, Offered, Place, Told};
use super::task::{SubmitError, SubmitErrorKind, Task, TaskId};
use super::{OnFull, Pool};

/// Made by [`Pool::submit`]: ready once the task is accepted or refused. Being accepted it may well be running.
///
/// Woken by the task that ends and so makes room, or by closing. Dropped before, it takes its task with it: that was
/// never submitted, and neither [`Task::start`] nor [`Task::dropped`] is called.
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nothing is submitted unless it is awaited"]
pub struct Submit<T: Task> {
    pool: Pool<T>,
    stage: Stage<T>,
}

enum Stage<T: Task> {
    New { task: T, rank: i64, inside: Option<SlotId> },
    Waiting(Place<Told<T>>),
    Done,
}

impl<T: Task> Submit<T> {
    pub(super) fn new(pool: Pool<T>, task: T, rank: i64, inside: Option<SlotId>) -> Self {
        Self { pool, stage: Stage::New { task, rank, inside } }
    }

    fn try_first(
        &mut self,
        task: T,
        rank: i64,
        inside: Option<SlotId>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<TaskId, SubmitError<T>>> {
        let now = self.pool.now();
        let offered = Offered::new(task);
        let mut state = self.pool.shared.state.lock();
        let admission = match state.admit(offered, rank, now) {
            Admission::Refused(SubmitErrorKind::Full, offered)
                if self.pool.shared.limits.on_full == OnFull::Block =>
            {
                match state.wait_to_submit(offered, rank, inside, cx.waker()) {
                    Ok(place) => {
                        self.stage = Stage::Waiting(place);
                        return Poll::Pending;
                    }
                    Err(offered) => Admission::Refused(SubmitErrorKind::WouldDeadlock, offered),
                }
            }
            admission => admission,
        };
        if matches!(admission, Admission::Refused(..)) {
            state.counts.rejected += 1;
        }
        drop(state);
        Poll::Ready(self.pool.settle(admission))
    }
}

impl<T: Task> Future for Submit<T> {
    type Output = Result<TaskId, SubmitError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::New { task, rank, inside } => self.try_first(task, rank, inside, cx),
            Stage::Waiting((token, ticket)) => match token.poll(cx.waker()) {
                Some((_, Told::Accepted(id))) => Poll::Ready(Ok(id)),
                Some((_, Told::Closed(offered))) => {
                    Poll::Ready(Err(self.pool.refusal(SubmitErrorKind::Closed, offered.task)))
                }
                None => {
                    self.stage = Stage::Waiting((token, ticket));
                    Poll::Pending
                }
            },
            Stage::Done => panic!("a submit was polled after it was ready"),
        }
    }
}

/// Nothing in it is pinned.
impl<T: Task> Unpin for Submit<T> {}

impl<T: Task> Drop for Submit<T> {
    fn drop(&mut self) {
        if let Stage::Waiting((_, ticket)) = self.stage {
            let withdrawn = self.pool.shared.state.lock().withdraw_submitter(ticket);
            // The lock is released before the task is dropped.
            drop(withdrawn);
        }
    }
}

impl<T: Task> fmt::Debug for Submit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit").field("pool", &self.pool).finish_non_exhaustive()
    }
}
