//! [`Task`]: the side of whoever runs a task of a [`Runtime`](super::Runtime).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::TaskError;
use crate::handle::Completer;
use crate::outcome::Outcome;
use crate::wait_group::WaitGroup;

/// A task's own side. Dropped before its end, it has been cancelled.
pub(super) struct Task<T, E> {
    /// `None` once it has ended.
    completer: Option<Completer<T, TaskError<E>>>,
    tasks: WaitGroup,
}

impl<T, E> Task<T, E> {
    /// A task that `tasks` counts already.
    pub(super) fn new(completer: Completer<T, TaskError<E>>, tasks: WaitGroup) -> Self {
        Self { completer: Some(completer), tasks }
    }

    /// Polls the future, unless the task is cancelled, and says where the task stands.
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
        future: impl FnOnce(&mut Context<'_>) -> Poll<Result<T, E>>,
    ) -> Poll<Outcome<T, TaskError<E>>> {
        let Some(completer) = &self.completer else {
            unreachable!("a task is polled until it has ended");
        };
        if completer.poll_cancelled(cx).is_ready() {
            return Poll::Ready(Outcome::Cancelled(completer.cancelled().flatten()));
        }
        completer.running();
        // Unwind safe: after a panic the future is dropped.
        match catch_unwind(AssertUnwindSafe(|| future(cx))) {
            Ok(Poll::Pending) => {
                completer.waiting();
                Poll::Pending
            }
            Ok(Poll::Ready(Ok(value))) => Poll::Ready(Outcome::Done(value)),
            Ok(Poll::Ready(Err(error))) => Poll::Ready(Outcome::Failed(TaskError::Failed(error))),
            Err(payload) => Poll::Ready(Outcome::Failed(TaskError::Panicked(message(&*payload)))),
        }
    }

    /// Ends it.
    pub(super) fn end(mut self, outcome: Outcome<T, TaskError<E>>) {
        if let Some(completer) = self.completer.take() {
            completer.complete(outcome);
        }
    }
}

impl<T, E> Drop for Task<T, E> {
    fn drop(&mut self) {
        if let Some(completer) = self.completer.take() {
            let asked = completer.cancelled();
            completer.complete(Outcome::Cancelled(asked.unwrap_or(Some("its runtime was shut down".into()))));
        }
        let _ = self.tasks.done();
    }
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is no text".to_owned(),
    }
}
