//! [`Task`]: the future that a goroutine is.
//!
//! Polled by the executor of its isolate's worker. It resumes the coroutine; when the coroutine parks, the call that
//! parked has left its wait with the goroutine, and the future polls that until it is ready, leaves the reply and
//! resumes again.
//!
//! A coroutine that waits in an async function of the embedder's is known by what it yields. mlua alone can wake it, so
//! from then on mlua's own future for coroutines drives it, and this one polls that.
//!
//! **Cancelling.** A parked goroutine registers its waker for it on every poll. When it comes, the wait is polled once
//! more, so that what it may have received is not lost; only if it is still pending is it dropped (and leaves no trace
//! where it waited), and the call that parked raises.

mod ends;
mod finish;
mod resume;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use mlua::thread::AsyncThread;
use mlua::{MultiValue, Value};
use runtime_core::Outcome;

use crate::deadlock::Pending;
use crate::fault;
use crate::goroutine::{Failure, Reply, Running, Shipped, Start, Wait};
use crate::interrupt::{Interrupts, Yielded};
use crate::isolate::Isolate;
use crate::loaded::Lent;
use crate::origin::Member;
use crate::packet::Packet;
use crate::raw::Coroutine;
use crate::ties::Ties;

pub(crate) use ends::{Blame, failure_of_text, panic_text};

/// How often a goroutine goes on at once, because what it waits for is ready, before its neighbours have a turn.
const TURNS: usize = 64;

/// A goroutine that has started.
pub(crate) struct Task {
    isolate: Rc<Isolate>,
    running: Rc<Running>,
    coroutine: Coroutine,
    /// Its function, if that is to be given back.
    lent: Option<Lent>,
    wait: Option<Wait>,
    /// Once the coroutine has waited in an async function.
    driven: Option<Box<Driven>>,
    finished: bool,
    /// Whether it was made to yield to its neighbours.
    interrupted: bool,
    /// Whether the isolate counts it among those that were interrupted and have more to compute.
    counted: bool,
    ties: Ties,
    /// Given back at the end: it counts the goroutine.
    member: Option<Member>,
}

/// As in [`Running`].
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Task>() <= 96);

/// mlua's future for a coroutine.
struct Driven {
    future: Pin<Box<AsyncThread<MultiValue>>>,
    /// Says that something outside may wake it.
    _awaits_outside: Option<Pending>,
}

/// What a goroutine came to, before it is told to anybody.
enum End {
    Done(Packet),
    Failed(Failure),
    Cancelled,
}

impl Task {
    /// A goroutine that is about to run on this coroutine, and what [`begin`](Self::begin) takes: its function and arguments.
    pub(crate) fn new(
        isolate: &Rc<Isolate>,
        start: Start,
        slot: usize,
        coroutine: Coroutine,
    ) -> (Self, Shipped) {
        let Start { shipped, completer, member, mut ties } = start;
        let running = Rc::new(Running::new(completer, &member, slot, ties.begin()));
        isolate.occupy(slot, &running);
        let task = Self {
            isolate: Rc::clone(isolate),
            running,
            coroutine,
            lent: None,
            wait: None,
            driven: None,
            finished: false,
            interrupted: false,
            counted: false,
            ties,
            member: Some(member),
        };
        (task, shipped)
    }

    /// Ends a goroutine that was cancelled just as it was taken out of the queue.
    pub(crate) fn never_started(start: Start) {
        let reason = start.completer.cancelled().flatten();
        start.end(Outcome::Cancelled(reason));
    }

    /// Ends a goroutine for which there is no isolate, or none with a coroutine.
    pub(crate) fn not_startable(start: Start, error: &mlua::Error) {
        start.fail(&fault::text(error));
    }

    /// Resumes the goroutine for the first time. True if that was its end.
    pub(crate) fn begin(&mut self, shipped: Shipped) -> bool {
        self.run(Some(shipped))
    }

    /// Resumes the goroutine. True if that was its end.
    fn run(&mut self, shipped: Option<Shipped>) -> bool {
        self.running.completer.running();
        let before = self.isolate.state.set_current(Some(Rc::clone(&self.running)));
        let end = catch_unwind(AssertUnwindSafe(|| self.resume(shipped).or_else(|| self.parked())));
        self.put_down();
        self.isolate.state.set_current(before);
        let end = end.unwrap_or_else(|panic| Some((self.panicked(&*panic), false)));
        match end {
            Some((end, reusable)) => {
                self.finish(end, reusable);
                true
            }
            None => false,
        }
    }

    /// It was interrupted, if it was, and goes on when it is polled next.
    pub(crate) fn computes(&mut self) {
        if self.interrupted && !self.counted {
            self.counted = true;
            self.isolate.count_computing(1);
        }
    }

    fn goes_on(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.isolate.count_computing(-1);
        }
    }

    /// Shows that the coroutine is about to run.
    fn take_up(&self) {
        if let Some(interrupts) = self.isolate.state.interrupts() {
            interrupts.take_up(self.coroutine);
        }
    }

    fn put_down(&self) {
        if let Some(interrupts) = self.isolate.state.interrupts() {
            interrupts.put_down();
        }
    }

    /// Whether the coroutine has just yielded because it was interrupted.
    fn take_yielded(&self) -> Yielded {
        self.isolate.state.interrupts().map_or(Yielded::No, Interrupts::take_yielded)
    }

    /// Polls mlua's future. `Some` once the goroutine has ended.
    fn poll_driven(&mut self, cx: &mut Context<'_>) -> Option<(End, bool)> {
        let driven = self.driven.as_mut()?;
        self.isolate.state.set_current(Some(Rc::clone(&self.running)));
        self.isolate.state.interrupts().into_iter().for_each(|interrupts| interrupts.take_up(self.coroutine));
        // A panic that the script has caught, and returns, is resumed by mlua when it reaches Rust.
        let polled = catch_unwind(AssertUnwindSafe(|| driven.future.as_mut().poll(cx)));
        self.put_down();
        self.interrupted = self.take_yielded() != Yielded::No;
        let polled = match polled {
            Ok(polled) => polled,
            Err(panic) => {
                self.isolate.state.set_current(None);
                return Some((self.panicked(&*panic), false));
            }
        };
        let end = match polled {
            Poll::Pending => {
                self.wait = self.running.take_wait();
                None
            }
            Poll::Ready(Ok(values)) => Some((self.returned(values), false)),
            Poll::Ready(Err(error)) => Some((self.raised(Value::Error(Box::new(error))), false)),
        };
        self.isolate.state.set_current(None);
        end
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = &mut *self;
        task.isolate.has_a_turn();
        task.goes_on();
        for _ in 0..TURNS {
            if task.interrupted && task.driven.is_none() {
                task.interrupted = false;
                if task.running.stops_here() {
                    let (end, reusable) = task.stop();
                    task.finish(end, reusable);
                    return Poll::Ready(());
                }
                if task.run(None) {
                    return Poll::Ready(());
                }
                if task.interrupted {
                    break; // its neighbours first
                }
                continue;
            }
            let cancelled = task.running.completer.poll_cancelled(cx).is_ready();
            if let Some(wait) = &mut task.wait {
                let reply = match wait.as_mut().poll(cx) {
                    Poll::Ready(reply) => reply,
                    Poll::Pending
                        if cancelled && !task.running.shielded.get() && {
                            let backend = &*task.isolate.state.system.backend;
                            task.running.poll_stop(backend, cx).is_ready()
                        } =>
                    {
                        Reply::Cancelled
                    }
                    Poll::Pending => {
                        // Said only now: whoever sees it finds the goroutine where it waits.
                        task.running.completer.waiting();
                        return Poll::Pending;
                    }
                };
                task.wait = None;
                task.running.answer(reply);
                if task.driven.is_none() {
                    if task.run(None) {
                        return Poll::Ready(());
                    }
                    if task.interrupted {
                        break;
                    }
                    continue;
                }
            }
            // The coroutine is in an async function of the embedder's, or was resumed from one of our waits.
            let resumed = task.running.is_answered();
            task.running.completer.running();
            let end = match task.poll_driven(cx) {
                None if task.wait.is_none() && cancelled && !resumed && !task.interrupted => {
                    Some(task.stop_driven())
                }
                None if task.running.stops_here() => Some(task.stop_driven()),
                end => end,
            };
            if let Some((end, reusable)) = end {
                task.finish(end, reusable);
                return Poll::Ready(());
            }
            if task.wait.is_none() {
                task.running.completer.waiting();
                return Poll::Pending;
            }
        }
        if task.interrupted {
            task.computes();
            // What has not started yet does not wait until all that compute here have had their turn.
            task.isolate.begin_next();
            task.isolate.spawner.wake_after_others(cx.waker());
        } else {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Task {
    /// A task that is dropped before its end belonged to a worker that has ended.
    fn drop(&mut self) {
        self.goes_on();
        if !self.finished {
            self.finish(End::Cancelled, false);
        }
    }
}
