//! [`Barrier`]: going on together.

use std::fmt;
use std::future::Future;
use std::mem;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::sync::{Arc, Mutex};
use crate::token::{Ticket, Token, WaitQueue, Wakers};

/// A place where tasks wait until a number of them has come; then all go on, and it begins anew. Clones are the same.
///
/// **Who wakes whom.** The last to come wakes all others, and is their leader. One that goes away before that (its wait
/// is dropped) is not counted any more; one that does so when the last has come has been there, and the others go on.
/// Whether there are others at all nobody knows: who fears that one has ended on its way bounds its wait.
///
/// ```
/// # use std::num::NonZeroUsize;
/// # use runtime_core::{block_on, locks::Barrier, testing::BareBackend};
/// let barrier = Barrier::new(NonZeroUsize::new(2).unwrap());
/// let other = { let barrier = barrier.clone(); std::thread::spawn(move || {
///     block_on(&BareBackend::new(), barrier.wait())
/// }) };
/// let leads = block_on(&BareBackend::new(), barrier.wait());
/// assert!(leads != other.join().unwrap());
/// ```
#[derive(Clone)]
pub struct Barrier {
    shared: Arc<Shared>,
}

struct Shared {
    size: usize,
    /// Those who have come. Never as many as `size`.
    arrived: Mutex<WaitQueue<Arc<Token<()>>>>,
}

impl Barrier {
    /// A place for so many.
    pub fn new(size: NonZeroUsize) -> Self {
        Self { shared: Arc::new(Shared { size: size.get(), arrived: Mutex::new(WaitQueue::new()) }) }
    }

    /// Comes, which happens at the first poll, and waits for the others: ready with whether it was the last to come.
    pub fn wait(&self) -> BarrierWait {
        BarrierWait { shared: Arc::clone(&self.shared), stage: Stage::New }
    }

    /// How many go on together.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// How many have come and wait for the others.
    pub fn waiting(&self) -> usize {
        self.shared.arrived.lock().len()
    }

    /// An address that is this barrier's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }
}

/// Made by [`Barrier::wait`].
///
/// # Panics
/// When it is polled again after it was ready.
#[must_use = "nobody comes unless it is awaited"]
pub struct BarrierWait {
    shared: Arc<Shared>,
    stage: Stage,
}

enum Stage {
    New,
    Waiting(Arc<Token<()>>, Ticket),
    Done,
}

impl BarrierWait {
    /// Gives up, exactly: whether the others had come by then.
    pub fn cancel(mut self) -> bool {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Waiting(_, ticket) => self.shared.arrived.lock().withdraw(ticket).is_none(),
            Stage::New | Stage::Done => false,
        }
    }
}

impl Future for BarrierWait {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = &mut *self;
        match mem::replace(&mut this.stage, Stage::Done) {
            Stage::New => {
                let mut wakers = Wakers::default();
                {
                    let mut arrived = this.shared.arrived.lock();
                    if arrived.len() + 1 < this.shared.size {
                        let token = Token::new(cx.waker());
                        let ticket = arrived.push(0, Arc::clone(&token));
                        this.stage = Stage::Waiting(token, ticket);
                        return Poll::Pending;
                    }
                    while let Some(token) = arrived.pop() {
                        if let Ok(waker) = token.claim(0, ()) {
                            wakers.push(waker);
                        }
                    }
                }
                wakers.wake();
                Poll::Ready(true)
            }
            Stage::Waiting(token, ticket) => match token.poll(cx.waker()) {
                Some(_) => Poll::Ready(false),
                None => {
                    this.stage = Stage::Waiting(token, ticket);
                    Poll::Pending
                }
            },
            Stage::Done => panic!("a barrier's wait was polled after it was ready"),
        }
    }
}

impl Drop for BarrierWait {
    fn drop(&mut self) {
        if let Stage::Waiting(_, ticket) = mem::replace(&mut self.stage, Stage::Done) {
            let place = self.shared.arrived.lock().withdraw(ticket);
            drop(place);
        }
    }
}

impl fmt::Debug for BarrierWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWait").finish_non_exhaustive()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("size", &self.size()).field("waiting", &self.waiting()).finish()
    }
}
