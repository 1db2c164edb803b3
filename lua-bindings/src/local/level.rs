//! [`Level`]: a wait whose call serves the goroutines meanwhile, on its thread's stack.
//!
//! Goroutines that run on top of it may block in place, and hold it up then: it cannot go on before they do. What holds it up polls it all
//! the same ([`Local::poll_held_up`]). So its timers do not count as what could still wake somebody, once they are over; and it is
//! known that it could go on.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Local;
use crate::goroutine::{Reply, Running, Wait};
use crate::raw::Coroutine;

pub(super) struct Level {
    /// Whose it is, unless it is the script's own.
    goroutine: Option<(Rc<Running>, Coroutine)>,
    wait: RefCell<Option<Wait>>,
    /// What came of it, until its call goes on.
    reply: RefCell<Option<Reply>>,
    /// Wakes the call itself.
    waker: RefCell<Option<Waker>>,
}

/// The wait of a level. When it is dropped, the level is no more.
pub(crate) struct LevelWait<'a> {
    local: &'a Local,
    level: Rc<Level>,
}

impl Level {
    /// True once there is a reply.
    fn poll(&self, cx: &mut Context<'_>) -> bool {
        // It does not poll itself, not even by way of what it waits for.
        let Ok(mut place) = self.wait.try_borrow_mut() else {
            return false;
        };
        if let Some(wait) = &mut *place
            && let Poll::Ready(reply) = wait.as_mut().poll(cx)
        {
            self.reply.replace(Some(reply));
            *place = None;
        }
        self.reply.borrow().is_some()
    }
}

impl Future for LevelWait<'_> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let known = self.level.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !known {
            self.level.waker.replace(Some(cx.waker().clone()));
        }
        if !self.level.poll(cx) {
            return Poll::Pending;
        }
        self.level.reply.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for LevelWait<'_> {
    fn drop(&mut self) {
        self.local.levels.borrow_mut().retain(|level| !Rc::ptr_eq(level, &self.level));
    }
}

impl Local {
    /// This wait, as that of a call that serves the goroutines meanwhile. `running`: the goroutine that calls.
    pub(crate) fn level(&self, wait: Wait, running: Option<Rc<Running>>) -> LevelWait<'_> {
        let level = Rc::new(Level {
            goroutine: running.zip(self.main.get()),
            wait: RefCell::new(Some(wait)),
            reply: RefCell::default(),
            waker: RefCell::default(),
        });
        self.levels.borrow_mut().push(Rc::clone(&level));
        LevelWait { local: self, level }
    }

    /// Polls the others in the place of their calls. Once the one that holds them up goes on, they have to be
    /// [woken](Self::wake_levels): until then they wake this one.
    pub(super) fn poll_held_up(&self, own: &LevelWait<'_>, cx: &mut Context<'_>) {
        // Not under the borrow: what they wait for may be dropped, and run finalizers.
        let levels = self.levels.borrow().clone();
        for level in levels {
            if !Rc::ptr_eq(&level, &own.level) {
                level.poll(cx);
            }
        }
    }

    /// The goroutines that block in place.
    pub(super) fn blocked(&self) -> Vec<(Rc<Running>, Coroutine)> {
        self.levels.borrow().iter().filter_map(|level| level.goroutine.clone()).collect()
    }

    /// Has all levels polled by their own calls again.
    pub(super) fn wake_levels(&self) {
        let wakers: Vec<_> =
            self.levels.borrow().iter().filter_map(|level| level.waker.borrow().clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}
