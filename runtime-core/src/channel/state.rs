//! What a channel holds under its lock, and the moves on it.

use std::collections::{BTreeMap, VecDeque};

use super::timed::Schedule;
use crate::sync::Arc;
use crate::token::{Ticket, Token, WaitQueue, Wakers};

/// What a waiter on a channel is told by the one who claims it.
pub(super) enum Told<T> {
    /// To a sender: your value is in the channel, or a receiver's.
    Sent,
    /// To a sender: the channel is closed, here is your value.
    Refused(T),
    /// To a receiver: this is yours.
    Received(Handed<T>),
    /// To a receiver: the channel is closed, and nothing is left in it.
    Drained,
}

/// A value on its way to a receiver that waited, with its place in the order of all.
pub(super) struct Handed<T> {
    order: u64,
    pub(super) value: T,
}

/// A sender that waits stands in line with its value.
pub(super) struct WaitingSender<T> {
    token: Arc<Token<Told<T>>>,
    case: usize,
    value: T,
}

/// A receiver that waits.
pub(super) struct WaitingReceiver<T> {
    token: Arc<Token<Told<T>>>,
    case: usize,
}

/// What is left to do once the lock is released: wake, and drop what turned out to be stale.
pub(super) struct After<T> {
    wakers: Wakers,
    stale_senders: Vec<WaitingSender<T>>,
    stale_receivers: Vec<WaitingReceiver<T>>,
}

/// **What always holds:** a receiver waits only while nothing can be received, and a sender only while there is no
/// room and no receiver waits. (But for stale places, of waiters that were claimed through another queue.)
pub(super) struct State<T> {
    capacity: usize,
    closed: bool,
    buffer: VecDeque<T>,
    /// Values that were handed to receivers who went away without looking, by their order. They are older than all
    /// of `buffer`, which was empty when they were handed over; nobody waits while there are any.
    returned: BTreeMap<u64, T>,
    /// How many values were offered so far: the order of the last.
    offered: u64,
    senders: WaitQueue<WaitingSender<T>>,
    receivers: WaitQueue<WaitingReceiver<T>>,
    /// What comes with time, if something does.
    pub(super) schedule: Option<Schedule<T>>,
}

/// Why a value was not taken in.
pub(super) enum NotSent<T> {
    Full(T),
    Closed(T),
}

/// What there was to receive.
pub(super) enum Got<T> {
    Value(T),
    Nothing,
    Drained,
}

impl<T> State<T> {
    pub(super) fn new(capacity: usize, schedule: Option<Schedule<T>>) -> Self {
        Self {
            capacity,
            closed: false,
            buffer: VecDeque::new(),
            returned: BTreeMap::new(),
            offered: 0,
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
            schedule,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len() + self.returned.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.len() < self.capacity
    }

    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.senders.len(), self.receivers.len())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Sends if that can be done at once: to the first receiver that waits, else into the buffer.
    pub(super) fn offer(&mut self, value: T, after: &mut After<T>) -> Result<(), NotSent<T>> {
        if self.closed {
            return Err(NotSent::Closed(value));
        }
        self.offered += 1;
        let order = self.offered;
        match self.hand_over(Handed { order, value }, after) {
            None => Ok(()),
            Some(Handed { value, .. }) if self.has_room() => {
                self.buffer.push_back(value);
                Ok(())
            }
            Some(Handed { value, .. }) => Err(NotSent::Full(value)),
        }
    }

    /// Receives if that can be done at once. Room that this makes in the buffer goes to the first sender that waits.
    pub(super) fn take(&mut self, after: &mut After<T>) -> Got<T> {
        let oldest = match self.returned.pop_first() {
            Some((_, value)) => Some(value),
            None => self.buffer.pop_front(),
        };
        let Some(value) = oldest else {
            // With nothing in the channel a sender can only wait for want of a buffer: a rendezvous.
            return match self.claim_sender(after) {
                Some(value) => Got::Value(value),
                None if self.closed => Got::Drained,
                None => Got::Nothing,
            };
        };
        if self.has_room()
            && let Some(refill) = self.claim_sender(after)
        {
            self.buffer.push_back(refill);
        }
        Got::Value(value)
    }

    /// Takes all that is in it, the oldest first.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let returned = std::mem::take(&mut self.returned).into_values();
        returned.chain(self.buffer.drain(..)).collect()
    }

    /// Lets `token` wait to send `value`. Only after [`offer`](Self::offer), under the same lock, said "full".
    pub(super) fn wait_to_send(&mut self, token: Arc<Token<Told<T>>>, case: usize, value: T) -> Ticket {
        self.senders.push(0, WaitingSender { token, case, value })
    }

    /// Lets `token` wait to receive. Only after [`take`](Self::take), under the same lock, gave nothing.
    pub(super) fn wait_to_receive(&mut self, token: Arc<Token<Told<T>>>, case: usize) -> Ticket {
        self.receivers.push(0, WaitingReceiver { token, case })
    }

    /// Takes a waiting sender away, with its value. `None`: it was claimed.
    pub(super) fn withdraw_sender(&mut self, ticket: Ticket) -> Option<WaitingSender<T>> {
        self.senders.withdraw(ticket)
    }

    /// Takes a waiting receiver away. `None`: it was claimed.
    pub(super) fn withdraw_receiver(&mut self, ticket: Ticket) -> Option<WaitingReceiver<T>> {
        self.receivers.withdraw(ticket)
    }

    /// Takes back what was handed to a receiver that went away: it is the next receiver's, in its old order.
    pub(super) fn give_back(&mut self, handed: Handed<T>, after: &mut After<T>) {
        if let Some(Handed { order, value }) = self.hand_over(handed, after) {
            self.returned.insert(order, value);
        }
    }

    /// Closes: nothing can be received where receivers wait, so they are told so, and senders get their values back.
    pub(super) fn close(&mut self, after: &mut After<T>) -> bool {
        if self.closed {
            return false;
        }
        self.closed = true;
        self.stop();
        while let Some(receiver) = self.receivers.pop() {
            match receiver.token.claim(receiver.case, Told::Drained) {
                Ok(waker) => after.wakers.push(waker),
                Err(_) => after.stale_receivers.push(receiver),
            }
        }
        while let Some(WaitingSender { token, case, value }) = self.senders.pop() {
            match token.claim(case, Told::Refused(value)) {
                Ok(waker) => after.wakers.push(waker),
                Err(Told::Refused(value)) => after.stale_senders.push(WaitingSender { token, case, value }),
                Err(_) => {}
            }
        }
        true
    }

    /// Gives a value to the first receiver that waits; back it comes if there is none.
    fn hand_over(&mut self, handed: Handed<T>, after: &mut After<T>) -> Option<Handed<T>> {
        let mut told = Told::Received(handed);
        while let Some(receiver) = self.receivers.pop() {
            match receiver.token.claim(receiver.case, told) {
                Ok(waker) => {
                    after.wakers.push(waker);
                    return None;
                }
                Err(unclaimed) => {
                    told = unclaimed;
                    after.stale_receivers.push(receiver);
                }
            }
        }
        match told {
            Told::Received(handed) => Some(handed),
            _ => None,
        }
    }

    /// Takes the value of the first sender that waits: with that its send has happened.
    fn claim_sender(&mut self, after: &mut After<T>) -> Option<T> {
        while let Some(sender) = self.senders.pop() {
            match sender.token.claim(sender.case, Told::Sent) {
                Ok(waker) => {
                    after.wakers.push(waker);
                    return Some(sender.value);
                }
                Err(_) => after.stale_senders.push(sender),
            }
        }
        None
    }
}

impl<T> WaitingSender<T> {
    pub(super) fn into_value(self) -> T {
        self.value
    }
}

impl<T> After<T> {
    pub(super) fn new() -> Self {
        Self { wakers: Wakers::default(), stale_senders: Vec::new(), stale_receivers: Vec::new() }
    }

    /// Wakes who is to be woken; the rest is dropped. The lock must have been released.
    pub(super) fn run(self) {
        self.wakers.wake();
    }
}
