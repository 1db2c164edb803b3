//! What a pool holds under its lock, and the moves on it.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::slot::{SlotId, Slots};
use super::task::{Ended, SubmitErrorKind, Task, TaskId};
use super::{Close, Limits};
use crate::pool_stats::{Counts, Times, Usage};
use crate::sync::Arc;
use crate::token::{Ticket, Token, WaitQueue, Wakers};

/// Where somebody waits: to look for the message, and to withdraw.
pub(super) type Place<M> = (Arc<Token<M>>, Ticket);

/// A task with what cancels it.
pub(super) struct Offered<T: Task> {
    pub(super) task: T,
    pub(super) canceller: T::Canceller,
    key: Option<u64>,
}

impl<T: Task> Offered<T> {
    /// Asks the task what is to be known of it: to be called without a lock.
    pub(super) fn new(task: T) -> Self {
        Self { canceller: task.canceller(), key: task.key(), task }
    }
}

/// A task that waits for a slot.
pub(super) struct Queued<T: Task> {
    id: TaskId,
    offered: Offered<T>,
    accepted: Instant,
}

/// A task that has a slot, and is to be started once no lock is held.
pub(super) struct Launch<T> {
    pub(super) task: T,
    pub(super) slot: SlotId,
    pub(super) accepted: Instant,
    pub(super) launched: Instant,
}

/// A submit that waits stands in line with its task, which the pool has not accepted yet.
pub(super) struct Submitter<T: Task> {
    token: Arc<Token<Told<T>>>,
    offered: Offered<T>,
    rank: i64,
    inside: Option<SlotId>,
}

/// What a submit that waits is told.
pub(super) enum Told<T: Task> {
    Accepted(TaskId),
    Closed(Offered<T>),
}

/// What became of an offer.
pub(super) enum Admission<T: Task> {
    Queued(TaskId),
    Launched(Launch<T>),
    Refused(SubmitErrorKind, Offered<T>),
}

/// A slot that is given back.
pub(super) struct Released {
    pub(super) slot: SlotId,
    pub(super) ended: Ended,
    pub(super) now: Instant,
    pub(super) wait: Duration,
    pub(super) run: Duration,
}

/// What is left to do once the lock is released: wake, start, and drop what is not needed any more.
pub(super) struct After<T: Task> {
    pub(super) wakers: Wakers,
    pub(super) launch: Option<Launch<T>>,
    pub(super) unused: Option<T::Canceller>,
}

impl<T: Task> After<T> {
    pub(super) fn new() -> Self {
        Self { wakers: Wakers::default(), launch: None, unused: None }
    }
}

/// **What always holds:** a task is queued only while all slots are held, and a submit waits only while the queue is
/// full as well. So a slot that is freed is filled, and the room in the queue given away, in the same move.
pub(super) struct State<T: Task> {
    limits: Limits,
    closed: Option<Close>,
    pub(super) slots: Slots<T::Canceller>,
    queue: WaitQueue<Queued<T>>,
    submitters: WaitQueue<Submitter<T>>,
    /// Tasks that were launched within a start on the same thread, which starts them when it is back.
    pub(super) nested: VecDeque<Launch<T>>,
    /// Tasks that a cancelling close has taken out of the queue and not yet told. They still count as queued.
    dropping: usize,
    /// Those who wait until nothing is queued and nothing active.
    idle: WaitQueue<Arc<Token<()>>>,
    pub(super) counts: Counts,
    pub(super) wait: Times,
    pub(super) run: Times,
    pub(super) usage: Usage,
}

impl<T: Task> State<T> {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            closed: None,
            slots: Slots::new(),
            queue: WaitQueue::new(),
            submitters: WaitQueue::new(),
            nested: VecDeque::new(),
            dropping: 0,
            idle: WaitQueue::new(),
            counts: Counts::default(),
            wait: Times::new(),
            run: Times::new(),
            usage: Usage::new(now),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn active(&self) -> usize {
        self.slots.held()
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len() + self.dropping
    }

    /// Accepts a task if that can be done at once.
    pub(super) fn admit(&mut self, offered: Offered<T>, rank: i64, now: Instant) -> Admission<T> {
        let free = self.slots.held() < self.limits.workers;
        if self.closed.is_some() {
            return Admission::Refused(SubmitErrorKind::Closed, offered);
        }
        if !free && self.queue.len() >= self.limits.queue {
            return Admission::Refused(SubmitErrorKind::Full, offered);
        }
        let id = TaskId::next();
        let queued = Queued { id, offered, accepted: now };
        self.counts.submitted += 1;
        if free {
            Admission::Launched(self.take_slot(queued, now))
        } else {
            self.queue.push(rank, queued);
            Admission::Queued(id)
        }
    }

    /// Lets a submit wait. Only after [`admit`](Self::admit), under the same lock, said "full".
    ///
    /// # Errors
    /// When it comes from inside the last task that does not wait so already.
    pub(super) fn wait_to_submit(
        &mut self,
        offered: Offered<T>,
        rank: i64,
        inside: Option<SlotId>,
        waker: &Waker,
    ) -> Result<Place<Told<T>>, Offered<T>> {
        if let Some(slot) = inside {
            if self.slots.is_last_to_block(slot, self.limits.workers) {
                return Err(offered);
            }
            self.slots.block(slot);
        }
        let token = Token::new(waker);
        let submitter = Submitter { token: Arc::clone(&token), offered, rank, inside };
        let ticket = self.submitters.push(rank, submitter);
        Ok((token, ticket))
    }

    /// Takes a submit that waits away. `None`: it has been answered.
    pub(super) fn withdraw_submitter(&mut self, ticket: Ticket) -> Option<Submitter<T>> {
        let submitter = self.submitters.withdraw(ticket)?;
        self.unblock(&submitter);
        Some(submitter)
    }

    /// Takes the task with this key out of the queue, and counts it as cancelled. The room goes to the first submit that
    /// waits. `None`: it is not there.
    pub(super) fn withdraw(&mut self, key: u64, now: Instant, wakers: &mut Wakers) -> Option<Offered<T>> {
        let queued = self.queue.withdraw_if(|queued| queued.offered.key == Some(key))?;
        self.counts.cancelled += 1;
        self.accept_submitter(now, wakers);
        self.tell_idle(wakers);
        Some(queued.offered)
    }

    /// Takes a slot back, and gives it to the next task.
    pub(super) fn release(&mut self, released: Released, after: &mut After<T>) {
        let Released { slot, ended, now, wait, run } = released;
        self.usage.advance(now, self.slots.held());
        after.unused = self.slots.free(slot);
        *match ended {
            Ended::Completed => &mut self.counts.completed,
            Ended::Failed => &mut self.counts.failed,
            Ended::Cancelled => &mut self.counts.cancelled,
        } += 1;
        self.wait.record(wait);
        self.run.record(run);
        // Before the slot is given to the best of the queue, the first submit that waits has its task put there, so
        // that it comes before those of lower rank.
        self.accept_submitter(now, &mut after.wakers);
        if let Some(queued) = self.queue.pop() {
            after.launch = Some(self.take_slot(queued, now));
        }
        self.tell_idle(&mut after.wakers);
    }

    /// Closes, or makes a finishing close a cancelling one. What comes back is to be told: holders that they are
    /// asked to stop, and tasks that they won't run, after which [`dropped`](Self::dropped) is to be called.
    pub(super) fn close(
        &mut self,
        mode: Close,
        after: &mut After<T>,
    ) -> (Vec<T::Canceller>, Vec<Offered<T>>) {
        while let Some(submitter) = self.submitters.pop() {
            self.unblock(&submitter);
            let Submitter { token, offered, .. } = submitter;
            // A submit's token stands in no other queue, so it can be claimed; the same below.
            if let Ok(waker) = token.claim(0, Told::Closed(offered)) {
                self.counts.rejected += 1;
                after.wakers.push(waker);
            }
        }
        if mode == Close::Finish {
            self.closed.get_or_insert(mode);
            return (Vec::new(), Vec::new());
        }
        self.closed = Some(mode);
        let mut dropped = Vec::with_capacity(self.queue.len());
        while let Some(queued) = self.queue.pop() {
            dropped.push(queued.offered);
        }
        self.dropping += dropped.len();
        (self.slots.take_cancellers(), dropped)
    }

    /// `count` tasks have been told that they won't run.
    pub(super) fn dropped(&mut self, count: usize, after: &mut After<T>) {
        self.dropping -= count;
        self.counts.cancelled += count as u64;
        self.tell_idle(&mut after.wakers);
    }

    /// Waits until nothing is queued and nothing active. `None`: it is so now.
    pub(super) fn wait_for_idle(&mut self) -> Option<Place<()>> {
        if self.is_idle() {
            return None;
        }
        // It counts from this call on; the first poll brings the waker.
        let token = Token::new(Waker::noop());
        let ticket = self.idle.push(0, Arc::clone(&token));
        Some((token, ticket))
    }

    pub(super) fn withdraw_idle(&mut self, ticket: Ticket) -> Option<Arc<Token<()>>> {
        self.idle.withdraw(ticket)
    }

    fn is_idle(&self) -> bool {
        self.active() == 0 && self.queued() == 0
    }

    fn tell_idle(&mut self, wakers: &mut Wakers) {
        if !self.is_idle() {
            return;
        }
        while let Some(token) = self.idle.pop() {
            if let Ok(waker) = token.claim(0, ()) {
                wakers.push(waker);
            }
        }
    }

    fn take_slot(&mut self, queued: Queued<T>, now: Instant) -> Launch<T> {
        self.usage.advance(now, self.slots.held());
        let Queued { id, offered, accepted } = queued;
        Launch { task: offered.task, slot: self.slots.take(id, offered.canceller), accepted, launched: now }
    }

    fn accept_submitter(&mut self, now: Instant, wakers: &mut Wakers) {
        let Some(submitter) = self.submitters.pop() else {
            return;
        };
        self.unblock(&submitter);
        let id = TaskId::next();
        let Submitter { token, offered, rank, .. } = submitter;
        if let Ok(waker) = token.claim(0, Told::Accepted(id)) {
            self.counts.submitted += 1;
            let queued = Queued { id, offered, accepted: now };
            self.queue.push(rank, queued);
            wakers.push(waker);
        }
    }

    fn unblock(&mut self, submitter: &Submitter<T>) {
        if let Some(slot) = submitter.inside {
            self.slots.unblock(slot);
        }
    }
}
