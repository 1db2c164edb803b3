//! [`Channel`]: values passed from those who send to those who receive.
//!
//! **Waiting.** A receiver that waits is given its value by the sender itself, and a sender that waits has its value
//! taken by the receiver itself (or moved into the room that it has made), all under the channel's one lock. Whoever
//! is woken has nothing left to do or to compete for: nobody overtakes, nobody is woken in vain, and no wake-up
//! is passed on.
//!
//! **Wake-ups in a stream.** A sender that waits at a full buffer is woken for the first slot that is freed, since by
//! then its send has happened; to hold the wake-up back until there is more room would leave it hanging where the
//! receiver takes just one value and then waits for the sender to go on. That makes no storm, for while the sender is on its way
//! the receiver drains: by the time it runs there is room for many. So a stream pays for one wake-up per
//! distance from one end of the buffer, not per value. It is a capacity of 0 or 1 that pays for each.
//!
//! **Select** (`select.rs`) needs no other queues: `token.rs` says how one token stands in several.

mod error;
mod receive;
mod select;
mod send;
mod state;
#[cfg(test)]
mod tests;
mod timed;

use std::any::Any;
use std::{fmt, marker};

use crate::sync::{Arc, Mutex};

pub use error::{SendError, TryReceiveError, TrySendError};
pub use receive::Receive;
pub use select::{Happened, Select, Selected};
pub use send::Send;
use state::{After, Got, NotSent, State};
use timed::Clock;

/// A queue between tasks, as Go's `chan`. Clones are the same channel.
///
/// Up to `capacity` values wait in it for a receiver; with a capacity of 0 each send meets a receive, and neither
/// is ready before the other is there. Values come out in the order in which they went in, and waiters are
/// served in the order of their first poll.
///
/// **Closing.** A closed channel takes in nothing more, still delivers what it holds, and then gives `None`
/// for ever. Senders that wait while it is closed get their values back.
///
/// **Who wakes whom.** A send wakes the receiver that gets its value, a receive the sender whose value it let in, closing all
/// who wait. The lock is not held then, nor while a value is dropped.
///
/// **Going away.** A [`Send`] or [`Receive`] that is dropped while it waits is withdrawn and leaves no trace. If a value
/// had been handed to the receive already, it goes to the next one, in its old order: it is not lost and not
/// seen twice. Should nobody wait it is kept, for which [`len`](Self::len) may exceed the capacity for a while.
/// To learn at the end of a timeout what happened exactly, use [`Send::cancel`] and [`Receive::cancel`].
///
/// Neither yields to others while it can go on: a task that sends and receives for long without waiting must do so itself.
///
/// ```
/// # use runtime_core::{Channel, block_on, testing::BareBackend};
/// let numbers = Channel::new(2);
/// let sender = {
///     let numbers = numbers.clone();
///     std::thread::spawn(move || {
///         block_on(&BareBackend::new(), async {
///             for number in 1..=4 {
///                 numbers.send(number).await?;
///             }
///             numbers.close();
///             Ok::<(), runtime_core::SendError<i32>>(())
///         })
///     })
/// };
/// let sum = block_on(&BareBackend::new(), async {
///     let mut sum = 0;
///     while let Some(number) = numbers.receive().await {
///         sum += number;
///     }
///     sum
/// });
/// sender.join().unwrap()?;
/// assert_eq!(sum, 10);
/// # Ok::<(), runtime_core::SendError<i32>>(())
/// ```
pub struct Channel<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    capacity: usize,
    /// Only where values come with time.
    clock: Option<Clock>,
    #[cfg(loom)]
    number: u64,
    state: Mutex<State<T>>,
    leftover: Option<Leftover<T>>,
    /// What the channel keeps alive.
    kept: Option<Kept>,
}

/// A channel, as long as somebody else has it.
#[cfg(not(loom))] // whose references have no weak ones
pub struct WeakChannel<T> {
    shared: std::sync::Weak<Shared<T>>,
}

#[cfg(not(loom))]
impl<T> WeakChannel<T> {
    /// The channel, if anybody has it.
    pub fn upgrade(&self) -> Option<Channel<T>> {
        self.shared.upgrade().map(|shared| Channel { shared })
    }

    /// Closes the channel, if anybody has it; also one that its [holders cannot close](Channel::keeping). `false`: it is gone, or
    /// was closed already.
    pub fn close(&self) -> bool {
        self.upgrade().is_some_and(|channel| channel.locked(State::close))
    }
}

type Kept = Box<dyn Any + marker::Send + Sync>;

/// Told what is left in a channel that nobody has any more.
type Leftover<T> = Box<dyn Fn(Vec<T>) + marker::Send + Sync>;

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(leftover) = self.leftover.take() {
            let left = self.state.lock().drain();
            if !left.is_empty() {
                leftover(left);
            }
        }
    }
}

impl<T> Channel<T> {
    /// A channel that holds `capacity` values; 0 is a rendezvous. Memory is taken for values, not for capacity.
    pub fn new(capacity: usize) -> Self {
        Self::made(capacity, None, State::new(capacity, None), None, None)
    }

    /// The same, and `kept` is dropped with the last of the channel: what closes it, or sends. Only a [`WeakChannel`] closes it: that
    /// it closes tells something, which no one of those who wait for it is to tell the others.
    pub fn keeping(capacity: usize, kept: impl Any + marker::Send + Sync) -> Self {
        Self::made(capacity, None, State::new(capacity, None), None, Some(Box::new(kept)))
    }

    /// The same, with something that is told what is left in it, if anything is, when the last clone is dropped: for values that
    /// must not go unseen. It is called by whoever drops it.
    pub fn with_leftover(capacity: usize, leftover: impl Fn(Vec<T>) + marker::Send + Sync + 'static) -> Self {
        Self::made(capacity, None, State::new(capacity, None), Some(Box::new(leftover)), None)
    }

    /// A reference that does not keep the channel: for what closes it, or sends, and must not outlive those who receive.
    #[cfg(not(loom))]
    pub fn downgrade(&self) -> WeakChannel<T> {
        WeakChannel { shared: Arc::downgrade(&self.shared) }
    }

    /// Sends if that can be done at once.
    ///
    /// # Errors
    /// [`Full`](TrySendError::Full) and [`Closed`](TrySendError::Closed) give the value back.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.locked(|state, after| state.offer(value, after)).map_err(|refused| match refused {
            NotSent::Full(value) => TrySendError::Full(value),
            NotSent::Closed(value) => TrySendError::Closed(value),
        })
    }

    /// Sends, waiting for room or a receiver if need be. The future tries when it is first polled; it gives the
    /// value back in an error if the channel is, or meanwhile becomes, closed.
    pub fn send(&self, value: T) -> Send<T> {
        Send::new(self.clone(), value)
    }

    /// Receives if that can be done at once.
    ///
    /// # Errors
    /// [`Empty`](TryReceiveError::Empty) if a value may still come, else [`Closed`](TryReceiveError::Closed).
    pub fn try_receive(&self) -> Result<T, TryReceiveError> {
        match self.locked(|state, after| state.take(after)) {
            Got::Value(value) => Ok(value),
            Got::Nothing => Err(TryReceiveError::Empty),
            Got::Drained => Err(TryReceiveError::Closed),
        }
    }

    /// Receives, waiting if need be. The future tries when it is first polled; it gives `None` once the channel is
    /// closed and drained.
    pub fn receive(&self) -> Receive<T> {
        Receive::new(self.clone())
    }

    /// Closes the channel. `false`: it was closed already, or [cannot be closed](Self::can_be_closed) here.
    pub fn close(&self) -> bool {
        self.can_be_closed() && self.locked(State::close)
    }

    /// Whether those who have it can close it: not one that [keeps](Self::keeping) something.
    pub fn can_be_closed(&self) -> bool {
        self.shared.kept.is_none()
    }

    /// How many values are in the channel; those of senders that wait do not count.
    pub fn len(&self) -> usize {
        self.tick();
        self.shared.state.lock().len()
    }

    /// How many sends and how many receives wait here, those of selects included; for those who look in.
    pub fn waiting(&self) -> (usize, usize) {
        self.shared.state.lock().waiting()
    }

    /// Whether no values are in the channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values it was made to hold.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Whether it has been closed, drained or not.
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().is_closed()
    }

    /// Whether both are the same channel.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// An address that is this channel's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as *const () as usize
    }

    fn made(
        capacity: usize,
        clock: Option<Clock>,
        state: State<T>,
        leftover: Option<Leftover<T>>,
        kept: Option<Kept>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                capacity,
                clock,
                #[cfg(loom)]
                number: crate::next_id(),
                state: Mutex::new(state),
                leftover,
                kept,
            }),
        }
    }

    /// Where it comes when several are locked: by address. Loom has to find the same order each time it runs a test.
    fn rank(&self) -> usize {
        #[cfg(loom)]
        return self.shared.number as usize;
        #[cfg(not(loom))]
        self.address()
    }

    /// Makes `moves` under the lock, and afterwards what they left to do.
    fn locked<R>(&self, moves: impl FnOnce(&mut State<T>, &mut After<T>) -> R) -> R {
        let mut after = After::new();
        let now = self.now();
        let mut state = self.shared.state.lock();
        if let Some(now) = now {
            state.tick(now, &mut after);
        }
        let result = moves(&mut state, &mut after);
        drop(state);
        after.run();
        result
    }
}

impl<T> Clone for Channel<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[cfg(not(loom))]
impl<T> Clone for WeakChannel<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

#[cfg(not(loom))]
impl<T> fmt::Debug for WeakChannel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakChannel").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("closed", &self.is_closed())
            .finish()
    }
}
