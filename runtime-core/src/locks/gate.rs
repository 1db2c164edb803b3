//! [`Gate`]: permits that are given out in the order of asking. What mutexes, rwmutexes and semaphores are made of.
//!
//! **The protocol.** Who asks while permits are free and nobody waits, has them. Everybody else stands in the queue with
//! the number that it wants. Whoever gives permits back, or leaves the queue, hands what is free to those at its head,
//! as long as it suffices: the permits are theirs from then on, not when they wake. So nobody overtakes, and one who
//! wants many (a writer) is not starved by those who want few. Nothing is ever free while the first in the queue could
//! have it.
//!
//! **Without the gate's lock.** While nobody waits, and nobody is to be told of an abandoned lock, the number of free permits is in
//! `open`, and permits are taken and given back by one exchange there. Whoever needs the queue takes the gate's lock, and the
//! number out of `open` ([`Guard`]): from then on all others need the lock, too. The last to leave the lock with an empty queue puts it
//! back. So each step is made either under the lock or on a gate without waits, and what holds for the one holds for the other.
//!
//! **Going away.** A wait that is dropped takes its place out of the queue, and hands on what its being there held back.
//! If it had been given its permits already, it gives them back. Both are one step under the gate's lock, in which
//! permits are handed out too: there is no moment between for a wake-up to be lost in.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{HeldByCaller, Holder};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::token::{Ticket, Token, WaitQueue, Wakers};

/// In what state a lock was found by the one who has locked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked {
    /// It was given back by whoever held it.
    InOrder,
    /// It was not: its holder has ended. This is said once.
    Abandoned,
}

pub(super) struct Gate {
    permits: usize,
    /// How many permits are free; [`CLOSED`] while `state` says that.
    open: AtomicUsize,
    state: Mutex<State>,
}

/// No number of permits: the queue has to be looked at.
const CLOSED: usize = usize::MAX;

struct State {
    /// While the gate is not open.
    free: usize,
    /// One who held all permits has ended, and nobody was told yet.
    abandoned: bool,
    waiters: WaitQueue<Waiter>,
}

struct Waiter {
    token: Arc<Token<Locked>>,
    permits: usize,
}

impl Gate {
    /// So many permits, all of them free.
    pub(super) fn new(permits: usize) -> Arc<Self> {
        let state = State { free: permits, abandoned: false, waiters: WaitQueue::new() };
        Arc::new(Self { permits, open: AtomicUsize::new(permits), state: Mutex::new(state) })
    }

    /// The queue, for one at a time.
    fn lock(&self) -> Guard<'_> {
        let mut state = self.state.lock();
        // What was given back before is seen by whoever takes it now.
        let free = self.open.swap(CLOSED, Ordering::AcqRel);
        if free != CLOSED {
            state.free = free;
        }
        Guard { gate: self, state }
    }

    /// Changes the number of free permits if the gate is open. `None`: it is not. Else whether `change` gave a number.
    fn change_open(&self, change: impl Fn(usize) -> Option<usize>) -> Option<bool> {
        let mut free = self.open.load(Ordering::Acquire);
        while free != CLOSED {
            let Some(changed) = change(free) else { return Some(false) };
            match self.open.compare_exchange_weak(free, changed, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(true),
                Err(now) => free = now,
            }
        }
        None
    }

    /// How many permits there are.
    pub(super) fn permits(&self) -> usize {
        self.permits
    }

    pub(super) fn free(&self) -> usize {
        self.lock().state.free
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().state.waiters.len()
    }

    /// Takes permits, if that can be done at once.
    pub(super) fn try_enter(&self, permits: usize) -> Option<Locked> {
        match self.change_open(|free| free.checked_sub(permits)) {
            Some(entered) => entered.then_some(Locked::InOrder),
            None => self.lock().state.try_enter(permits),
        }
    }

    /// Gives permits back. `abandoned`: their holder has ended. False, and nothing has happened, if there would be more
    /// than there are.
    pub(super) fn leave(&self, permits: usize, abandoned: bool) -> bool {
        let more = |free: usize| free.checked_add(permits).filter(|free| *free <= self.permits);
        if !abandoned && let Some(left) = self.change_open(more) {
            return left;
        }
        let mut wakers = Wakers::default();
        {
            let state = &mut self.lock().state;
            match more(state.free) {
                Some(free) => state.free = free,
                None => return false,
            }
            state.abandoned |= abandoned;
            state.hand_on(&mut wakers);
        }
        wakers.wake();
        true
    }

    /// Lets the next holder be told that the lock was abandoned: this one was, and could not pass it on.
    pub(super) fn keep_abandoned(&self) {
        self.lock().state.abandoned = true;
    }
}

/// The lock of a gate that is not open meanwhile.
struct Guard<'a> {
    gate: &'a Gate,
    state: MutexGuard<'a, State>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // Still under the lock.
        if self.state.waiters.len() == 0 && !self.state.abandoned {
            self.gate.open.store(self.state.free, Ordering::Release);
        }
    }
}

impl State {
    fn try_enter(&mut self, permits: usize) -> Option<Locked> {
        if self.free < permits || self.waiters.len() > 0 {
            return None;
        }
        self.free -= permits;
        Some(self.locked())
    }

    fn locked(&mut self) -> Locked {
        if mem::take(&mut self.abandoned) { Locked::Abandoned } else { Locked::InOrder }
    }

    /// Gives what is free to those at the head of the queue.
    fn hand_on(&mut self, wakers: &mut Wakers) {
        while self.waiters.first().is_some_and(|first| first.permits <= self.free) {
            let Some(first) = self.waiters.pop() else { return };
            let locked = self.locked();
            // A waiter leaves the queue before it retires its token, so the claim succeeds; if it did not, the permits
            // would be the next one's.
            match first.token.claim(0, locked) {
                Ok(waker) => {
                    self.free -= first.permits;
                    wakers.push(waker);
                }
                Err(locked) => self.abandoned |= locked == Locked::Abandoned,
            }
        }
    }
}

/// A wait for permits; for a holder, if it is given one, which has them from then on.
pub(super) struct Wait {
    gate: Arc<Gate>,
    permits: usize,
    holder: Option<Holder>,
    stage: Stage,
}

enum Stage {
    New,
    Waiting(Arc<Token<Locked>>, Ticket),
    Done,
}

impl Wait {
    pub(super) fn new(gate: &Arc<Gate>, permits: usize, holder: Option<&Holder>) -> Self {
        Self { gate: Arc::clone(gate), permits, holder: holder.cloned(), stage: Stage::New }
    }

    /// What the holder says before anything is waited for: it has the lock already, or must not wait for it.
    fn held(&self) -> Option<Result<Locked, HeldByCaller>> {
        let holder = self.holder.as_ref()?;
        if self.permits < self.gate.permits && holder.enter_again(&self.gate) {
            return Some(Ok(Locked::InOrder));
        }
        holder.holds(&self.gate).then_some(Err(HeldByCaller))
    }

    fn entered(&self, locked: Locked) -> Poll<Result<Locked, HeldByCaller>> {
        if let Some(holder) = &self.holder {
            holder.hold(&self.gate, self.permits);
        }
        Poll::Ready(Ok(locked))
    }
}

impl Future for Wait {
    type Output = Result<Locked, HeldByCaller>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match mem::replace(&mut this.stage, Stage::Done) {
            Stage::New => {
                if let Some(held) = this.held() {
                    return Poll::Ready(held);
                }
                let entered = {
                    let state = &mut this.gate.lock().state;
                    let entered = state.try_enter(this.permits);
                    if entered.is_none() {
                        let token = Token::new(cx.waker());
                        let waiter = Waiter { token: Arc::clone(&token), permits: this.permits };
                        let ticket = state.waiters.push(0, waiter);
                        this.stage = Stage::Waiting(token, ticket);
                    }
                    entered
                };
                entered.map_or(Poll::Pending, |locked| this.entered(locked))
            }
            Stage::Waiting(token, ticket) => match token.poll(cx.waker()) {
                Some((_, locked)) => this.entered(locked),
                None => {
                    this.stage = Stage::Waiting(token, ticket);
                    Poll::Pending
                }
            },
            Stage::Done => panic!("a lock was polled after it was ready"),
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Stage::Waiting(token, ticket) = mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        let mut wakers = Wakers::default();
        // Declared before the guard: the waker in it is dropped after it.
        let _place;
        {
            let state = &mut self.gate.lock().state;
            _place = state.waiters.withdraw(ticket);
            if _place.is_none()
                && let Some((_, locked)) = token.retire()
            {
                state.free += self.permits;
                state.abandoned |= locked == Locked::Abandoned;
            }
            state.hand_on(&mut wakers);
        }
        wakers.wake();
    }
}

/// Made by [`Mutex::lock`](super::Mutex::lock), [`RwMutex::lock`](super::RwMutex::lock) and
/// [`RwMutex::rlock`](super::RwMutex::rlock): ready once its holder holds the lock. It tries when it is first polled.
///
/// Woken by the one who gives the lock back, or ends, or by a wait before it that is dropped. Dropped while it waits, it
/// leaves no trace; had its turn come just then, the lock goes to the next.
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nothing is locked unless it is awaited"]
pub struct Lock(pub(super) Wait);

impl Future for Lock {
    type Output = Result<Locked, HeldByCaller>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}
