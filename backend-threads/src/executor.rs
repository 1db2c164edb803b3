//! [`Executor`]: the futures of one worker, and the loop that polls them.
//!
//! Spawning and waking on the worker's own thread is the hot path of everything, so it takes no lock: tasks lie in a
//! table that only their thread touches, and a wake-up is a ticket (the place in the table) pushed on a queue that
//! belongs to the thread. A waker knows its home; on another thread it goes through the worker's [`Inbox`], which
//! says who unparks whom.
//!
//! **No wake-up is lost or doubled.** A task has at most one ticket under way, marked by `queued`. Who wakes sets the
//! mark, and queues a ticket only if it was not set; the worker clears it *before* it polls, so that a wake-up during
//! the poll queues the task again. Both are read-modify-write operations, so that a poll which makes a wake-up
//! superfluous also sees everything that was written before that wake-up.
//!
//! **Fairness.** One queue, first in, first out; what other threads woke is appended after at most
//! [`POLLS_PER_LOOK`] polls. The body of the worker is a task like the others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use runtime_core::{ContainPanic, LocalFuture, LocalSpawn, Patience, contain_panic, next_id};

use crate::inbox::{Inbox, Ticket};

/// How many tasks are polled before the worker looks at what other threads have woken.
const POLLS_PER_LOOK: usize = 64;

/// With more free places than this and no task but the body, the table of tasks is given back to the allocator.
const PLACES_KEPT: usize = 4096;

/// The place of the body in the table of tasks.
const BODY: u32 = 0;

thread_local! {
    /// What is ready to be polled on this thread, if it is a worker.
    static READY: Ready = const { Ready { worker: Cell::new(0), tickets: RefCell::new(VecDeque::new()) } };
}

struct Ready {
    /// The number of the worker that this thread is, 0 for none.
    worker: Cell<u64>,
    tickets: RefCell<VecDeque<Ticket>>,
}

/// The waker of one task.
struct TaskWaker {
    queued: AtomicBool,
    ticket: Ticket,
    home: Arc<Home>,
}

/// Where the tasks of a worker are woken to.
struct Home {
    worker: u64,
    inbox: Inbox,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let at_home = READY.try_with(|ready| {
            let at_home = ready.worker.get() == self.home.worker;
            if at_home {
                ready.tickets.borrow_mut().push_back(self.ticket);
            }
            at_home
        });
        // An error: the thread is past its end, and so is the worker if it was one.
        if at_home != Ok(true) {
            self.home.inbox.push(self.ticket);
        }
    }
}

struct Task {
    future: ContainPanic,
    state: Arc<TaskWaker>,
    /// The same as `state`.
    waker: Waker,
}

#[derive(Default)]
struct Tasks {
    places: Vec<Place>,
    /// Places without a task.
    free: Vec<u32>,
    next_serial: u32,
}

struct Place {
    serial: u32,
    /// `None` while it is polled, and in a free place.
    task: Option<Task>,
}

/// The futures of the worker that is the current thread.
pub(crate) struct Executor {
    home: Arc<Home>,
    tasks: RefCell<Tasks>,
    closed: Cell<bool>,
}

impl LocalSpawn for Executor {
    fn spawn_local(&self, future: LocalFuture) {
        let future = contain_panic(future);
        if self.closed.get() {
            // The worker is ending. Only code that runs while futures are dropped can get here.
            return;
        }
        let ticket = self.insert(future);
        READY.with(|ready| ready.tickets.borrow_mut().push_back(ticket));
    }

    fn wake_after_others(&self, waker: &Waker) {
        self.look_into_inbox(&mut Vec::new());
        waker.wake_by_ref();
    }
}

impl Executor {
    /// Makes the calling thread a worker, runs `body` and what it spawns until the body has ended, and drops what is
    /// left. Panics of all of them are contained.
    pub(crate) fn run(body: impl FnOnce(Rc<dyn LocalSpawn>) -> LocalFuture + 'static) {
        let home = Arc::new(Home { worker: next_id(), inbox: Inbox::of_this_thread() });
        READY.with(|ready| ready.worker.set(home.worker));
        let executor = Rc::new(Self { home, tasks: RefCell::default(), closed: Cell::new(false) });
        let spawner = Rc::clone(&executor);
        // The call of `body` is made by the first poll, so that one wrapper contains all its panics.
        executor.spawn_local(Box::pin(async move { body(spawner).await }));
        executor.poll_until_body_ends();
        executor.close();
    }

    fn insert(&self, future: ContainPanic) -> Ticket {
        let tasks = &mut *self.tasks.borrow_mut();
        let serial = tasks.next_serial;
        tasks.next_serial = serial.wrapping_add(1);
        let slot = tasks.free.pop().unwrap_or_else(|| {
            tasks.places.push(Place { serial, task: None });
            match u32::try_from(tasks.places.len() - 1) {
                Ok(slot) => slot,
                Err(_) => unreachable!("four billion tasks do not fit in memory"),
            }
        });
        let ticket = Ticket { slot, serial };
        let state = Arc::new(TaskWaker {
            // `spawn_local` queues the first ticket.
            queued: AtomicBool::new(true),
            ticket,
            home: Arc::clone(&self.home),
        });
        let place = &mut tasks.places[slot as usize];
        place.serial = serial;
        place.task = Some(Task { future, waker: Waker::from(Arc::clone(&state)), state });
        ticket
    }

    fn poll_until_body_ends(&self) {
        let mut woken = Vec::new();
        let mut patience = Patience::new();
        loop {
            for _ in 0..POLLS_PER_LOOK {
                let Some(ticket) = READY.with(|ready| ready.tickets.borrow_mut().pop_front()) else {
                    break;
                };
                if self.poll(ticket) && ticket.slot == BODY {
                    return;
                }
            }
            let idle = READY.with(|ready| ready.tickets.borrow().is_empty());
            if !idle && !self.home.inbox.may_hold_any() {
                continue;
            }
            if self.look_into_inbox(&mut woken) {
                if woken.capacity() > PLACES_KEPT {
                    woken = Vec::new();
                }
            } else if idle {
                patience.wait(|| self.home.inbox.may_hold_any(), std::thread::park);
            }
        }
    }

    /// Queues what other threads have woken; `woken` is empty before and after. Returns whether there was something.
    fn look_into_inbox(&self, woken: &mut Vec<Ticket>) -> bool {
        let any = self.home.inbox.take(woken);
        READY.with(|ready| ready.tickets.borrow_mut().extend(woken.drain(..)));
        any
    }

    /// Polls the task of `ticket`, if it is still there. Returns whether it has ended.
    #[inline]
    fn poll(&self, ticket: Ticket) -> bool {
        // Taken out of the table, which other tasks may need, and move, meanwhile.
        let task = match self.tasks.borrow_mut().places.get_mut(ticket.slot as usize) {
            Some(place) if place.serial == ticket.serial => place.task.take(),
            _ => None,
        };
        let Some(mut task) = task else {
            return false;
        };
        task.state.queued.swap(false, Ordering::AcqRel);
        let poll = Pin::new(&mut task.future).poll(&mut Context::from_waker(&task.waker));
        let tasks = &mut *self.tasks.borrow_mut();
        if poll.is_pending() {
            tasks.places[ticket.slot as usize].task = Some(task);
            return false;
        }
        // The future itself is gone already: this drops no foreign code.
        drop(task);
        tasks.free.push(ticket.slot);
        let live = tasks.places.len() - tasks.free.len();
        if live == 1 && tasks.free.len() > PLACES_KEPT && ticket.slot != BODY {
            tasks.places.truncate(BODY as usize + 1);
            tasks.places.shrink_to_fit();
            tasks.free = Vec::new();
            READY.with(|ready| ready.tickets.borrow_mut().shrink_to(PLACES_KEPT));
        }
        true
    }

    /// Drops what is still pending, on this thread. What that spawns is dropped at once.
    fn close(&self) {
        self.closed.set(true);
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        // Wakers that outlive the worker find it gone.
        drop(tasks.places);
        self.home.inbox.close();
        READY.with(|ready| {
            ready.worker.set(0);
            ready.tickets.take();
        });
    }
}
