//! Goroutines with an isolate of their own, for code that sits in C for long.
//!
//! Each is run by a worker that is started for it, and that takes the next such goroutine when it has ended, if one waits because
//! there are too many; else it ends. Whatever such a goroutine starts goes into the queue of all.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use futures_lite::future;
use parking_lot::Mutex;
use runtime_core::WorkerBody;

use crate::deadlock::Pending;
use crate::goroutine::{Start, Waiting};
use crate::inquiry::Inquiries;
use crate::isolate::Isolate;
use crate::system::{StartError, System};
use crate::task::Task;

/// How many run, and those that wait for one of these to end.
#[derive(Default)]
pub(crate) struct Blocking {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: VecDeque<Waiting>,
}

impl Blocking {
    /// How many of these isolates there are.
    pub(crate) fn running(&self) -> usize {
        self.state.lock().running
    }

    /// Takes out those that wait; who runs them is no more.
    pub(crate) fn drop_waiting(&self) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        drop(waiting);
    }

    /// Makes room for `start`, or keeps it.
    fn begin(&self, start: Start, most: usize) -> Option<Start> {
        let mut state = self.state.lock();
        if state.running < most {
            state.running += 1;
            return Some(start);
        }
        state.waiting.push_back(start.queue(None));
        None
    }

    /// What is to be run in the place of one that has ended; with nothing its isolate ends as well.
    fn next(&self) -> Option<Start> {
        loop {
            let mut state = self.state.lock();
            let Some(waiting) = state.waiting.pop_front() else {
                state.running -= 1;
                return None;
            };
            drop(state);
            // Without the lock: what was cancelled drops what it held.
            if let Some(start) = waiting.take() {
                return Some(start);
            }
        }
    }
}

impl System {
    /// Starts a goroutine on an isolate of its own.
    pub(crate) fn submit_blocking(self: &Arc<Self>, start: Start) -> Result<(), StartError> {
        self.start()?;
        if self.is_closing() {
            return Err(StartError::Closed);
        }
        let Some(start) = self.blocking.begin(start, self.settings().max_blocked) else {
            // As for the queue of all: whoever closes sees it, or it is seen here that somebody does.
            if self.is_closing() {
                self.blocking.drop_waiting();
            }
            return Ok(());
        };
        let number = runtime_core::next_id();
        // Until it runs there, it is nowhere to be seen.
        let coming = self.woken_from_outside();
        self.add_worker(&format!("blocking-{number}"), body(Arc::clone(self), start, coming)).inspect_err(
            |_| {
                // Those that waited for this place are waited for by the others.
                self.blocking.state.lock().running -= 1;
            },
        )
    }
}

fn body(system: Arc<System>, start: Start, coming: Option<Pending>) -> WorkerBody {
    Box::new(move |spawner| {
        Box::pin(async move {
            let isolate = match Isolate::new(&system, spawner) {
                Ok(isolate) => Rc::new(isolate),
                Err(error) => {
                    Task::not_startable(start, &error);
                    while let Some(start) = system.blocking.next() {
                        Task::not_startable(start, &error);
                    }
                    return;
                }
            };
            let answering = Inquiries::begin(&system);
            let (mut next, mut coming) = (Some(start), coming);
            while let Some(start) = next {
                isolate.start(start);
                drop(coming.take());
                if !isolate.finish_all(&system).await {
                    break;
                }
                next = system.blocking.next();
            }
            drop(answering);
            isolate.wind_down().await;
        })
    })
}

impl Isolate {
    /// Ready when no goroutine is left here; false if all is being closed.
    async fn finish_all(self: &Rc<Self>, system: &System) -> bool {
        loop {
            let idle = async {
                self.has_ended_all().await;
                Some(true)
            };
            let closing = async {
                system.closing().await;
                Some(false)
            };
            let asked = async {
                self.is_asked().await;
                None
            };
            if let Some(ended) = future::or(idle, future::or(closing, asked)).await {
                return ended;
            }
            self.answer();
        }
    }
}
