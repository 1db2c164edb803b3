//! [`Cond`]: waiting for a change of what a mutex guards.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll};

use super::{Holder, Locked, Mutex, UnlockError};
use crate::sync::{self, Arc};
use crate::token::{Ticket, Token, WaitQueue, Wakers};

/// A place to wait for a change of what a [`Mutex`] guards, as Go's `sync.Cond`. It comes with its mutex. Clones are the
/// same.
///
/// Waiting gives the lock up and has it again when it is over, in whatever way it ends. One who waits looks again
/// then, and waits on if what it waits for has not come to pass: another may have been faster.
///
/// **Who wakes whom.** A signal wakes the one who has waited longest, a broadcast all. A waiter is registered before it
/// gives up the lock, so a change that is made under the lock is never missed. If one that a signal has reached is dropped
/// before it holds the lock, the signal goes on to the next.
///
/// ```
/// # use runtime_core::{block_on, locks::{Cond, Holder, Locked}, testing::BareBackend};
/// let cond = Cond::new();
/// let here = Holder::new();
/// block_on(&BareBackend::new(), async {
///     cond.mutex().lock(&here).await?;
///     let other = { let cond = cond.clone(); std::thread::spawn(move || {
///         let there = Holder::new();
///         // Only once the other waits can it be locked.
///         block_on(&BareBackend::new(), cond.mutex().lock(&there))?;
///         cond.signal();
///         Ok::<_, runtime_core::locks::HeldByCaller>(cond.mutex().unlock(&there))
///     }) };
///     assert_eq!(cond.wait(&here).await, Ok(Locked::InOrder));
///     assert_eq!(other.join().unwrap(), Ok(Ok(())));
///     assert!(cond.mutex().is_held_by(&here));
/// #   Ok::<(), runtime_core::locks::HeldByCaller>(())
/// })?;
/// # Ok::<(), runtime_core::locks::HeldByCaller>(())
/// ```
#[derive(Clone)]
pub struct Cond {
    shared: Arc<Shared>,
}

struct Shared {
    mutex: Mutex,
    waiters: sync::Mutex<WaitQueue<Arc<Token<News>>>>,
}

/// What a waiter is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// It alone.
    Signal,
    /// All of them.
    Broadcast,
}

/// How a wait has ended. The lock is held again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken<T> {
    /// By a signal or a broadcast.
    Notified(Locked),
    /// By what it was given to end it.
    GaveUp(T),
}

impl Default for Cond {
    fn default() -> Self {
        let shared = Shared { mutex: Mutex::new(), waiters: sync::Mutex::new(WaitQueue::new()) };
        Self { shared: Arc::new(shared) }
    }
}

impl Cond {
    /// One that nobody waits at, with a new mutex.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its mutex, always the same.
    pub fn mutex(&self) -> &Mutex {
        &self.shared.mutex
    }

    /// Gives up the lock, waits to be notified, and has the lock again.
    ///
    /// # Errors
    /// When the holder does not hold the mutex.
    pub async fn wait(&self, holder: &Holder) -> Result<Locked, UnlockError> {
        match self.wait_or(holder, pending::<std::convert::Infallible>()).await? {
            Woken::Notified(locked) => Ok(locked),
            Woken::GaveUp(never) => match never {},
        }
    }

    /// The same, until `give_up` is ready at most. To get the lock again is waited for in any case; only dropping this
    /// future ends that, and then the holder does not hold it.
    ///
    /// # Errors
    /// When the holder does not hold the mutex.
    pub fn wait_or<G: Future>(
        &self,
        holder: &Holder,
        give_up: G,
    ) -> impl Future<Output = Result<Woken<G::Output>, UnlockError>> + use<G> {
        let (cond, holder) = (self.clone(), holder.clone());
        async move {
            let mut notified = Notified { cond: &cond, stage: Stage::New };
            let mut give_up = pin!(give_up);
            let mut gave_up = poll_fn(|cx| match notified.poll(&holder, cx) {
                Poll::Ready(result) => Poll::Ready(result.map(|()| None)),
                Poll::Pending => give_up.as_mut().poll(cx).map(|output| Ok(Some(output))),
            })
            .await?;
            if gave_up.is_some() && notified.retire() {
                // It came at the last moment: whoever gave it must not think that it was for nothing.
                gave_up = None;
            }
            let locked = match cond.mutex().lock(&holder).await {
                Ok(locked) => locked,
                // Locked by the holder meanwhile, on another path: it has it, which is what was wanted.
                Err(_) => Locked::InOrder,
            };
            notified.taken();
            Ok(match gave_up {
                None => Woken::Notified(locked),
                Some(output) => {
                    if locked == Locked::Abandoned {
                        // There is no way to tell it here.
                        cond.mutex().keep_abandoned();
                    }
                    Woken::GaveUp(output)
                }
            })
        }
    }

    /// Wakes the one that has waited longest, if there is one.
    pub fn signal(&self) {
        self.notify(1, News::Signal);
    }

    /// Wakes all who wait.
    pub fn broadcast(&self) {
        self.notify(usize::MAX, News::Broadcast);
    }

    fn notify(&self, most: usize, news: News) {
        let mut wakers = Wakers::default();
        {
            let mut waiters = self.shared.waiters.lock();
            let mut left = most;
            while left > 0
                && let Some(token) = waiters.pop()
            {
                if let Ok(waker) = token.claim(0, news) {
                    wakers.push(waker);
                    left -= 1;
                }
            }
        }
        wakers.wake();
    }

    /// How many wait to be notified.
    pub fn waiting(&self) -> usize {
        self.shared.waiters.lock().len()
    }

    /// An address that is this one's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }
}

/// One who waits to be notified.
struct Notified<'a> {
    cond: &'a Cond,
    stage: Stage,
}

enum Stage {
    New,
    Waiting(Arc<Token<News>>, Ticket),
    /// It was, and does not hold the lock yet.
    Told(News),
    Done,
}

impl Notified<'_> {
    fn poll(&mut self, holder: &Holder, cx: &mut Context<'_>) -> Poll<Result<(), UnlockError>> {
        match &self.stage {
            Stage::New => {
                let token = Token::new(cx.waker());
                let ticket = self.cond.shared.waiters.lock().push(0, Arc::clone(&token));
                // From now on the place is taken out again, if this fails, too.
                self.stage = Stage::Waiting(token, ticket);
                match self.cond.mutex().unlock(holder) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
            Stage::Waiting(token, _) => match token.poll(cx.waker()) {
                Some((_, news)) => {
                    self.stage = Stage::Told(news);
                    Poll::Ready(Ok(()))
                }
                None => Poll::Pending,
            },
            Stage::Told(_) | Stage::Done => Poll::Ready(Ok(())),
        }
    }

    /// Gives up waiting; whether it was notified before that.
    fn retire(&mut self) -> bool {
        let Stage::Waiting(token, ticket) = &self.stage else {
            return matches!(self.stage, Stage::Told(_));
        };
        let (token, ticket) = (Arc::clone(token), *ticket);
        let place = self.cond.shared.waiters.lock().withdraw(ticket);
        self.stage = match token.retire() {
            Some((_, news)) if place.is_none() => Stage::Told(news),
            _ => Stage::Done,
        };
        matches!(self.stage, Stage::Told(_))
    }

    /// Whoever was notified has the lock now.
    fn taken(&mut self) {
        self.stage = Stage::Done;
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        self.retire();
        // What was said to all needs no successor.
        if matches!(mem::replace(&mut self.stage, Stage::Done), Stage::Told(News::Signal)) {
            self.cond.signal();
        }
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cond").field("mutex", self.mutex()).field("waiting", &self.waiting()).finish()
    }
}
