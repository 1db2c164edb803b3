//! [`Inquiries`]: what only the isolates know of their goroutines, and tell when they are asked; and home states of those that run
//! in them.
//!
//! **Who wakes whom.** Whoever asks enters the question, then notifies all isolates; each looks for questions after it has begun
//! to listen, and answers between two goroutines. The last answer wakes the one who asked. An isolate that is busy, or stuck in a
//! C call, does not answer in time: who asks waits with a limit. A question that is given up is taken off the list. A home state does
//! the same while it blocks and serves its goroutines ([`crate::local`]); while it computes, it is like an isolate that is busy.

use std::cell::Cell;
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
    /// How many questions are open, for those who look often.
    count: AtomicUsize,
    /// How many isolates answer, and how many home states.
    isolates: AtomicUsize,
    homes: AtomicUsize,
}

/// Who answers.
#[derive(Clone, Copy)]
enum Who {
    Isolate,
    Home,
}

/// A state that answers. Dropped when it does not any more.
pub(crate) struct Answering(Arc<System>, Who);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.inquiries.of(self.1).fetch_sub(1, Ordering::SeqCst);
    }
}

/// A question on the list, until it is dropped.
struct Open<'a>(&'a Inquiries, Arc<Inquiry>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut open = self.0.open.lock();
        open.retain(|open| !Arc::ptr_eq(open, &self.1));
        self.0.count.store(open.len(), Ordering::SeqCst);
    }
}

impl Inquiries {
    /// An isolate begins to answer.
    pub(crate) fn begin(system: &Arc<System>) -> Answering {
        Self::begin_as(system, Who::Isolate)
    }

    /// A home state in which goroutines run does.
    pub(crate) fn begin_home(system: &Arc<System>) -> Answering {
        Self::begin_as(system, Who::Home)
    }

    fn begin_as(system: &Arc<System>, who: Who) -> Answering {
        system.inquiries.of(who).fetch_add(1, Ordering::SeqCst);
        Answering(Arc::clone(system), who)
    }

    fn of(&self, who: Who) -> &AtomicUsize {
        match who {
            Who::Isolate => &self.isolates,
            Who::Home => &self.homes,
        }
    }

    /// How many isolates there are.
    pub(crate) fn isolates(&self) -> usize {
        self.isolates.load(Ordering::SeqCst)
    }

    /// What the states know of their goroutines, by id; those that are busy for long say nothing.
    pub(crate) async fn ask(&self, system: &System) -> FxHashMap<u64, Seen> {
        let inquiry = Arc::new(Inquiry {
            number: runtime_core::next_id(),
            missing: AtomicUsize::new(self.isolates() + self.homes.load(Ordering::SeqCst)),
            seen: Mutex::default(),
            answered: Event::new(),
        });
        {
            let mut open = self.open.lock();
            open.push(Arc::clone(&inquiry));
            self.count.store(open.len(), Ordering::SeqCst);
        }
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

    /// Whether there are questions.
    pub(crate) fn are_open(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Ready once there is a question after the one that was `answered` last.
    pub(crate) async fn asked_after(&self, answered: &Cell<u64>) {
        loop {
            let asked = self.asked.listen();
            if self.open.lock().iter().any(|inquiry| inquiry.number > answered.get()) {
                return;
            }
            asked.await;
        }
    }

    /// Answers the questions that are open, but for those that were `answered`, with what is seen.
    pub(crate) fn answer(&self, answered: &Cell<u64>, look: impl Fn() -> Vec<(u64, Seen)>) {
        let open: Vec<_> = {
            let open = self.open.lock();
            open.iter().filter(|inquiry| inquiry.number > answered.get()).cloned().collect()
        };
        for inquiry in open {
            answered.set(answered.get().max(inquiry.number));
            let seen = look();
            inquiry.seen.lock().extend(seen);
            if inquiry.missing.fetch_sub(1, Ordering::SeqCst) == 1 {
                inquiry.answered.notify(usize::MAX);
            }
        }
    }
}

impl Isolate {
    /// Ready once there is a question that this isolate has not answered.
    pub(crate) async fn is_asked(&self) {
        self.state.system.inquiries.asked_after(&self.answered).await;
    }

    /// Answers the questions that are open.
    pub(crate) fn answer(self: &Rc<Self>) {
        self.state
            .system
            .inquiries
            .answer(&self.answered, || look(&self.lua, &self.state.system, self.living()));
    }
}

/// What is seen of these goroutines.
pub(crate) fn look(lua: &Lua, system: &System, living: Vec<(Rc<Running>, Coroutine)>) -> Vec<(u64, Seen)> {
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
        let waits = running.completer.status() == Status::Waiting;
        let wait = running.parked.get().filter(|_| waits).map(|(what, since)| (what, system.at(since)));
        seen.push((running.id(), Seen { wait, stack }));
    }
    seen
}
