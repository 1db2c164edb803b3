//! [`Slot`]: the right to run, one of as many as the pool has workers.

use std::fmt;
use std::time::Instant;

use super::Pool;
use super::state::Released;
use super::task::{Ended, Task, TaskId};

/// Held by the one who runs a task, until the task has ended. Dropped without a word it counts as failed.
///
/// Giving it back starts the next task in the queue, on this thread.
pub struct Slot<T: Task> {
    pool: Pool<T>,
    id: SlotId,
    accepted: Instant,
    launched: Instant,
    began: Option<Instant>,
    ended: bool,
}

/// Says that a submit comes from inside the task that holds this slot; cheap to copy, and harmless when the slot
/// has been given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId {
    pub(super) index: usize,
    /// Tells it from earlier and later holders, and from other pools' slots.
    pub(super) task: TaskId,
}

impl<T: Task> Slot<T> {
    pub(super) fn new(pool: Pool<T>, id: SlotId, accepted: Instant, launched: Instant) -> Self {
        Self { pool, id, accepted, launched, began: None, ended: false }
    }

    /// The task really begins: here ends its wait and begins its run, for the statistics. Only the first call
    /// counts; without one it begins when [`Task::start`] is called.
    pub fn begin(&mut self) {
        if self.began.is_none() {
            self.began = Some(self.pool.now());
        }
    }

    /// The task has ended.
    pub fn finish(mut self, ended: Ended) {
        self.end(ended);
    }

    /// What to give [`Pool::submit`] from inside this task.
    pub fn id(&self) -> SlotId {
        self.id
    }

    /// The number of the task.
    pub fn task_id(&self) -> TaskId {
        self.id.task
    }

    /// The pool whose slot it is.
    pub fn pool(&self) -> &Pool<T> {
        &self.pool
    }

    fn end(&mut self, ended: Ended) {
        if self.ended {
            return;
        }
        self.ended = true;
        let now = self.pool.now();
        let began = self.began.unwrap_or(self.launched);
        self.pool.release(Released {
            slot: self.id,
            ended,
            now,
            wait: began.saturating_duration_since(self.accepted),
            run: now.saturating_duration_since(began),
        });
    }
}

impl<T: Task> Drop for Slot<T> {
    fn drop(&mut self) {
        self.end(Ended::Failed);
    }
}

impl<T: Task> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("pool", &self.pool.name())
            .field("task", &self.id.task)
            .finish_non_exhaustive()
    }
}

/// Who holds the slots. Memory is taken for those held at once, not for all there may be.
pub(super) struct Slots<C> {
    slots: Vec<Option<Held<C>>>,
    free: Vec<usize>,
    /// How many of the holders wait in a submit to this same pool.
    blocked: usize,
}

struct Held<C> {
    task: TaskId,
    canceller: Option<C>,
    /// How many submits to this pool it waits in.
    submitting: usize,
}

impl<C> Slots<C> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), blocked: 0 }
    }

    pub(super) fn held(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn take(&mut self, task: TaskId, canceller: C) -> SlotId {
        let held = Some(Held { task, canceller: Some(canceller), submitting: 0 });
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index] = held;
                index
            }
            None => {
                self.slots.push(held);
                self.slots.len() - 1
            }
        };
        SlotId { index, task }
    }

    /// Frees a slot. The canceller that was not used is for the caller to drop, without a lock.
    pub(super) fn free(&mut self, slot: SlotId) -> Option<C> {
        let held = self.slots.get_mut(slot.index)?.take_if(|held| held.task == slot.task)?;
        self.free.push(slot.index);
        self.blocked -= usize::from(held.submitting > 0);
        held.canceller
    }

    /// The cancellers of all holders that have not been cancelled before.
    pub(super) fn take_cancellers(&mut self) -> Vec<C> {
        let held = self.slots.iter_mut().flatten();
        held.filter_map(|held| held.canceller.take()).collect()
    }

    /// Whether the holder of `slot`, if it still is one, would be the last of `workers` to wait in a submit to this
    /// pool.
    pub(super) fn is_last_to_block(&mut self, slot: SlotId, workers: usize) -> bool {
        let blocked = self.blocked;
        self.get(slot).is_some_and(|held| blocked + usize::from(held.submitting == 0) >= workers)
    }

    /// The holder of `slot`, if it still is one, waits in one submit more.
    pub(super) fn block(&mut self, slot: SlotId) {
        if let Some(held) = self.get(slot) {
            held.submitting += 1;
            let first = held.submitting == 1;
            self.blocked += usize::from(first);
        }
    }

    /// The holder of `slot`, if it still is one, waits in one submit less.
    pub(super) fn unblock(&mut self, slot: SlotId) {
        if let Some(held) = self.get(slot) {
            held.submitting -= 1;
            let last = held.submitting == 0;
            self.blocked -= usize::from(last);
        }
    }

    fn get(&mut self, slot: SlotId) -> Option<&mut Held<C>> {
        let held = self.slots.get_mut(slot.index)?.as_mut()?;
        (held.task == slot.task).then_some(held)
    }
}
