//! What a wait is made of: a [`Token`], claimed once, and the [`WaitQueue`]s it stands in.
//!
//! **The protocol.** A waiter makes one token and places it in the queue of every object it waits for; whoever can
//! serve it takes its place out of a queue and *claims* the token, leaving a message in it. Of several claimers
//! exactly one succeeds; the others drop the place and go on to the next waiter. The waiter, woken, finds the
//! message and takes its other places away. One object is the simple case; a select is the same token in many queues.
//!
//! **Locks.** A queue lives under the lock of its object. A token has a small lock of its own, always the innermost:
//! nothing is locked, woken or dropped under it. So a select may lock its channels in the order of their addresses,
//! look at each, place its token in all and unlock. A waiter that is still looking stands in no queue, so two of
//! them can't claim each other crosswise: one claim is all that is ever needed.
//!
//! **Withdrawing.** A place that is still in its queue, seen under the object's lock, was not claimed through that
//! queue, and taking it out makes sure it never will be. A place that is gone was claimed through it (or was stale),
//! and the message is in the token, for claims are made under the object's lock as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;
use std::task::Waker;

use crate::sync::{Arc, Mutex};

/// One waiter. `M` is what a claimer tells it.
pub(crate) struct Token<M> {
    state: Mutex<State<M>>,
}

enum State<M> {
    Waiting(Waker),
    /// By the place with this number, with this message.
    Claimed(usize, M),
    /// The waiter has its message, or has given up.
    Retired,
}

impl<M> Token<M> {
    pub(crate) fn new(waker: &Waker) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Waiting(waker.clone())) })
    }

    /// Claims the waiter for the place it called `case` and leaves it `message`. The waker is for the caller to
    /// wake, once it holds no lock.
    ///
    /// # Errors
    /// The message comes back when the waiter was claimed before, or has given up.
    pub(crate) fn claim(&self, case: usize, message: M) -> Result<Waker, M> {
        let mut state = self.state.lock();
        match mem::replace(&mut *state, State::Retired) {
            State::Waiting(waker) => {
                *state = State::Claimed(case, message);
                Ok(waker)
            }
            other => {
                *state = other;
                Err(message)
            }
        }
    }

    /// Takes the message if there is one; else `waker` is the one that a claimer will be given.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<(usize, M)> {
        // Declared before the guard, so that the waker which is replaced is dropped after it.
        let _replaced;
        let mut state = self.state.lock();
        match &mut *state {
            State::Waiting(kept) => {
                if !kept.will_wake(waker) {
                    _replaced = mem::replace(kept, waker.clone());
                }
                None
            }
            _ => match mem::replace(&mut *state, State::Retired) {
                State::Claimed(case, message) => Some((case, message)),
                _ => None,
            },
        }
    }

    /// Gives up: nobody can claim the waiter any more. If somebody has, this is what it was told.
    pub(crate) fn retire(&self) -> Option<(usize, M)> {
        let before = mem::replace(&mut *self.state.lock(), State::Retired);
        match before {
            State::Claimed(case, message) => Some((case, message)),
            _ => None,
        }
    }
}

/// Where a place stands in its queue: by rank, the highest first, then by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    rank: Reverse<i64>,
    number: u64,
}

/// Places in the order in which they are served. Any of them can be withdrawn, in logarithmic time, and leaves
/// nothing behind.
pub(crate) struct WaitQueue<P> {
    /// Most queues never have more than one: that one needs no memory of its own. Stands before all others; there may be
    /// others without it.
    first: Option<(Ticket, P)>,
    others: BTreeMap<Ticket, P>,
    next: u64,
}

impl<P> WaitQueue<P> {
    pub(crate) fn new() -> Self {
        Self { first: None, others: BTreeMap::new(), next: 0 }
    }

    /// Adds a place behind all others of its rank.
    pub(crate) fn push(&mut self, rank: i64, place: P) -> Ticket {
        let ticket = Ticket { rank: Reverse(rank), number: self.next };
        self.next += 1;
        match &self.first {
            None if self.others.is_empty() => self.first = Some((ticket, place)),
            Some((first, _)) if ticket < *first => {
                let first = self.first.replace((ticket, place));
                self.others.extend(first);
            }
            _ => drop(self.others.insert(ticket, place)),
        }
        ticket
    }

    /// Takes out the place to be served next.
    pub(crate) fn pop(&mut self) -> Option<P> {
        self.first.take().or_else(|| self.others.pop_first()).map(|(_, place)| place)
    }

    /// The place to be served next.
    pub(crate) fn first(&self) -> Option<&P> {
        let first = self.first.as_ref().map(|(_, place)| place);
        first.or_else(|| self.others.first_key_value().map(|(_, place)| place))
    }

    /// Takes out one place, or `None` if it has been taken out already.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> Option<P> {
        match self.first.take_if(|(first, _)| *first == ticket) {
            Some((_, place)) => Some(place),
            None => self.others.remove(&ticket),
        }
    }

    /// Takes out the place that is looked for. It is found at once at either end, for then many are often looked for one
    /// after another.
    pub(crate) fn withdraw_if(&mut self, found: impl Fn(&P) -> bool) -> Option<P> {
        if let Some((_, place)) = self.first.take_if(|(_, place)| found(place)) {
            return Some(place);
        }
        let mut places = self.others.iter();
        let ticket = loop {
            match (places.next(), places.next_back()) {
                (Some((ticket, place)), _) if found(place) => break *ticket,
                (_, Some((ticket, place))) if found(place) => break *ticket,
                (None, None) => return None,
                _ => {}
            }
        };
        self.others.remove(&ticket)
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }
}

/// Wakers kept until no lock is held any more. One takes no memory of its own.
#[derive(Default)]
pub(crate) struct Wakers {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.more.push(waker);
        }
    }

    pub(crate) fn wake(self) {
        for waker in self.first.into_iter().chain(self.more) {
            waker.wake();
        }
    }
}
