//! [`Inquiries`]: what only the isolates know of their goroutines, and tell when they are asked.
//!
//! **Who wakes whom.** Whoever asks enters the question, then notifies all isolates; each looks for questions after it has begun
//! to listen, and answers between two goroutines. The last answer wakes the one who asked. An isolate that is busy, or stuck in a
//! C call, does not answer in time: who asks waits with a limit. A question that is given up is taken off the list.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use event_listener::Event;
use mlua::{Lua, Value};
use parking_lot::Mutex;
use runtime_core::Status;
use rustc_hash::FxHashMap;

use crate::fault;
use crate::goroutine::Running;
use crate::isolate::Isolate;
use crate::raw::{Coroutine, protected};
use crate::system::System;

/// How long isolates have to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an isolate tells of one goroutine.
pub(crate) struct Seen {
    /// What it waits for, and since when, if it waits.
    pub(crate) wait: Option<(&'static str, Instant)>,
    pub(crate) stack: String,
}

/// One question.
struct Inquiry {
    number: u64,
    missing: AtomicUsize,
    seen: Mutex<FxHashMap<u64, Seen>>,
    answered: Event,
}

/// The questions that are open.
#[derive(Default)]
pub(crate) struct Inquiries {
    open: Mutex<Vec<Arc<Inquiry>>>,
    asked: Event,
    /// How many isolates answer.
    isolates: AtomicUsize,
}

/// An isolate that answers. Dropped when it does not any more.
pub(crate) struct Answering(Arc<System>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.inquiries.isolates.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A question on the list, until it is dropped.
struct Open<'a>(&'a Inquiries, Arc<Inquiry>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.lock().retain(|open| !Arc::ptr_eq(open, &self.1));
    }
}

impl Inquiries {
    /// An isolate begins to answer.
    pub(crate) fn begin(system: &Arc<System>) -> Answering {
        system.inquiries.isolates.fetch_add(1, Ordering::SeqCst);
        Answering(Arc::clone(system))
    }

    /// How many isolates there are.
    pub(crate) fn isolates(&self) -> usize {
        self.isolates.load(Ordering::SeqCst)
    }

    /// What the isolates know of their goroutines, by id; those that are busy for long say nothing.
    pub(crate) async fn ask(&self, system: &System) -> FxHashMap<u64, Seen> {
        let inquiry = Arc::new(Inquiry {
            number: runtime_core::next_id(),
            missing: AtomicUsize::new(self.isolates()),
            seen: Mutex::default(),
            answered: Event::new(),
        });
        self.open.lock().push(Arc::clone(&inquiry));
        let open = Open(self, Arc::clone(&inquiry));
        self.asked.notify(usize::MAX);
        let all = async {
            loop {
                let answered = inquiry.answered.listen();
                if inquiry.missing.load(Ordering::SeqCst) == 0 {
                    return;
                }
                answered.await;
            }
        };
        let limit = system.backend.now().checked_add(PATIENCE);
        let _ = runtime_core::deadline(&*system.backend, limit, all).await;
        drop(open);
        std::mem::take(&mut *inquiry.seen.lock())
    }
}

impl Isolate {
    /// Ready once there is a question that this isolate has not answered.
    pub(crate) async fn is_asked(&self) {
        let inquiries = &self.state.system.inquiries;
        loop {
            let asked = inquiries.asked.listen();
            if inquiries.open.lock().iter().any(|inquiry| inquiry.number > self.answered.get()) {
                return;
            }
            asked.await;
        }
    }

    /// Answers the questions that are open.
    pub(crate) fn answer(self: &Rc<Self>) {
        let open: Vec<_> = {
            let open = self.state.system.inquiries.open.lock();
            open.iter().filter(|inquiry| inquiry.number > self.answered.get()).cloned().collect()
        };
        for inquiry in open {
            self.answered.set(self.answered.get().max(inquiry.number));
            let seen = look(&self.lua, self.living());
            inquiry.seen.lock().extend(seen);
            if inquiry.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
                inquiry.answered.notify(usize::MAX);
            }
        }
    }
}

/// What is seen of these goroutines.
pub(crate) fn look(lua: &Lua, living: Vec<(Rc<Running>, Coroutine)>) -> Vec<(u64, Seen)> {
    let mut seen = Vec::new();
    for (running, coroutine) in living {
        let stack = protected(lua, (), |stack| {
            if stack.reserve(4) {
                stack.push_traceback(coroutine, 0);
            }
        });
        let stack = match stack.ok().and_then(|mut values| values.pop_front()) {
            Some(Value::String(text)) => fault::traceback(&text.to_string_lossy()),
            _ => String::new(),
        };
        let waits = running.handle.status() == Status::Waiting;
        let wait = running.parked.get().filter(|_| waits);
        seen.push((running.handle.id(), Seen { wait, stack }));
    }
    seen
}
