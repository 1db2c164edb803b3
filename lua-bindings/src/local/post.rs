//! [`Post`]: what reaches the scheduler of a home state from any thread.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::goroutine::Waiting;

/// What is next in the home state.
pub(super) enum Turn {
    /// A goroutine that is to start, and whether it is one that goes [ahead](super::ahead).
    Start(Waiting, bool),
    /// One that was woken.
    Woken(Arc<Bell>),
}

/// What nobody needs any more.
pub(super) enum Freed {
    /// The coroutine in this slot.
    Slot(usize),
    /// So many values in the inbox.
    Parcel { at: usize, count: usize },
}

/// The queue of what is to run in a home state, and what is free again there.
///
/// **Who wakes whom.** Whoever adds a turn takes the wakers that are there and wakes all: the home state's thread, if that has
/// found nothing to run and blocks, or the executor that runs scripts of the state. They leave their wakers under the lock under
/// which they have looked, so that no turn is missed; one that has gone since is woken for nothing, and the others serve the queue. When the
/// Lua state is closed, the post is, and what is added then is dropped, which ends it as cancelled.
pub(crate) struct Post {
    queue: Mutex<Queue>,
    freed: Mutex<Vec<Freed>>,
    any_freed: AtomicBool,
    any_ahead: AtomicBool,
}

#[derive(Default)]
struct Queue {
    turns: VecDeque<Turn>,
    /// Those of goroutines that go ahead of the others.
    ahead: VecDeque<Turn>,
    /// Those who serve it, and have found nothing to do: one, or several where an executor runs several scripts of the state.
    home: SmallVec<[Waker; 1]>,
    closed: bool,
}

impl Post {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            freed: Mutex::default(),
            any_freed: AtomicBool::new(false),
            any_ahead: AtomicBool::new(false),
        }
    }

    /// Adds a goroutine that is to start. False once the Lua state is closed: it is dropped.
    pub(crate) fn start(&self, waiting: Waiting, ahead: bool) -> bool {
        self.add(Turn::Start(waiting, ahead), ahead)
    }

    fn add(&self, turn: Turn, ahead: bool) -> bool {
        let mut queue = self.queue.lock();
        if queue.closed {
            drop(queue);
            drop(turn);
            return false;
        }
        if ahead {
            queue.ahead.push_back(turn);
            self.any_ahead.store(true, Ordering::Release);
        } else {
            queue.turns.push_back(turn);
        }
        let home = std::mem::take(&mut queue.home);
        drop(queue);
        home.into_iter().for_each(Waker::wake);
        true
    }

    /// Moves what is there to `turns`, which is empty.
    pub(super) fn take(&self, turns: &mut VecDeque<Turn>) {
        std::mem::swap(&mut self.queue.lock().turns, turns);
    }

    /// The next turn of those that go ahead of the others.
    pub(super) fn take_ahead(&self) -> Option<Turn> {
        if !self.any_ahead.load(Ordering::Acquire) {
            return None;
        }
        let mut queue = self.queue.lock();
        let turn = queue.ahead.pop_front();
        self.any_ahead.store(!queue.ahead.is_empty(), Ordering::Release);
        turn
    }

    /// Leaves a waker for when there is something to run. False if there is already.
    pub(super) fn listen(&self, waker: &Waker) -> bool {
        let mut queue = self.queue.lock();
        if !queue.turns.is_empty() || !queue.ahead.is_empty() {
            return false;
        }
        if !queue.home.iter().any(|home| home.will_wake(waker)) {
            queue.home.push(waker.clone());
        }
        true
    }

    /// The Lua state is being closed.
    pub(super) fn close(&self) {
        let turns = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            (std::mem::take(&mut queue.turns), std::mem::take(&mut queue.ahead))
        };
        drop(turns);
    }

    /// Nobody needs the coroutine in this slot any more.
    pub(super) fn free_slot(&self, slot: usize) {
        self.free(Freed::Slot(slot));
    }

    /// Nobody will start what is there.
    pub(super) fn free_parcel(&self, at: usize, count: usize) {
        self.free(Freed::Parcel { at, count });
    }

    fn free(&self, freed: Freed) {
        self.freed.lock().push(freed);
        self.any_freed.store(true, Ordering::Release);
    }

    pub(super) fn has_freed(&self) -> bool {
        self.any_freed.load(Ordering::Acquire)
    }

    /// Moves what nobody needs any more to `freed`, which is empty. False if there is nothing.
    pub(super) fn take_freed(&self, freed: &mut Vec<Freed>) -> bool {
        if !self.has_freed() {
            return false;
        }
        let mut ours = self.freed.lock();
        self.any_freed.store(false, Ordering::Release);
        std::mem::swap(&mut *ours, freed);
        true
    }
}

/// Wakes one goroutine.
pub(super) struct Bell {
    pub(super) slot: usize,
    /// Whether its turn is in the queue.
    rung: AtomicBool,
    /// Whether the goroutine is one that goes ahead of the others.
    ahead: bool,
    post: Arc<Post>,
}

impl Bell {
    pub(super) fn new(slot: usize, ahead: bool, post: Arc<Post>) -> Self {
        Self { slot, rung: AtomicBool::new(false), ahead, post }
    }

    /// Its turn has come: from now on it may be rung again.
    pub(super) fn answer(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            let (post, ahead) = (Arc::clone(&self.post), self.ahead);
            post.add(Turn::Woken(self), ahead);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.post.add(Turn::Woken(Arc::clone(self)), self.ahead);
        }
    }
}
