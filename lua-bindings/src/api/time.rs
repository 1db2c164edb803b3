//! `sleep`, `yield`, `now`.

use std::future::poll_fn;
use std::task::Poll;

use super::{Answer, Primitives};
use crate::goroutine::Reply;

pub(super) fn add(prim: &Primitives<'_>) -> mlua::Result<()> {
    prim.function("sleep", |context, args| {
        let backend = &context.state.system.backend;
        let limit = args.duration(1)?.and_then(|limit| backend.now().checked_add(limit));
        let Some(limit) = limit else {
            // For ever: only cancelling ends it.
            return Ok(Answer::Wait(Box::pin(std::future::pending())));
        };
        let sleep = backend.sleep_until(limit);
        Ok(Answer::Wait(Box::pin(async move {
            sleep.await;
            Reply::Nothing
        })))
    })?;
    prim.function("yield", |context, _| {
        if context.state.current().is_none() && context.state.local().is_none() {
            // At home there is nobody to yield to but the operating system.
            std::thread::yield_now();
            return context.values(());
        }
        let mut yielded = false;
        Ok(Answer::Wait(Box::pin(poll_fn(move |cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(Reply::Nothing);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }))))
    })?;
    prim.function("now", move |context, _| {
        // All states of the process count from the same instant, so that their readings compare.
        let epoch = context.state.system.epoch;
        let elapsed = context.state.system.backend.now().saturating_duration_since(epoch);
        context.values(elapsed.as_secs_f64() * 1000.0)
    })?;
    prim.function("backend", |context, _| context.values(context.state.system.backend.name()))
}
